"""The emotion of each face in a film: rules or network, smoothed by seconds, each face for itself."""

import numpy as np
import pytest

from fkd_helpers.data.puppets import stream
from fkd_helpers.emotion.rules import LABELS, UNKNOWN, Emotion
from fkd_helpers.expressions.reader import Reading
from fkd_helpers.faces.landmarks import EXPRESSIONS
from fkd_helpers.live import moods
from fkd_helpers.live.moods import FORGET, Mood, Moods, Smoother
from fkd_helpers.predict import Face

FRAME = np.zeros((48, 64, 3), np.uint8)


def reading(expression, valence=0.0, arousal=0.0):
    shares = np.full(8, 0.05)
    shares[EXPRESSIONS.index(expression)] = 0.65
    return Reading(shares, valence, arousal)


def emotion(label):
    return Emotion(label, f"looks {label}", np.where(np.array(LABELS) == label, 0.8, 0.1))


@pytest.mark.parametrize("fps", [8, 30])
@pytest.mark.parametrize("read, before, after", [(reading, "happy", "anger"), (emotion, "positive", "negative")])
def test_smoother_ignores_one_other_frame_and_changes_the_label_after_the_hold(read, before, after, fps):
    smoother = Smoother(0.5, 0.5)
    labels = [smoother(read(after if i == fps else before), i / fps).label for i in range(2 * fps)]
    labels += [smoother(read(after), 2 + i / fps).label for i in range(3 * fps)]
    first = labels.index(after)
    assert labels == [before] * first + [after] * (len(labels) - first)
    assert 0.5 <= first / fps - 2 <= 1.1  # half a second of the lead, once the mean has come over


def test_smoother_follows_by_time_and_not_by_frame():
    ends = []
    for times in (np.arange(1, 11) / 10, np.arange(1, 61) / 60, np.sort(np.random.default_rng(2).uniform(0, 1, 23))):
        smoother = Smoother(0.4)
        smoother(reading("neutral", -1), 0.0)
        for when in (*times, 1.0):
            mood = smoother(reading("happy", 1, 0.5), when)
        ends.append((mood.valence, mood.arousal))
    assert ends[0][0] == pytest.approx(1 - 2 * np.exp(-1 / 0.4))
    np.testing.assert_allclose(ends, [ends[0]] * 3)


def test_smoother_keeps_the_last_emotion_where_points_are_missing():
    smoother, nothing = Smoother(), Emotion(UNKNOWN, "points are missing", np.full(3, 1 / 3))
    assert smoother(nothing, 0.0) == Mood(UNKNOWN, "points are missing")
    assert smoother(emotion("positive"), 0.1) == smoother(nothing, 0.2) == Mood("positive", "looks positive")


def test_moods_remember_each_face_by_itself_and_forget_one_that_is_gone(monkeypatch):
    shows = {0: reading("happy", 0.8), 1: reading("sad", -0.8)}
    keypoints = np.random.default_rng(0).uniform(10, 30, (2, 68, 2))
    faces = [Face(np.array([10.0, 10, 20, 20]), keypoints[i], 1.0, i) for i in range(2)]
    network = lambda frame, points: [shows[int(p is not faces[0].keypoints)] for p in points]  # noqa: E731
    monkeypatch.setattr(moods, "expression_reader", lambda: network)
    both = Moods("expressions")
    for i in range(20):
        seen = faces if i % 2 else faces[::-1]
        found = dict(zip([face.id for face in seen], both(FRAME, seen, i / 30), strict=True))
        assert [found[face].label for face in (0, 1)] == ["happy", "sad"]
        assert [found[face].valence for face in (0, 1)] == pytest.approx([0.8, -0.8])
    shows[0], last = reading("anger"), 19 / 30
    assert both(FRAME, faces[:1], last + 0.1 * FORGET)[0].label == "happy"
    assert both(FRAME, faces[:1], last + 2 * FORGET)[0].label == "anger"


def test_moods_by_rules_give_a_reason_and_none_gives_nothing():
    frame, keypoints, _ = next(stream(n=1, size=(320, 240)))
    face = Face(np.array([100.0, 60, 100, 120]), keypoints[0], 1.0, 0)
    few = Face(face.box, keypoints[0][:5], 1.0, 1)
    found, nothing = Moods("rules")(frame, [face, few], 0.0)
    assert found.label in LABELS and found.reason and not found.scales and nothing is None
    assert Moods("none")(frame, [face], 0.0) == [None]
