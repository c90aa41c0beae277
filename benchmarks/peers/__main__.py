"""Time and score public models beside ours, on the same frames of a puppet, in one run; writes `benchmark-peers`.

    make peers       or: python benchmarks/peers [--rounds 30]

MediaPipe and dlib bring their own NumPy and OpenCV, so they get a second environment, made here by pip when it is
missing.
"""

from pathlib import Path

from processes import PACKAGES, started
from speed import compare, cost_table, speed_table

from fkd_helpers.core import records
from fkd_helpers.core.options import run_script


def main(*, rounds: int = 30, note: str = "", out: Path | None = None) -> None:
    """Time and score public models beside ours, and write the record."""
    with started(Path("build/peers").absolute()) as systems:
        found = compare(systems, rounds)
    tables = {"speed": speed_table(found), "cost": cost_table(found)}
    print(*(table.to_string() for table in tables.values()), sep="\n\n")
    found["tables"] = {name: table.to_dict("records") for name, table in tables.items()}
    print(records.write("benchmark", "peers", folder=out, peer=PACKAGES[0], packages=PACKAGES, note=note, **found))


if __name__ == "__main__":
    run_script(main)
