"""Where the labels of a data set lie beside the points that they mean. Built in notebook 02.

Mirror a face and its keypoints: for labels that all lie a little to the right, the mirrored ones lie a little to the
left, and a network that is shown both kinds learns the middle. What it then misses by is the shift, measured on
training faces by benchmarks/label_shift.py (records label-shift-*). A mirror tells right from left; a shift up or down
stays unseen.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from fkd_helpers.data.faceset import FaceSet
from fkd_helpers.faces.boxes import box_of

# To the right: pixels of the image, and a share of the longer side of the face's box.
SHIFTS = {"ytf": (0.45, 0.0070), "wild68": (0.69, 0.0)}


def shift_of(keypoints: np.ndarray, data: str | Path) -> np.ndarray:
    """Return how many pixels (n, 1) to the right the labels of a data set lie; 0 for a set that was not measured."""
    pixels, share = SHIFTS.get(Path(data).name, (0.0, 0.0))
    side = box_of(keypoints)[:, 2:].max(-1, keepdims=True)
    return np.float32(pixels) + np.float32(share) * side.astype(np.float32)


def centred(faces: FaceSet, data: str | Path) -> FaceSet:
    """Return the faces with their labels where the points are."""
    keypoints = faces.keypoints.copy()
    keypoints[..., 0] -= shift_of(keypoints, data)
    return replace(faces, keypoints=keypoints)


def as_labelled(predicted: np.ndarray, data: str | Path) -> np.ndarray:
    """Return predicted keypoints (n, k, 2), pixels of the image, where the labels of that data set would lie."""
    moved = np.array(predicted, np.float32)
    moved[..., 0] += shift_of(moved, data)
    return moved
