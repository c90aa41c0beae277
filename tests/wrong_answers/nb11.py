"""Plausible wrong answers to the exercises of notebook 11."""

import numpy as np


def int8_by(values, low, high, *, clip=True, whole=np.round, steps=255):
    scale = (high - low) / steps
    zero = np.round(-128 - low / scale)
    stored = whole(values / scale) + zero
    return (np.clip(stored, -128, 127) - zero if clip else stored - zero) * scale


WRONG = {
    "through_int8": [
        lambda v, low, high: int8_by(v, low, high, clip=False),
        lambda v, low, high: int8_by(v, low, high, whole=np.floor),  # cut, not rounded
        lambda v, low, high: int8_by(v, low, high, steps=127),  # seven bits
        lambda v, low, high: (
            low + np.round((np.clip(v, low, high) - low) / (high - low) * 255) * (high - low) / 255
        ),  # zero lies between two steps
    ],
    "whole_mean": [
        lambda means, counts: np.nan_to_num(means).mean(0),  # every worker counts the same
        lambda means, counts: np.nanmean(means, 0),
        lambda means, counts: (means * counts[:, None]).sum(0) / counts.sum(),  # 0 x nan is nan
        lambda means, counts: np.nansum(means * counts[:, None], 0) / len(counts),  # by workers, not faces
    ],
    "speedup": [
        lambda w, alone, talk: w,
        lambda w, alone, talk: 1 / (alone + (1 - alone) / w + talk * w),  # talks to itself
        lambda w, alone, talk: 1 / (alone + (1 - alone) / w),  # silent
        lambda w, alone, talk: 1 / (alone + 1 / w + talk * (w - 1)),  # what cannot be shared is done twice
        lambda w, alone, talk: alone + (1 - alone) / w + talk * (w - 1),  # time, not speed
    ],
    "expected_hours": [
        lambda hours, rate: hours * (1 + rate * hours),  # one failure at most
        lambda hours, rate: hours * np.exp(rate * hours),  # each failure costs the whole job
        lambda hours, rate: hours / (1 - rate * hours) if rate * hours < 1 else 1e9,
        lambda hours, rate: np.expm1(rate * hours) / max(rate, 1e-300),  # never fails: never done
    ],
}
