"""Plausible wrong answers to the exercises of notebook 01."""

import cv2
import numpy as np

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
    ],
    "resize_keypoints": [
        lambda k, old, new: k * np.array(new) / np.array(old),  # half a pixel forgotten
        lambda k, old, new: (k + 0.5) * np.array(new)[::-1] / np.array(old)[::-1] - 0.5,  # height and width swapped
    ],
    "flip_keypoints": [
        lambda k, width: mirrored(k, width - 1),  # no swap
        only_the_eyes_swapped,
    ],
    "frames_of": [
        lambda names, people: [any(p in name for p in people) for name in names],
        lambda names, people: [name.split("/")[1].split("_")[0] in people for name in names],  # the first _
    ],
    "features": [
        tiny_picture,
        lambda crop: cv2.Canny(crop, 100, 200),  # a picture in place of a vector
    ],
}
