"""Plausible wrong answers to the exercises of notebook 09."""

import numpy as np


def masked_mean(values, axes):
    count = (~np.isnan(values)).sum(axes)
    return np.where(count > 0, np.nansum(values, axes) / np.maximum(count, 1), np.nan)


def mirrored_15(keypoints, pairs, side, *, axis=0, swap=True, move=True):
    found, order = keypoints.copy(), np.arange(keypoints.shape[1])
    if move:
        found[..., axis] = side - found[..., axis]
    for a, b in pairs if swap else []:
        order[[a, b]] = b, a
    return found[:, order]


WRONG = {
    "rmse_by_point": [
        lambda p, t: np.sqrt((np.nan_to_num(p - t) ** 2).mean((0, 2))),  # a gap counts as a hit
        lambda p, t: np.sqrt(masked_mean((p - t) ** 2, (0, 1))),  # of each axis
        lambda p, t: np.sqrt(masked_mean((p - t) ** 2, (1, 2))),  # of each face
        lambda p, t: masked_mean(np.abs(p - t), (0, 2)),  # MAE
        lambda p, t: masked_mean((p - t) ** 2, (0, 2)),  # the root forgotten
        lambda p, t: np.nan_to_num(np.sqrt(masked_mean((p - t) ** 2, (0, 2)))),  # 0 for a point that nobody has
    ],
    "fill_mean": [
        lambda k: np.nan_to_num(k),  # zeros
        lambda k: np.where(np.isnan(k), np.nanmean(k), k),  # one number for everything
        lambda k: np.where(np.isnan(k), np.nanmean(k, (0, 1)), k),  # of all points
        lambda k: np.broadcast_to(np.nanmean(k, 0), k.shape),  # the real labels too
        lambda k: np.where(np.isnan(k), np.nanmedian(k, 0), k) + 0.01,
    ],
    "flip_15": [
        lambda k, pairs, side=96: mirrored_15(k, pairs, side, swap=False),  # names stay
        lambda k, pairs, side=96: mirrored_15(k, pairs, side - 1),  # pixels from their middles
        lambda k, pairs, side=96: mirrored_15(k, pairs, side, axis=1),  # upside down
        lambda k, pairs, side=96: mirrored_15(k, pairs, side, move=False),  # names only
        lambda k, pairs, side=96: np.nan_to_num(mirrored_15(k, pairs, side)),  # a gap becomes a point
    ],
    "leaked": [
        lambda groups, held: np.isin(groups[~held], groups[held]).mean(),  # of the others
        lambda groups, held: np.isin(groups, groups[~held]).mean(),  # of all
        lambda groups, held: float(np.isin(groups[held], groups[~held]).any()),  # whether, not how many
        lambda groups, held: 1 - len(np.unique(groups)) / len(groups),  # repeats, wherever they are
        lambda groups, held: np.isin(groups[held], groups[~held]).sum() / len(groups),
    ],
}
