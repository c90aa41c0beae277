"""Find upright faces with OpenCV's Haar cascade, which notebook 05 teaches first."""

import threading
from pathlib import Path

import cv2
import numpy as np

from fkd_helpers.faces.images import shrunk, to_gray

CASCADE = Path(cv2.data.haarcascades) / "haarcascade_frontalface_default.xml"
WINDOW, MAX_SIDE = 24, 1000  # pixels: the smallest face that the cascade knows; larger frames are searched at this size
WIDTH, HEIGHT, MIDDLE = 0.8762, 0.8438, 0.665  # of a tight face box in the cascade's square, fitted to labelled faces

_own = threading.local()  # a cascade changes while it searches: each thread has its own


def find_upright(frame: np.ndarray, *, min_face: float = 0.05, max_side: int = MAX_SIDE) -> np.ndarray:
    """Return the tight boxes (n, 4) of upright frontal faces, down to `min_face` of the frame's longer side."""
    if not hasattr(_own, "cascade"):
        _own.cascade = cv2.CascadeClassifier(str(CASCADE))
    gray = to_gray(frame)
    small = shrunk(gray, max_side)
    least = max(WINDOW, round(min_face * max(small.shape)))
    found = _own.cascade.detectMultiScale(small, 1.1, 3, minSize=(least, least))
    x, y, side, _ = np.asarray(found, np.float64).reshape(-1, 4).T * max(gray.shape) / max(small.shape)
    width, height = WIDTH * side, HEIGHT * side
    return np.column_stack([x + (side - width) / 2, y + MIDDLE * side - height / 2, width, height])
