"""Checkpoints: everything that a training continues from, in one file."""

import dataclasses
import json
import math
from collections.abc import Mapping
from pathlib import Path

import torch

from fkd_helpers.core.config import TrainConfig
from fkd_helpers.core.errors import InputError
from fkd_helpers.core.files import whole_file

CHECKPOINT, BEST = "last.pt", "best.safetensors"
FREE = {"device", "name", "patience"}  # none of these changes what an epoch does


def save(folder: str | Path, config: TrainConfig, history: list[dict], parts: Mapping) -> None:
    """Write config, history and the state of each part as the checkpoint of a folder."""
    state = {key: part.state_dict() for key, part in parts.items()}
    state |= {"config": json.dumps(dataclasses.asdict(config)), "history": json.dumps(history)}
    with whole_file(Path(folder) / CHECKPOINT) as partial:
        torch.save(state, partial)


def resume(folder: str | Path, config: TrainConfig, parts: Mapping) -> list[dict]:
    """Load a folder's checkpoint, where there is one, into the parts; return the history so far."""
    path = Path(folder) / CHECKPOINT
    if not path.exists():
        return []
    state = _read(path)
    _check_same_run(path, config, state["config"])
    try:
        for key, part in parts.items():
            part.load_state_dict(state.get(key, {}))
    except (RuntimeError, KeyError, ValueError) as error:  # torch and its optimisers, of layers that differ
        raise InputError(f"{path}: a checkpoint of another network ({' '.join(str(error).split())[:160]})") from None
    return state["history"]


def history_of(folder: str | Path) -> list[dict]:
    """Return the rows of the epochs in a folder's checkpoint; [] where there is none."""
    path = Path(folder) / CHECKPOINT
    return _read(path)["history"] if path.exists() else []


def _read(path: Path) -> dict:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        return state | {key: json.loads(state[key]) for key in ("config", "history")}
    except Exception as error:  # torch raises many types for a damaged file
        raise InputError(f"{path}: not a whole checkpoint ({type(error).__name__}): delete it to begin anew") from None


def _check_same_run(path: Path, config: TrainConfig, theirs: dict) -> None:
    """Refuse a checkpoint of other values; a field that it does not know yet had today's default."""
    theirs = {field.name: theirs.get(field.name, field.default) for field in dataclasses.fields(config)}
    ours, free = dataclasses.asdict(config), set(FREE)
    if config.schedule == "constant" and theirs.get("epochs", math.inf) <= config.epochs:
        free.add("epochs")  # nothing in the first epochs depends on how many follow
    if other := [key for key in ours if theirs[key] != ours[key] and key not in free]:
        was = ", ".join(f"{key} {theirs[key]!r}, now {ours[key]!r}" for key in other)
        raise InputError(f"{path}: a checkpoint of another run ({was}): choose another folder, or delete it")
