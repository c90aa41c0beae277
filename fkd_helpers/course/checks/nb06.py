"""Checks of the exercises of notebook 06."""

import numpy as np

from fkd_helpers.course.exercises import register
from fkd_helpers.data.puppets.shapes import face_shape

PART = np.array([[[200, 100, 0], [10, 20, 30]], [[255, 255, 255], [0, 0, 0]]], np.uint8)
COLOUR = np.array([[[0, 50, 250], [90, 80, 70]], [[0, 0, 0], [240, 240, 240]]], np.uint8)
LEVEL, SLANTED = np.array([[10.0, 20.0], [50.0, 20.0]]), np.array([[3.0, -4.0], [8.0, 9.0]])
MATRIX = np.array([[1.2, -1.6, 7], [1.6, 1.2, -3]])


def _blended(alpha):
    share = np.broadcast_to(np.array(alpha)[..., None], (2, 2, 1)) / 255
    sprite = np.dstack([COLOUR, np.uint8(share * 255)])
    return f"alpha {alpha}", (PART, sprite), share * COLOUR + (1 - share) * PART, 1.01


def _moved(points, matrix):
    return points @ matrix[:, :2].T + matrix[:, 2]


def read_at(answer, places: np.ndarray, *arguments) -> np.ndarray:
    """Return a picture's colours (n, 3) at a few pixels (n, 2), as (x, y): edges may differ a little."""
    columns, rows = np.round(places).astype(int).T
    return np.asarray(answer(*arguments))[rows, columns]


def colours_at(places: np.ndarray) -> np.ndarray:
    """Return colours (..., 3) that say where (..., 2) in a picture of up to 300 pixels they are."""
    return np.concatenate([places * 0.8, places.sum(-1, keepdims=True) * 0.4], -1)


def coloured(height: int, width: int) -> np.ndarray:
    """Return a picture in which each colour says where it is."""
    return colours_at(np.stack(np.meshgrid(range(width), range(height)), -1)).round().astype(np.uint8)


def _painted(strength):
    frame, red = np.full((300, 320, 3), (180, 140, 120), np.uint8), np.array([220, 20, 60])
    points = face_shape([], {"mouth_open": 0.7}) * 240 + [160, 140]
    places = np.stack([*((points[a] + points[b]) / 2 for a, b in ((51, 62), (57, 66), (62, 66))), points[8] - [0, 12]])
    share = strength * np.array([[1], [1], [0], [0]])
    what = f"strength {strength}, read at upper lip, lower lip, open mouth, chin"
    return what, (places, frame, points, red, strength), share * red + (1 - share) * frame[0, 0], 1.01


def _exchanged(what, there):
    frame, here = np.full((240, 300, 3), 90, np.uint8), face_shape([], {}) * 110 + [150, 120]
    inside = np.stack([here[30], *((here[a] + here[b]) / 2 for a, b in ((2, 31), (14, 35), (21, 27)))]).round()
    places = np.stack([*inside, [here[:, 0].min() + 3, here[:, 1].max() - 3]])  # the last is in the box of the face
    expected = np.stack([*colours_at(_moved(inside, there)), frame[0, 0]])
    return f"{what}, read at nose, cheeks, brow, beside the chin", (
        places, frame, here, coloured(260, 280), _moved(here, there)), expected, 2.5  # fmt: skip


CASES = {
    "blend": [_blended(alpha) for alpha in (255, 0, 51, [[0, 255], [51, 204]])],
    "two_point_map": [
        ((LEVEL, LEVEL + np.array([3, 5])), [[1, 0, 3], [0, 1, 5]]), ((LEVEL, LEVEL * 2), [[2, 0, 0], [0, 2, 0]]),
        ((LEVEL, LEVEL @ [[0, 1], [-1, 0]]), [[0, -1, 0], [1, 0, 0]]), ((SLANTED, _moved(SLANTED, MATRIX)), MATRIX),
    ],
    "lip_colour": [_painted(strength) for strength in (0.0, 0.4, 1.0)],
    "other_face": [
        _exchanged("a face of the same size, elsewhere", np.array([[1, 0, -20.0], [0, 1, 15]])),
        _exchanged("a larger face, tilted by 20 degrees", np.array([[1.17, -0.43, 10], [0.43, 1.17, -60]])),
    ],
}  # fmt: skip
register("06", CASES, lip_colour=read_at, other_face=read_at)
