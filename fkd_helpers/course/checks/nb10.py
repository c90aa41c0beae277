"""Checks of the exercises of notebook 10."""

import numpy as np
import torch
from torch import nn

from fkd_helpers.course.exercises import register


def _learning(freeze, width, classes):
    """Return the answer, and the weights that learn in the backbone and in the heads."""
    net = nn.Module()
    net.backbone = nn.Sequential(nn.Conv2d(3, width, 3), nn.BatchNorm2d(width))
    net.expression, net.scales = nn.Linear(width, classes), nn.Linear(width, 2)
    parts = net.backbone, nn.ModuleList([net.expression, net.scales])
    return [freeze(net), *(sum(w.numel() for w in part.parameters() if w.requires_grad) for part in parts)]


def _summed(multi_task_loss, scales, weight):
    return multi_task_loss(LOGITS, torch.tensor(scales), LABELS, torch.tensor(SCALES), weight)


ONE, OTHER = np.array([0, 0, 1, 1, 2, 2]), np.array([0, 1, 1, 1, 2, 0])
RARE, SHY = np.array([0] * 8 + [1, 1]), np.array([0] * 9 + [2])
LOGITS, LABELS = torch.zeros(2, 8, dtype=torch.float64), torch.tensor([0, 1])
LOGITS[0, 0], LOGITS[1, 1], LOGITS[1, 2] = 2, 1, 3
CROSS = nn.functional.cross_entropy(LOGITS, LABELS).item()
SCALES, PREDICTED = np.array([[0.5, 0.5], [-0.6, 0.4]]), np.array([[0.5, 0.1], [-0.2, 0.4]])
X = np.array([-0.5, 0.0, 0.5, 0.8])

CASES = {
    "kappa": [
        ((ONE, ONE), 1), ((ONE, OTHER), 0.5), ((RARE, SHY), (0.8 - 0.72) / (1 - 0.72)), ((ONE % 2, 1 - ONE % 2), -0.8),
    ],
    "multi_task_loss": [
        ("weight 0: the cross-entropy alone", (PREDICTED, 0.0), CROSS),
        ("weight 5, exact scales", (SCALES, 5.0), CROSS),
        ("weight 5", (PREDICTED, 5.0), CROSS + 5 * np.mean((PREDICTED - SCALES) ** 2)),
    ],
    "freeze": [
        ("returned, learning in the backbone, in the heads: width 4", (4, 8), [50, 0, 50]),
        ("returned, learning in the backbone, in the heads: width 16", (16, 7), [153, 0, 153]),
    ],
    "concordance": [
        ((X, X), 1), ((X + 0.3, X), 2 * X.var() / (2 * X.var() + 0.09)), (((X + X.mean()) / 2, X), 0.8),
        ((-X, X), -2 * X.var() / (2 * X.var() + (2 * X.mean()) ** 2)),
    ],
}  # fmt: skip
register("10", CASES, multi_task_loss=_summed, freeze=_learning)
