"""Self-checks of the exercises of notebook 09."""

from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from fkd_helpers.course.exercises import exercise
from fkd_helpers.course.verdicts import Case, Verdict, run

GAP = np.nan


@exercise("09")
def masked_loss(function: Callable) -> Verdict:
    """Check exercise 1: the mean Huber loss of the labels that are there, followed by its gradient."""
    target = np.array([[[10.0, 20.0], [30.0, 40.0]], [[50.0, 60.0], [70.0, 80.0]]])
    predicted = target + np.array([[[0.5, -0.5], [0.0, 3.0]], [[1.0, 2.0], [-2.0, 0.0]]])
    one, half, none = target.copy(), target.copy(), np.full_like(target, GAP)
    one[0, 1] = GAP
    half[1, :, 0] = GAP

    def with_gradient(predicted, target):
        leaf = torch.tensor(predicted, requires_grad=True)
        loss = function(leaf, torch.tensor(target))
        if not isinstance(loss, torch.Tensor):
            return loss
        return np.append(loss.item(), torch.autograd.grad(loss, leaf)[0])

    def expected(target):
        error = np.nan_to_num(predicted - target)
        count = max((~np.isnan(target)).sum(), 1)
        loss = np.where(np.abs(error) < 1, error**2 / 2, np.abs(error) - 0.5).sum() / count
        return np.append(loss, error.clip(-1, 1) / count)

    return run(with_gradient, [
        Case("loss and gradient, no label missing", (predicted, target), expected(target)),
        Case("loss and gradient, one point missing", (predicted, one), expected(one)),
        Case("loss and gradient, two coordinates missing", (predicted, half), expected(half)),
        Case("no label at all: loss 0, gradient 0", (predicted, none), expected(none)),
    ])  # fmt: skip


@exercise("09")
def shortcut(function: Callable) -> Verdict:
    """Check exercise 2: the skip path of a residual block, by the shape of its output and its number of weights."""

    def shape_and_weights(inputs, outputs, stride):
        module = function(inputs, outputs, stride)
        if not isinstance(module, nn.Module):
            return module
        images = torch.linspace(-1, 1, 2 * inputs * 64).reshape(2, inputs, 8, 8)
        answer = module.eval()(images)
        same = answer.shape == images.shape and torch.equal(answer, images)
        return [*answer.shape, sum(weight.numel() for weight in module.parameters()), same]

    return run(shape_and_weights, [
        Case("shape, weights, unchanged?: 8 to 8 channels, stride 1", (8, 8, 1), [2, 8, 8, 8, 0, True]),
        Case("shape, weights, unchanged?: 8 to 16 channels, stride 2", (8, 16, 2), [2, 16, 4, 4, 8 * 16 + 32, False]),
        Case("shape, weights, unchanged?: 8 to 8 channels, stride 2", (8, 8, 2), [2, 8, 4, 4, 8 * 8 + 16, False]),
        Case("shape, weights, unchanged?: 4 to 8 channels, stride 1", (4, 8, 1), [2, 8, 8, 8, 4 * 8 + 16, False]),
    ])  # fmt: skip


@exercise("09")
def rmse_by_point(function: Callable) -> Verdict:
    """Check exercise 3: the RMSE (k,) of each point over the labels that are there."""
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
def leaked(function: Callable) -> Verdict:
    """Check exercise 4: the share of held-out faces that have a near-duplicate among the others."""
    groups = np.array([0, 0, 2, 3, 2, 5])
    return run(function, [
        Case("no two alike", (np.arange(4), np.array([True, False, False, True])), 0.0),
        Case("one of two held-out faces has a twin", (groups, np.array([True, False, False, True, False, False])), 0.5),
        Case("both twins held out", (groups, np.array([True, True, False, True, False, False])), 0.0),
        Case("every held-out face has one", (groups, np.array([True, False, False, False, True, False])), 1.0),
    ])  # fmt: skip
