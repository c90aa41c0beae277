"""Time and score public models beside ours, on the same frames, in one run.

    python benchmarks/peers [speed|fairness|all] [--environment build/peers] [--rounds 30] [--out data/records]

MediaPipe and dlib bring their own NumPy and OpenCV, so they get a second environment, made here by pip when it is
missing. `speed` writes `benchmark-peers`, on frames of a puppet. `fairness` writes `fairness-ytf-test` and needs the
real set; it goes on where it was stopped. `all` leaves it out where that set is not there.
"""

import argparse
import sys
from functools import partial
from pathlib import Path

from processes import PACKAGES, started
from scores import SET, fairness, forget
from speed import compare

from fkd_helpers.core import records
from fkd_helpers.core.errors import InputError
from fkd_helpers.data import find


def main(options) -> None:
    """Run what was asked for, and write the records."""
    with started(options.environment.absolute()) as systems:
        if options.what != "fairness":
            found = compare(systems, options.rounds)
            for row in found["rows"]:
                print(f"{row['task']}, {row['system']} {row['way']}: {row['ms']:.2f} ms")
            say_ratios(found)
            print(records.write("benchmark", "peers", folder=options.out, peer=PACKAGES[0], packages=PACKAGES,
                                note=options.note, **found))  # fmt: skip
        if options.what != "speed" and ready(options.what):
            found, answers = fairness(systems, options.environment, partial(print, flush=True))
            for name, scores in found["systems"].items():
                print(f"{name}: NME {scores['adapted']['nme']:.4f}, as answered {scores['as_answered']['nme']:.4f}")
            print(records.write("fairness", f"{SET}-test", folder=options.out, packages=PACKAGES, **found))
            forget(answers)


def say_ratios(found: dict) -> None:
    """Print how our tracked frame compares."""
    print(f"a tracked frame: MediaPipe takes {found['mediapipe_to_ours']:.2f} times ours, "
          f"Haar + dlib {found['haar_dlib_to_ours']:.1f} times")  # fmt: skip


def ready(what: str) -> bool:
    """Return whether the real set is there; without it only `fairness` is an error."""
    try:
        find(SET)
    except InputError as error:
        if what == "fairness":
            raise
        print(f"no scores on real faces: {error}")
        return False
    return True


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="?", choices=("speed", "fairness", "all"), default="all")
    parser.add_argument("--environment", type=Path, default=Path("build/peers"))
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--note", default="", help="under which circumstances, for the record")
    parser.add_argument("--out", type=Path, help="folder of the records (default: the course's own)")
    try:
        main(parser.parse_args())
    except InputError as error:
        sys.exit(f"peers: {error}")
