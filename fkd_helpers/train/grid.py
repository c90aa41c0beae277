"""A grid of training runs, one record each, and the table that compares them. Built in notebook 02.

A run is a pure function of its config, so a grid can be stopped, continued, spread over machines: what has a record is
not run again.
"""

import dataclasses
import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from fkd_helpers.core import records
from fkd_helpers.core.config import RunConfig
from fkd_helpers.core.errors import InputError, unknown
from fkd_helpers.nets import NETS
from fkd_helpers.train.classic import UNIT
from fkd_helpers.train.keypoints import learn, loss_for
from fkd_helpers.train.loop import TrainingStopped
from fkd_helpers.train.published import published_grid
from fkd_helpers.train.ray_grid import run_tasks

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


BACKENDS = ("local", "ray")
GRIDS = {"published": published_grid, "small": small_grid}


def run_grid(
    configs: Iterable[RunConfig],
    folder: str | Path = "runs/experiments",
    *,
    max_epochs: int | None = None,
    backend: str = "local",
    address: str | None = None,
    workers: int = 2,
    cpus: float = 1,
    gpus: float = 0,
    say: Callable[[str], None] = print,
) -> list[dict]:
    """Run what has no record in `folder` yet, write one record a run at once, and return the records of all.

    max_epochs: stop each run there; its row says of how many. Run again with more, it goes on where it stopped.

    backend: "local" = one run after the other, in this process; "ray" = as tasks, several at a time (extra [scale])
    address, workers, cpus, gpus: of Ray: the address of a cluster, or how many runs at a time here; what a run needs.
        On a cluster the checkpoints stay on the machine of a run, unless `folder` is on a disk that all share

    A run that fails becomes a record with the reason and the others go on; it is tried again the next time. With Ray, a
    run whose worker is lost is started again, three times at most, and goes on from its checkpoint.

    Raises:
        InputError: two runs of one name, an unknown loss, network or backend: before anything is run. No package ray,
            no answer at the address, or no machine that has what a run needs.
    """
    folder, configs = Path(folder), list(configs)
    _check(configs)
    if backend not in BACKENDS:
        raise unknown("backend", backend, BACKENDS)
    if backend == "ray":
        return _on_ray(configs, folder, max_epochs, say, address=address, workers=workers, cpus=cpus, gpus=gpus)
    spent, found = [], []
    for number, config in enumerate(configs, 1):
        wanted, config = config.epochs, _capped(config, max_epochs)
        record = _done(folder, config)
        if record is None:
            left = f", about {sum(spent) / len(spent) * (len(configs) - number + 1) / 60:.0f} min left" if spent else ""
            say(f"run {number} of {len(configs)}, {config.name}: {describe(config)}{left}")
            started = time.perf_counter()
            record = _write(config, folder, _run(config, wanted, folder, say))
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
        if config.net not in NETS:
            raise unknown("model", config.net, NETS)


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


def _capped(config: RunConfig, max_epochs: int | None) -> RunConfig:
    return dataclasses.replace(config, epochs=min(config.epochs, max_epochs or 10**9))


def _on_ray(configs: list[RunConfig], folder: Path, max_epochs: int | None, say, **where) -> list[dict]:
    """Run what has no record as tasks of Ray; this process writes each record once its run has ended."""
    capped = [_capped(config, max_epochs) for config in configs]
    found = {config.name: _done(folder, config) for config in capped}
    left = [i for i, config in enumerate(capped) if found[config.name] is None]
    tasks = [(capped[i], configs[i].epochs, folder.absolute()) for i in left]
    # runs that share a checkpoint follow one another
    shared = dict(names=[capped[i].name for i in left], after=[_recipe(capped[i]) for i in left])
    started, ended = time.perf_counter(), run_tasks(_run, tasks, **shared, **where) if tasks else ()
    for number, (place, content) in enumerate(ended, 1):
        config = tasks[place][0]
        if isinstance(content, Exception):
            why = " ".join(str(content).split())[:200]
            content = {"config": config, "epochs_wanted": tasks[place][1], "failed": f"its workers were lost: {why}"}
        found[config.name] = _write(config, folder, content)
        rest = (time.perf_counter() - started) / number * (len(tasks) - number) / 60
        outcome = f"failed: {content['failed']}" if "failed" in content else describe(config)
        say(f"{number} of {len(tasks)} done, {config.name}: {outcome}" + f", about {rest:.0f} min left" * (rest > 0))
    return [found[config.name] for config in capped]


def _run(config: RunConfig, wanted: int, folder: Path, say=lambda line: None) -> dict:
    """Train one run and return what its record says, of a failure too."""
    work = folder / "checkpoints" / _recipe(config)
    content = {"config": config, "epochs_wanted": wanted}
    try:
        run = learn(config, work, say=lambda line: say(f"  {line}"))
        content |= run.facts | {"scores": run.scores, "history": run.history}
    except (TrainingStopped, InputError, RuntimeError) as error:  # RuntimeError: what torch says of a device
        content["failed"] = str(error)
        say(f"  failed: {error}")
    return content


def _write(config: RunConfig, folder: Path, content: dict) -> dict:
    return records.read(records.write(KIND, config.name, folder=folder, **content))


def _recipe(config: RunConfig) -> str:
    """Return a name for what a checkpoint can be continued with: epochs do not matter where the rate is constant."""
    free = ("name", "epochs") if config.schedule == "constant" else ("name",)
    return records.digest_of(_told(dataclasses.asdict(config), *free))
