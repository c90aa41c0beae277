"""Optimisers, learning rates over time, and when to stop. Built in notebook 02.

Everything here is a function of the config, the step and the history: a run that is continued needs no more memory.
"""

import math
from collections.abc import Sequence

import torch
from torch import nn

from fkd_helpers.core.config import PLATEAU_WAIT, RunConfig


def optimiser_for(model: nn.Module, config: RunConfig) -> torch.optim.Optimizer:
    """Return the optimiser of a config for the trained weights of a model."""
    # biases and normalisation are not decayed: they have no reason to be small
    weights = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in weights if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in weights if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if config.optimiser == "sgd":
        return torch.optim.SGD(groups, lr=config.learning_rate, momentum=config.momentum)
    kinds = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    return kinds[config.optimiser](groups, lr=config.learning_rate)


def rate_share(step: int, steps: int, config: RunConfig, watched: Sequence[float] = ()) -> float:
    """Return the share of the learning rate at a step of a whole run of `steps`.

    one_cycle: a short rise and a cosine down to zero; cosine: only that; step: a tenth after each third
    plateau: a tenth each time the watched numbers, one an epoch, have not got better for three epochs
    """
    done = step / max(steps, 1)
    if config.schedule == "one_cycle":
        warm = 0.1
        return max(done / warm, 0.01) if done < warm else 0.5 * (1 + math.cos(math.pi * (done - warm) / (1 - warm)))
    if config.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * done))
    if config.schedule == "plateau":
        return 0.1 ** _plateaus(watched)
    return 0.1 ** int(done * 3) if config.schedule == "step" else 1.0


def _plateaus(watched: Sequence[float]) -> int:
    """Return how often the numbers have stood still for `PLATEAU_WAIT` epochs; after each the wait begins anew."""
    best, waited, found = math.inf, 0, 0
    for value in watched:
        best, waited = (value, 0) if value < best else (best, waited + 1)
        if waited == PLATEAU_WAIT:
            found, waited = found + 1, 0
    return found


def epochs_since_best(watched: Sequence[float]) -> int:
    """Return how many epochs ago the smallest of the watched numbers came; NaN is never the smallest.

    >>> epochs_since_best([3.0, 1.0, 2.0, float("nan")]), epochs_since_best([])
    (2, 0)
    """
    best, when = math.inf, -1
    for i, value in enumerate(watched):
        if value < best:
            best, when = value, i
    return len(watched) - 1 - when if len(watched) else 0
