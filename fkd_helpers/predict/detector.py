"""Find faces of any roll with our own one-shot detector, in looks at the frame from coarse to fine."""

import functools
from pathlib import Path

import cv2
import numpy as np

from fkd_helpers.core.errors import InputError
from fkd_helpers.faces.boxes import surest
from fkd_helpers.faces.face_map import MULTIPLE, decode
from fkd_helpers.faces.images import shrunk, to_gray
from fkd_helpers.predict.runtime import model_path, open_exported

COARSE, USUAL, FINEST = 160, 320, 1280  # pixels: longer side of the frame in the first looks, and in the last
FAST = 256  # pixels: at which one look sees faces of 30 pixels in 640 x 480 as well as those that fill the frame
SMALLEST = 12.0  # pixels in a look: smaller faces are found in a finer one
LARGE = 32.0  # pixels: where no face of the usual look is smaller, nobody looks closer


def find_faces(
    frame: np.ndarray, *, min_face: float = 0.01, max_side: int = FINEST, model: str | Path = "detector"
) -> np.ndarray:
    """Return faces (n, 5), the surest first: the box of each turned upright about its centre, and its roll in radians.

    Args:
        min_face: the smallest face, as a share of the frame's longer side
        max_side: pixels; a larger frame is searched at this size at most
        model: the name of a detector that ships, or the path of an ONNX file
    """
    if not 0 <= min_face <= 1 or max_side < MULTIPLE:
        expected = f"expected min_face between 0 and 1, max_side >= {MULTIPLE}"
        raise InputError(f"find_faces: {expected}; got {min_face}, {max_side}")
    gray, run = to_gray(frame), opened(model)
    longest = max(gray.shape)
    boxes, scores = np.zeros((0, 5)), np.zeros(0)
    for side in sides(longest, min_face, max_side):
        if side > USUAL and len(boxes) and boxes[:, 2].min() * side / longest > 2 * LARGE:
            break  # group photos and far views have small faces; a portrait needs no closer look
        more, sure = look(gray, side, run)
        boxes, scores = np.concatenate([boxes, more]), np.concatenate([scores, sure])
        kept = surest(boxes[:, :4], scores)
        boxes, scores = boxes[kept], scores[kept]
    return boxes[boxes[:, 2] >= min_face * longest]


def find_fast(frame: np.ndarray) -> np.ndarray:
    """Return faces (n, 5) as `find_faces` does, by one look at the frame with its longer side FAST: for films."""
    return look(to_gray(frame), FAST, opened("detector"))[0]


def sides(longest: int, min_face: float = 0.0, max_side: int = FINEST) -> list[int]:
    """Return the longer sides at which a frame is looked at: each twice the one before, up to its own size.

    >>> sides(640), sides(640, min_face=0.05), sides(100)
    ([160, 320, 640], [160, 320], [100])
    """
    found, side = [], min(COARSE, max_side, longest)
    while True:
        found.append(side)
        if side >= min(longest, max_side) or (side >= USUAL and side * min_face >= SMALLEST):
            return found
        side = min(2 * side, max_side, longest)


def look(gray: np.ndarray, side: int, run) -> tuple[np.ndarray, np.ndarray]:
    """Return the faces (n, 5) and scores (n,) that the network sees in a gray frame (h, w), its longer side `side`."""
    small = shrunk(gray, side)
    size = np.array(small.shape[::-1])
    missing = [-side % MULTIPLE for side in small.shape]
    small = cv2.copyMakeBorder(small, 0, missing[0], 0, missing[1], cv2.BORDER_REPLICATE)
    (maps,) = run(small[None, None].astype(np.float32) / 255)
    boxes, scores = decode(maps[0])
    centre = boxes[:, :2] + boxes[:, 2:4] / 2
    inside = ((centre > -0.5) & (centre < size - 0.5)).all(1)
    ratio = np.array(gray.shape[::-1]) / size
    sizes = boxes[:, 2:4] * ratio.mean()
    boxes = np.column_stack([(centre + 0.5) * ratio - 0.5 - sizes / 2, sizes, boxes[:, 4]])
    return boxes[inside], scores[inside]


@functools.cache
def opened(model: str | Path):
    """Return a detector as a function from pictures (n, 1, h, w), float32 in 0..1, to a tuple with its maps."""
    path = model_path(model)
    function, taken, given, facts = open_exported(path)
    if facts.get("kind") != "detector" or len(given) != 4 or given[1] != 6:
        raise InputError(f"{path}: expected a face detector, got a model from {list(taken)} to {list(given)}")
    return function
