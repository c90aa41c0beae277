"""Measures of expression from 68 keypoints that do not depend on size, position and roll of the head.

Lengths are in distances of the outer eye corners; y goes down. Yaw and pitch still change them.
"""

from collections.abc import Sequence

import numpy as np

from fkd_helpers.core.errors import InputError
from fkd_helpers.faces.landmarks import LEFT_EYE, OUTER_EYES, RIGHT_EYE
from fkd_helpers.faces.pose import level_rotation

CORNERS, LIP_MIDDLE = (48, 54), (51, 57, 62, 66)
UPPER_OUTER, UPPER_INNER, LOWER_INNER, LOWER_OUTER = (50, 51, 52), (61, 62, 63), (67, 66, 65), (58, 57, 56)
EYES, BROWS = (*LEFT_EYE, *RIGHT_EYE), range(17, 27)

# What each feature measures, and what is said where it is larger or smaller than on the neutral face.
FEATURES = {
    "corner_lift": ("mouth corners above the middle of the lips", "mouth corners raised", "mouth corners lowered"),
    "mouth_width": ("from corner to corner", "mouth wider", "mouth narrower"),
    "mouth_opening": ("between the inner lips", "mouth opened", "mouth closed"),
    "lip_height": ("both lips together", "lips fuller", "lips pressed"),
    "brow_height": ("brows above the eyes", "brows raised", "brows lowered"),
    "inner_brows": ("between the inner ends of the brows", "brows apart", "brows drawn together"),
    "eye_opening": ("between the lids", "eyes widened", "eyes narrowed"),
    "brow_slant": ("inner ends of the brows above the outer ones", "inner brows raised", "inner brows lowered"),
    "nose_width": ("from nostril to nostril", "nostrils widened", "nostrils narrowed"),
    "upper_lip": ("from the nose down to the upper lip", "upper lip lowered", "upper lip raised"),
    "lopsided": ("one mouth corner above the other", "mouth lopsided", "mouth even"),
    "corner_drop": ("mouth corners below the eyes", "mouth corners farther down", "mouth corners farther up"),
}
# The ways that a feature is made from, each from the middle of a group of points to the middle of another. It is the
# mean of how far they go down, but WIDTHS are lengths, "lip_height" is a sum and "lopsided" has no sign.
WAYS: dict[str, list[tuple[Sequence[int], Sequence[int]]]] = {
    "corner_lift": [(CORNERS, LIP_MIDDLE)],
    "mouth_width": [((48,), (54,))],
    "mouth_opening": [(UPPER_INNER, LOWER_INNER)],
    "lip_height": [(UPPER_OUTER, UPPER_INNER), (LOWER_INNER, LOWER_OUTER)],
    "brow_height": [(BROWS, EYES)],
    "inner_brows": [((21,), (22,))],
    "eye_opening": [((37, 38), (40, 41)), ((43, 44), (46, 47))],
    "brow_slant": [((21,), (17,)), ((22,), (26,))],
    "nose_width": [((31,), (35,))],
    "upper_lip": [((33,), UPPER_OUTER)],
    "lopsided": [((48,), (54,))],
    "corner_drop": [(EYES, CORNERS)],
}
WIDTHS = ("mouth_width", "inner_brows", "nose_width")


def upright(keypoints: np.ndarray) -> np.ndarray:
    """Return keypoints (..., 68, 2) with the eyes level, their middle at (0, 0), the outer corners 1 apart; or NaN."""
    keypoints = np.asarray(keypoints, np.float64)
    if keypoints.shape[-2:] != (68, 2):
        raise InputError(f"keypoints: expected (..., 68, 2), got {keypoints.shape}")
    middle = keypoints[..., list(EYES), :].mean(-2)
    outer = keypoints[..., OUTER_EYES[1], :] - keypoints[..., OUTER_EYES[0], :]
    with np.errstate(invalid="ignore", divide="ignore"):
        turned = (keypoints - middle[..., None, :]) @ np.swapaxes(level_rotation(keypoints), -1, -2)
        face = turned / np.linalg.norm(outer, axis=-1)[..., None, None]
    return np.where(np.isfinite(face), face, np.nan)


def features(keypoints: np.ndarray) -> np.ndarray:
    """Return the FEATURES (..., 12) of faces (..., 68, 2), in distances of the outer eye corners; NaN where unknown."""
    face = upright(keypoints)

    def down(a, b):  # how far the middle of the points b is below that of a
        return face[..., b, 1].sum(-1) / len(b) - face[..., a, 1].sum(-1) / len(a)

    values = {name: sum(down(a, b) for a, b in ways) / len(ways) for name, ways in WAYS.items()}
    for name in WIDTHS:
        ((a,), (b,)) = WAYS[name][0]
        values[name] = np.linalg.norm(face[..., a, :] - face[..., b, :], axis=-1)
    values["lip_height"], values["lopsided"] = 2 * values["lip_height"], np.abs(values["lopsided"])
    return np.stack([values[name] for name in FEATURES], -1)


def neutral_face(keypoints: np.ndarray) -> np.ndarray:
    """Return a person's own neutral face (68, 2) from frames (n, 68, 2) or (68, 2) of rest: the calibration."""
    faces = upright(keypoints).reshape(-1, 68, 2)
    faces = faces[np.isfinite(faces).all((1, 2))]
    if not len(faces):
        raise InputError("neutral face: expected at least one face with all 68 keypoints, got none")
    return np.median(faces, 0)
