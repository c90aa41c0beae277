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
    "face_box": [
        ("two points", (FACE[:2],), box_of(FACE[:2])),
        ("a face", (FACE,), box_of(FACE)),
        ("two of five points missing", (GAPS,), [5, 4, 20, 27]),
    ],
    "flip_keypoints": [
        ("a face in 160 pixels", (FACE, 160), flipped(FACE, 160)),
        ("a face in 301 pixels", (FACE + 40.25, 301), flipped(FACE + 40.25, 301)),
    ],
    "resize_keypoints": [
        ("the image's outer corners, half as large", (CORNERS, (100, 50), (50, 25)), [[-0.5, -0.5], [49.5, 24.5]]),
        ("width and height by different factors", (CORNERS, (100, 50), (200, 25)), [[-0.5, -0.5], [199.5, 24.5]]),
        ("the centre of the first pixel, twice as large", (np.zeros((1, 2)), (100, 50), (200, 100)), [[0.5, 0.5]]),
    ],
    "frames_of": [
        ("two people of one frame each", (["training/Bo_Ek_00.png", "training/Cy_Ash_00.png"], ["Cy_Ash"]), [0, 1]),
        ("one person, both folders", (["test/Bo_Ek_01.png", "training/Bo_Ek_00.png"], ["Bo_Ek"]), [1, 1]),
        (f"{NAMES}, held out: Ann_Lee", (NAMES, ["Ann_Lee"]), [1, 1, 0, 0]),
    ],
    "features": [
        ("number of dimensions", (lambda features: np.ndim(features(_crops()[0][0].copy())),), 1),
        ("NME of the copycat on people that it has not seen", (_copied,), AtMost(0.1)),  # of tiny pictures: 0.14
    ],
}
register("01", CASES, features=ask)
