"""Self-checks of the exercises of notebook 01, and the answers that stand in for those that are not solved."""

import functools
from collections.abc import Callable, Sequence

import cv2
import numpy as np

from fkd_helpers.course.exercises import exercise
from fkd_helpers.course.verdicts import Case, Verdict, is_stub, run
from fkd_helpers.data import load, split
from fkd_helpers.faces.boxes import crop, square_of, to_crop
from fkd_helpers.faces.images import to_gray
from fkd_helpers.faces.landmarks import MIRROR
from fkd_helpers.faces.metrics import nme

GOAL = 0.1  # NME of the copycat on new people; with tiny pictures it is 0.14


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


def flipped(keypoints: np.ndarray, width: int) -> np.ndarray:
    """Return the keypoints (68, 2) of a face in the mirror image, `width` pixels wide."""
    return np.stack([width - 1 - keypoints[:, 0], keypoints[:, 1]], 1)[MIRROR]


@exercise("01")
def flip_keypoints(function: Callable) -> Verdict:
    """Check exercise 2: the 68 keypoints of the mirrored face in an image of a width."""
    faces = [("a face in 160 pixels", _face(), 160), ("a face in 301 pixels", _face(40.25), 301)]
    return run(function, [Case(what, (points, width), flipped(points, width)) for what, points, width in faces])


def resized(keypoints: np.ndarray, old: Sequence[int], new: Sequence[int]) -> np.ndarray:
    """Return keypoints (k, 2) after their image is resized from one (width, height) to another."""
    return (keypoints + 0.5) * np.array(new) / np.array(old) - 0.5


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
def frames_of(function: Callable) -> Verdict:
    """Check exercise 4: which frames (n,) show one of the people."""
    names = ["training/Ann_Lee_00.png", "test/Ann_Lee_03.png", "training/Ann_Lee_Marie_01.png", "training/Ann_00.png"]
    return run(function, [
        Case("two people of one frame each", (["training/Bo_Ek_00.png", "training/Cy_Ash_00.png"], ["Cy_Ash"]), [0, 1]),
        Case("one person, both folders", (["test/Bo_Ek_01.png", "training/Bo_Ek_00.png"], ["Bo_Ek"]), [1, 1]),
        Case(f"{names}, held out: Ann_Lee", (names, ["Ann_Lee"]), [1, 1, 0, 0]),
    ])  # fmt: skip


def edges(crop: np.ndarray) -> np.ndarray:
    """Return features (d,) of the inner part of a gray crop (96, 96): how strong its edges are, and how they lie."""
    gradients = cv2.HOGDescriptor((48, 48), (16, 16), (8, 8), (8, 8), 9)
    features = gradients.compute(cv2.resize(crop[14:90, 10:86], (48, 48)))
    return (features - features.mean()) / features.std()


@functools.cache
def _crops():
    """Return gray crops (n, 96, 96) of puppet people, the keypoints in them (n, 68, 2), and which are for training."""
    faces = load("puppets", n=250, seed=3, looks=True)
    squares = square_of(faces.boxes)
    crops = [crop(to_gray(image), square, 96) for image, square in zip(faces.images, squares, strict=True)]
    return np.stack(crops), to_crop(faces.keypoints, squares, 96), np.isin(faces.names, split(faces)[0].names)


@exercise("01")
def features(function: Callable) -> Verdict:
    """Check exercise 5: features (d,) of a gray crop (96, 96) by which a copycat finds a face in the same pose."""
    crops, keypoints, known = _crops()

    def dimensions(crop):
        answer = function(crop)
        return None if is_stub(answer) else np.ndim(answer)

    one = run(dimensions, [Case("number of dimensions", (crops[0],), 1)])
    if not one.solved:
        return Verdict(0, 2, one.message)
    try:
        vectors = np.stack([np.asarray(function(crop.copy()), np.float64) for crop in crops])
    except Exception as error:  # whatever a learner's code raises is part of the verdict
        return Verdict(1, 2, f"features of {len(crops)} crops: it raised {type(error).__name__}: {error}")
    distances = ((vectors[~known, None] - vectors[known]) ** 2).sum(-1)
    error = float(nme(keypoints[known][distances.argmin(1)], keypoints[~known]).mean())
    if error < GOAL:
        return Verdict(2, 2)
    return Verdict(1, 2, f"people that the copycat has not seen: expected an NME below {GOAL:g}, got {error:.3f}")
