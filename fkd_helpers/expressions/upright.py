"""Turn a face upright by its 68 keypoints and cut it out, as the expression network sees it. Needs no torch."""

import cv2
import numpy as np

from fkd_helpers.core.errors import InputError
from fkd_helpers.faces.boxes import box_of
from fkd_helpers.faces.pose import level_rotation

ROOM, MARGIN = 0.35, 0.12  # of the upright face's longer side, on each side: of a stored crop, of the plain window
STORED = 160  # pixels of a stored crop; its plain window is then 117 of them
SIZE = 112  # pixels of the network's input


def upright_map(keypoints: np.ndarray, size: int = STORED, *, room: float = ROOM) -> np.ndarray:
    """Return the map (2, 3) from the pixels of an upright crop to those of the frame, given a face's keypoints (68, 2).

    Eyes level, the face's box in the middle, `room` times its longer side around it.
    """
    keypoints = np.asarray(keypoints, np.float64)
    if keypoints.shape != (68, 2) or not np.isfinite(keypoints).all():
        raise InputError(f"keypoints: expected finite (68, 2), got {keypoints.shape}")
    rotation = level_rotation(keypoints)  # frame -> upright
    rotation = rotation if np.isfinite(rotation).all() else np.eye(2)
    box = box_of(keypoints @ rotation.T).astype(np.float64)
    side = max(box[2:].max(), 1.0) * (1 + 2 * room)
    linear = rotation.T * (side / size)
    centre = rotation.T @ (box[:2] + box[2:] / 2)
    return np.concatenate([linear, (centre - linear @ np.full(2, (size - 1) / 2))[:, None]], 1)


def upright_crop(frame: np.ndarray, keypoints: np.ndarray, size: int = SIZE, *, room: float = MARGIN) -> np.ndarray:
    """Cut one face (size, size, 3) upright out of a uint8 frame (h, w, 3); outside of the frame its edge repeats."""
    to_frame = upright_map(keypoints, size, room=room)
    shrink = int(np.sqrt(abs(np.linalg.det(to_frame[:, :2]))))
    if shrink >= 2:  # a large face is averaged down first, so that no detail aliases
        height, width = frame.shape[:2]
        frame = cv2.resize(frame, (max(width // shrink, 1), max(height // shrink, 1)), interpolation=cv2.INTER_AREA)
        to_frame = np.concatenate([to_frame[:, :2] / shrink, (to_frame[:, 2:] + 0.5) / shrink - 0.5], 1)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(frame, to_frame, (size, size), flags=flags, borderMode=cv2.BORDER_REPLICATE)
