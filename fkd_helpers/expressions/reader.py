"""Read expressions with an exported network: keypoints in, expression, valence and arousal out. Needs no torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fkd_helpers.core.errors import InputError
from fkd_helpers.expressions.upright import SIZE, upright_crop
from fkd_helpers.faces.landmarks import EXPRESSIONS
from fkd_helpers.predict.runtime import model_path, open_exported


@dataclass(frozen=True, eq=False)
class Reading:
    """What one face shows: shares (classes,) that sum to 1, valence and arousal in -1..1."""

    shares: np.ndarray
    valence: float
    arousal: float

    @property
    def expression(self) -> str:
        """The likeliest expression."""
        return EXPRESSIONS[int(self.shares.argmax())]

    def likely(self, count: int = 3) -> list[tuple[str, float]]:
        """Return the likeliest expressions with their shares."""
        return [(EXPRESSIONS[k], float(self.shares[k])) for k in np.argsort(-self.shares)[:count]]


class ExpressionReader:
    """Run an exported expression network on faces whose keypoints are known.

    Args:
        model: The name of one we ship, or a path to .onnx or .pt2: images (n, 3, size, size) in 0..1 -> shares
            (n, classes), scales (n, 2).
    """

    def __init__(self, model: str | Path = "expressions", *, threads: int = 1):
        path = model_path(model)
        self.function, shape, answer, _ = open_exported(path, threads)
        if len(shape) != 4 or shape[1] != 3 or len(answer) != 2 or answer[1] not in (7, 8):
            wanted = "expected a model from colour crops (n, 3, size, size) to shares (n, 7 or 8) and scales (n, 2)"
            raise InputError(f"{path}: {wanted}, got {list(shape)} to {list(answer)}")
        self.size, self.classes = shape[-1] if isinstance(shape[-1], int) else SIZE, answer[1]

    def run(self, crops: np.ndarray) -> np.ndarray:
        """Return answers (n, classes + 2) to network inputs (n, size, size, 3) uint8."""
        return np.concatenate(self.function(np.ascontiguousarray(crops.transpose(0, 3, 1, 2), np.float32) / 255), 1)

    def __call__(self, frame: np.ndarray, keypoints: Sequence[np.ndarray]) -> list[Reading]:
        """Read the faces of a frame (h, w, 3) uint8 RGB whose keypoints (68, 2) are given, all in one batch."""
        frame = np.asarray(frame)
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
            raise InputError(f"frame: expected uint8 (h, w, 3), got {frame.dtype} {frame.shape}")
        if not len(keypoints):
            return []
        crops = np.stack([upright_crop(frame, points, self.size) for points in keypoints])
        return [Reading(row[:-2], float(row[-2]), float(row[-1])) for row in self.run(crops)]
