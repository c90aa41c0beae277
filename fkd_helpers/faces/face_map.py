"""The map that our detector answers with, and how faces are written into it and read from it.

A cell of the map stands for STRIDE x STRIDE pixels. Its six channels: the logit of a face's centre, where the centre
lies from the middle of the cell (x, y, in cells), the logarithm of the face's size, sine and cosine of its roll. A
place is (x, y, side, roll): the centre, the longer side of the tight box of the face turned upright, and the roll in
radians.
"""

import cv2
import numpy as np

from fkd_helpers.faces.boxes import surest
from fkd_helpers.faces.pose import upright_boxes

STRIDE, MULTIPLE = 8, 32  # pixels: of a cell; both sides of a picture are multiples of the network's deepest stride
UNIT = 32.0  # pixels: a face of this size has the log size 0


def places_of(keypoints: np.ndarray) -> np.ndarray:
    """Return the places (n, 4), x, y, side and roll, of faces with keypoints (n, 68, 2)."""
    boxes = upright_boxes(keypoints)
    return np.column_stack([boxes[:, :2] + boxes[:, 2:4] / 2, boxes[:, 2:4].max(1), boxes[:, 4]])


def encode(places: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return the maps (8, h, w) that the network is to learn for the places (k, 4) of a picture's faces.

    They are the heat, a bell about each centre; where it counts, from `known` (h, w) bool in pixels; the five values of
    the faces; and how much these count in a cell.
    """
    height, width = (side // STRIDE for side in known.shape)
    maps = np.zeros((8, height, width), np.float32)
    maps[1] = known[STRIDE // 2 :: STRIDE, STRIDE // 2 :: STRIDE]
    rows, columns = np.mgrid[:height, :width]
    for x, y, side, roll in places:
        x, y = (x + 0.5) / STRIDE - 0.5, (y + 0.5) / STRIDE - 0.5
        column, row = np.clip(np.round([x, y]), 0, [width - 1, height - 1])
        spread = max(0.09 * side / STRIDE, 0.45)
        bell = np.exp(-((columns - column) ** 2 + (rows - row) ** 2) / (2 * spread**2)).astype(np.float32)
        near = bell > np.maximum(maps[7], 0.3)
        values = (x - columns, y - rows, np.log(side / UNIT), np.sin(roll), np.cos(roll))
        for channel, value in enumerate(values, 2):
            maps[channel][near] = np.broadcast_to(value, near.shape)[near]
        maps[7][near] = bell[near]
        maps[0] = np.maximum(maps[0], bell)
        maps[1][near] = 1
    return maps


def decode(maps: np.ndarray, *, min_score: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    """Return the faces of a map (6, h, w), the surest first: boxes (n, 5) as of `upright_boxes`, and scores (n,).

    A face is a cell whose score none of its eight neighbours exceeds; of boxes that overlap the surest stays.
    """
    heat = 1 / (1 + np.exp(-maps[0].astype(np.float32)))
    rows, columns = np.nonzero((heat >= min_score) & (heat == cv2.dilate(heat, np.ones((3, 3)))))
    scores = heat[rows, columns]
    _, x, y, size, sine, cosine = maps[:, rows, columns].astype(np.float64)
    side = np.exp(np.clip(size, -4, 4)) * UNIT
    centre = (np.stack([columns + x, rows + y], 1) + 0.5) * STRIDE - 0.5
    boxes = np.column_stack([centre - side[:, None] / 2, side, side, np.arctan2(sine, cosine)])
    kept = surest(boxes[:, :4], scores)
    return boxes[kept], scores[kept]
