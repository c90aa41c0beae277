"""Plausible wrong answers to the exercises of notebook 10."""

import numpy as np
import torch
from torch.nn import functional


def by_chance(a, b):
    classes = max(a.max(), b.max()) + 1
    return (np.bincount(a, minlength=classes) * np.bincount(b, minlength=classes)).sum() / len(a) ** 2


def learning(net):
    return sum(weight.numel() for weight in net.parameters() if weight.requires_grad)


def frozen_wholly(net):
    net.requires_grad_(False)
    return learning(net)


def frozen_convolution(net):
    net.backbone[0].requires_grad_(False)  # batch normalisation has weights, too
    return learning(net)


def counted_all(net):
    net.backbone.requires_grad_(False)
    return sum(weight.numel() for weight in net.parameters())


def counted_tensors(net):
    net.backbone.requires_grad_(False)
    return sum(1 for weight in net.parameters() if weight.requires_grad)


def in_evaluation(net):
    net.backbone.eval()  # keeps the statistics, not the weights
    return learning(net)


WRONG = {
    "kappa": [
        lambda a, b: np.mean(a == b),  # chance not taken off
        lambda a, b: (np.mean(a == b) - 1 / (a.max() + 1)) / (1 - 1 / (a.max() + 1)),  # chance of equal classes
        lambda a, b: np.mean(a == b) - by_chance(a, b),  # not divided
    ],
    "multi_task_loss": [
        lambda z, s, y, t, w: functional.cross_entropy(torch.softmax(z, 1), y) + w * functional.mse_loss(s, t),
        lambda z, s, y, t, w: functional.cross_entropy(z, y) + w * functional.l1_loss(s, t),
        lambda z, s, y, t, w: (1 - w) * functional.cross_entropy(z, y) + w * functional.mse_loss(s, t),
    ],
    "freeze": [frozen_wholly, frozen_convolution, counted_all, counted_tensors, in_evaluation],
    "concordance": [
        lambda p, t: np.corrcoef(p, t)[0, 1],  # Pearson's r
        lambda p, t: 2 * np.cov(p, t)[0, 1] / (p.var() + t.var() + (p.mean() - t.mean()) ** 2),  # n - 1 above only
    ],
}
