"""Optimisers, the moving average of the weights, learning rates over time, and when to stop.

Rates and stops are functions of the config, the step and the history: a run that is resumed needs no other state.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from fkd_helpers.core.config import TrainConfig

WARM_UP = 0.1  # share of a warmup_cosine run in which the learning rate rises
PLATEAU_WAIT = 3  # epochs without a better watched number after which the schedule "plateau" lowers the rate


def optimiser_for(model: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    """Return the optimiser of a config; biases and normalisation weights are not decayed."""
    weights = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in weights if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in weights if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if config.optimiser == "sgd":
        return torch.optim.SGD(groups, lr=config.learning_rate, momentum=config.momentum)
    kind = torch.optim.Adam if config.optimiser == "adam" else torch.optim.AdamW
    return kind(groups, lr=config.learning_rate)


def moving_average(model: nn.Module, decay: float) -> AveragedModel:
    """Return an exponential moving average of weights and buffers; young averages forget their start faster."""

    def update(mean, new, step):
        young = (1 + int(step)) / (10 + int(step))
        return mean.lerp(new, 1 - min(decay, young)) if mean.is_floating_point() else new

    average = AveragedModel(model, avg_fn=update, use_buffers=True)
    average.n_averaged += 1  # the first weights are its first value
    return average


def rate_share(step: int, steps: int, config: TrainConfig, watched: Sequence[float] = ()) -> float:
    """Return the share of the learning rate at a step of a run of `steps`.

    warmup_cosine: a short linear rise, then a cosine down to zero; cosine: only that; step: a tenth after each third;
    plateau: a tenth each time the watched numbers, one per epoch, have not got better for `PLATEAU_WAIT` epochs.
    """
    done = step / steps
    if config.schedule == "constant":
        return 1.0
    if config.schedule == "step":
        return 0.1 ** int(done * 3)
    if config.schedule == "plateau":
        return 0.1 ** _plateaus(watched)
    rise = WARM_UP if config.schedule == "warmup_cosine" else 0
    if done < rise:
        return max(done / rise, 0.01)
    return 0.5 * (1 + math.cos(math.pi * (done - rise) / (1 - rise)))


def _plateaus(watched: Sequence[float]) -> int:
    """Return how often the numbers stood still for `PLATEAU_WAIT` epochs; after each plateau the wait begins anew."""
    best, waited, found = math.inf, 0, 0
    for value in watched:
        best, waited = (value, 0) if value < best else (best, waited + 1)
        if waited == PLATEAU_WAIT:
            found, waited = found + 1, 0
    return found


def epochs_since_best(watched: Sequence[float]) -> int:
    """Return how many epochs ago the smallest of the watched numbers came; NaN is never the smallest."""
    values = np.array(watched, float)
    return len(values) - 1 - int(np.nanargmin(values)) if np.isfinite(values).any() else len(values)
