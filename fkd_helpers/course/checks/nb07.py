"""Checks of the exercises of notebook 07."""

import numpy as np

from fkd_helpers.course.checks.nb06 import coloured, colours_at, read_at
from fkd_helpers.course.exercises import register
from fkd_helpers.data.puppets.shapes import face_shape
from fkd_helpers.emotion import upright
from fkd_helpers.faces.boxes import turned

PLACES = np.array([[40, 48], [80, 48], [60, 72], [60, 90], [60, 112]])  # (x, y) in the upright picture of 120 pixels


def _opened(knobs, side=100, roll=0):
    face = face_shape([], knobs, roll=roll)
    lips = upright(face)[[[61, 62, 63], [67, 66, 65]], 1].mean(1)
    what = f"a mouth of {knobs}, face of {side} pixels, tilted by {roll} degrees"
    return what, (side * face + 80,), lips[1] - lips[0], 0.005


def _upright(side, roll):
    points = face_shape([], {}, roll=roll) * side + [150, 140]
    eyes, unit = np.stack([points[36:42].mean(0), points[42:48].mean(0)]), np.linalg.norm(points[45] - points[36]) / 60
    places = eyes.mean(0) + unit * turned(PLACES - [60, 48], np.arctan2(*(eyes[1] - eyes[0])[::-1]))
    what = f"a face of {side} pixels, tilted by {roll} degrees, read at left eye, right eye, nose, mouth, chin"
    return what, (PLACES, coloured(300, 300), points, 120), colours_at(places), 3


WIDE, SMILE = {"mouth_open": 1.0}, {"smile": 0.8, "mouth_open": 0.3}
RNG = np.random.default_rng(0)
ALL, DRAWS = RNG.normal(0.6, 0.2, 20), RNG.integers(0, 20, (400, 20))  # hard and easy people, for both classifiers
A, B = ALL + RNG.normal(0.03, 0.02, 20), ALL + RNG.normal(0, 0.02, 20)
LOW, HIGH = np.percentile((A - B)[DRAWS].mean(1), [2.5, 97.5])

CASES = {
    "mouth_opening": [_opened({}), _opened(WIDE), _opened(WIDE, side=300), _opened(SMILE), _opened(WIDE, roll=35)],
    "upright_picture": [_upright(120, 0), _upright(70, 0), _upright(110, 25), _upright(110, -40)],
    "balanced_accuracy": [
        ((np.diag([5, 7, 9]),), 1), ((np.array([[90, 0, 0], [5, 0, 0], [5, 0, 0]]),), 1 / 3),
        ((np.array([[8, 2], [1, 3]]),), 0.775), ((np.array([[30, 10, 10], [2, 6, 2], [0, 5, 15]]),), 0.65),
    ],
    "paired_interval": [
        ("a is better by 0.1 on everybody", (ALL + 0.1, ALL, DRAWS), [0.1, 0.1]),
        ("people differ more than the classifiers", (A, B, DRAWS), [LOW, HIGH]),
        ("a and b exchanged", (B, A, DRAWS), [-HIGH, -LOW]),
    ],
}  # fmt: skip
register("07", CASES, upright_picture=read_at)
