"""Optimisers, the moving average of the weights, learning rates over time (warm-up, cosine), and the best epoch.

Rates and stops follow from the config, the step and the history: a run that is resumed needs no other state.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from fkd_helpers.core.config import TrainConfig

WARM_UP = 0.1  # share of a warmup_cosine run in which the learning rate rises


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


def rate_share(step: int, steps: int, config: TrainConfig) -> float:
    """Return the share of the learning rate at a step: a short linear rise, then a cosine down to zero; or always 1."""
    done = step / steps
    if config.schedule == "constant":
        return 1.0
    if done < WARM_UP:
        return max(done / WARM_UP, 0.01)
    return 0.5 * (1 + math.cos(math.pi * (done - WARM_UP) / (1 - WARM_UP)))


def epochs_since_best(watched: Sequence[float]) -> int:
    """Return how many epochs ago the smallest of the watched numbers came; NaN is never the smallest."""
    values = np.array(watched, float)
    return len(values) - 1 - int(np.nanargmin(values)) if np.isfinite(values).any() else len(values)
