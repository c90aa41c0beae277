"""A grid of training runs, one record each, and the table that compares them. Built in notebook 02.

A run is a pure function of its config, so a grid can be stopped, continued, spread over machines: what has a record is
not run again.
"""

import dataclasses
import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from fkd_helpers import records
from fkd_helpers.classic import UNIT
from fkd_helpers.config import RunConfig
from fkd_helpers.errors import InputError, unknown
from fkd_helpers.keypoint_runs import learn, loss_for
from fkd_helpers.models import MODELS
from fkd_helpers.published import published_grid
from fkd_helpers.training import TrainingStopped

KIND = "experiment"


def grid(base: RunConfig, **choices: Sequence) -> list[RunConfig]:
    """Return one config for each combination of choices, named after them.

    >>> [run.name for run in grid(RunConfig(), loss=["l1", "mse"], seed=[0, 1])]
    ['l1-0', 'l1-1', 'mse-0', 'mse-1']
    """
    runs = []
    for values in itertools.product(*choices.values()):
        chosen = dict(zip(choices, values, strict=True))
        name = "-".join(str(value) for value in values) or base.name
        runs.append(dataclasses.replace(base, **{"name": name} | chosen))
    return runs


def small_grid(data: str = "puppets", *, seed: int = 0) -> list[RunConfig]:
    """Return twelve runs of the two-layer network that take seconds each: three losses, two optimisers, two sizes."""
    base = RunConfig(
        data=data, split="person", net="two_layers", unit=UNIT, schedule="constant", epochs=10, weight_decay=0.0,
        augment=0.0, average=0.0, clip=0.0, seed=seed,
    )  # fmt: skip
    tail = f"-seed{seed}" if seed else ""
    return [
        dataclasses.replace(config, name=f"{config.name}{tail}", learning_rate=rate)
        for optimiser, rate in {"adam": 1e-3, "sgd": 1e-2}.items()
        for config in grid(base, loss=["mse", "l1", "smooth_l1"], optimiser=[optimiser], batch_size=[10, 50])
    ]


GRIDS = {"published": published_grid, "small": small_grid}


def run_grid(
    configs: Iterable[RunConfig],
    folder: str | Path = "runs/experiments",
    *,
    max_epochs: int | None = None,
    say: Callable[[str], None] = print,
) -> list[dict]:
    """Run what has no record in `folder` yet, write one record a run at once, and return the records of all.

    max_epochs: stop each run there; its row says of how many. Run again with more, it goes on where it stopped.

    A run that fails becomes a record with the reason and the others go on; it is tried again the next time.

    Raises:
        InputError: two runs of one name, an unknown loss or network: before anything is run.
    """
    folder, configs = Path(folder), list(configs)
    _check(configs)
    spent, found = [], []
    for number, config in enumerate(configs, 1):
        wanted, config = config.epochs, dataclasses.replace(config, epochs=min(config.epochs, max_epochs or 10**9))
        record = _done(folder, config)
        if record is None:
            left = f", about {sum(spent) / len(spent) * (len(configs) - number + 1) / 60:.0f} min left" if spent else ""
            say(f"run {number} of {len(configs)}, {config.name}: {describe(config)}{left}")
            started = time.perf_counter()
            record = _run(config, wanted, folder, say)
            spent.append(time.perf_counter() - started)
        found.append(record)
    return found


def recorded(configs: Iterable[RunConfig], folder: str | Path | None = None) -> list[dict]:
    """Return the record of each run of a grid, by name, or one without a history for a run that has no record yet.

    folder: where the records are; None = those that come with the course
    """
    there = {record["name"]: record for record in records.find(KIND, folder=Path(folder) if folder else None)}
    return [there.get(run.name) or {"name": run.name, "config": dataclasses.asdict(run)} for run in configs]


def _check(configs: list[RunConfig]) -> None:
    names = [config.name for config in configs]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"grid: expected runs of different names, got {', '.join(twice)} more than once")
    for config in configs:
        loss_for(config)
        if config.net not in MODELS:
            raise unknown("model", config.net, MODELS)


def describe(config: RunConfig) -> str:
    """Return what tells a run from its neighbours, in a line."""
    epochs = f"{config.epochs} epoch{'s' * (config.epochs > 1)}"
    return (
        f"{config.net}, batch {config.batch_size}, {config.loss}, {config.optimiser} {config.learning_rate:g}, {epochs}"
    )


def _done(folder: Path, config: RunConfig) -> dict | None:
    try:
        record = records.read(folder / f"{KIND}-{config.name}.json")
    except InputError:
        return None
    theirs = _told(record.get("config", {}))
    return record if theirs == _told(records.plain(config)) and "failed" not in record else None


def _told(values: dict, *free: str) -> dict:
    """Return what a config says beyond the defaults, device aside: an option that is new today changes no old run."""
    return {
        field.name: values[field.name]
        for field in dataclasses.fields(RunConfig)
        if field.name not in ("device", *free) and values.get(field.name, field.default) != field.default
    }


def _run(config: RunConfig, wanted: int, folder: Path, say) -> dict:
    """Train one run and write its record, of a failure too."""
    work = folder / "checkpoints" / _recipe(config)
    content = {"config": config, "epochs_wanted": wanted}
    try:
        run = learn(config, work, say=lambda line: say(f"  {line}"))
        content |= run.facts | {"scores": run.scores, "history": run.history}
    except (TrainingStopped, InputError, RuntimeError) as error:  # RuntimeError: what torch says of a device
        content["failed"] = str(error)
        say(f"  failed: {error}")
    return records.read(records.write(KIND, config.name, folder=folder, **content))


def _recipe(config: RunConfig) -> str:
    """Return a name for what a checkpoint can be continued with: epochs do not matter where the rate is constant."""
    free = ("name", "epochs") if config.schedule == "constant" else ("name",)
    return records.digest_of(_told(dataclasses.asdict(config), *free))
