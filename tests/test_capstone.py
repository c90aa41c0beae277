"""The checks of the capstone: they pass what is good, and stop at the first thing that is not."""

import time

import cv2
import numpy as np
import pytest

from fkd_helpers import emotion, filters
from fkd_helpers.course import checks


def dot(frame, centre, radius):
    return cv2.circle(frame, np.round(centre).astype(int).tolist(), round(float(radius)), (255, 0, 0), -1)


def nose(frame, keypoints):
    return dot(frame, keypoints[30], np.linalg.norm(keypoints[35] - keypoints[31]) * 0.6)


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


def in_pixels(keypoints):
    lift = (keypoints[[51, 57]].mean(0) - keypoints[[48, 54]].mean(0))[1]
    return "positive" if lift > 3 else "negative" if lift < -3 else "neutral"


def down_in_the_picture(keypoints):
    lift = (keypoints[54] - keypoints[48])[1] / np.linalg.norm(keypoints[45] - keypoints[36])
    return "positive" if lift > 0.1 else "negative" if lift < -0.1 else "neutral"


WRONG = [
    ("own_filter", lambda frame, keypoints: ..., "not attempted yet"),
    ("own_filter", lambda frame, keypoints: frame, "a face from the front, changed (1): expected 1, got 0"),
    ("own_filter", lambda frame, keypoints: frame / 255, "a face from the front, changed (1): expected a frame"),
    ("own_filter", lambda frame, keypoints: frame // 2, "the rest of the frame: "),
    ("own_filter", above_in_the_picture, "tilted by -45 degrees: only 0%"),
    ("own_filter", lambda frame, keypoints: dot(frame, keypoints[30], 12), "half as large: "),
    ("own_filter", only_inside, "half out of the frame: it raised IndexError"),
    ("own_filter", tired, "frame rate: "),
    ("own_rule", lambda keypoints: "happy", "labels other than negative, neutral, positive: expected 0, got 1"),
    ("own_rule", in_pixels, "faces three times as large"),
    ("own_rule", down_in_the_picture, "faces tilted by 30 degrees"),
    ("own_rule", lambda keypoints: "neutral", "wrong answers, where a die has 0.67: expected at most 0.5, got 0.6667"),
]


@pytest.mark.parametrize("name", ["sunglasses", "blur"])
def test_our_filters_pass(name):
    assert checks.own_filter(filters.FILTERS[name]).solved


def test_our_rules_pass_and_are_told_how_good_they_are():
    verdict = checks.own_rule(lambda keypoints: emotion.read_emotion(keypoints).label)
    assert verdict.solved and "right on new puppets" in repr(verdict)


@pytest.mark.parametrize(("check", "own", "says"), WRONG)
def test_what_is_wrong_is_stopped_where_it_fails(check, own, says):
    verdict = getattr(checks, check)(own)
    assert not verdict.solved and verdict.message.startswith(says), verdict
