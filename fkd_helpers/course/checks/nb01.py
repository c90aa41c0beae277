"""Self-checks of the exercises of notebook 01."""

from collections.abc import Callable

import numpy as np

from fkd_helpers.course.exercises import exercise
from fkd_helpers.course.verdicts import Case, Verdict, run


def _face(shift: float = 0.0) -> np.ndarray:
    """A face of 68 points (68, 2) without any symmetry, in pixels of an image of about 160."""
    return np.random.default_rng(1).uniform(30, 120, (68, 2)).round(1) + shift


@exercise("01")
def face_box(function: Callable) -> Verdict:
    """Check exercise 1: the box (4,) of the keypoints (k, 2) that are there."""
    two = np.array([[10.0, 40.0], [30.0, 20.0]])
    gaps = np.array([[np.nan, np.nan], [5.0, 7.0], [25.0, 4.0], [np.nan, np.nan], [9.0, 31.0]])
    return run(function, [
        Case("two points", (two,), [10, 20, 20, 20]),
        Case("a face", (_face(),), [*_face().min(0), *np.ptp(_face(), 0)]),
        Case("two of five points missing", (gaps,), [5, 4, 20, 27]),
    ])  # fmt: skip


@exercise("01")
def normalise(function: Callable) -> Verdict:
    """Check exercise 2: keypoints (k, 2) measured from the middle of a box (4,) in its longer sides."""
    wide, tall = np.array([10.0, 20.0, 100.0, 50.0]), np.array([0.0, 0.0, 40.0, 80.0])
    return run(function, [
        Case("middle and corner of a box", (np.array([[60.0, 45.0], [110.0, 70.0]]), wide), [[0, 0], [0.5, 0.25]]),
        Case("corners of a wide box", (np.array([[10.0, 20.0], [110.0, 70.0]]), wide), [[-0.5, -0.25], [0.5, 0.25]]),
        Case("corners of a tall box", (np.array([[0.0, 0.0], [40.0, 80.0]]), tall), [[-0.25, -0.5], [0.25, 0.5]]),
    ])  # fmt: skip


@exercise("01")
def resize_keypoints(function: Callable) -> Verdict:
    """Check exercise 3: keypoints (k, 2) of an image brought from one (width, height) to another."""
    corners, one = np.array([[-0.5, -0.5], [99.5, 49.5]]), np.array([[0.0, 0.0]])
    return run(function, [
        Case("the image's outer corners, half as large", (corners, (100, 50), (50, 25)), [[-0.5, -0.5], [49.5, 24.5]]),
        Case("width and height by different factors", (corners, (100, 50), (200, 25)), [[-0.5, -0.5], [199.5, 24.5]]),
        Case("the centre of the first pixel, twice as large", (one, (100, 50), (200, 100)), [[0.5, 0.5]]),
    ])  # fmt: skip


@exercise("01")
def flip_keypoints(function: Callable) -> Verdict:
    """Check exercise 4: the 68 keypoints of the mirrored face in an image of a width."""
    # the order of a mirrored face, written out here: right takes from left and left from right
    order = [*range(16, -1, -1), *range(26, 16, -1), 27, 28, 29, 30, 35, 34, 33, 32, 31, 45, 44, 43, 42, 47, 46, 39, 38,
             37, 36, 41, 40, *range(54, 47, -1), *range(59, 54, -1), *range(64, 59, -1), 67, 66, 65]  # fmt: skip
    cases = []
    for what, points, width in [("a face in 160 pixels", _face(), 160), ("a face in 301 pixels", _face(40.25), 301)]:
        cases.append(Case(what, (points, width), np.stack([width - 1 - points[:, 0], points[:, 1]], 1)[order]))
    return run(function, cases)


@exercise("01")
def frames_of(function: Callable) -> Verdict:
    """Check exercise 5: which frames (n,) show one of the people."""
    names = ["training/Ann_Lee_00.png", "test/Ann_Lee_03.png", "training/Ann_Lee_Marie_01.png", "training/Ann_00.png"]
    return run(function, [
        Case("two people of one frame each", (["training/Bo_Ek_00.png", "training/Cy_Ash_00.png"], ["Cy_Ash"]), [0, 1]),
        Case("one person, both folders", (["test/Bo_Ek_01.png", "training/Bo_Ek_00.png"], ["Bo_Ek"]), [1, 1]),
        Case(f"{names}, held out: Ann_Lee", (names, ["Ann_Lee"]), [1, 1, 0, 0]),
    ])  # fmt: skip
