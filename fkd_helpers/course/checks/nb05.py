"""Self-checks of the exercises of notebook 05."""

from collections.abc import Callable

import numpy as np

from fkd_helpers.course.exercises import exercise
from fkd_helpers.course.verdicts import Case, Verdict, run


@exercise("05")
def rectangle_sum(function: Callable) -> Verdict:
    """Check exercise 1: the sum under a rectangle x, y, w, h, from an integral image."""
    image = np.arange(72).reshape(8, 9) ** 2 % 29
    integral = np.pad(image.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    rectangles = {
        "the first pixel": (0, 0, 1, 1), "a wide rectangle": (3, 1, 4, 2), "a tall rectangle": (1, 2, 2, 4),
        "the whole image": (0, 0, 9, 8),
    }  # fmt: skip
    return run(function, [
        Case(f"{what}, x, y, w, h = {x}, {y}, {w}, {h}", (integral, x, y, w, h), image[y : y + h, x : x + w].sum())
        for what, (x, y, w, h) in rectangles.items()
    ])  # fmt: skip


@exercise("05")
def keep_best(function: Callable) -> Verdict:
    """Check exercise 2: the indices of boxes (n, 4) to keep, the highest score first."""
    row = np.array([[0.0, 0, 10, 10], [4, 0, 10, 10], [8, 0, 10, 10]])  # neighbours have an IoU of 0.43, the ends 0.11
    nested, one = np.array([[0.0, 0, 10, 10], [2, 2, 4, 4]]), np.array([1.0, 3.0])
    return run(function, [
        Case("two boxes far apart, the second with the higher score", (row[::2], one, 0.3), [1, 0]),
        Case("two boxes with an IoU of 0.43, overlap 0.3", (row[:2], one, 0.3), [1]),
        Case("two boxes with an IoU of 0.43, overlap 0.5", (row[:2], one, 0.5), [1, 0]),
        Case("a small box in a large one, IoU 0.16, overlap 0.3", (nested, one, 0.3), [1, 0]),
        Case("a row of three, the last overlaps a dropped one only", (row, np.array([3.0, 2.0, 1.0]), 0.3), [0, 2]),
    ])  # fmt: skip


@exercise("05")
def crop_square(function: Callable) -> Verdict:
    """Check exercise 3: the square (4,) that the crop rule cuts for a box (4,) and a margin."""
    wide, tall = np.array([10.0, 20.0, 100.0, 80.0]), np.array([30.0, 10.0, 40.0, 60.0])
    return run(function, [
        Case("a square box, no margin", (np.array([5.0, 6.0, 20.0, 20.0]), 0.0), [5, 6, 20, 20]),
        Case("a wide box, no margin", (wide, 0.0), [10, 10, 100, 100]),
        Case("a wide box, margin 0.2", (wide, 0.2), [-10, -10, 140, 140]),
        Case("a tall box, margin 0.5", (tall, 0.5), [-10, -20, 120, 120]),
    ])  # fmt: skip


@exercise("05")
def back_to_frame(function: Callable) -> Verdict:
    """Check exercise 4: keypoints (k, 2) of a crop brought back to the frame by the crop's square."""
    points, here = np.array([[0.0, 0.0], [3.5, 7.0], [55.5, 20.0]]), np.array([0.0, 0.0, 112.0, 112.0])
    return run(function, [
        Case("a crop as large as its square, in the frame's corner", (points, here, 112), points),
        Case("the same, elsewhere in the frame", (points, np.array([30.0, 40, 112, 112]), 112),
             points + np.array([30, 40])),
        Case("a square twice as large as the crop", (points, here * 2, 112), points * 2 + 0.5),
        Case("a crop twice as large as its square, elsewhere", (points, np.array([30.0, 40, 56, 56]), 112),
             points / 2 + np.array([29.75, 39.75])),
    ])  # fmt: skip
