"""Self-checks of the exercises of notebook 10."""

from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from fkd_helpers.course.exercises import exercise
from fkd_helpers.course.verdicts import Case, Verdict, is_stub, run


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
def multi_task_loss(function: Callable) -> Verdict:
    """Check exercise 2: cross-entropy of (n, 8) logits plus the weighed squared error of (n, 2) scales."""
    logits = np.array([[2.0, 0, 0, 0, 0, 0, 0, 0], [0, 1, 3, 0, 0, 0, 0, 0]])
    scales, targets = np.array([[0.5, 0.1], [-0.2, 0.4]]), np.array([[0.5, 0.5], [-0.6, 0.4]])
    labels = np.array([0, 1])
    cross = np.mean(np.log(np.exp(logits).sum(1)) - logits[[0, 1], labels])

    def as_number(logits, scales, labels, targets, weight):
        loss = function(*map(torch.tensor, (logits, scales)), torch.tensor(labels), torch.tensor(targets), weight)
        return loss.item() if isinstance(loss, torch.Tensor) and loss.ndim == 0 else loss

    return run(as_number, [
        Case("weight 0: the cross-entropy alone", (logits, scales, labels, targets, 0.0), cross),
        Case("weight 5, exact scales", (logits, targets, labels, targets, 5.0), cross),
        Case("weight 5", (logits, scales, labels, targets, 5.0), cross + 5 * np.mean((scales - targets) ** 2)),
    ])  # fmt: skip


@exercise("10")
def freeze(function: Callable) -> Verdict:
    """Check exercise 3: a frozen backbone; the weights that still learn, as returned and as found."""

    def learning(width, classes):
        net = nn.Module()
        net.backbone = nn.Sequential(nn.Conv2d(3, width, 3), nn.BatchNorm2d(width))
        net.expression, net.scales = nn.Linear(width, classes), nn.Linear(width, 2)
        count = function(net)
        if is_stub(count):
            return count
        heads = [*net.expression.parameters(), *net.scales.parameters()]
        parts = (net.backbone.parameters(), heads)
        return [count, *(sum(w.numel() for w in weights if w.requires_grad) for weights in parts)]

    return run(learning, [
        Case("returned, learning in the backbone, in the heads: width 4", (4, 8), [50, 0, 50]),
        Case("returned, learning in the backbone, in the heads: width 16", (16, 7), [153, 0, 153]),
    ])  # fmt: skip


@exercise("10")
def concordance(function: Callable) -> Verdict:
    """Check exercise 4: the concordance correlation coefficient of two arrays (n,)."""
    x = np.array([-0.5, 0.0, 0.5, 0.8])
    spread = x.var()
    return run(function, [
        Case("equal values", (x, x), 1.0),
        Case("all answers 0.3 too high", (x + 0.3, x), 2 * spread / (2 * spread + 0.09)),
        Case("half the spread about the same mean", (x.mean() + (x - x.mean()) / 2, x), 0.8),
        Case("the opposite sign", (-x, x), -2 * spread / (2 * spread + (2 * x.mean()) ** 2)),
    ])  # fmt: skip
