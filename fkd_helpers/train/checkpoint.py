"""Checkpoints: everything that a training continues from, in one file. Built in notebook 02."""

import dataclasses
import json
import math
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

from fkd_helpers.core.config import RunConfig
from fkd_helpers.core.errors import InputError
from fkd_helpers.core.files import whole_file

CHECKPOINT, BEST = "last.pt", "best.safetensors"
FREE = {"device", "name", "log", "patience"}  # none of these changes what an epoch does


def save(folder: str | Path, config: RunConfig, history: list[dict], parts: Mapping, model: nn.Module) -> None:
    """Write the checkpoint of a folder: config, history and the state of each part (model, optimiser ...)."""
    state = {key: part.state_dict() for key, part in parts.items()}
    state |= {"config": json.dumps(dataclasses.asdict(config)), "history": json.dumps(history)}
    state["pretrained"] = bool(getattr(model, "pretrained", False))
    with whole_file(Path(folder) / CHECKPOINT) as partial:
        torch.save(state, partial)


def resume(folder: str | Path, config: RunConfig, parts: Mapping, model: nn.Module) -> list[dict]:
    """Load a folder's checkpoint, where there is one, into the parts; return the history so far, [] without one.

    Raises:
        InputError: a damaged file, one of another run, or of a network of other layers.
    """
    path = Path(folder) / CHECKPOINT
    if not path.exists():
        return []
    state, theirs, history = _read(path)
    _same_run(path, config, theirs)
    if "average_steps" in state:  # as they were written before the average had a state of its own
        state["average"] = {"mean": state["average"], "steps": state["average_steps"]}
    try:
        for key, part in parts.items():
            part.load_state_dict(state.get(key, {}))
    except (RuntimeError, KeyError, ValueError) as error:  # torch's and the optimiser's words for layers that differ
        reason = " ".join(str(error).split())[:160]
        raise InputError(f"{path}: a checkpoint of another network than {type(model).__name__} ({reason})") from None
    if hasattr(model, "pretrained"):
        model.pretrained = state.get("pretrained", False)
    return history


def history_of(folder: str | Path) -> list[dict]:
    """Return the rows of the epochs that the checkpoint of a folder has behind it; [] where there is none.

    Raises:
        InputError: a damaged file.
    """
    path = Path(folder) / CHECKPOINT
    return _read(path)[2] if path.exists() else []


def _read(path):
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        theirs, history = json.loads(state["config"]), json.loads(state["history"])
        return state, {field.name: theirs.get(field.name, field.default) for field in FIELDS}, history
    except Exception as error:  # torch raises many types for a damaged file
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:100]
        raise InputError(f"{path}: not a whole checkpoint ({reason}): delete it to begin anew") from None


FIELDS = dataclasses.fields(RunConfig)


def _same_run(path, config, theirs):
    """Refuse a checkpoint of other values; a value that it does not know yet had today's default."""
    ours, free = dataclasses.asdict(config), set(FREE)
    if config.schedule in ("constant", "plateau") and theirs.get("epochs", math.inf) <= config.epochs:
        free.add("epochs")  # nothing in the first epochs depends on how many follow
    other = [key for key in ours if theirs[key] != ours[key] and key not in free]
    if other:
        was = ", ".join(f"{key} {theirs[key]!r}, now {ours[key]!r}" for key in other)
        raise InputError(f"{path}: a checkpoint of another run ({was}): choose another folder, or delete it")
