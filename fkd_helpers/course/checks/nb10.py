"""Self-checks of the exercises of notebook 10."""

from collections.abc import Callable

import numpy as np

from fkd_helpers.course.exercises import exercise
from fkd_helpers.course.verdicts import Case, Verdict, run


@exercise("10")
def kappa(function: Callable) -> Verdict:
    """Check exercise 1: Cohen's kappa of two raters' classes (n,)."""
    one, other = np.array([0, 0, 1, 1, 2, 2]), np.array([0, 1, 1, 1, 2, 0])
    rare, shy = np.array([0] * 8 + [1, 1]), np.array([0] * 9 + [2])
    return run(function, [
        Case("two raters who always agree", (one, one), 1.0),
        Case("4 of 6 alike, three classes", (one, other), 0.5),
        Case("a class that only one of them uses", (rare, shy), (0.8 - 0.72) / (1 - 0.72)),
        Case("always the opposite", (np.array([0, 1, 0, 1]), np.array([1, 0, 1, 0])), -1.0),
    ])  # fmt: skip


@exercise("10")
def concordance(function: Callable) -> Verdict:
    """Check exercise 2: the concordance correlation coefficient of two arrays (n,)."""
    x = np.array([-0.5, 0.0, 0.5, 0.8])
    spread = x.var()
    return run(function, [
        Case("equal values", (x, x), 1.0),
        Case("all answers 0.3 too high", (x + 0.3, x), 2 * spread / (2 * spread + 0.09)),
        Case("half the spread about the same mean", (x.mean() + (x - x.mean()) / 2, x), 0.8),
        Case("the opposite sign", (-x, x), -2 * spread / (2 * spread + (2 * x.mean()) ** 2)),
    ])  # fmt: skip


@exercise("10")
def smooth_labels(function: Callable) -> Verdict:
    """Check exercise 3: label smoothing, wanted shares (n, classes) of labels (n,)."""
    labels = np.array([0, 2, 1])
    return run(function, [
        Case("smoothing 0", (labels, 3, 0.0), np.eye(3)[labels]),
        Case("smoothing 0.3, three classes", (labels, 3, 0.3), 0.7 * np.eye(3)[labels] + 0.1),
        Case("smoothing 0.1, eight classes", (labels, 8, 0.1), 0.9 * np.eye(8)[labels] + 0.0125),
    ])  # fmt: skip


@exercise("10")
def calibration_error(function: Callable) -> Verdict:
    """Check exercise 4: the expected calibration error over equal bins."""
    ten = np.full(10, 0.9)
    nine = np.arange(10) < 9
    sure, right = np.array([0.3, 0.35, 0.9, 1.0, 0.95, 0.55]), np.array([False, True, True, True, False, True])
    return run(function, [
        Case("90 % sure, right nine times of ten", (ten, nine, 10), 0.0),
        Case("always sure, half of the time right", (np.ones(4), np.array([True, False, True, False]), 5), 0.5),
        Case("three bins of several sizes, others empty", (sure, right, 4), (2 * 0.175 + 1 * 0.45 + 3 * 0.85 / 3) / 6),
    ])  # fmt: skip
