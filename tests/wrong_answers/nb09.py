"""Plausible wrong answers to the exercises of notebook 09."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional


def masked_mean(values, axes):
    count = (~np.isnan(values)).sum(axes)
    return np.where(count > 0, np.nansum(values, axes) / np.maximum(count, 1), np.nan)


def huber(predicted, target):
    there = ~target.isnan()
    return functional.huber_loss(predicted[there], target[there], reduction="sum"), there.sum().clamp(min=1)


def masked_late(predicted, target):
    each, there = functional.huber_loss(predicted, target, reduction="none"), ~target.isnan()
    return torch.where(there, each, 0.0).sum() / there.sum().clamp(min=1)


def projection(inputs, outputs, stride, bias=False):
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=bias), nn.BatchNorm2d(outputs))


WRONG = {
    "masked_loss": [
        masked_late,  # 0 x NaN in the gradient
        lambda p, t: huber(p, t)[0],  # a sum
        lambda p, t: functional.huber_loss(p[~t.isnan()], t[~t.isnan()]),  # NaN where nothing is there
    ],
    "shortcut": [
        lambda i, o, s: nn.Identity(),  # whatever the shapes
        lambda i, o, s: projection(i, o, s),  # never the identity
        lambda i, o, s: nn.Identity() if i == o else projection(i, o, s),  # the stride forgotten
    ],
    "rmse_by_point": [
        lambda p, t: np.sqrt((np.nan_to_num(p - t) ** 2).mean((0, 2))),  # a gap counts as a hit
        lambda p, t: np.sqrt(masked_mean((p - t) ** 2, (0, 1))),  # of each axis
        lambda p, t: np.nan_to_num(np.sqrt(masked_mean((p - t) ** 2, (0, 2)))),  # 0 for a point that nobody has
    ],
    "leaked": [
        lambda groups, held: np.isin(groups[~held], groups[held]).mean(),  # of the others
        lambda groups, held: np.isin(groups, groups[~held]).mean(),  # of all
    ],
}
