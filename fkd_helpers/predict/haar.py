"""Find faces with OpenCV's Haar cascade, and bring its squares to tight face boxes."""

import functools
import json
import threading
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from fkd_helpers.core.errors import InputError
from fkd_helpers.faces.boxes import surest
from fkd_helpers.faces.images import shrunk, to_gray

WINDOW = 24  # pixels; the cascade knows no smaller face
MAX_SIDE = 1000
ASSET = Path(__file__).parents[1] / "assets" / "haar_to_face.json"

_own = threading.local()  # a cascade changes while it searches: each thread has its own


def detect(
    frame: np.ndarray, *, scale_factor: float = 1.1, min_neighbors: int = 3, min_face: float = 0.05,
    max_side: int = MAX_SIDE,
) -> np.ndarray:  # fmt: skip
    """Return the squares (n, 4) in which the Haar cascade sees an upright frontal face, the most certain first.

    The cascade's square reaches from the brows' upper side to the chin; `to_face_box` makes a face box of it.

    Args:
        scale_factor: step from one searched size to the next; nearer to 1 finds more and takes longer
        min_neighbors: how many hits must agree on a face; fewer find more faces and more false ones
        min_face: the smallest square searched, as a share of the frame's longer side
        max_side: pixels; a larger frame is searched at this size
    """
    if not scale_factor > 1 or min_neighbors < 0 or not 0 <= min_face <= 1 or max_side < WINDOW:
        raise InputError(
            f"detect: expected scale_factor > 1, min_neighbors >= 0, min_face from 0 to 1, max_side >= {WINDOW}; "
            f"got {scale_factor}, {min_neighbors}, {min_face}, {max_side}"
        )
    gray = to_gray(frame)
    small = shrunk(gray, max_side)
    if min(small.shape) < WINDOW:
        return np.zeros((0, 4))
    smallest = max(WINDOW, round(min_face * max(small.shape)))
    found, _, certainty = _cascade().detectMultiScale3(
        small, scale_factor, min_neighbors, minSize=(smallest, smallest), outputRejectLevels=True
    )
    squares, certainty = np.asarray(found, np.float64).reshape(-1, 4), np.asarray(certainty, np.float64).reshape(-1)
    ratio = np.array([*gray.shape[::-1]] * 2) / ([*small.shape[::-1]] * 2)
    # the cascade counts from the first pixel's edge
    return squares[surest(squares, certainty)] * ratio - [0.5, 0.5, 0, 0]


def to_face_box(squares: np.ndarray) -> np.ndarray:
    """Return tight face boxes (n, 4) for squares (n, 4) of the cascade, by four numbers fitted to labelled faces."""
    squares, fit = np.asarray(squares, np.float64).reshape(-1, 4), _fit()
    side = squares[:, 2:]
    centre = squares[:, :2] + side / 2 + side * [fit["shift_x"], fit["shift_y"]]
    size = side * [fit["width"], fit["height"]]
    return np.concatenate([centre - size / 2, size], 1)


def detect_faces(frame: np.ndarray, **options) -> np.ndarray:
    """Return tight face boxes (n, 4): `detect` (and its options), then `to_face_box`."""
    return to_face_box(detect(frame, **options))


# A face before a camera is large, so a small frame and a coarse search will do, at a tenth of the time of a photo;
# few hits need to agree, for the network judges them anyway.
detect_fast = partial(detect_faces, scale_factor=1.2, min_neighbors=1, min_face=0.12, max_side=320)


def _cascade():
    if not hasattr(_own, "cascade"):
        path = Path(cv2.data.haarcascades) / "haarcascade_frontalface_default.xml"
        _own.cascade = cv2.CascadeClassifier(str(path))
        if _own.cascade.empty():
            raise InputError(f"{path}: not a Haar cascade; install opencv-python>=4.13,<5 again")
    return _own.cascade


@functools.cache
def _fit():
    return json.loads(ASSET.read_text(encoding="utf-8"))["fit"]
