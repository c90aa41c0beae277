"""What the training subcommands share: options, the chosen config and folder, several processes; the grid's command."""

import os
import sys
from functools import partial
from pathlib import Path

from fkd_helpers.core.config import TrainConfig, TrainOptions, load_config
from fkd_helpers.core.errors import InputError, unknown
from fkd_helpers.core.files import whole_file
from fkd_helpers.train.checkpoint import history_of
from fkd_helpers.train.distributed import start_processes, started_as
from fkd_helpers.train.grid import GRIDS, run_grid
from fkd_helpers.train.tables import markdown, table

FIRST = {"keypoints": "keypoints68", "kaggle15": "keypoints15", "expressions": "expressions_head"}  # configs
say = partial(print, flush=True)  # a log file shows each line at once


def chosen_run(arguments: list[str], task: str, options: TrainOptions, fields: dict) -> tuple[TrainConfig, Path] | None:
    """Return config and folder of the training that options ask for, or None if other processes have done it."""
    settings = load_config(options.config or FIRST[task], task=task, **fields)
    folder = options.out or Path("runs") / settings.name
    _at_least_one(devices=options.devices)
    rank, processes, _ = started_as()
    if rank:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # the first process speaks for all
    if processes > 1 or options.devices == 1:
        return settings, folder
    try:
        start_processes(arguments, options.devices)
    except InputError as error:
        done = len(history_of(folder))
        kept = f"; the checkpoint of epoch {done} is kept, the same command goes on there" if done else ""
        raise InputError(f"{error}{kept}") from None
    return None


def experiments(
    *, grid: str = "small", data: str = "puppets", max_epochs: int | None = None, seeds: int = 1,
    out: Path | None = None, backend: str = "local", address: str | None = None, workers: int = 2, cpus: int = 1,
    gpus: float = 0.0,
) -> int:  # fmt: skip
    """Run a grid of trainings; run again, it goes on.

    Args:
        grid: small, or published, the fifteen runs
        data: name or folder of a data set
        max_epochs: stop each run there; more another time
        seeds: run each with this many seeds
        out: folder for records, table and checkpoints (runs/GRID-DATA)
        backend: local, or ray: several runs at a time
        address: HOST:PORT of a Ray cluster; without it, one is started here
        workers: runs at a time on a Ray that is started here
        cpus: that a run needs, on Ray
        gpus: that a run needs, on Ray
    """
    _at_least_one(max_epochs=max_epochs, seeds=seeds, workers=workers, cpus=cpus)
    if grid not in GRIDS:
        raise unknown("grid", grid, GRIDS)
    configs = [config for seed in range(seeds) for config in GRIDS[grid](data, seed=seed)]
    folder = out or Path("runs") / f"{grid}-{Path(data).name}"
    ray = {"address": address, "workers": workers, "cpus": cpus, "gpus": gpus}
    found = run_grid(configs, folder, max_epochs=max_epochs, backend=backend, **ray)
    text = markdown(table(found))
    with whole_file(folder / "table.md") as partial:
        partial.write_text(text + "\n", encoding="utf-8")
    print(f"{text}\nrecords and table: {folder}")
    return 2 if any("failed" in record for record in found) else 0


def _at_least_one(**values: int | None) -> None:
    for name, value in values.items():
        if value is not None and value < 1:
            raise InputError(f"--{name.replace('_', '-')}: expected at least 1, got {value}")
