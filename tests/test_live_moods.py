"""The emotion of each face in a film: rules or network, smoothed by seconds, each face for itself."""

import json
from itertools import chain, pairwise

import numpy as np
import pytest

from fkd_helpers import cli
from fkd_helpers.core.errors import InputError
from fkd_helpers.data.puppets import stream
from fkd_helpers.emotion.rules import LABELS, UNKNOWN, Emotion
from fkd_helpers.expressions.reader import Reading
from fkd_helpers.faces.landmarks import EXPRESSIONS
from fkd_helpers.live import moods
from fkd_helpers.live.engine import LiveEngine
from fkd_helpers.live.moods import BUDGET, CAUTION, FORGET, Mood, Moods, Smoother, expression_reader
from fkd_helpers.predict import Face

FRAME = np.zeros((48, 64, 3), np.uint8)


def reading(expression, valence=0.0, arousal=0.0):
    shares = np.full(8, 0.05)
    shares[EXPRESSIONS.index(expression)] = 0.65
    return Reading(shares, valence, arousal)


def emotion(label):
    return Emotion(label, f"looks {label}", np.where(np.array(LABELS) == label, 0.8, 0.1))


# -- the smoother, for both readers


@pytest.mark.parametrize("fps", [5, 10, 30, 60])
@pytest.mark.parametrize("read, usual, other", [(reading, "happy", "fear"), (emotion, "positive", "negative")])
def test_smoother_ignores_one_other_frame_at_any_frame_rate(read, usual, other, fps):
    smoother = Smoother(0.1, 0.5)
    labels = [smoother(read(other if i == 20 else usual), i / fps).label for i in range(40)]
    assert set(labels) == {usual}


@pytest.mark.parametrize("fps", [8, 30])
@pytest.mark.parametrize("read, before, after", [(reading, "happy", "anger"), (emotion, "positive", "negative")])
def test_smoother_changes_the_label_after_the_hold(read, before, after, fps):
    smoother = Smoother(0.5, 0.5)
    labels = [smoother(read(before), i / fps).label for i in range(2 * fps)]
    labels += [smoother(read(after), 2 + i / fps).label for i in range(3 * fps)]
    first = labels.index(after)
    assert labels == [before] * first + [after] * (len(labels) - first)
    assert 0.5 <= first / fps - 2 <= 1.1  # half a second of the lead, once the mean has come over


def test_smoother_calms_answers_that_flicker():
    smoother, rng = Smoother(), np.random.default_rng(1)
    raw = rng.choice(["surprise", "contempt"], 300)
    labels = [smoother(reading(name), i / 30).label for i, name in enumerate(raw)]
    assert sum(a != b for a, b in pairwise(raw)) > 100 and sum(a != b for a, b in pairwise(labels)) < 10


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


# -- the faces of a film


class Network:
    """A network that knows what each face shows, and takes so many seconds per face by a clock of its own."""

    def __init__(self, monkeypatch, seconds, answer=lambda face: reading(EXPRESSIONS[face % 8])):
        self.now, self.seconds, self.answer, self.asked = 0.0, seconds, answer, []
        rng = np.random.default_rng(0)
        self.faces = [Face(np.array([10.0, 10, 20, 20]), rng.uniform(10, 30, (68, 2)), 1.0, i) for i in range(25)]
        monkeypatch.setattr(moods, "expression_reader", lambda: self)
        monkeypatch.setattr(moods, "perf_counter", lambda: self.now)

    def __call__(self, frame, keypoints):
        faces = [next(face.id for face in self.faces if face.keypoints is points) for points in keypoints]
        self.asked.append(faces)
        self.now += self.seconds * len(faces)
        return [self.answer(face) for face in faces]


def test_moods_remember_each_face_by_itself(monkeypatch):
    network = Network(monkeypatch, 0.0, lambda face: reading(("happy", "sad")[face], (0.8, -0.8)[face]))
    two = Moods("expressions")
    for i in range(20):
        seen = network.faces[:2] if i % 2 else network.faces[1::-1]
        found = dict(zip([face.id for face in seen], two(FRAME, seen, i / 30), strict=True))
        assert [found[face].label for face in (0, 1)] == ["happy", "sad"]
        assert [found[face].valence for face in (0, 1)] == pytest.approx([0.8, -0.8])


def test_moods_forget_a_face_that_is_gone(monkeypatch):
    shows = ["happy"]
    network = Network(monkeypatch, 0.0, lambda face: reading(shows[0]))
    one = Moods("expressions")
    one(FRAME, network.faces[:1], 0.0)
    shows[0] = "sad"
    one(FRAME, [], 0.9 * FORGET)
    assert one(FRAME, network.faces[:1], 0.9 * FORGET)[0].label == "happy"
    one(FRAME, [], 2 * FORGET)
    assert one(FRAME, network.faces[:1], 2 * FORGET)[0].label == "sad"


@pytest.mark.parametrize("seconds, each", [(0.002, 1), (0.9 * BUDGET, 1), (2.5 * BUDGET, 3), (6.2 * BUDGET, 7)])
def test_moods_ask_a_slow_network_only_every_nth_frame(monkeypatch, seconds, each):
    network = Network(monkeypatch, seconds)
    slow = Moods("expressions")
    for i in range(120):
        assert slow(FRAME, network.faces[:1], i / 30, patient=False)[0].label == "neutral"
    assert sum(bool(faces) for faces in network.asked[-42:]) == 42 / each


def test_moods_let_many_faces_take_turns(monkeypatch):
    network = Network(monkeypatch, BUDGET / 5)
    many = Moods("expressions")
    for i in range(60):
        many(FRAME, network.faces, i / 30, patient=False)
    assert {len(faces) for faces in network.asked[-20:]} <= {4, 5, 6}
    assert set(chain(*network.asked[-6:])) == set(range(25)), "nobody waits for ever"
    many(FRAME, network.faces, 3.0)
    assert len(network.asked[-1]) == 25, "where there is time, all of them"


def test_moods_by_rules_give_a_reason_and_none_gives_nothing():
    frame, keypoints, _ = next(stream(n=1, size=(320, 240)))
    face = Face(np.array([100.0, 60, 100, 120]), keypoints[0], 1.0, 0)
    few = Face(face.box, keypoints[0][:5], 1.0, 1)
    found, nothing = Moods("rules")(frame, [face, few], 0.0)
    assert found.label in LABELS and found.reason and found.lines == [found.label] and nothing is None
    assert Moods("none")(frame, [face], 0.0) == [None]


def test_a_missing_network_is_one_message_and_the_rules_go_on(monkeypatch, tmp_path):
    expression_reader.cache_clear()
    monkeypatch.setattr(moods, "WEIGHTS", tmp_path)
    engine = LiveEngine()
    with pytest.raises(InputError, match=r"the expression network .* is missing in this install: choose emotion"):
        engine.change(emotion="expressions")
    assert engine.settings.emotion == "rules"


# -- the engine with the network that ships


def test_engine_reads_and_records_one_of_eight_expressions(tmp_path):
    runs = []
    engine = LiveEngine(every=True, seconds=0.5, emotion="expressions", on_result=lambda one: runs[-1].append(one))
    for _ in range(2):
        runs.append([])
        engine.record(tmp_path / "film.mp4")
        engine.start("puppet")
        assert engine.wait(60)
        saved = engine.finish()
    first, second = runs
    assert len(first) == 15 and [result.moods for result in first] == [result.moods for result in second]
    for result in first:
        (mood,) = result.moods
        assert mood.label in EXPRESSIONS and -1 <= mood.valence <= 1 and -1 <= mood.arousal <= 1
        assert result.labels == [mood.label] and mood.lines == [mood.label, mood.scales]
    summary = json.loads(saved.summary.read_text())
    assert sum(summary["emotions"].values()) == 15 and summary["emotions"].keys() <= set(EXPRESSIONS)
    assert summary["settings"]["emotion"] == "expressions" and summary["caution"] == CAUTION


@pytest.mark.parametrize("emotion, counted, caution", [("expressions", 9, True), ("none", 0, False)])
def test_live_command_counts_emotions(emotion, counted, caution, tmp_path, capsys):
    log = tmp_path / "log.json"
    assert cli.main(["live", "--emotion", emotion, "--calm", "0.2", "--max-seconds", "0.3", "--log", str(log)]) == 0
    out, logged = capsys.readouterr().out, json.loads(log.read_text())
    assert (CAUTION in out) == ("caution" in logged) == caution and logged["settings"]["calm"] == 0.2
    assert sum(logged["emotions"].values()) == counted and logged["emotions"].keys() <= set(EXPRESSIONS)
    assert caution or "emotions: none was read" in out
