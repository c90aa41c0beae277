"""Self-checks of the exercises of notebook 07."""

from collections.abc import Callable

import numpy as np

from fkd_helpers.course.checks.nb06 import read_at
from fkd_helpers.course.exercises import exercise
from fkd_helpers.course.verdicts import Case, Verdict, run
from fkd_helpers.data.puppets.shapes import face_shape

PLACES = np.array([[40, 48], [80, 48], [60, 72], [60, 90], [60, 112]])  # (x, y) in the upright picture of 120 pixels


@exercise("07")
def mouth_opening(function: Callable) -> Verdict:
    """Check exercise 1: the gap between the inner lips, in distances of the outer eye corners."""
    shut, wide, smile = (
        face_shape([], knobs) for knobs in ({}, {"mouth_open": 1.0}, {"smile": 0.8, "mouth_open": 0.3})
    )
    turn = np.radians(35)
    tilt = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])

    def gap(face):
        upper, lower = face[[61, 62, 63], 1].mean(), face[[67, 66, 65], 1].mean()
        return (lower - upper) / np.linalg.norm(face[45] - face[36])

    return run(function, [
        Case("a mouth that is shut", (100 * shut + 80,), gap(shut), 0.005),
        Case("wide open", (100 * wide + 80,), gap(wide), 0.005),
        Case("the same face, three times as large", (300 * wide + 80,), gap(wide), 0.005),
        Case("a smile with parted lips", (100 * smile + 80,), gap(smile), 0.005),
        Case("wide open, on a head tilted by 35 degrees", (100 * wide @ tilt + 80,), gap(wide), 0.005),
    ])  # fmt: skip


@exercise("07")
def balanced_accuracy(function: Callable) -> Verdict:
    """Check exercise 3: the mean over classes of the share that was recognised; rows are the truth."""
    return run(function, [
        Case("all right", (np.diag([5, 7, 9]),), 1.0, 1e-6),
        Case("always the first of three, which is nine in ten", (np.array([[90, 0, 0], [5, 0, 0], [5, 0, 0]]),), 1 / 3,
             1e-6),
        Case("two classes", (np.array([[8, 2], [1, 3]]),), (0.8 + 0.75) / 2, 1e-6),
        Case("three classes of other sizes", (np.array([[30, 10, 10], [2, 6, 2], [0, 5, 15]]),), (0.6 + 0.6 + 0.75) / 3,
             1e-6),
    ])  # fmt: skip


@exercise("07")
def upright_picture(function: Callable) -> Verdict:
    """Check exercise 2: a picture moved upright; read at the eyes, the nose, the mouth and the chin."""
    y, x = np.mgrid[:300, :300]
    frame = np.stack([x * 0.8, y * 0.8, (x + y) * 0.4], -1).round().astype(np.uint8)  # the colour says the place
    face, cases, size = face_shape([], {}), [], 120
    for what, side, roll in (("an upright face", 120, 0), ("a small one", 70, 0), ("tilted by 25 degrees", 110, 25),
                             ("tilted by -40 degrees", 110, -40)):  # fmt: skip
        turn = np.radians(roll)
        keypoints = face * side @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]) + [150, 140]
        eyes = [keypoints[36:42].mean(0), keypoints[42:48].mean(0)]
        along = (eyes[1] - eyes[0]) / np.linalg.norm(eyes[1] - eyes[0])
        unit = np.linalg.norm(keypoints[45] - keypoints[36]) / (size / 2)  # frame pixels per pixel of the picture
        offsets = (PLACES - [size / 2, 0.4 * size]) * unit
        seen = (eyes[0] + eyes[1]) / 2 + offsets @ np.array([along, [-along[1], along[0]]])
        wanted = np.column_stack([seen * 0.8, seen.sum(1) * 0.4])
        where = f"{what}, read at left eye, right eye, nose, mouth, chin"
        cases.append(Case(where, (frame, keypoints, size), wanted, 3))
    return run(read_at(function, PLACES), cases)


@exercise("07")
def paired_interval(function: Callable) -> Verdict:
    """Check exercise 4: the 95 % interval of the mean difference of two scores of the same people."""
    rng = np.random.default_rng(0)
    people = rng.normal(0.6, 0.2, 20)  # hard and easy people, for both
    a, b = people + rng.normal(0.03, 0.02, 20), people + rng.normal(0, 0.02, 20)
    draws = rng.integers(0, 20, (400, 20))
    means = (a - b)[draws].mean(1)
    return run(function, [
        Case("a is better by 0.1 on everybody", (people + 0.1, people, draws), [0.1, 0.1]),
        Case("people differ more than the classifiers", (a, b, draws), np.percentile(means, [2.5, 97.5])),
        Case("a and b exchanged", (b, a, draws), np.percentile(-means, [2.5, 97.5])),
    ])  # fmt: skip
