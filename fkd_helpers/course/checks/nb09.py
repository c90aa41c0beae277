"""Self-checks of the exercises of notebook 09."""

from collections.abc import Callable

import numpy as np

from fkd_helpers.course.exercises import exercise
from fkd_helpers.course.verdicts import Case, Verdict, run

GAP = np.nan


@exercise("09")
def rmse_by_point(function: Callable) -> Verdict:
    """Check exercise 1: the RMSE (k,) of each point over the labels that are there."""
    target = np.array([[[10.0, 20.0], [30.0, 40.0]], [[50.0, 60.0], [70.0, 80.0]]])
    predicted = target + np.array([[[1.0, -1.0], [0.0, 4.0]], [[3.0, 5.0], [0.0, 0.0]]])
    lacking, none = target.copy(), target.copy()
    lacking[1, 0] = GAP
    none[:, 1] = GAP
    return run(function, [
        Case("two faces of two points", (predicted, target), [3.0, 2.0]),
        Case("one face lacks the first point", (predicted, lacking), [1.0, 2.0]),
        Case("nobody has the second point: NaN", (predicted, none), [3.0, GAP]),
    ])  # fmt: skip


@exercise("09")
def fill_mean(function: Callable) -> Verdict:
    """Check exercise 2: keypoints (n, k, 2) with each blank filled by the mean of what is there."""
    full = np.array([[[1.0, 2.0], [3.0, 8.0]], [[3.0, 6.0], [5.0, 0.0]]])
    gap, half = np.concatenate([full, full[:1] + 10]), full.copy()
    gap[2, 1] = GAP
    half[0, 0, 0] = GAP
    filled, one = gap.copy(), full.copy()
    filled[2, 1] = 4, 4
    one[0, 0, 0] = 3
    return run(function, [
        Case("nothing missing", (full,), full),
        Case("one face lacks a point", (gap,), filled),
        Case("one coordinate missing", (half,), one),
    ])  # fmt: skip


@exercise("09")
def flip_15(function: Callable) -> Verdict:
    """Check exercise 3: keypoints (n, k, 2) of mirrored faces, given pairs (p, 2) that change places."""
    points = np.array([[[66.0, 39.0], [30.0, 36.0], [44.0, 57.0]], [[70.0, 41.0], [33.0, 40.0], [48.0, 60.0]]])
    lacking, pairs = points.copy(), np.array([[0, 1]])
    lacking[1, 0] = GAP
    swapped = [[[66, 36], [30, 39], [52, 57]], [[63, 40], [26, 41], [48, 60]]]
    gone = [swapped[0], [[63, 40], [GAP, GAP], [48, 60]]]
    return run(function, [
        Case("a nose alone", (points[:, 2:], np.zeros((0, 2), int)), [[[52, 57]], [[48, 60]]]),
        Case("two eyes and a nose", (points, pairs), swapped),
        Case("a missing eye", (lacking, pairs), gone),
    ])  # fmt: skip


@exercise("09")
def leaked(function: Callable) -> Verdict:
    """Check exercise 4: the share of held-out faces that have a near-duplicate among the others."""
    groups = np.array([0, 0, 2, 3, 2, 5])
    return run(function, [
        Case("no two alike", (np.arange(4), np.array([True, False, False, True])), 0.0),
        Case("one of two held-out faces has a twin", (groups, np.array([True, False, False, True, False, False])), 0.5),
        Case("both twins held out", (groups, np.array([True, True, False, True, False, False])), 0.0),
        Case("every held-out face has one", (groups, np.array([True, False, False, False, True, False])), 1.0),
    ])  # fmt: skip
