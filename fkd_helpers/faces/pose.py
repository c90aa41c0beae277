"""Roll and head pose from 68 keypoints."""

from collections.abc import Sequence

import cv2
import numpy as np

from fkd_helpers.faces.boxes import box_of, similarity
from fkd_helpers.faces.landmarks import LEFT_EYE, REGIONS, RIGHT_EYE, generic_face

STIFF = [0, 1, 15, 16, 27, 28, 29, 30, 31, 33, 35, 36, 39, 42, 45]  # keypoints that an expression hardly moves
BEHIND = np.array([1, 1, -1])  # the shape model's z comes towards the camera, OpenCV's goes away from it


def level_rotation(keypoints: np.ndarray) -> np.ndarray:
    """Return the rotation (..., 2, 2) that makes the eyes of faces (..., 68, 2) level; NaN where it is unknown."""
    left, right = (keypoints[..., list(eye), :].mean(-2) for eye in (LEFT_EYE, RIGHT_EYE))
    with np.errstate(invalid="ignore"):
        along = (right - left) / np.linalg.norm(right - left, axis=-1, keepdims=True)
    return np.stack([along, along[..., ::-1] * [-1, 1]], -2)


def roll_of(keypoints: np.ndarray) -> np.ndarray:
    """Return the roll (...) of faces (..., 68, 2) in radians: 0 upright, a quarter turn clockwise is pi / 2."""
    left, right = (keypoints[..., list(eye), :].mean(-2) for eye in (LEFT_EYE, RIGHT_EYE))
    down = keypoints[..., list(REGIONS["mouth"]), :].mean(-2) - (left + right) / 2
    across = right - left + down[..., ::-1] * [1, -1]  # both by their lengths: a profile's eyes lie close together
    return np.arctan2(across[..., 1], across[..., 0])


def upright_boxes(keypoints: np.ndarray) -> np.ndarray:
    """Return the boxes (n, 5) of faces (n, 68, 2): of each turned upright about its centre, and its roll in radians."""
    rolls = roll_of(keypoints)
    return np.column_stack([box_of(keypoints, rolls), rolls])


def head_pose(keypoints: np.ndarray, size: Sequence[int]) -> np.ndarray | None:
    """Return the pose (3, 4) of a head, `[rotation | translation in face sides]`, in a frame of `size` (width, height).

    `cv2.solvePnP` moves the generic face until it projects onto the keypoints (68, 2); None where it finds no pose.
    Source of the method: T. Baltrusaitis and others, OpenFace 2.0, 2018.
    """
    points = np.asarray(keypoints, np.float64)[STIFF]
    if not np.isfinite(points).all() or np.ptp(points, axis=0).min() < 1:
        return None
    model, view = generic_face()[STIFF] * BEHIND, camera(size)
    # start with a face that looks into the camera: of two mirrored solutions this leads to the one that does
    flat = similarity(model[:, :2], points)
    roll, zoom = np.arctan2(flat[1, 0], flat[0, 0]), max(np.hypot(flat[0, 0], flat[1, 0]), 1e-3)
    start = np.array([*((flat[:, 2] - view[:2, 2]) / zoom), view[0, 0] / zoom])
    found, turn, move = cv2.solvePnP(model, points, view, None, np.array([0, 0, roll]), start, True)
    if not found or not np.isfinite([*turn, *move]).all() or not move[2] > 0:
        return None
    return np.column_stack([cv2.Rodrigues(turn)[0], move])


def camera(size: Sequence[int]) -> np.ndarray:
    """Return the matrix (3, 3) of a camera, its focal length the longer side of frames of `size` (width, height)."""
    focal = max(size)
    return np.array([[focal, 0, (size[0] - 1) / 2], [0, focal, (size[1] - 1) / 2], [0, 0, 1.0]])


def project(points: np.ndarray, pose: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """Return the pixels (n, 2) of points (n, 3) of the generic face, which are in face sides."""
    seen = (points * BEHIND) @ pose[:, :3].T + pose[:, 3]
    return (seen / seen[:, 2:]) @ camera(size)[:2].T


def angles_of(pose: np.ndarray) -> tuple[float, float, float]:
    """Return roll (clockwise), yaw (nose to the right) and pitch (nose down) in degrees, as `shapes.face_shape` has."""
    turn = pose[:, :3] * BEHIND * BEHIND[:, None]
    pitch, yaw, roll = cv2.RQDecomp3x3(turn)[0]
    return roll, yaw, -pitch
