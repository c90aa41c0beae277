"""Turn faces upright and read their expression, valence and arousal with an exported network. Needs no torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from fkd_helpers.core.errors import InputError
from fkd_helpers.faces.boxes import box_of
from fkd_helpers.faces.landmarks import EXPRESSIONS
from fkd_helpers.faces.pose import level_rotation
from fkd_helpers.predict.runtime import model_path, open_exported

MARGIN = 0.12  # of the upright face's longer side, on each side
SIZE = 112  # pixels of the network's input, where its file says no other


def upright_crop(frame: np.ndarray, keypoints: np.ndarray, size: int = SIZE, *, room: float = MARGIN) -> np.ndarray:
    """Cut one face (size, size, 3), eyes level, out of a uint8 frame, with `room` around it as a share of its side."""
    keypoints = np.asarray(keypoints, np.float64)
    if keypoints.shape != (68, 2) or not np.isfinite(keypoints).all():
        raise InputError(f"keypoints: expected finite (68, 2), got {keypoints.shape}")
    rotation = np.nan_to_num(level_rotation(keypoints))  # frame -> upright
    rotation = rotation if rotation.any() else np.eye(2)
    box = box_of(keypoints @ rotation.T).astype(np.float64)
    scale = max(box[2:].max(), 1.0) * (1 + 2 * room) / size  # pixels of the frame per pixel of the crop
    offset = rotation.T @ (box[:2] + box[2:] / 2) - scale * rotation.T @ np.full(2, (size - 1) / 2)
    if (shrink := int(scale)) >= 2:  # a large face is averaged down first, so that no detail aliases
        height, width = frame.shape[:2]
        frame = cv2.resize(frame, (max(width // shrink, 1), max(height // shrink, 1)), interpolation=cv2.INTER_AREA)
        scale, offset = scale / shrink, (offset + 0.5) / shrink - 0.5
    to_frame, flags = np.column_stack([scale * rotation.T, offset]), cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(frame, to_frame, (size, size), flags=flags, borderMode=cv2.BORDER_REPLICATE)


@dataclass(frozen=True, eq=False)
class Reading:
    """What one face shows: shares (classes,) that sum to 1, valence and arousal in -1..1."""

    shares: np.ndarray
    valence: float
    arousal: float

    def likely(self, count: int = 3) -> list[tuple[str, float]]:
        """Return the likeliest expressions with their shares."""
        return [(EXPRESSIONS[k], float(self.shares[k])) for k in np.argsort(-self.shares)[:count]]


class ExpressionReader:
    """Run an exported expression network, by its name or from .onnx, on faces whose keypoints are known."""

    def __init__(self, model: str | Path = "expressions"):
        path = model_path(model)
        self.function, shape, answer, _ = open_exported(path)
        if len(shape) != 4 or shape[1] != 3 or len(answer) != 2 or answer[1] not in (7, 8):
            wanted = "expected a model from colour crops (n, 3, size, size) to shares (n, 7 or 8) and scales (n, 2)"
            raise InputError(f"{path}: {wanted}, got {list(shape)} to {list(answer)}")
        self.size, self.classes = shape[-1] if isinstance(shape[-1], int) else SIZE, answer[1]

    def run(self, crops: np.ndarray) -> np.ndarray:
        """Return answers (n, classes + 2) to network inputs (n, size, size, 3) uint8."""
        return np.concatenate(self.function(np.ascontiguousarray(crops.transpose(0, 3, 1, 2), np.float32) / 255), 1)

    def __call__(self, frame: np.ndarray, keypoints: Sequence[np.ndarray]) -> list[Reading]:
        """Read the faces of a frame (h, w, 3) uint8 RGB whose keypoints (68, 2) are given, all in one batch."""
        if not len(keypoints):
            return []
        crops = np.stack([upright_crop(frame, points, self.size) for points in keypoints])
        return [Reading(row[:-2], float(row[-2]), float(row[-1])) for row in self.run(crops)]
