"""Where a head turns, and whether its eyes are open: from keypoints alone. Built in notebook 04."""

from collections.abc import Sequence

import cv2
import numpy as np

from fkd_helpers.core.errors import InputError
from fkd_helpers.faces.boxes import similarity
from fkd_helpers.faces.landmarks import generic_face

STIFF = (0, 1, 15, 16, 27, 28, 29, 30, 31, 33, 35, 36, 39, 42, 45)  # what an expression hardly moves
BEHIND = np.array([1, 1, -1])  # the shape model's z comes towards the camera, OpenCV's goes away from it


def head_pose(keypoints: np.ndarray, size: Sequence[int]) -> np.ndarray | None:
    """Return the pose (3, 4) of a head, [turn | place], from keypoints (68, 2) in a frame of `size` (width, height).

    The generic face of the shape model is turned and moved until it projects onto the keypoints (`cv2.solvePnP`), in a
    camera whose focal length is the frame's longer side. Place in face sides. None where no such pose is found.

    Source: T. Baltrusaitis and others, OpenFace 2.0, 2018, for the way; the generic face is ours.
    """
    points = np.asarray(keypoints, np.float64)[list(STIFF)]
    if not np.isfinite(points).all() or np.ptp(points, axis=0).min() < 1:
        return None
    model, view = generic_face()[list(STIFF)] * BEHIND, camera(size)
    # begin with a face that looks into the camera: of two mirrored answers this leads to the one that does
    flat = similarity(model[:, :2], points)
    turn, zoom = np.arctan2(flat[1, 0], flat[0, 0]), max(np.hypot(flat[0, 0], flat[1, 0]), 1e-3)
    move = np.array([*((flat[:, 2] - view[:2, 2]) / zoom), view[0, 0] / zoom])
    try:
        found, turn, move = cv2.solvePnP(model, points, view, None, np.array([0, 0, turn]), move, True)
    except cv2.error:
        return None
    if not found or not np.isfinite([*turn, *move]).all() or not move[2] > 0:
        return None
    return np.column_stack([cv2.Rodrigues(turn)[0], move])


def camera(size: Sequence[int]) -> np.ndarray:
    """Return the matrix (3, 3) of a camera for frames of `size` (width, height): it looks through their middle."""
    focal = max(size)
    return np.array([[focal, 0, (size[0] - 1) / 2], [0, focal, (size[1] - 1) / 2], [0, 0, 1.0]])


def project(points: np.ndarray, pose: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """Return where points (n, 3) of the generic face, in face sides, are in the frame: (n, 2) pixels."""
    seen = (points * BEHIND) @ pose[:, :3].T + pose[:, 3]
    return (seen / seen[:, 2:]) @ camera(size)[:2].T


def angles_of(pose: np.ndarray) -> tuple[float, float, float]:
    """Return roll, yaw and pitch in degrees, with the signs of `shapes.face_shape`.

    Positive roll is clockwise in the picture, positive yaw shifts the nose to the right, positive pitch lowers it.
    """
    turn = pose[:, :3] * BEHIND * BEHIND[:, None]
    roll, yaw = np.arctan2(turn[1, 0], turn[0, 0]), np.arcsin(np.clip(-turn[2, 0], -1, 1))
    pitch = np.arctan2(-turn[2, 1], turn[2, 2])
    return float(np.degrees(roll)), float(np.degrees(yaw)), float(np.degrees(pitch))


def eye_open_ratio(keypoints: np.ndarray) -> np.ndarray:
    """Return how far each eye is open, (2,): the gap between its lids over its width, any size and tilt.

    Source: T. Soukupova, J. Cech, "Real-time eye blink detection using facial landmarks", 2016.

    >>> from fkd_helpers.data.puppets.shapes import face_shape
    >>> [bool((eye_open_ratio(face_shape([], {"eye_close": v})) > 0.1).all()) for v in (0, 1)]
    [True, False]
    """
    eyes = np.asarray(keypoints, np.float64)[36:48].reshape(2, 6, 2)
    gaps = np.linalg.norm(eyes[:, [1, 2]] - eyes[:, [5, 4]], axis=-1).mean(1)
    return gaps / np.maximum(np.linalg.norm(eyes[:, 0] - eyes[:, 3], axis=-1), 1e-6)


class BlinkCounter:
    """Count blinks of one person, frame by frame.

    closed, open: parts of this person's own open eye; a blink is counted when the ratio falls below `closed` and then
        rises above `open` again, so that trembling at one limit counts once
    forget: how fast the memory of the open eye fades, a part a frame
    """

    def __init__(self, *, closed: float = 0.75, open: float = 0.88, forget: float = 0.002):
        if not 0 < closed < open < 1 or not 0 <= forget < 1:
            raise InputError(f"expected 0 < closed < open < 1 and 0 <= forget < 1, got {closed}, {open}, {forget}")
        self.closed, self.open, self.forget = closed, open, forget
        self.count, self.usual, self.shut = 0, 0.0, False

    def __call__(self, keypoints: np.ndarray) -> int:
        """Take the next frame's keypoints (68, 2) and return the count; missing keypoints (NaN) change nothing."""
        ratio = float(eye_open_ratio(keypoints).mean())
        if np.isfinite(ratio):
            self.usual = max(ratio, self.usual * (1 - self.forget))
            if self.shut and ratio > self.open * self.usual:
                self.count, self.shut = self.count + 1, False
            elif ratio < self.closed * self.usual:
                self.shut = True
        return self.count
