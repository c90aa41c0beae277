"""Find a learning rate: let it grow from step to step and see where the loss falls fastest.

Source: Smith, Cyclical Learning Rates for Training Neural Networks, 2017.
"""

import copy
import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from fkd_helpers.core.config import TrainConfig
from fkd_helpers.core.errors import InputError
from fkd_helpers.train.loop import TrainingStopped, fabric_for, memory_errors, steps_of, train_step
from fkd_helpers.train.schedules import optimiser_for, set_rate

BROKEN = 4.0  # a smoothed loss of so many times the best one will not come back


@dataclass(frozen=True)
class RateSearch:
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

    Args:
        batches, loss: as for `fit`
        config: its learning rate plays no part
        smoothing: share of the past in the running mean of the losses
    """
    if not 0 < lowest < highest or steps < 10 or not 0 <= smoothing < 1:
        wanted = "expected 0 < lowest < highest, 10 steps or more and a smoothing of 0 to below 1"
        raise InputError(f"find_rate: {wanted}, got {lowest:g}, {highest:g}, {steps} and {smoothing:g}")
    steps_of(batches)
    fabric, model = fabric_for(config), copy.deepcopy(model).train()
    model, optimiser = fabric.setup(model, optimiser_for(model, config))
    rates, losses, mean, weight = np.geomspace(lowest, highest, steps), [], 0.0, 0.0
    endless = itertools.chain.from_iterable(map(batches, itertools.count()))
    with torch.random.fork_rng(), memory_errors(config):
        torch.manual_seed(config.seed)
        for rate, batch in zip(rates, endless, strict=False):
            set_rate(optimiser, rate)
            try:
                value = train_step(fabric, model, optimiser, loss, batch, config).item()
            except TrainingStopped:  # not finite: as far as it goes
                break
            mean, weight = smoothing * mean + (1 - smoothing) * value, smoothing * weight + 1 - smoothing
            losses.append(mean / weight)
            if losses[-1] > BROKEN * min(losses):
                break
    if not losses:
        raise InputError(f"find_rate: the loss is not finite even before the first step, at a rate of {lowest:g}")
    rates, losses = rates[: len(losses)], np.array(losses)
    before = losses[: int(losses.argmin()) + 1]  # the steepest fall over five steps comes before the smallest loss
    steepest = int((before[5:] - before[:-5]).argmin()) + 2 if len(before) > 5 else 0
    return RateSearch(rates, losses, float(rates[steepest]))
