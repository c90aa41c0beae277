"""Grids of training runs, one record per run.

A run is a pure function of its config, so a grid can be stopped, resumed and spread over machines: what has a record is
not run again, and a lost run resumes from its checkpoint.
"""

import dataclasses
import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from fkd_helpers.core import records
from fkd_helpers.core.config import KeypointsConfig
from fkd_helpers.core.errors import InputError
from fkd_helpers.train.keypoints import KeypointsTask
from fkd_helpers.train.published import plain_recipe, published_grid
from fkd_helpers.train.run import learn
from fkd_helpers.train.tables import settings_of

KIND = "experiment"


def grid(base: KeypointsConfig, **choices: Sequence) -> list[KeypointsConfig]:
    """Return one config for each combination of choices, named after them: l1-0, l1-1, mse-0, mse-1."""
    rows = itertools.product(*choices.values())
    named = [{"name": "-".join(map(str, row))} | dict(zip(choices, row, strict=True)) for row in rows]
    return [dataclasses.replace(base, **values) for values in named]


def small_grid(data: str = "puppets", *, seed: int = 0) -> list[KeypointsConfig]:
    """Return twelve runs of the two-layer network that take seconds each: three losses, two optimisers, two sizes."""
    base = KeypointsConfig(data=data, net="two_layers", epochs=10, **plain_recipe(seed))
    tail = f"-seed{seed}" if seed else ""
    return [
        dataclasses.replace(config, name=f"{config.name}{tail}", learning_rate=rate)
        for optimiser, rate in {"adam": 1e-3, "sgd": 1e-2}.items()
        for config in grid(base, loss=["mse", "l1", "smooth_l1"], optimiser=[optimiser], batch_size=[10, 50])
    ]


GRIDS = {"published": published_grid, "small": small_grid}


def run_grid(
    configs: Iterable[KeypointsConfig], folder: str | Path = "runs/experiments", *, say: Callable[[str], None] = print
) -> list[dict]:
    """Run what has no record in `folder` yet, write each record at once, and return the records of all.

    A run that fails becomes a record with the reason, and is tried again the next time.
    """
    folder, configs = Path(folder), list(configs)
    if len({config.name for config in configs}) < len(configs):
        raise InputError(f"grid: expected runs of different names, got {[config.name for config in configs]}")
    found = {record["name"]: record for record in recorded(configs, folder)}
    left = [config for config in configs if "failed" in found[config.name] or "history" not in found[config.name]]
    started = time.perf_counter()
    for number, config in enumerate(left, 1):
        recipe = f"{config.net}, batch {config.batch_size}, {config.loss}, {config.optimiser} {config.learning_rate:g}"
        say(f"run {number} of {len(left)}, {config.name}: {recipe}")
        content = _run(config, folder, say=lambda line: say(f"  {line}"))
        found[config.name] = records.read(records.write(KIND, config.name, folder=folder, config=config, **content))
        minutes = (time.perf_counter() - started) / number * (len(left) - number) / 60
        outcome = f"failed: {content['failed']}" if "failed" in content else f"about {minutes:.0f} min left"
        say(f"{number} of {len(left)} done, {config.name}: {outcome}")
    return list(found.values())


def recorded(configs: Iterable[KeypointsConfig], folder: str | Path | None = None) -> list[dict]:
    """Return a record per run, without history where `folder` (None: the course's) has none of these settings."""
    there = {record["name"]: record for record in records.find(KIND, folder=folder)}
    planned = [{"name": run.name, "config": dataclasses.asdict(run)} for run in configs]
    ours = [there.get(run["name"], run) for run in planned]
    pairs = zip(ours, planned, strict=True)
    return [own if settings_of(own) == settings_of(run) else run for own, run in pairs]


def _run(config: KeypointsConfig, folder: Path, say: Callable[[str], None]) -> dict:
    """Train one run; return what its record says, of a failure too."""
    # where the rate is constant, a run goes on from the checkpoint of a shorter one
    choices = settings_of({"config": config}, *["epochs"] * (config.schedule == "constant"))
    try:
        run = learn(KeypointsTask(config), config, folder / "checkpoints" / records.digest_of(choices), say=say)
        scores = run.facts.pop("scores_by_part")
        return run.facts | {"scores": scores, "history": run.history}
    except (InputError, RuntimeError) as error:  # RuntimeError: what torch says of a device
        return {"failed": str(error)}
