"""`experiments`: run a grid of trainings."""

from pathlib import Path

from fkd_helpers.core.errors import InputError, unknown
from fkd_helpers.core.files import whole_file


def add(commands) -> None:
    """Declare what the subcommand takes."""
    parser = commands.add_parser("experiments", help="run a grid of trainings; run again, it goes on")
    parser.add_argument("--grid", default="small", help="small (default) or published, the fifteen runs")
    parser.add_argument("--data", help="data set (puppets)", default="puppets")
    parser.add_argument("--rows", metavar="N,N-N", help="only these rows of the grid, such as 1,3-5")
    parser.add_argument("--max-epochs", type=int, metavar="N", help="stop each run there; more another time")
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="run each with this many seeds (1)")
    parser.add_argument("--out", metavar="DIR", help="records, table, checkpoints (default: runs/GRID-DATA)")
    parser.add_argument("--backend", default="local", help="local (default), or ray: several runs at a time")
    parser.add_argument("--address", metavar="HOST:PORT", help="of a Ray cluster; without it, one is started here")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="runs at a time on a Ray here (2)")
    parser.add_argument("--cpus", type=int, default=1, metavar="N", help="that a run needs, on Ray (1)")
    parser.add_argument("--gpus", type=float, default=0, metavar="N", help="that a run needs, on Ray (0)")
    parser.set_defaults(run=run)


def run(options) -> int:
    from fkd_helpers.train.grid import GRIDS, run_grid
    from fkd_helpers.train.tables import markdown, table

    if options.grid not in GRIDS:
        raise unknown("grid", options.grid, GRIDS)
    for key in ("max_epochs", "seeds", "workers", "cpus"):
        if (getattr(options, key) or 1) < 1 or getattr(options, key) == 0:
            raise InputError(f"--{key.replace('_', '-')}: expected at least 1, got {getattr(options, key)}")
    rows = _rows(options.rows, len(GRIDS[options.grid]()))
    configs = [GRIDS[options.grid](options.data, seed=seed)[row] for seed in range(options.seeds) for row in rows]
    folder = Path(options.out or Path("runs") / f"{options.grid}-{Path(options.data).name}")
    found = run_grid(configs, folder, max_epochs=options.max_epochs, backend=options.backend, address=options.address,
                     workers=options.workers, cpus=options.cpus, gpus=options.gpus)  # fmt: skip
    text = markdown(table(found))
    with whole_file(folder / "table.md") as partial:
        partial.write_text(text + "\n", encoding="utf-8")
    print(text)
    print(f"records and table: {folder}")
    return 2 if any("failed" in record for record in found) else 0


def _rows(text: str | None, count: int) -> list[int]:
    """Return the row indices that a text such as "1,3-5" names, counted from 1; all without one."""
    if text is None:
        return list(range(count))
    try:
        ends = [[int(end) for end in part.split("-")] for part in text.split(",")]
        rows = [row for first, *last in ends for row in range(first, (last or [first])[0] + 1)]
    except ValueError:
        rows = []
    if not rows or min(rows) < 1 or max(rows) > count:
        raise InputError(f"--rows: expected numbers from 1 to {count} such as 1,3-5, got {text!r}")
    return [row - 1 for row in dict.fromkeys(rows)]
