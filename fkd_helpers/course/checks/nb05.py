"""Checks of the exercises of notebook 05."""

import numpy as np

from fkd_helpers.course.exercises import register
from fkd_helpers.faces.boxes import square_of, to_frame

IMAGE = np.arange(72).reshape(8, 9) ** 2 % 29
INTEGRAL = np.pad(IMAGE.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
ROW = np.array([[0.0, 0, 10, 10], [4, 0, 10, 10], [8, 0, 10, 10]])  # neighbours have an IoU of 0.43, the ends 0.11
NESTED, SCORES = np.array([[0.0, 0, 10, 10], [2, 2, 4, 4]]), np.array([1.0, 3.0])
WIDE, TALL = np.array([10.0, 20.0, 100.0, 80.0]), np.array([30.0, 10.0, 40.0, 60.0])
POINTS = np.array([[0.0, 0.0], [3.5, 7.0], [55.5, 20.0]])

CASES = {
    "rectangle_sum": [
        (f"x, y, w, h = {x}, {y}, {w}, {h} of 9 x 8", (INTEGRAL, x, y, w, h), IMAGE[y : y + h, x : x + w].sum())
        for x, y, w, h in ((0, 0, 1, 1), (3, 1, 4, 2), (1, 2, 2, 4), (0, 0, 9, 8))
    ],
    "keep_best": [
        ("two boxes far apart, the second with the higher score", (ROW[::2], SCORES, 0.3), [1, 0]),
        ("two boxes with an IoU of 0.43, overlap 0.3", (ROW[:2], SCORES, 0.3), [1]),
        ("two boxes with an IoU of 0.43, overlap 0.5", (ROW[:2], SCORES, 0.5), [1, 0]),
        ("a small box in a large one, IoU 0.16, overlap 0.3", (NESTED, SCORES, 0.3), [1, 0]),
        ("a row of three, the last overlaps a dropped one only", (ROW, np.array([3.0, 2.0, 1.0]), 0.3), [0, 2]),
    ],
    "crop_square": [
        (f"the box {box.tolist()}, margin {margin}", (box, margin), square_of(box, margin=margin))
        for box, margin in ((np.array([5.0, 6.0, 20.0, 20.0]), 0.0), (WIDE, 0.0), (WIDE, 0.2), (TALL, 0.5))
    ],
    "back_to_frame": [
        (f"points of a crop of 112 pixels, cut from {square}", (POINTS, square, 112), to_frame(POINTS, square, 112))
        for square in np.array([[0.0, 0, 112, 112], [30, 40, 112, 112], [0, 0, 224, 224], [30, 40, 56, 56]])
    ],
}
register("05", CASES)
