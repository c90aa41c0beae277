"""Self-checks of the exercises: a function in, a verdict out. A check never raises, so "Run All" goes on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Verdict:
    """What a check found; it prints as one line."""

    passed: int
    total: int
    message: str = ""

    @property
    def solved(self) -> bool:
        """Whether every case passed."""
        return self.passed == self.total

    def __repr__(self) -> str:
        return f"{self.passed} of {self.total}" + (f": {self.message}" if self.message else ", well done")


@dataclass(frozen=True)
class Case:
    """One call of the learner's function: what it shows, its arguments, the answer, how close is close enough."""

    what: str
    arguments: tuple
    expected: object
    tolerance: float = 1e-4


def run(function: Callable, cases: Sequence[Case]) -> Verdict:
    """Call a learner's function on each case and stop at the first that fails; None and ... mean not attempted."""
    for passed, case in enumerate(cases):
        given = tuple(np.copy(a) if isinstance(a, np.ndarray) else a for a in case.arguments)
        try:
            answer = function(*given)
        except Exception as error:  # whatever a learner's code raises is part of the verdict
            return Verdict(passed, len(cases), f"{case.what}: it raised {type(error).__name__}: {error}")
        if answer is None or answer is ...:
            what = f"{case.what}: it returned nothing" if passed else "not attempted yet"
            return Verdict(passed, len(cases), what)
        fault = _fault(answer, case)
        if fault:
            return Verdict(passed, len(cases), f"{case.what}: {fault}")
        if any(isinstance(a, np.ndarray) and not _same(a, b) for a, b in zip(case.arguments, given, strict=True)):
            return Verdict(passed, len(cases), f"{case.what}: it changed its argument in place; work on a copy")
    return Verdict(len(cases), len(cases))


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    return np.array_equal(a, b, equal_nan=a.dtype.kind == "f")


def _fault(answer, case: Case) -> str:
    """Say in what an answer differs from the expected one; "" where it does not."""
    try:
        answer, expected = np.asarray(answer, np.float64), np.asarray(case.expected, np.float64)
    except (TypeError, ValueError):
        return f"expected numbers, got {type(answer).__name__}"
    if answer.shape != expected.shape:
        return f"expected shape {expected.shape}, got {answer.shape}"
    wrong = ~np.isclose(answer, expected, rtol=0, atol=case.tolerance, equal_nan=True)
    if not wrong.any():
        return ""
    first = tuple(int(i) for i in np.argwhere(wrong)[0])
    place = f" at {list(first)}" if first else ""
    return f"expected {expected[first]:.4g}{place}, got {answer[first]:.4g}"


# Notebook 01


def _face(shift: float = 0.0) -> np.ndarray:
    """A face of 68 points (68, 2) without any symmetry, in pixels of an image of about 160."""
    return np.random.default_rng(1).uniform(30, 120, (68, 2)).round(1) + shift


def face_box(function: Callable) -> Verdict:
    """Check exercise 1 of notebook 01: the box (4,) of the keypoints (k, 2) that are there."""
    two = np.array([[10.0, 40.0], [30.0, 20.0]])
    gaps = np.array([[np.nan, np.nan], [5.0, 7.0], [25.0, 4.0], [np.nan, np.nan], [9.0, 31.0]])
    return run(function, [
        Case("two points", (two,), [10, 20, 20, 20]),
        Case("a face", (_face(),), [*_face().min(0), *np.ptp(_face(), 0)]),
        Case("two of five points missing", (gaps,), [5, 4, 20, 27]),
    ])  # fmt: skip


def normalise(function: Callable) -> Verdict:
    """Check exercise 2 of notebook 01: keypoints (k, 2) measured from the middle of a box (4,) in its longer sides."""
    wide, tall = np.array([10.0, 20.0, 100.0, 50.0]), np.array([0.0, 0.0, 40.0, 80.0])
    return run(function, [
        Case("middle and corner of a box", (np.array([[60.0, 45.0], [110.0, 70.0]]), wide), [[0, 0], [0.5, 0.25]]),
        Case("corners of a wide box", (np.array([[10.0, 20.0], [110.0, 70.0]]), wide), [[-0.5, -0.25], [0.5, 0.25]]),
        Case("corners of a tall box", (np.array([[0.0, 0.0], [40.0, 80.0]]), tall), [[-0.25, -0.5], [0.25, 0.5]]),
    ])  # fmt: skip


def resize_keypoints(function: Callable) -> Verdict:
    """Check exercise 3 of notebook 01: keypoints (k, 2) of an image brought from one (width, height) to another."""
    corners, one = np.array([[-0.5, -0.5], [99.5, 49.5]]), np.array([[0.0, 0.0]])
    return run(function, [
        Case("the image's outer corners, half as large", (corners, (100, 50), (50, 25)), [[-0.5, -0.5], [49.5, 24.5]]),
        Case("width and height by different factors", (corners, (100, 50), (200, 25)), [[-0.5, -0.5], [199.5, 24.5]]),
        Case("the centre of the first pixel, twice as large", (one, (100, 50), (200, 100)), [[0.5, 0.5]]),
    ])


def flip_keypoints(function: Callable) -> Verdict:
    """Check exercise 4 of notebook 01: the 68 keypoints of the mirrored face in an image of a width."""
    # the order of a mirrored face, written out here: right takes from left and left from right
    order = [*range(16, -1, -1), *range(26, 16, -1), 27, 28, 29, 30, 35, 34, 33, 32, 31, 45, 44, 43, 42, 47, 46, 39, 38,
             37, 36, 41, 40, *range(54, 47, -1), *range(59, 54, -1), *range(64, 59, -1), 67, 66, 65]  # fmt: skip
    cases = []
    for what, points, width in [("a face in 160 pixels", _face(), 160), ("a face in 301 pixels", _face(40.25), 301)]:
        cases.append(Case(what, (points, width), np.stack([width - 1 - points[:, 0], points[:, 1]], 1)[order]))
    return run(function, cases)


def frames_of(function: Callable) -> Verdict:
    """Check exercise 5 of notebook 01: which frames (n,) show one of the people."""
    names = ["training/Ann_Lee_00.png", "test/Ann_Lee_03.png", "training/Ann_Lee_Marie_01.png", "training/Ann_00.png"]
    return run(function, [
        Case("two people of one frame each", (["training/Bo_Ek_00.png", "training/Cy_Ash_00.png"], ["Cy_Ash"]), [0, 1]),
        Case("one person, both folders", (["test/Bo_Ek_01.png", "training/Bo_Ek_00.png"], ["Bo_Ek"]), [1, 1]),
        Case(f"{names}, held out: Ann_Lee", (names, ["Ann_Lee"]), [1, 1, 0, 0]),
    ])


def rectangle_sum(function: Callable) -> Verdict:
    """Check exercise 1 of notebook 03: the sum under a rectangle x, y, w, h, from an integral image."""
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


def keep_best(function: Callable) -> Verdict:
    """Check exercise 2 of notebook 03: the indices of boxes (n, 4) to keep, the highest score first."""
    row = np.array([[0.0, 0, 10, 10], [4, 0, 10, 10], [8, 0, 10, 10]])  # neighbours have an IoU of 0.43, the ends 0.11
    nested, one = np.array([[0.0, 0, 10, 10], [2, 2, 4, 4]]), np.array([1.0, 3.0])
    return run(function, [
        Case("two boxes far apart, the second with the higher score", (row[::2], one, 0.3), [1, 0]),
        Case("two boxes with an IoU of 0.43, overlap 0.3", (row[:2], one, 0.3), [1]),
        Case("two boxes with an IoU of 0.43, overlap 0.5", (row[:2], one, 0.5), [1, 0]),
        Case("a small box in a large one, IoU 0.16, overlap 0.3", (nested, one, 0.3), [1, 0]),
        Case("a row of three, the last overlaps a dropped one only", (row, np.array([3.0, 2.0, 1.0]), 0.3), [0, 2]),
    ])


def crop_square(function: Callable) -> Verdict:
    """Check exercise 3 of notebook 03: the square (4,) that the crop rule cuts for a box (4,) and a margin."""
    wide, tall = np.array([10.0, 20.0, 100.0, 80.0]), np.array([30.0, 10.0, 40.0, 60.0])
    return run(function, [
        Case("a square box, no margin", (np.array([5.0, 6.0, 20.0, 20.0]), 0.0), [5, 6, 20, 20]),
        Case("a wide box, no margin", (wide, 0.0), [10, 10, 100, 100]),
        Case("a wide box, margin 0.2", (wide, 0.2), [-10, -10, 140, 140]),
        Case("a tall box, margin 0.5", (tall, 0.5), [-10, -20, 120, 120]),
    ])


def back_to_frame(function: Callable) -> Verdict:
    """Check exercise 4 of notebook 03: keypoints (k, 2) of a crop brought back to the frame by the crop's square."""
    points, here = np.array([[0.0, 0.0], [3.5, 7.0], [55.5, 20.0]]), np.array([0.0, 0.0, 112.0, 112.0])
    return run(function, [
        Case("a crop as large as its square, in the frame's corner", (points, here, 112), points),
        Case("the same, elsewhere in the frame", (points, np.array([30.0, 40, 112, 112]), 112),
             points + np.array([30, 40])),
        Case("a square twice as large as the crop", (points, here * 2, 112), points * 2 + 0.5),
        Case("a crop twice as large as its square, elsewhere", (points, np.array([30.0, 40, 56, 56]), 112),
             points / 2 + np.array([29.75, 39.75])),
    ])  # fmt: skip
