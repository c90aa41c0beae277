"""Checks of the exercises of notebook 01, and the answers that stand in for those that are not solved."""

import functools
from collections.abc import Sequence

import cv2
import numpy as np

from fkd_helpers.course.exercises import AtMost, ask, register
from fkd_helpers.data import load, split
from fkd_helpers.faces.boxes import box_of, crop, square_of, to_crop
from fkd_helpers.faces.images import to_gray
from fkd_helpers.faces.landmarks import MIRROR
from fkd_helpers.faces.metrics import nme


def flipped(keypoints: np.ndarray, width: int) -> np.ndarray:
    """Return the keypoints (68, 2) of a face in the mirror image, `width` pixels wide."""
    return np.stack([width - 1 - keypoints[:, 0], keypoints[:, 1]], 1)[MIRROR]


def resized(keypoints: np.ndarray, old: Sequence[int], new: Sequence[int]) -> np.ndarray:
    """Return keypoints (k, 2) after their image is resized from one (width, height) to another."""
    return (keypoints + 0.5) * np.array(new) / np.array(old) - 0.5


def edges(crop: np.ndarray) -> np.ndarray:
    """Return features (d,) of the inner part of a gray crop (96, 96): how strong its edges are, and how they lie."""
    gradients = cv2.HOGDescriptor((48, 48), (16, 16), (8, 8), (8, 8), 9)
    features = gradients.compute(cv2.resize(crop[14:90, 10:86], (48, 48)))
    return (features - features.mean()) / features.std()


@functools.cache
def _crops():
    """Return gray crops (n, 96, 96) of puppet people, the keypoints in them (n, 68, 2), and which are for training."""
    faces = load("puppets", n=250, seed=3, looks=True)
    squares = square_of(faces.boxes)
    crops = [crop(to_gray(image), square, 96) for image, square in zip(faces.images, squares, strict=True)]
    return np.stack(crops), to_crop(faces.keypoints, squares, 96), np.isin(faces.names, split(faces)[0].names)


def _copied(features):
    """Return the NME if each new face gets the keypoints of the training face with the nearest features."""
    crops, keypoints, known = _crops()
    vectors = np.stack([np.float64(features(crop.copy())) for crop in crops])
    nearest = ((vectors[~known, None] - vectors[known]) ** 2).sum(-1).argmin(1)
    return nme(keypoints[known][nearest], keypoints[~known]).mean()


FACE = np.random.default_rng(1).uniform(30, 120, (68, 2)).round(1)  # without any symmetry
GAPS = np.array([[np.nan, np.nan], [5.0, 7.0], [25.0, 4.0], [np.nan, np.nan], [9.0, 31.0]])
CORNERS = np.array([[-0.5, -0.5], [99.5, 49.5]])
NAMES = ["training/Ann_Lee_00.png", "test/Ann_Lee_03.png", "training/Ann_Lee_Marie_01.png", "training/Ann_00.png"]

CASES = {
    "face_box": [((FACE[:2],), box_of(FACE[:2])), ((FACE,), box_of(FACE)), ((GAPS,), box_of(GAPS))],
    "flip_keypoints": [((face, width), flipped(face, width)) for face, width in ((FACE, 160), (FACE + 40.25, 301))],
    "resize_keypoints": [
        ((CORNERS, old, new), resized(CORNERS, old, new))
        for old, new in (((100, 50), (50, 25)), ((100, 50), (200, 25)), ((60, 60), (120, 120)))
    ],
    "frames_of": [
        ((["training/Bo_Ek_00.png", "training/Cy_Ash_00.png"], ["Cy_Ash"]), [0, 1]),
        ((["test/Bo_Ek_01.png", "training/Bo_Ek_00.png"], ["Bo_Ek"]), [1, 1]),
        ((NAMES, ["Ann_Lee"]), [1, 1, 0, 0]),
    ],
    "features": [
        ("number of dimensions", (lambda features: np.ndim(features(_crops()[0][0].copy())),), 1),
        ("NME of the copycat on people that it has not seen", (_copied,), AtMost(0.1)),  # of tiny pictures: 0.14
    ],
}  # fmt: skip
register("01", CASES, features=ask)
