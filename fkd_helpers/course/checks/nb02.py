"""Self-checks of the exercises of notebook 02."""

from collections.abc import Callable

import numpy as np

from fkd_helpers.course.exercises import exercise
from fkd_helpers.course.verdicts import Case, Verdict, run


@exercise("02")
def masked_l1(function: Callable) -> Verdict:
    """Check exercise 1: the mean |error| of the coordinates (n, k, 2) whose target is not missing."""
    target = np.array([[[10.0, 20.0], [30.0, 40.0]], [[50.0, 60.0], [70.0, 80.0]]])
    predicted = target + np.array([[[1.0, -1.0], [2.0, 2.0]], [[4.0, 4.0], [-8.0, 8.0]]])
    gap, more, none = target.copy(), target.copy(), np.full_like(target, np.nan)
    gap[0, 0] = np.nan
    more[0], more[1, 1, 0] = np.nan, np.nan
    return run(function, [
        Case("two faces of two points, nothing missing", (predicted, target), 3.75),
        Case("one of four points missing", (predicted, gap), 28 / 6),
        Case("a whole face and one coordinate missing", (predicted, more), 16 / 3),
        Case("everything missing", (predicted, none), 0.0),
    ])  # fmt: skip


@exercise("02")
def momentum_step(function: Callable) -> Verdict:
    """Check exercise 2: weights and velocity after a step of SGD with momentum, PyTorch's way."""
    weights, gradient = np.array([1.0, -2.0, 0.5]), np.array([0.4, 0.0, -1.0])
    still, moving = np.zeros(3), np.array([1.0, 2.0, -3.0])
    return run(function, [
        Case("no momentum", (weights, gradient, moving, 0.1, 0.0), [[0.96, -2.0, 0.6], gradient]),
        Case("momentum 0.9, from standing still", (weights, gradient, still, 0.1, 0.9), [[0.96, -2.0, 0.6], gradient]),
        Case("momentum 0.9, already moving", (weights, gradient, moving, 0.1, 0.9),
             [[0.87, -2.18, 0.87], [1.3, 1.8, -3.7]]),
    ])  # fmt: skip


@exercise("02")
def smooth(function: Callable) -> Verdict:
    """Check exercise 3: the exponential moving average (n,) of values (n,)."""
    steps, waves = np.array([4.0, 0.0, 0.0, 8.0]), np.array([1.0, 3.0, 1.0, 3.0, 1.0])
    return run(function, [
        Case("a constant curve", (np.full(4, 2.5), 0.9), np.full(4, 2.5)),
        Case("weight 0 changes nothing", (steps, 0.0), steps),
        Case("weight 0.5", (steps, 0.5), [4, 2, 1, 4.5]),
        Case("weight 0.75", (waves, 0.75), [1, 1.5, 1.375, 1.78125, 1.5859375]),
    ])  # fmt: skip


@exercise("02")
def soft_argmax(function: Callable) -> Verdict:
    """Check exercise 4: the mean place (x, y), in cells, under the softmax of one heatmap (g, g)."""
    flat, two, steep = np.zeros((5, 5)), np.full((6, 6), -50.0), np.zeros((3, 3))
    two[1, 4] = two[3, 4] = 2.0  # row 1 and row 3, column 4
    steep[0, 1], steep[0, 2] = np.log(2.0), np.log(6.0)
    return run(function, [
        Case("the same everywhere: the middle", (flat,), [2, 2]),
        Case("two equal peaks in column 4, rows 1 and 3: (x, y)", (two,), [4, 2]),
        Case("weights 1, 2, 6 along the first row, 1 elsewhere", (steep,), [20 / 15, 9 / 15]),
        Case("the same, 1000 added to every cell", (steep + 1000,), [20 / 15, 9 / 15]),
    ])  # fmt: skip


@exercise("02")
def one_draw(function: Callable) -> Verdict:
    """Check exercise 5: the mean of all values (n,) of the drawn people, as often as they are drawn."""
    values, people = np.array([1.0, 2.0, 3.0, 10.0, 20.0]), np.array(["Ann", "Ann", "Ann", "Bo", "Cy"])
    return run(function, [
        Case("everybody once", (values, people, ["Ann", "Bo", "Cy"]), 7.2),
        Case("one person of three frames", (values, people, ["Ann"]), 2.0),
        Case("Ann (three frames) and Bo (one)", (values, people, ["Ann", "Bo"]), 4.0),
        Case("Cy twice, Bo once", (values, people, ["Cy", "Bo", "Cy"]), 50 / 3),
    ])  # fmt: skip
