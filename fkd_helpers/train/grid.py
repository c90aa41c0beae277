"""Grids of training runs, one record per run: in this process one after the other, or as tasks of Ray.

A run is a pure function of its config, so a grid can be stopped, resumed and spread over machines: what has a record is
not run again, and a lost run goes on from its checkpoint.
"""

import contextlib
import dataclasses
import itertools
import os
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from fkd_helpers.core import records
from fkd_helpers.core.config import KeypointsConfig
from fkd_helpers.core.errors import InputError, unknown
from fkd_helpers.train.keypoints import KeypointsTask
from fkd_helpers.train.published import plain_recipe, published_grid
from fkd_helpers.train.run import learn

KIND = "experiment"
BACKENDS = ("local", "ray")
CONNECT_SECONDS = 10
RETRIES = 3  # of a run whose worker was lost
STORE = 100_000_000  # bytes of Ray's shared memory: only configs and records travel


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
    configs: Iterable[KeypointsConfig], folder: str | Path = "runs/experiments", *, max_epochs: int | None = None,
    backend: str = "local", address: str | None = None, workers: int = 2, cpus: float = 1, gpus: float = 0,
    say: Callable[[str], None] = print,
) -> list[dict]:  # fmt: skip
    """Run what has no record in `folder` yet, write each record at once, and return the records of all.

    A run that fails becomes a record with the reason, and is tried again the next time; one that stopped at
    `max_epochs` goes on there. The backend "local" runs one after the other; "ray" runs several at a time, each with
    `cpus` and `gpus`, on a cluster (`address`, and a `folder` that all machines share) or on `workers` started here.
    """
    folder, configs = Path(folder), list(configs)
    if backend not in BACKENDS:
        raise unknown("backend", backend, BACKENDS)
    found, left = {}, []
    for whole in configs:
        config = dataclasses.replace(whole, epochs=min(whole.epochs, max_epochs or whole.epochs))
        if config.name in found:
            raise InputError(f"grid: expected runs of different names, got {config.name} more than once")
        found[config.name] = _done(folder, config)
        if found[config.name] is None:
            left.append((config, whole.epochs, _checkpoints(folder, config)))
    on_ray = backend == "ray" and left
    ended = _on_ray(left, address, workers, cpus, gpus) if on_ray else _one_by_one(left, say)
    started = time.perf_counter()
    for number, (config, content) in enumerate(ended, 1):
        found[config.name] = records.read(records.write(KIND, config.name, folder=folder, **content))
        minutes = (time.perf_counter() - started) / number * (len(left) - number) / 60
        outcome = f"failed: {content['failed']}" if "failed" in content else f"about {minutes:.0f} min left"
        say(f"{number} of {len(left)} done, {config.name}: {outcome}")
    return list(found.values())


def recorded(configs: Iterable[KeypointsConfig], folder: str | Path | None = None) -> list[dict]:
    """Return the record of each run of a grid (of the course's records without `folder`); no history if it has none.

    A record with other settings is none; fewer epochs are allowed.
    """
    there = {record["name"]: record for record in records.find(KIND, folder=folder)}
    return [
        there[run.name] if run.name in there and _is_of(there[run.name], run, "device", "epochs")
        else {"name": run.name, "config": dataclasses.asdict(run)}
        for run in configs
    ]  # fmt: skip


def _is_of(record: dict, config: KeypointsConfig, *free: str) -> bool:
    """Return whether a record has the settings of a config, but for the free ones."""
    ours = records.plain(config)
    theirs = {key: record["config"][key] for key in ours if key in record["config"]} | {key: ours[key] for key in free}
    return KeypointsConfig(**theirs) == KeypointsConfig(**ours)


def _done(folder: Path, config: KeypointsConfig) -> dict | None:
    """Return the record of a config, if there is one and it is of a finished run; the device plays no part."""
    with contextlib.suppress(InputError):
        record = records.read(folder / f"{KIND}-{config.name}.json")
        if _is_of(record, config, "device") and "failed" not in record:
            return record
    return None


def _checkpoints(folder: Path, config: KeypointsConfig) -> Path:
    """Return where the checkpoint of a run is; where the rate is constant, runs of other lengths share it."""
    free = {"name", "device"} | ({"epochs"} if config.schedule == "constant" else set())
    choices = {key: value for key, value in dataclasses.asdict(config).items() if key not in free}
    return folder.absolute() / "checkpoints" / records.digest_of(choices)


def _run(config: KeypointsConfig, wanted: int, folder: Path, say: Callable[[str], None] = lambda line: None) -> dict:
    """Train one run with checkpoints in a folder; return what its record says, of a failure too."""
    content = {"config": config, "epochs_wanted": wanted}
    try:
        run = learn(KeypointsTask(config), config, folder, say=say)
        scores = run.facts.pop("scores_by_part")
        return content | run.facts | {"scores": scores, "history": run.history}
    except (InputError, RuntimeError) as error:  # RuntimeError: what torch says of a device
        return content | {"failed": str(error)}


def _one_by_one(runs: list[tuple], say: Callable[[str], None]) -> Iterator[tuple[KeypointsConfig, dict]]:
    for number, run in enumerate(runs, 1):
        config = run[0]
        recipe = f"{config.net}, batch {config.batch_size}, {config.loss}, {config.optimiser} {config.learning_rate:g}"
        say(f"run {number} of {len(runs)}, {config.name}: {recipe}")
        yield config, _run(*run, say=lambda line: say(f"  {line}"))


def _on_ray(runs: list[tuple], address, workers, cpus, gpus) -> Iterator[tuple[KeypointsConfig, dict]]:
    """Yield each run's config and content as its task ends; runs that share a checkpoint follow one another."""
    with connected(address, cpus=workers * cpus, gpus=gpus) as ray:
        remote = ray.remote(num_cpus=cpus, num_gpus=gpus, max_retries=RETRIES)(lambda _, *arguments: _run(*arguments))
        before, waiting = {}, {}
        for run in runs:
            config, _, folder = run
            before[folder] = remote.options(name=config.name).remote(before.get(folder), *run)
            waiting[before[folder]] = run
        while waiting:
            (done, *_), _ = ray.wait(list(waiting))
            config, wanted, _ = waiting.pop(done)
            try:
                content = ray.get(done)
            except ray.exceptions.WorkerCrashedError as error:
                content = {"config": config, "epochs_wanted": wanted, "failed": f"its workers were lost: {error}"}
            yield config, content


@contextlib.contextmanager
def connected(address: str | None = None, *, cpus: float = 2, gpus: float = 0) -> Iterator:
    """Give the package ray, connected to a cluster, or to a Ray that is started here and ended again."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if address and "//" not in address and ":" in address:
        host, port = address.rsplit(":", 1)
        try:  # Ray itself tries for minutes
            socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()
        except (OSError, ValueError) as error:
            raise InputError(f"address: no Ray cluster answers at {address}: {error}") from None
    try:
        import ray  # optional, and slow
    except ImportError:
        raise InputError("backend 'ray': the package ray is not here: pip install 'fkd-helpers[scale]'") from None
    if ray.is_initialized():
        yield ray
        return
    here = dict(num_cpus=int(cpus), num_gpus=int(gpus), include_dashboard=False, object_store_memory=STORE)
    try:
        ray.init(address or "local", log_to_driver=False, logging_level="ERROR", **({} if address else here))
    except (ConnectionError, ValueError) as error:
        raise InputError(f"address: no Ray cluster answers at {address}: {str(error).splitlines()[0]}") from None
    try:
        yield ray
    finally:
        ray.shutdown()
