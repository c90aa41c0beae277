"""The point layouts of the course, 68 keypoints (iBUG's order) and Kaggle's 15: regions, mirror order, colours."""

import functools
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import ImageColor

REGIONS = {
    "jaw": range(0, 17), "brows": range(17, 27), "nose": range(27, 36), "eyes": range(36, 48), "mouth": range(48, 68)
}  # fmt: skip
LEFT_EYE, RIGHT_EYE = range(36, 42), range(42, 48)  # in the picture
OUTER_EYES = (36, 45)  # the two corners whose distance is the unit of NME
# point i of a mirrored face is point MIRROR[i] of the face
MIRROR = np.array([
    *range(16, -1, -1), *range(26, 16, -1), 27, 28, 29, 30, 35, 34, 33, 32, 31, 45, 44, 43, 42, 47, 46, 39, 38, 37,
    36, 41, 40, 54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65,
])
POINTS_15 = (
    "left_eye_center", "right_eye_center", "left_eye_inner_corner", "left_eye_outer_corner", "right_eye_inner_corner",
    "right_eye_outer_corner", "left_eyebrow_inner_end", "left_eyebrow_outer_end", "right_eyebrow_inner_end",
    "right_eyebrow_outer_end", "nose_tip", "mouth_left_corner", "mouth_right_corner", "mouth_center_top_lip",
    "mouth_center_bottom_lip",
)  # fmt: skip
# which of the 68 points each of the 15 is the mean of; a pupil is the middle of six
FROM_68 = (
    (42, 43, 44, 45, 46, 47), (36, 37, 38, 39, 40, 41), (42,), (45,), (39,), (36,), (22,), (26,), (21,), (17,), (30,),
    (54,), (48,), (51,), (57,),
)  # fmt: skip
EXPRESSIONS = ("neutral", "happy", "sad", "surprise", "fear", "disgust", "anger", "contempt")  # AffectNet's order
SHAPE_MODEL = Path(__file__).parents[1] / "assets" / "shape_model.npz"

# Okabe and Ito's colours, which colour-blind readers tell apart
OKABE_ITO = {
    "blue": "#0072B2", "orange": "#E69F00", "purple": "#CC79A7", "sky blue": "#56B4E9",
    "green": "#009E73", "vermilion": "#D55E00", "black": "#000000", "yellow": "#F0E442",
}  # fmt: skip
COLOURS = {
    region: OKABE_ITO[name]
    for region, name in zip(REGIONS, ("sky blue", "orange", "green", "yellow", "purple"), strict=True)
}
TARGET, PREDICTED = OKABE_ITO["green"], OKABE_ITO["vermilion"]


def mirror_by_name(names: Sequence[str]) -> np.ndarray | None:
    """Return the mirror order (k,) of points by "left" and "right" in their names, None where a side has no other.

    >>> mirror_by_name(["left_eye", "right_eye", "nose"]).tolist()
    [1, 0, 2]
    """
    sides = {"left": "right", "right": "left"}
    others = [re.sub("left|right", lambda side: sides[side[0]], name) for name in names]
    known = set(others) == set(names) and others != list(names)
    return np.array([list(names).index(name) for name in others]) if known else None


MIRROR_15 = mirror_by_name(POINTS_15)


def as_15(keypoints: np.ndarray) -> np.ndarray:
    """Return Kaggle's 15 points (15, 2) of 68 (68, 2)."""
    return np.stack([keypoints[list(points)].mean(0) for points in FROM_68])


@functools.cache
def generic_face() -> np.ndarray:
    """Return the mean face (68, 3) of the shape model: x right, y down, z to the camera, in sides of its box."""
    with np.load(SHAPE_MODEL) as file:
        return file["mean"].astype(np.float64)


BY_KEYPOINT = [ImageColor.getrgb(COLOURS[region]) for region, points in REGIONS.items() for _ in points]
