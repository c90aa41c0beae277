"""Time and score public models beside ours, on the same frames, in one run.

    make peers       or: python benchmarks/peers [speed|fairness|all] [--environment build/peers] [--rounds 30]

MediaPipe and dlib bring their own NumPy and OpenCV, so they get a second environment, made here by pip when it is
missing. `speed` writes `benchmark-peers`, on frames of a puppet. `fairness` writes `fairness-ytf-test` and needs the
real set; it goes on where it was stopped. `all` leaves it out where that set is not there.
"""

import argparse
import sys
from functools import partial
from pathlib import Path

import tables
from processes import PACKAGES, started
from scores import SET, fairness
from speed import compare

from fkd_helpers.core import records
from fkd_helpers.core.errors import InputError
from fkd_helpers.data import find


def measure_speed(systems: dict, options) -> None:
    """Time all systems in turns and write the record."""
    found = compare(systems, options.rounds)
    found["tables"] = {
        name: table(found).to_dict("records")
        for name, table in (("speed", tables.speed_table), ("cost", tables.cost_table))
    }
    for row in found["rows"]:
        print(f"{row['task']}, {row['system']} {row['way']}: {row['ms']:.2f} ms")
    print(f"a tracked frame: MediaPipe takes {found['mediapipe_to_ours']:.2f} times ours, "
          f"Haar + dlib {found['haar_dlib_to_ours']:.1f} times")  # fmt: skip
    print(records.write("benchmark", "peers", folder=options.out, peer=PACKAGES[0], packages=PACKAGES,
                        note=options.note, **found))  # fmt: skip


def measure_fairness(systems: dict, options) -> None:
    """Score all systems on the real test set and write the record."""
    found = fairness(systems, partial(print, flush=True))
    found["tables"] = {
        name: table(found).to_dict("records")
        for name, table in (("slices", tables.slice_table), ("worse", tables.worse_table))
    }
    for name, scores in found["systems"].items():
        print(f"{name}: NME {scores['adapted']['nme']:.4f}, as answered {scores['as_answered']['nme']:.4f}")
    print(records.write("fairness", f"{SET}-test", folder=options.out, packages=PACKAGES, **found))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="?", choices=("speed", "fairness", "all"), default="all")
    parser.add_argument("--environment", type=Path, default=Path("build/peers"))
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--note", default="", help="under which circumstances, for the record")
    parser.add_argument("--out", type=Path, help="folder of the records (default: the course's own)")
    options = parser.parse_args()
    with started(options.environment.absolute()) as systems:
        if options.what != "fairness":
            measure_speed(systems, options)
        if options.what == "speed":
            return
        try:
            find(SET)
        except InputError as error:
            if options.what == "fairness":
                raise
            return print(f"no scores on real faces: {error}")
        measure_fairness(systems, options)


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"peers: {error}")
