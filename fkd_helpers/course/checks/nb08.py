"""Self-checks of the exercises of notebook 08."""

from collections.abc import Callable

import numpy as np

from fkd_helpers.course.exercises import exercise
from fkd_helpers.course.verdicts import Case, Verdict, run


@exercise("08")
def latest_wins(function: Callable) -> Verdict:
    """Check exercise 1: which frames a worker takes that always takes the newest one."""
    steady = np.arange(6) * 0.04  # seconds
    return run(function, [
        Case("6 frames every 0.04 s, 0.01 s of work", (steady, 0.01), [0, 1, 2, 3, 4, 5]),
        Case("6 frames every 0.04 s, 0.05 s of work", (steady, 0.05), [0, 1, 2, 3, 5]),
        Case("6 frames every 0.04 s, 0.13 s of work", (steady, 0.13), [0, 3, 5]),
        Case("three frames at once after a pause", (np.array([0.0, 0.30, 0.31, 0.32]), 0.1), [0, 1, 3]),
        Case("a first frame that comes late", (np.array([1.0, 1.05, 1.5]), 0.1), [0, 1, 2]),
    ])  # fmt: skip


@exercise("08")
def most_fps(function: Callable) -> Verdict:
    """Check exercise 2: answers a second at most, by the window and the seconds of ways and work."""
    return run(function, [
        Case("one frame under way, 0.01 s there, 0.02 s of work, 0.02 s back", (1, 0.01, 0.02, 0.02), 20.0),
        Case("the same with two", (2, 0.01, 0.02, 0.02), 40.0),
        Case("the same with four: the worker is the limit", (4, 0.01, 0.02, 0.02), 50.0),
        Case("a long way, 0.1 s there, 0.01 s of work, 0.14 s back, two", (2, 0.1, 0.01, 0.14), 8.0),
    ])  # fmt: skip


@exercise("08")
def picture_age(function: Callable) -> Verdict:
    """Check exercise 3: how old (s) the picture on the screen is at certain moments; NaN = none yet."""
    taken = np.array([0.0, 0.1, 0.2, 0.3, 0.4])
    shown = np.array([0.06, 0.17, np.nan, 0.48, np.nan])  # two were dropped
    nothing = np.full(5, np.nan)
    return run(function, [
        Case("while one picture after the other is shown", (taken, shown, np.array([0.06, 0.1, 0.18])),
             [0.06, 0.1, 0.08]),
        Case("while a picture stands still", (taken, shown, np.array([0.3, 0.47, 0.5, 1.0])), [0.2, 0.37, 0.2, 0.7]),
        Case("before the first picture", (taken, shown, np.array([0.0, 0.05, 0.16])), [np.nan, np.nan, 0.16]),
        Case("all frames dropped", (taken, nothing, np.array([0.2, 0.9])), [np.nan, np.nan]),
    ])  # fmt: skip


@exercise("08")
def frames_to_reach(function: Callable) -> Verdict:
    """Check exercise 4: after how many frames a smoothed value has covered a part of a jump."""
    return run(function, [
        Case("no smoothing at all, half of the jump", (0.0, 0.5), 1),
        Case("m = 0.5, 80 % of the jump", (0.5, 0.8), 3),
        Case("m = 0.4, 90 % of the jump", (0.4, 0.9), 3),
        Case("m = 0.8, half of the jump", (0.8, 0.5), 4),
        Case("m = 0.9, 90 % of the jump", (0.9, 0.9), 22),
    ])  # fmt: skip
