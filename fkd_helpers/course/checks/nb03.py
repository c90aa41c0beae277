"""Checks of the exercises of notebook 03."""

import numpy as np
import torch

from fkd_helpers.course.exercises import register


def _rates(warmup_cosine, steps, warm):
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.5)
    scheduler, rates = warmup_cosine(optimiser, steps, warm), []
    for _ in range(steps):
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        scheduler.step()
    return rates


TARGET = np.array([[[10.0, 20.0], [30.0, 40.0]], [[50.0, 60.0], [70.0, 80.0]]])
PREDICTED = TARGET + np.array([[[1, -1], [2, 2]], [[4, 4], [-8, 8]]])
GAP, MORE, NONE = TARGET.copy(), TARGET.copy(), TARGET * np.nan
GAP[0, 0] = MORE[0] = MORE[1, 1, 0] = np.nan
WEIGHTS, GRADIENT, VELOCITY = np.array([1.0, -2.0, 0.5]), np.array([0.4, 0.0, -1.0]), np.array([1.0, 2.0, -3.0])
STEPS, WAVES = np.array([4.0, 0.0, 0.0, 8.0]), np.array([1.0, 3.0, 1.0, 3.0, 1.0])
COSINE = [0.5, 0.4267767, 0.25, 0.0732233]

CASES = {
    "masked_l1": [
        ((PREDICTED, TARGET), 3.75), ((PREDICTED, GAP), 28 / 6), ((PREDICTED, MORE), 16 / 3), ((PREDICTED, NONE), 0),
    ],
    "momentum_step": [
        ((WEIGHTS, GRADIENT, VELOCITY, 0.1, 0.0), [[0.96, -2, 0.6], GRADIENT]),
        ((WEIGHTS, GRADIENT, np.zeros(3), 0.1, 0.9), [[0.96, -2, 0.6], GRADIENT]),
        ((WEIGHTS, GRADIENT, VELOCITY, 0.1, 0.9), [[0.87, -2.18, 0.87], [1.3, 1.8, -3.7]]),
    ],
    "summary_row": [
        ((np.array([0.10, 0.12, 0.17]),), [0.13, 0.0360555, 3]),
        ((np.array([0.2, 0.4]),), [0.3, 0.1414214, 2]),
        ((np.array([0.10, np.nan, 0.12, 0.17]),), [0.13, 0.0360555, 3]),
    ],
    "smooth": [
        ((np.full(4, 2.5), 0.9), np.full(4, 2.5)), ((STEPS, 0.0), STEPS), ((STEPS, 0.5), [4, 2, 1, 4.5]),
        ((WAVES, 0.75), [1, 1.5, 1.375, 1.78125, 1.5859375]),
    ],
    "warmup_cosine": [
        ("rates of 8 steps, 4 of them warm-up, from 0.5", (8, 4), [0.125, 0.25, 0.375, 0.5, *COSINE]),
        ("rates of 4 steps, 2 of them warm-up, from 0.5", (4, 2), [0.25, 0.5, 0.5, 0.25]),
        ("rates of 4 steps without warm-up, from 0.5", (4, 0), COSINE),
    ],
}  # fmt: skip
register("03", CASES, warmup_cosine=_rates)
