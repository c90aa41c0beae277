"""Plausible wrong answers to the exercises of notebook 01."""

import cv2
import numpy as np

from fkd_helpers.data.faceset import LAYOUT_MIRRORS
from fkd_helpers.faces.landmarks import OUTER_EYES


def mirrored(keypoints, width):
    return np.stack([width - keypoints[:, 0], keypoints[:, 1]], -1)


def only_the_eyes_swapped(keypoints, width):
    order = np.arange(68)
    order[list(OUTER_EYES)] = order[list(OUTER_EYES)][::-1]
    return mirrored(keypoints, width - 1)[order]


def tiny_picture(crop):
    return cv2.resize(crop, (24, 24), interpolation=cv2.INTER_AREA).ravel().astype(float)


WRONG = {
    "face_box": [
        lambda k: np.concatenate([k.min(0), k.max(0) - k.min(0)]),  # NaN spreads
        lambda k: np.concatenate([np.nanmin(k, 0), np.nanmax(k, 0)]),  # corners, not sizes
        lambda k: np.concatenate([np.nanmin(np.nan_to_num(k), 0), np.ptp(np.nan_to_num(k), 0)]),  # missing = 0
        lambda k: np.concatenate([np.nanmin(k, 0)[::-1], (np.nanmax(k, 0) - np.nanmin(k, 0))[::-1]]),  # y first
    ],
    "resize_keypoints": [
        lambda k, old, new: k * np.array(new) / np.array(old),  # half a pixel forgotten
        lambda k, old, new: (k + 0.5) * np.array(new)[::-1] / np.array(old)[::-1] - 0.5,  # height and width swapped
        lambda k, old, new: (k + 0.5) * new[0] / old[0] - 0.5,  # one factor for both
        lambda k, old, new: k,  # points left behind
    ],
    "flip_keypoints": [
        lambda k, width: mirrored(k, width - 1),  # no swap
        lambda k, width: mirrored(k, width)[LAYOUT_MIRRORS[68]],  # one pixel off
        lambda k, width: mirrored(k, width - 1)[::-1],  # the order reversed
        lambda k, width: k[LAYOUT_MIRRORS[68]],  # the numbers, but not the places
        only_the_eyes_swapped,
    ],
    "frames_of": [
        lambda names, people: [any(p in name for p in people) for name in names],
        lambda names, people: [any(name.split("/")[1].startswith(p) for p in people) for name in names],
        lambda names, people: [name.split("/")[1].split("_")[0] in people for name in names],  # the first _
        lambda names, people: [name.rpartition("_")[0] in people for name in names],  # the folder kept
        lambda names, people: [i for i, name in enumerate(names) if any(p in name for p in people)],  # places
    ],
    "features": [
        tiny_picture,
        lambda crop: crop.mean(keepdims=True).ravel(),  # the brightness alone
        lambda crop: cv2.Canny(crop, 100, 200),  # a picture in place of a vector
    ],
}
