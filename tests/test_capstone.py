"""The checks of the capstone: they pass what is good, and stop at the first thing that is not."""

import time

import cv2
import numpy as np
import pytest

from fkd_helpers import emotion, filters
from fkd_helpers.course import checks
from fkd_helpers.faces import boxes


def dot(frame, centre, radius):
    return cv2.circle(frame, np.round(centre).astype(int).tolist(), round(float(radius)), (255, 0, 0), -1)


def nose(frame, keypoints):
    return dot(frame, keypoints[30], np.linalg.norm(keypoints[35] - keypoints[31]) * 0.6)


def bar_over_the_eyes(frame, keypoints):
    x, y, w, h = boxes.box_of(keypoints).round().astype(int).tolist()
    return cv2.rectangle(frame, (x, y), (x + w, y + h // 3), (0, 0, 0), -1)


def tired(frame, keypoints):
    time.sleep(0.03)
    return nose(frame, keypoints)


def only_inside(frame, keypoints):
    if keypoints.min() < 0:
        raise IndexError("outside")
    return nose(frame, keypoints)


def above_in_the_picture(frame, keypoints):
    side = np.linalg.norm(keypoints[45] - keypoints[36])
    return dot(frame, keypoints[27] - [0, side], side / 4)


WRONG = [
    (lambda frame, keypoints: None, "a face from the front: expected a frame"),
    (lambda frame, keypoints: frame, "a face from the front: it changed no pixel"),
    (lambda frame, keypoints: frame[:9], "a face from the front: expected a frame"),
    (lambda frame, keypoints: frame / 255, "a face from the front: expected a frame"),
    (lambda frame, keypoints: 1 / 0, "a face from the front: it raised ZeroDivisionError"),
    (lambda frame, keypoints: frame // 2, "the rest of the frame: "),
    (bar_over_the_eyes, "tilted by -45 degrees: "),
    (above_in_the_picture, "tilted by -45 degrees: only 0%"),
    (lambda frame, keypoints: dot(frame, keypoints[30], 12), "half as large: "),
    (only_inside, "half out of the frame: it raised IndexError"),
    (tired, "frame rate: "),
]


@pytest.mark.parametrize("name", ["sunglasses", "hat", "mask", "blur", "axes"])
def test_our_filters_pass(name):
    assert checks.own_filter(filters.FILTERS[name]).solved


@pytest.mark.parametrize(("function", "says"), WRONG)
def test_a_filter_is_stopped_where_it_fails(function, says):
    verdict = checks.own_filter(function)
    assert not verdict.solved and verdict.message.startswith(says), verdict


def lifted(keypoints):
    y = emotion.upright(keypoints)[:, 1]
    lift = y[[51, 57]].mean() - y[[48, 54]].mean()
    return "positive" if lift > 0.05 else "negative" if lift < -0.06 else "neutral"


def in_pixels(keypoints):
    lift = (keypoints[[51, 57]].mean(0) - keypoints[[48, 54]].mean(0))[1]
    return "positive" if lift > 3 else "negative" if lift < -3 else "neutral"


def down_in_the_picture(keypoints):
    lift = (keypoints[54] - keypoints[48])[1] / np.linalg.norm(keypoints[45] - keypoints[36])
    return "positive" if lift > 0.1 else "negative" if lift < -0.1 else "neutral"


def test_rules_pass_and_are_told_how_good_they_are():
    verdict = checks.own_rule(lifted)
    assert verdict.solved and "right on new puppets" in repr(verdict)
    assert checks.own_rule(lambda keypoints: emotion.read_emotion(keypoints).label).solved


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (lambda keypoints: None, "120 faces: expected one of negative, neutral, positive, got 'None'"),
        (lambda keypoints: "happy", "120 faces: expected one of"),
        (lambda keypoints: keypoints[99], "120 faces: it raised IndexError"),
        (in_pixels, "faces three times as large: "),
        (down_in_the_picture, "faces tilted by 30 degrees: "),
        (lambda keypoints: "neutral", "against chance: 33% right"),
    ],
)
def test_a_rule_is_stopped_where_it_fails(function, says):
    verdict = checks.own_rule(function)
    assert not verdict.solved and verdict.message.startswith(says), verdict


def test_practice_faces_are_the_same_each_time_and_not_those_of_another_seed():
    (first, labels), (again, _), (others, _) = (checks.practice_faces(seed) for seed in (0, 0, 1))
    assert np.array_equal(first, again) and not np.array_equal(first, others)
    assert {label: labels.count(label) for label in labels} == {"negative": 20, "neutral": 20, "positive": 20}
