"""Checks of the exercises of notebook 09."""

import numpy as np
import torch
from torch.nn import functional

from fkd_helpers.course.exercises import register


def _with_gradient(masked_loss, predicted, target):
    leaf = torch.tensor(predicted, requires_grad=True)
    loss = masked_loss(leaf, torch.tensor(target))
    return np.append(loss.item(), torch.autograd.grad(loss, leaf)[0])


def _huber(predicted, target):
    there = ~target.isnan()
    return functional.huber_loss(predicted[there], target[there], reduction="sum") / there.sum().clamp(min=1)


def _shape_and_weights(shortcut, inputs, outputs, stride):
    module, images = shortcut(inputs, outputs, stride), torch.linspace(-1, 1, 128 * inputs).reshape(2, inputs, 8, 8)
    answer = module.eval()(images)
    return [*answer.shape, sum(weight.numel() for weight in module.parameters()), torch.equal(answer, images)]


TARGET = np.array([[[10.0, 20.0], [30.0, 40.0]], [[50.0, 60.0], [70.0, 80.0]]])
HUBER = TARGET + np.array([[[0.5, -0.5], [0, 3]], [[1, 2], [-2, 0]]])
RMSE = TARGET + np.array([[[1, -1], [0, 4]], [[3, 5], [0, 0]]])
POINT, HALF, FACE, NOBODY = (TARGET.copy() for _ in range(4))
POINT[0, 1] = HALF[1, :, 0] = FACE[1, 0] = NOBODY[:, 1] = np.nan
NONE = TARGET * np.nan
GROUPS = np.array([0, 0, 2, 3, 2, 5])

CASES = {
    "masked_loss": [
        (f"loss and gradient, {what}", (HUBER, target), _with_gradient(_huber, HUBER, target))
        for what, target in (("no gap", TARGET), ("one gap", POINT), ("half of one", HALF), ("no label", NONE))
    ],
    "shortcut": [
        (f"shape, weights, unchanged?: {a} to {b} channels, stride {stride}", (a, b, stride), expected)
        for a, b, stride, expected in (
            (8, 8, 1, [2, 8, 8, 8, 0, True]), (8, 16, 2, [2, 16, 4, 4, 8 * 16 + 32, False]),
            (8, 8, 2, [2, 8, 4, 4, 8 * 8 + 16, False]), (4, 8, 1, [2, 8, 8, 8, 4 * 8 + 16, False]),
        )
    ],
    "rmse_by_point": [((RMSE, TARGET), [3, 2]), ((RMSE, FACE), [1, 2]), ((RMSE, NOBODY), [3, np.nan])],
    "leaked": [
        ((np.arange(4), np.arange(4) % 3 == 0), 0), ((GROUPS, np.isin(range(6), [0, 3])), 0.5),
        ((GROUPS, np.isin(range(6), [0, 1, 3])), 0), ((GROUPS, np.isin(range(6), [0, 4])), 1),
    ],
}  # fmt: skip
register("09", CASES, masked_loss=_with_gradient, shortcut=_shape_and_weights)
