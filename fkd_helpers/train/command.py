"""What the training commands share, and the command of a grid."""

import os
import sys
from functools import partial
from pathlib import Path

from fkd_helpers.core.config import TrainConfig, load_config
from fkd_helpers.core.errors import unknown
from fkd_helpers.core.files import whole_file
from fkd_helpers.train.distributed import started_as
from fkd_helpers.train.grid import GRIDS, run_grid
from fkd_helpers.train.tables import markdown, table

say = partial(print, flush=True)  # a log file shows each line at once


def chosen_run(task: str, config: str, out: Path | None, fields: dict) -> tuple[TrainConfig, Path]:
    """Return config and folder of the training that options ask for."""
    if started_as()[0]:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # the first of several processes speaks for all
    settings = load_config(config, task=task, **fields)
    return settings, out or Path("runs") / settings.name


def experiments(*, grid: str = "small", data: str = "puppets", out: Path | None = None) -> int:
    """Run a grid of trainings; run again, it resumes.

    Args:
        grid: small, or published, the fifteen runs
        data: name or folder of a data set
        out: folder for records, table and checkpoints (runs/GRID-DATA)
    """
    if grid not in GRIDS:
        raise unknown("grid", grid, GRIDS)
    folder = out or Path("runs") / f"{grid}-{Path(data).name}"
    found = run_grid(GRIDS[grid](data), folder)
    text = markdown(table(found))
    with whole_file(folder / "table.md") as partial:
        partial.write_text(text + "\n", encoding="utf-8")
    print(f"{text}\nrecords and table: {folder}")
    return 2 if any("failed" in record for record in found) else 0
