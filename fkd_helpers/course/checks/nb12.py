"""Self-checks of the exercises of notebook 12."""

from collections.abc import Callable

import numpy as np

from fkd_helpers.course.exercises import exercise
from fkd_helpers.course.verdicts import Case, Verdict, run


@exercise("12")
def whole_mean(function: Callable) -> Verdict:
    """Check exercise 1: the mean of all from the means (w, m) and the counts (w,) of parts."""
    means = np.array([[1.0, 10.0], [4.0, 40.0]])
    idle = np.array([[2.0, 3.0], [np.nan, np.nan], [5.0, 0.0]])
    return run(function, [
        Case("equal parts", (means, np.array([8, 8])), [2.5, 25.0]),
        Case("8 faces in one part, 2 in the other", (means, np.array([8, 2])), [1.6, 16.0]),
        Case("a worker that got no face: its mean is nan", (idle, np.array([2, 0, 1])), [3.0, 2.0]),
    ])  # fmt: skip


@exercise("12")
def speedup(function: Callable) -> Verdict:
    """Check exercise 3: how many times faster `workers` are than one."""
    return run(function, [
        Case("nothing in the way", (4, 0.0, 0.0), 4.0),
        Case("a tenth cannot be shared", (10, 0.1, 0.0), 1 / 0.19),
        Case("talking costs a hundredth for each further worker", (5, 0.0, 0.01), 1 / 0.24),
        Case("one worker has nobody to talk to", (1, 0.3, 0.5), 1.0),
        Case("so much talk that two are slower than one", (2, 0.0, 0.6), 1 / 1.1),
    ])  # fmt: skip


@exercise("12")
def expected_hours(function: Callable) -> Verdict:
    """Check exercise 4: hours until a job is through that starts over after each failure."""
    return run(function, [
        Case("2 hours, a failure every 1,000 hours", (2.0, 0.001), 1000 * np.expm1(0.002)),
        Case("a day, a failure a day", (24.0, 1 / 24), 24 * np.expm1(1)),
        Case("four days, a failure a day", (96.0, 1 / 24), 24 * np.expm1(4)),
        Case("machines that never fail", (3.0, 0.0), 3.0),
    ])  # fmt: skip
