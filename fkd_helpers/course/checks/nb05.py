"""Checks of the exercises of notebook 05."""

import numpy as np

from fkd_helpers.course.exercises import ask, register
from fkd_helpers.predict import detect, find_faces

IMAGE = np.arange(72).reshape(8, 9) ** 2 % 29
INTEGRAL = np.pad(IMAGE.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
ROW = np.array([[0.0, 0, 10, 10], [4, 0, 10, 10], [8, 0, 10, 10]])  # neighbours have an IoU of 0.43, the ends 0.11
NESTED, SCORES = np.array([[0.0, 0, 10, 10], [2, 2, 4, 4]]), np.array([1.0, 3.0])
MAPS = np.zeros((6, 4, 5))
MAPS[:, 0, 0] = 3, 0, 0, 0, 0, 1
MAPS[:, 3, 1] = 3, 0.25, -0.5, np.log(2), 0, 1
MAPS[:, 1, 4] = 3, 0, 0, 0, 0.4, 0  # a sine and a cosine whose squares do not sum to 1
MAPS[:, 2, 2] = 3, 0.5, 0.5, -np.log(2), -0.3, -0.3


def _picture(drawn_face):
    picture = drawn_face()
    return f"{picture.shape}, {picture.dtype}"


def _large(drawn_face):
    found = find_faces(drawn_face())
    return found[found[:, 2] >= 80]


CASES = {
    "rectangle_sum": [
        (f"x, y, w, h = {x}, {y}, {w}, {h} of 9 x 8", (INTEGRAL, x, y, w, h), IMAGE[y : y + h, x : x + w].sum())
        for x, y, w, h in ((0, 0, 1, 1), (3, 1, 4, 2), (1, 2, 2, 4), (0, 0, 9, 8))
    ] + [("x and y are arrays: pixels (0, 0) and (3, 1)", (INTEGRAL, np.array([0, 3]), np.array([0, 1]), 1, 1),
          IMAGE[[0, 1], [0, 3]])],
    "read_cell": [
        ("row 0, column 0, all channels 0 but the cosine", (MAPS, 0, 0), [3.5, 3.5, 32, 0]),
        ("row 3, column 1, off its middle, twice as large", (MAPS, 3, 1), [13.5, 23.5, 64, 0]),
        ("sine 0.4, cosine 0", (MAPS, 1, 4), [35.5, 11.5, 32, np.pi / 2]),
        ("sine -0.3, cosine -0.3, half as large", (MAPS, 2, 2), [23.5, 23.5, 16, -0.75 * np.pi]),
    ],
    "keep_best": [
        ("two boxes far apart, the second with the higher score", (ROW[::2], SCORES, 0.3), [1, 0]),
        ("two boxes with an IoU of 0.43, overlap 0.3", (ROW[:2], SCORES, 0.3), [1]),
        ("two boxes with an IoU of 0.43, overlap 0.5", (ROW[:2], SCORES, 0.5), [1, 0]),
        ("a small box in a large one, IoU 0.16, overlap 0.3", (NESTED, SCORES, 0.3), [1, 0]),
        ("a row of three, the last overlaps a dropped one only", (ROW, np.array([3.0, 2.0, 1.0]), 0.3), [0, 2]),
    ],
    "upright_matrix": [
        ("centre (55.5, 55.5), side 112, roll 0, size 112", (55.5, 55.5, 112, 0.0, 112), [[1, 0, 0], [0, 1, 0]]),
        ("the same square elsewhere, at (75.5, 65.5)", (75.5, 65.5, 112, 0.0, 112), [[1, 0, -20], [0, 1, -10]]),
        ("side 56", (27.5, 27.5, 56, 0.0, 112), [[2, 0, 0.5], [0, 2, 0.5]]),
        ("roll pi / 2", (55.5, 55.5, 112, np.pi / 2, 112), [[0, 1, 0], [-1, 0, 111]]),
        ("roll -pi / 2, side 224", (100.0, 50.0, 224, -np.pi / 2, 112), [[0, -0.5, 80.5], [0.5, 0, 5.5]]),
    ],
    "drawn_face": [
        ("shape and type of the picture", (_picture,), "(240, 240), uint8"),
        ("gray levels beyond 16", (lambda drawn_face: max(len(np.unique(drawn_face())) - 16, 0),), 0),
        ("faces that the cascade finds", (lambda drawn_face: len(detect(drawn_face())),), 1),
        ("faces of at least 80 pixels that our detector finds", (lambda drawn_face: len(_large(drawn_face)),), 1),
        ("its roll, degrees", (lambda drawn_face: np.degrees(_large(drawn_face)[0, 4]),), 0, 20),
    ],
}
register("05", CASES, drawn_face=ask)
