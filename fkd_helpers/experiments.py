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
from fkd_helpers.errors import InputError
from fkd_helpers.keypoint_runs import learn
from fkd_helpers.training import TrainingStopped

KIND = "experiment"
# The published runs: net, batch size, loss, optimiser, learning rate, epochs, final training loss, seconds (RTX 2060).
PUBLISHED = (
    ("A", 10, "mse", "adam", 1e-3, 1, 0.1812, 21.4),
    ("A", 20, "mse", "adam", 1e-3, 1, 0.2386, 20.2),
    ("A", 50, "mse", "adam", 1e-3, 1, 0.1832, 18.2),
    ("A", 50, "mse", "adam", 1e-3, 10, 0.1157, 189.4),
    ("A", 50, "l1", "adam", 1e-3, 1, 0.3383, 18.0),
    ("A", 50, "l1", "adam", 1e-3, 10, 0.2487, 176.8),
    ("A", 50, "smooth_l1", "adam", 1e-3, 1, 0.1004, 21.6),
    ("A", 50, "smooth_l1", "adam", 1e-3, 10, 0.0480, 174.5),
    ("A", 10, "mse", "sgd", 1e-3, 1, 0.6545, 20.4),
    ("A", 10, "mse", "sgd", 1e-2, 1, 0.5305, 20.1),
    ("A", 50, "mse", "sgd", 1e-2, 1, 0.6179, 18.3),
    ("A", 50, "mse", "sgd", 1e-2, 10, 0.2122, 174.3),
    ("A", 50, "smooth_l1", "adam", 1e-3, 50, 0.2545, 915.4),
    ("B", 50, "smooth_l1", "adam", 1e-3, 50, 0.0119, 1024.4),
    ("B", 50, "smooth_l1", "adam", 1e-3, 500, 0.0081, 10691.3),
)
NETS = {"A": "course_cnn", "B": "course_cnn_large"}


def published_grid(data: str = "ytf", *, seed: int = 0) -> list[RunConfig]:
    """Return the configs of the fifteen published runs: whole frames, no augmentation but the shifted square.

    Split by person, where theirs were by folder: one training then gives the score on known people and on new ones.
    """
    return [
        RunConfig(
            name=f"published_{row:02d}", data=data, split="person", net=NETS[net], view="frame", unit=UNIT, loss=loss,
            optimiser=optimiser, learning_rate=rate, momentum=0.0, weight_decay=0.0, schedule="constant",
            epochs=epochs, batch_size=batch, augment=0.0, average=0.0, clip=0.0, seed=seed,
        )
        for row, (net, batch, loss, optimiser, rate, epochs, *_) in enumerate(PUBLISHED, 1)
    ]  # fmt: skip


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
    """
    folder, configs = Path(folder), list(configs)
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


def describe(config: RunConfig) -> str:
    """Return what tells a run from its neighbours, in a line."""
    epochs = f"{config.epochs} epoch{'s' * (config.epochs > 1)}"
    return f"{config.net}, batch {config.batch_size}, {config.loss}, {config.optimiser} {config.learning_rate:g}, {epochs}"


def _done(folder: Path, config: RunConfig) -> dict | None:
    try:
        record = records.read(folder / f"{KIND}-{config.name}.json")
    except InputError:
        return None
    theirs = {key: value for key, value in record.get("config", {}).items() if key != "device"}
    ours = {key: value for key, value in dataclasses.asdict(config).items() if key != "device"}
    return record if theirs == records.plain(ours) and "failed" not in record else None


def _run(config: RunConfig, wanted: int, folder: Path, say) -> dict:
    """Train one run and write its record."""
    work = folder / "checkpoints" / _recipe(config)
    content = {"config": config, "epochs_wanted": wanted}
    try:
        run = learn(config, work, say=lambda line: say(f"  {line}"))
        content |= run.facts | {"scores": run.scores, "history": run.history}
    except (TrainingStopped, InputError, RuntimeError) as error:
        content["failed"] = str(error)
        say(f"  failed: {error}")
    return records.read(records.write(KIND, config.name, folder=folder, **content))


def _recipe(config: RunConfig) -> str:
    """Return a name for what a checkpoint can be continued with: epochs do not matter where the rate is constant."""
    free = {"name", "device"} | ({"epochs"} if config.schedule == "constant" else set())
    return records.digest_of({key: value for key, value in dataclasses.asdict(config).items() if key not in free})
