"""Plausible wrong answers to the exercises of notebook 10."""

import numpy as np


def place(weights):
    shares = weights / weights.sum()
    cells = np.arange(len(shares))
    return np.array([(shares.sum(0) * cells).sum(), (shares.sum(1) * cells).sum()])


def by_chance(a, b):
    classes = max(a.max(), b.max()) + 1
    return (np.bincount(a, minlength=classes) * np.bincount(b, minlength=classes)).sum() / len(a) ** 2


def binned(sure, bins):
    place = np.ceil(sure * bins)
    return [np.flatnonzero(place == b) for b in np.unique(place)]


WRONG = {
    "kappa": [
        lambda a, b: np.mean(a == b),  # chance not taken off
        lambda a, b: (np.mean(a == b) - 1 / (a.max() + 1)) / (1 - 1 / (a.max() + 1)),  # chance of equal classes
        lambda a, b: np.mean(a == b) - by_chance(a, b),  # not divided
        lambda a, b: (np.mean(a == b) - by_chance(a, a)) / (1 - by_chance(a, a)),  # one rater's habits twice
    ],
    "concordance": [
        lambda p, t: np.corrcoef(p, t)[0, 1],  # Pearson's r
        lambda p, t: 2 * np.cov(p, t)[0, 1] / (p.var() + t.var() + (p.mean() - t.mean()) ** 2),  # n - 1 above only
        lambda p, t: 2 * np.cov(p, t, ddof=0)[0, 1] / (p.var() + t.var()),  # means not compared
        lambda p, t: 2 * np.mean(p * t) / np.mean(p * p + t * t),  # about zero
    ],
    "smooth_labels": [
        lambda e, classes, s: np.eye(classes)[e] * (1 - s),  # the rest of the share is lost
        lambda e, classes, s: np.where(np.eye(classes)[e] == 1, 1 - s, s / (classes - 1)),  # the label gets no part
        lambda e, classes, s: np.eye(classes)[e] * (1 - s) + s,  # not divided
    ],
    "calibration_error": [
        lambda sure, right, bins: abs(sure.mean() - right.mean()),  # one bin
        lambda sure, right, bins: np.abs(sure - right).mean(),  # a bin an answer
        lambda sure, right, bins: np.mean([abs(sure[i].mean() - right[i].mean()) for i in binned(sure, bins)]),
        lambda sure, right, bins: sum(
            len(i) / len(sure) * (sure[i].mean() - right[i].mean()) for i in binned(sure, bins)
        ),  # signs cancel
    ],
}
