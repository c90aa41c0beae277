"""Plausible wrong answers to the exercises of notebook 02."""

import numpy as np


def averaged(values, weight, start):
    smoothed = [start]
    for value in values:
        smoothed.append(weight * smoothed[-1] + (1 - weight) * value)
    return smoothed[1:]


def place(weights):
    shares = weights / weights.sum()
    cells = np.arange(len(shares))
    return np.array([(shares.sum(0) * cells).sum(), (shares.sum(1) * cells).sum()])


def soft_place(heat):
    return place(np.exp(heat - heat.max()))


WRONG = {
    "masked_l1": [
        lambda p, t: np.abs(p - t).mean(),  # NaN spreads
        lambda p, t: np.nansum(np.abs(p - t)) / t.size,  # divided by what is missing too
        lambda p, t: np.abs(p - np.nan_to_num(t)).mean(),  # missing = 0
        lambda p, t: np.nan_to_num(np.nanmean(np.abs(p - t))) ** 2,  # squared
        lambda p, t: np.nan_to_num([np.abs(a - b)[~np.isnan(b)].mean() for a, b in zip(p, t, strict=True)]).mean(),
    ],
    "momentum_step": [
        lambda w, g, v, rate, m: (w - rate * g, m * v + g),  # the velocity is kept, and not used
        lambda w, g, v, rate, m: (w - rate * v, m * v + g),  # the old velocity
        lambda w, g, v, rate, m: (w - rate * (m * v + (1 - m) * g), m * v + (1 - m) * g),  # an average, as in Adam
        lambda w, g, v, rate, m: (w + rate * (m * v + g), m * v + g),  # uphill
        lambda w, g, v, rate, m: (w - rate * (m * v + g), v),  # the velocity stays as it was
    ],
    "smooth": [
        lambda x, weight: averaged(x, weight, start=0.0),
        lambda x, weight: averaged(x, 1 - weight, start=x[0]),  # the weights exchanged
        lambda x, weight: np.append(x[0], weight * x[:-1] + (1 - weight) * x[1:]),  # of raw neighbours
        lambda x, weight: np.full_like(x, x.mean()),
    ],
    "soft_argmax": [
        lambda h: soft_place(h)[::-1],  # y first
        lambda h: np.unravel_index(h.argmax(), h.shape)[::-1],  # the highest cell
        lambda h: place(h - h.min() + 1e-9),  # no exponential
        lambda h: place(np.exp(np.minimum(h, 700))),  # too large a number for exp, cut off
    ],
    "one_draw": [
        lambda v, people, drawn: v[np.isin(people, drawn)].mean(),  # twice drawn counts once
        lambda v, people, drawn: np.mean([v[people == one].mean() for one in drawn]),  # a person counts as one
        lambda v, people, drawn: v.mean(),
        lambda v, people, drawn: np.mean([v[people == one][0] for one in drawn]),  # the first frame only
    ],
}
