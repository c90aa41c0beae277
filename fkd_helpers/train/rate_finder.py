"""Find a learning rate: let it grow from step to step and see where the loss falls fastest.

Source: Smith, Cyclical Learning Rates for Training Neural Networks, 2017.
"""

import copy
import itertools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from fkd_helpers.core.config import TrainConfig
from fkd_helpers.train.loop import TrainingStopped, fabric_for, train_step
from fkd_helpers.train.schedules import optimiser_for

BROKEN = 4.0  # a smoothed loss of so many times the best one will not come back


class RateSearch(NamedTuple):
    """Rates (m,) and smoothed losses (m,) of the m steps taken, and the suggested rate."""

    rates: np.ndarray
    losses: np.ndarray
    suggested: float


def find_rate(
    model: nn.Module, batches: Callable[[int], object], loss: Callable, *, config: TrainConfig,
    lowest: float = 1e-6, highest: float = 1.0, steps: int = 100, smoothing: float = 0.8,
) -> RateSearch:  # fmt: skip
    """Train a copy of a model with a rate that grows by the same factor each step, until the loss breaks away.

    The suggested rate is where the loss falls most steeply: an order of magnitude to begin with, not a result.
    `batches` and `loss` are as for `fit`; `smoothing` is the share of the past in the running mean of the losses.
    """
    fabric, model = fabric_for(config), copy.deepcopy(model).train()
    model, optimiser = fabric.setup(model, optimiser_for(model, config))
    rates, losses, mean, weight = np.geomspace(lowest, highest, steps), [], 0.0, 0.0
    endless = itertools.chain.from_iterable(map(batches, itertools.count()))
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        for rate, batch in zip(rates, endless, strict=False):
            try:
                value = train_step(fabric, model, optimiser, loss, batch, config, rate).item()
            except TrainingStopped:  # not finite: as far as it goes
                break
            mean, weight = smoothing * mean + (1 - smoothing) * value, smoothing * weight + 1 - smoothing
            losses.append(mean / weight)
            if losses[-1] > BROKEN * min(losses):
                break
    rates, losses = rates[: len(losses)], np.array(losses)
    before = losses[: int(losses.argmin()) + 1]  # the steepest fall over five steps comes before the smallest loss
    steepest = int((before[5:] - before[:-5]).argmin()) + 2 if len(before) > 5 else 0
    return RateSearch(rates, losses, float(rates[steepest]))
