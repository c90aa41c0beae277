"""Self-checks of the exercises of notebook 03."""

from collections.abc import Callable

import numpy as np

from fkd_helpers.course.exercises import exercise
from fkd_helpers.course.verdicts import Case, Verdict, is_stub, run


@exercise("03")
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


@exercise("03")
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


@exercise("03")
def summary_row(function: Callable) -> Verdict:
    """Check exercise 3: mean, sample standard deviation and count of the seeds' scores, NaN runs left out."""
    return run(function, [
        Case("three seeds", (np.array([0.10, 0.12, 0.17]),), [0.13, 0.0360555, 3]),
        Case("two seeds", (np.array([0.2, 0.4]),), [0.3, 0.1414214, 2]),
        Case("one of four seeds diverged", (np.array([0.10, np.nan, 0.12, 0.17]),), [0.13, 0.0360555, 3]),
    ])  # fmt: skip


@exercise("03")
def smooth(function: Callable) -> Verdict:
    """Check exercise 4: the exponential moving average (n,) of values (n,)."""
    steps, waves = np.array([4.0, 0.0, 0.0, 8.0]), np.array([1.0, 3.0, 1.0, 3.0, 1.0])
    return run(function, [
        Case("a constant curve", (np.full(4, 2.5), 0.9), np.full(4, 2.5)),
        Case("weight 0 changes nothing", (steps, 0.0), steps),
        Case("weight 0.5", (steps, 0.5), [4, 2, 1, 4.5]),
        Case("weight 0.75", (waves, 0.75), [1, 1.5, 1.375, 1.78125, 1.5859375]),
    ])  # fmt: skip


@exercise("03")
def warmup_cosine(function: Callable) -> Verdict:
    """Check exercise 5: a PyTorch scheduler that warms up and falls along a cosine; its rates over all the steps."""
    import torch  # slow to import, and only this check needs it

    def rates(steps, warm):
        optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.5)
        scheduler = function(optimiser, steps, warm)
        if is_stub(scheduler):
            return None
        taken = []
        for _ in range(steps):
            taken.append(optimiser.param_groups[0]["lr"])
            optimiser.step()
            scheduler.step()
        return np.array(taken)

    return run(rates, [
        Case("8 steps, 4 of them warm-up, from a rate of 0.5", (8, 4), [0.125, 0.25, 0.375, 0.5, 0.5, 0.4267767, 0.25,
                                                                     0.0732233]),
        Case("4 steps, 2 of them warm-up", (4, 2), [0.25, 0.5, 0.5, 0.25]),
        Case("4 steps without warm-up", (4, 0), [0.5, 0.4267767, 0.25, 0.0732233]),
    ])  # fmt: skip
