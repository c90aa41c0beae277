"""Time and score public models beside ours, on the same frames, in one run.

    make peers       or: python benchmarks/peers [speed|fairness] [--environment build/peers] [--rounds 30]

MediaPipe and dlib bring their own NumPy and OpenCV, so they get a second environment, made here by pip when it is
missing. `speed` writes `benchmark-peers`, on frames of a puppet. `fairness` writes `fairness-ytf-test`, needs the real
set and takes an hour or two.
"""

from pathlib import Path

from processes import PACKAGES, started
from scores import SET, fairness, slice_table, worse_table
from speed import compare, cost_table, speed_table

from fkd_helpers.core import records
from fkd_helpers.core.errors import unknown
from fkd_helpers.core.options import run_script
from fkd_helpers.data import find


def main(
    what: str = "speed", *, environment: Path = Path("build/peers"), rounds: int = 30, note: str = "",
    out: Path | None = None,
) -> None:  # fmt: skip
    """Time (speed) or score (fairness) public models beside ours, and write the record."""
    if what not in ("speed", "fairness"):
        raise unknown("measure", what, ("speed", "fairness"))
    if what == "fairness":
        find(SET)
    with started(environment.absolute()) as systems:
        found = compare(systems, rounds) if what == "speed" else fairness(systems)
    made = {"speed": speed_table, "cost": cost_table}, {"slices": slice_table, "worse": worse_table}
    tables = {name: make(found) for name, make in made[what == "fairness"].items()}
    print(*(table.to_string() for table in tables.values()), sep="\n\n")
    found["tables"] = {name: table.to_dict("records") for name, table in tables.items()}
    kind, name = ("benchmark", "peers") if what == "speed" else ("fairness", f"{SET}-test")
    print(records.write(kind, name, folder=out, peer=PACKAGES[0], packages=PACKAGES, note=note, **found))


if __name__ == "__main__":
    run_script(main)
