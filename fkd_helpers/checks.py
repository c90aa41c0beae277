"""Self-checks of the exercises: a function in, a verdict out. A check never raises, so "Run All" goes on."""

from collections.abc import Callable

import numpy as np

from fkd_helpers.verdicts import Case, Verdict, run

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
    ])  # fmt: skip


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
    ])  # fmt: skip


# Notebook 02


def masked_l1(function: Callable) -> Verdict:
    """Check exercise 1 of notebook 02: the mean |error| of the coordinates (n, k, 2) whose target is not missing."""
    target = np.array([[[10.0, 20.0], [30.0, 40.0]], [[50.0, 60.0], [70.0, 80.0]]])
    predicted = target + np.array([[[1.0, -1.0], [2.0, 2.0]], [[4.0, 4.0], [-8.0, 8.0]]])
    gap, more, none = target.copy(), target.copy(), np.full_like(target, np.nan)
    gap[0, 0] = np.nan
    more[0], more[1, 1, 0] = np.nan, np.nan
    return run(function, [
        Case("two faces of two points, nothing missing", (predicted, target), 3.75),
        Case("one of four points missing", (predicted, gap), 28 / 6),
        Case("a whole face and one coordinate missing", (predicted, more), 16 / 3),
        Case("everything missing", (predicted, none), 0.0),
    ])  # fmt: skip


def momentum_step(function: Callable) -> Verdict:
    """Check exercise 2 of notebook 02: weights and velocity after a step of SGD with momentum, PyTorch's way."""
    weights, gradient = np.array([1.0, -2.0, 0.5]), np.array([0.4, 0.0, -1.0])
    still, moving = np.zeros(3), np.array([1.0, 2.0, -3.0])
    return run(function, [
        Case("no momentum", (weights, gradient, moving, 0.1, 0.0), [[0.96, -2.0, 0.6], gradient]),
        Case("momentum 0.9, from standing still", (weights, gradient, still, 0.1, 0.9), [[0.96, -2.0, 0.6], gradient]),
        Case("momentum 0.9, already moving", (weights, gradient, moving, 0.1, 0.9),
             [[0.87, -2.18, 0.87], [1.3, 1.8, -3.7]]),
    ])  # fmt: skip


def smooth(function: Callable) -> Verdict:
    """Check exercise 3 of notebook 02: the exponential moving average (n,) of values (n,)."""
    steps, waves = np.array([4.0, 0.0, 0.0, 8.0]), np.array([1.0, 3.0, 1.0, 3.0, 1.0])
    return run(function, [
        Case("a constant curve", (np.full(4, 2.5), 0.9), np.full(4, 2.5)),
        Case("weight 0 changes nothing", (steps, 0.0), steps),
        Case("weight 0.5", (steps, 0.5), [4, 2, 1, 4.5]),
        Case("weight 0.75", (waves, 0.75), [1, 1.5, 1.375, 1.78125, 1.5859375]),
    ])  # fmt: skip


def soft_argmax(function: Callable) -> Verdict:
    """Check exercise 4 of notebook 02: the mean place (x, y), in cells, under the softmax of one heatmap (g, g)."""
    flat, two, steep = np.zeros((5, 5)), np.full((6, 6), -50.0), np.zeros((3, 3))
    two[1, 4] = two[3, 4] = 2.0  # row 1 and row 3, column 4
    steep[0, 1], steep[0, 2] = np.log(2.0), np.log(6.0)
    return run(function, [
        Case("the same everywhere: the middle", (flat,), [2, 2]),
        Case("two equal peaks in column 4, rows 1 and 3: (x, y)", (two,), [4, 2]),
        Case("weights 1, 2, 6 along the first row, 1 elsewhere", (steep,), [20 / 15, 9 / 15]),
        Case("the same, 1000 added to every cell", (steep + 1000,), [20 / 15, 9 / 15]),
    ])  # fmt: skip


def one_draw(function: Callable) -> Verdict:
    """Check exercise 5 of notebook 02: the mean of all values (n,) of the drawn people, as often as they are drawn."""
    values, people = np.array([1.0, 2.0, 3.0, 10.0, 20.0]), np.array(["Ann", "Ann", "Ann", "Bo", "Cy"])
    return run(function, [
        Case("everybody once", (values, people, ["Ann", "Bo", "Cy"]), 7.2),
        Case("one person of three frames", (values, people, ["Ann"]), 2.0),
        Case("Ann (three frames) and Bo (one)", (values, people, ["Ann", "Bo"]), 4.0),
        Case("Cy twice, Bo once", (values, people, ["Cy", "Bo", "Cy"]), 50 / 3),
    ])  # fmt: skip


# Notebook 03


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
    ])  # fmt: skip


def crop_square(function: Callable) -> Verdict:
    """Check exercise 3 of notebook 03: the square (4,) that the crop rule cuts for a box (4,) and a margin."""
    wide, tall = np.array([10.0, 20.0, 100.0, 80.0]), np.array([30.0, 10.0, 40.0, 60.0])
    return run(function, [
        Case("a square box, no margin", (np.array([5.0, 6.0, 20.0, 20.0]), 0.0), [5, 6, 20, 20]),
        Case("a wide box, no margin", (wide, 0.0), [10, 10, 100, 100]),
        Case("a wide box, margin 0.2", (wide, 0.2), [-10, -10, 140, 140]),
        Case("a tall box, margin 0.5", (tall, 0.5), [-10, -20, 120, 120]),
    ])  # fmt: skip


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
