"""Plausible wrong answers to the exercises of notebook 03."""

import math

import numpy as np
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR


def averaged(values, weight, start):
    smoothed = [start]
    for value in values:
        smoothed.append(weight * smoothed[-1] + (1 - weight) * value)
    return smoothed[1:]


def cosine(step, steps, warm):
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / (steps - warm)))


WRONG = {
    "masked_l1": [
        lambda p, t: np.abs(p - t).mean(),  # NaN spreads
        lambda p, t: np.nan_to_num(np.nanmean(np.abs(p - t))) ** 2,  # squared
    ],
    "momentum_step": [
        lambda w, g, v, rate, m: (w - rate * g, m * v + g),  # the velocity is kept, and not used
        lambda w, g, v, rate, m: (w - rate * v, m * v + g),  # the old velocity
        lambda w, g, v, rate, m: (w - rate * (m * v + (1 - m) * g), m * v + (1 - m) * g),  # an average, as in Adam
    ],
    "summary_row": [
        lambda x: (np.nanmean(x), np.nanstd(x), np.isfinite(x).sum()),  # of the population
        lambda x: (x.mean(), x.std(ddof=1), len(x)),  # NaN spreads
    ],
    "smooth": [
        lambda x, weight: averaged(x, weight, start=0.0),
        lambda x, weight: averaged(x, 1 - weight, start=x[0]),  # the weights exchanged
        lambda x, weight: np.append(x[0], weight * x[:-1] + (1 - weight) * x[1:]),  # of raw neighbours
    ],
    "warmup_cosine": [
        lambda optimiser, steps, warm: CosineAnnealingLR(optimiser, steps),  # no warm-up
        lambda optimiser, steps, warm: LambdaLR(  # the cosine does not wait for the warm-up
            optimiser, lambda i: (i + 1) / warm if i < warm else cosine(i, steps, 0)
        ),
    ],
}
