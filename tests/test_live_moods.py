"""What is said about faces in a film: rules or network, steadied over time, each face for itself. Notebook 05."""

import json
from itertools import chain, pairwise

import numpy as np
import pytest

from fkd_helpers import cli
from fkd_helpers.core.errors import InputError
from fkd_helpers.data.puppets import stream
from fkd_helpers.emotion.rules import LABELS
from fkd_helpers.expressions.reader import Reading
from fkd_helpers.faces.landmarks import EXPRESSIONS
from fkd_helpers.live import moods
from fkd_helpers.live.engine import LiveEngine
from fkd_helpers.live.moods import BUDGET, CAUTION, FORGET, ExpressionSmoother, Mood, Moods, expression_reader
from fkd_helpers.live.pipeline import overlay
from fkd_helpers.live.sources import open_source
from fkd_helpers.predict.predictor import Face

FRAME = np.zeros((48, 64, 3), np.uint8)


def reading(expression, valence=0.0, arousal=0.0, sure=0.65):
    shares = np.full(8, (1 - sure) / 7)
    shares[EXPRESSIONS.index(expression)] = sure
    return Reading(shares, valence, arousal)


def faces(count):
    return [Face(np.array([10.0, 10, 20, 20]), np.random.default_rng(i).uniform(10, 30, (68, 2)), 1.0, i)
            for i in range(count)]  # fmt: skip


# -- the smoother


def test_what_is_constant_stays_whenever_frames_come():
    smoother, when = ExpressionSmoother(), 0.0
    for step in np.random.default_rng(0).exponential(0.1, 50):
        mood = smoother(reading("sad", -0.4, 0.3), when)
        assert (mood.label, mood.valence, mood.arousal) == ("sad", pytest.approx(-0.4), pytest.approx(0.3))
        when += step


@pytest.mark.parametrize("fps", [5, 10, 30, 60])
def test_one_frame_of_another_expression_changes_no_label(fps):
    smoother = ExpressionSmoother()
    said = [smoother(reading("fear" if i == 20 else "happy"), i / fps).label for i in range(40)]
    assert set(said) == {"happy"}


def test_answers_that_flicker_between_two_do_not_make_the_label_flicker():
    smoother, rng = ExpressionSmoother(), np.random.default_rng(1)
    raw = rng.choice(["surprise", "contempt"], 300)
    said = [smoother(reading(name), i / 30).label for i, name in enumerate(raw)]
    assert sum(a != b for a, b in pairwise(raw)) > 100 and sum(a != b for a, b in pairwise(said)) < 10


@pytest.mark.parametrize("fps", [8, 30])
def test_a_change_that_lasts_is_said_after_the_hold(fps):
    smoother = ExpressionSmoother(calm=0.5)
    moods = [smoother(reading("happy", 0.8), i / fps) for i in range(2 * fps)]
    moods += [smoother(reading("anger", -0.6), 2 + i / fps) for i in range(3 * fps)]
    said = [mood.label for mood in moods]
    first = said.index("anger")
    assert said == ["happy"] * first + ["anger"] * (len(said) - first)
    assert 0.5 <= first / fps - 2 <= 1.1, "half a second of the lead, after the mean has come over"
    assert moods[-1].valence == pytest.approx(-0.6, abs=0.01)


def test_the_mean_does_not_depend_on_the_frame_rate():
    ends = []
    for times in (np.arange(1, 11) / 10, np.arange(1, 61) / 60, np.sort(np.random.default_rng(2).uniform(0, 1, 23))):
        smoother = ExpressionSmoother(calm=0.4)
        smoother(reading("neutral", -1), 0.0)
        for when in (*times, 1.0):
            mood = smoother(reading("happy", 1, 0.5), when)
        ends.append((mood.valence, mood.arousal))
    assert ends[0][0] == pytest.approx(1 - 2 * np.exp(-1 / 0.4))
    np.testing.assert_allclose(ends, [ends[0]] * 3)


def test_after_a_long_absence_a_face_is_read_anew_and_time_that_runs_backwards_does_no_harm():
    smoother = ExpressionSmoother()
    smoother(reading("happy", 1), 100.0)
    assert smoother(reading("happy", -1), 40.0).valence == 1
    assert smoother(reading("happy", -1), 90.0).valence == pytest.approx(-1)


@pytest.mark.parametrize("calm", [-0.1, float("nan"), float("inf")])
def test_a_calm_that_makes_no_sense_is_refused(calm):
    with pytest.raises(InputError, match="calm: expected 0 or more"):
        ExpressionSmoother(calm)


# -- the faces of a film


class Network:
    """A network that knows what each face shows, and takes so many seconds a face by a clock of its own."""

    def __init__(self, monkeypatch, seconds, says=lambda who: reading(EXPRESSIONS[who % 8])):
        self.now, self.seconds, self.says, self.asked = 0.0, seconds, says, []
        self.faces = faces(25)
        monkeypatch.setattr(moods, "expression_reader", lambda: self)
        monkeypatch.setattr(moods, "perf_counter", lambda: self.now)

    def __call__(self, frame, keypoints):
        who = [next(face.id for face in self.faces if face.keypoints is points) for points in keypoints]
        self.asked.append(who)
        self.now += self.seconds * len(who)
        return [self.says(one) for one in who]


def test_each_face_has_its_own_memory(monkeypatch):
    network = Network(monkeypatch, 0.0, lambda who: reading(("happy", "sad")[who], (0.8, -0.8)[who]))
    two = Moods("expressions")
    for i in range(20):
        seen = network.faces[:2] if i % 2 else network.faces[1::-1]
        said = dict(zip([face.id for face in seen], two(FRAME, seen, i / 30), strict=True))
        assert [said[who].label for who in (0, 1)] == ["happy", "sad"]
        assert [said[who].valence for who in (0, 1)] == pytest.approx([0.8, -0.8])


def test_a_face_that_is_gone_for_long_is_forgotten(monkeypatch):
    network = Network(monkeypatch, 0.0, lambda who: reading(now[0]))
    one, now = Moods("expressions"), ["happy"]
    one(FRAME, network.faces[:1], 0.0)
    now[0] = "sad"
    for _ in range(FORGET - 1):
        one(FRAME, [], 0.0)
    assert one(FRAME, network.faces[:1], 0.0)[0].label == "happy"
    for _ in range(FORGET):
        one(FRAME, [], 0.0)
    assert one(FRAME, network.faces[:1], 0.0)[0].label == "sad"


@pytest.mark.parametrize("seconds, each", [(0.002, 1), (0.9 * BUDGET, 1), (2.5 * BUDGET, 3), (6.2 * BUDGET, 7)])
def test_a_network_that_is_slow_here_reads_only_every_nth_frame(monkeypatch, seconds, each):
    network = Network(monkeypatch, seconds)
    slow = Moods("expressions")
    for i in range(120):
        (mood,) = slow(FRAME, network.faces[:1], i / 30, patient=False)
        assert mood.label == "neutral", "in between the last mood stays"
    read = [bool(who) for who in network.asked][-42:]
    assert sum(read) == 42 / each


def test_many_faces_take_turns(monkeypatch):
    network = Network(monkeypatch, BUDGET / 5)
    many = Moods("expressions")
    for i in range(60):
        many(FRAME, network.faces, i / 30, patient=False)
    assert {len(who) for who in network.asked[-20:]} <= {4, 5, 6}
    assert set(chain(*network.asked[-6:])) == set(range(25)), "nobody waits for ever"
    many(FRAME, network.faces, 3.0)
    assert len(network.asked[-1]) == 25, "where there is time, all of them"


def test_rules_give_a_reason_and_none_says_nothing():
    frame, keypoints, _ = next(stream(n=1, size=(320, 240)))
    face = Face(np.array([100.0, 60, 100, 120]), keypoints[0], 1.0, 0)
    few = Face(face.box, keypoints[0][:5], 1.0, 1)
    said, nothing = Moods("rules")(frame, [face, few], 0.0)
    assert said.label in LABELS and said.reason and said.scales == "" and nothing is None
    assert Moods("none")(frame, [face], 0.0) == [None]
    with pytest.raises(InputError, match="did you mean 'rules'"):
        Moods("rule")


def test_a_missing_network_is_one_plain_sentence(monkeypatch, tmp_path):
    expression_reader.cache_clear()
    monkeypatch.setattr(moods, "WEIGHTS", tmp_path)
    with pytest.raises(InputError, match=r"the expression network .* is missing in this install: choose emotion"):
        LiveEngine(emotion="expressions")
    engine = LiveEngine()
    with pytest.raises(InputError, match="is missing"):
        engine.change(emotion="expressions")
    assert engine.settings["emotion"] == "rules", "and the rules go on"


# -- the engine with the network that ships


def test_the_engine_says_one_of_eight_and_the_recording_and_its_summary_too(tmp_path):
    runs = []
    engine = LiveEngine(
        every=True, seconds=0.5, emotion="expressions", on_result=lambda result: runs[-1].append(result)
    )
    for _ in range(2):
        runs.append([])
        path = engine.record(tmp_path / "film.mp4")
        engine.start("puppet")
        assert engine.wait(60)
        saved = engine.finish()
    first, second = runs
    assert len(first) == 15 and [result.moods for result in first] == [result.moods for result in second]
    for result in first:
        (mood,) = result.moods
        assert mood.label in EXPRESSIONS and -1 <= mood.valence <= 1 and -1 <= mood.arousal <= 1
        assert result.labels == [mood.label]
    summary = json.loads(saved.summary.read_text())
    assert sum(summary["emotions"].values()) == 15 and summary["emotions"].keys() <= set(EXPRESSIONS)
    assert summary["settings"]["emotion"] == "expressions" and summary["caution"] == CAUTION
    recorded = [frame for frame, _ in open_source("file", path).frames]
    for i in (0, 14):
        seen, without = (overlay(second[i].frame, second[i].faces, said) for said in (second[i].moods, []))
        written = np.abs(seen - without.astype(int)).max(-1) > 60  # where the words are
        gap = np.abs(recorded[i][written] - seen[written].astype(int)).mean()
        assert gap < 30 < np.abs(recorded[i][written] - without[written].astype(int)).mean()


def test_the_reading_can_be_changed_while_it_runs():
    engine = LiveEngine(every=True, on_result=lambda result: step(result))
    seen = []

    def step(result):
        seen.append(result.moods[0])
        if len(seen) in (3, 6):
            engine.change(emotion={3: "expressions", 6: "none"}[len(seen)])
        if len(seen) == 9:
            engine.stop()

    engine.start("puppet")
    assert engine.wait(60)
    assert all(mood.label in LABELS and mood.reason for mood in seen[:3])
    assert all(mood.label in EXPRESSIONS and mood.scales for mood in seen[3:6])
    assert seen[6:] == [None] * 3 and sum(engine.statistics()["emotions"].values()) == 6


def test_valence_and_arousal_are_written_below_the_label():
    face = Face(np.array([60.0, 90, 100, 120]), np.full((68, 2), 150.0), 1.0, 0)
    blank = np.full((240, 320, 3), 255, np.uint8)
    heights = []
    for mood in (Mood("happy"), Mood("happy", valence=0.61, arousal=-0.04)):
        words = (overlay(blank, [face], [mood]) == 30).all(-1).any(1)
        heights.append(words.sum())
    assert heights[1] > heights[0] + 8
    assert Mood("happy", valence=0.61, arousal=-0.04).scales == "valence +0.6 arousal +0.0"


def test_the_command_counts_expressions_and_says_what_they_are_not(tmp_path, capsys):
    log = tmp_path / "log.json"
    assert (
        cli.main(["live", "--emotion", "expressions", "--calm", "0.2", "--max-seconds", "0.3", "--log", str(log)]) == 0
    )
    out, logged = capsys.readouterr().out, json.loads(log.read_text())
    assert CAUTION in out and logged["caution"] == CAUTION and logged["settings"]["calm"] == 0.2
    assert sum(logged["emotions"].values()) == 9 and logged["emotions"].keys() <= set(EXPRESSIONS)
    assert cli.main(["live", "--emotion", "none", "--max-seconds", "0.1"]) == 0
    out = capsys.readouterr().out
    assert "emotions: none was read" in out and CAUTION not in out
    assert cli.main(["live", "--emotion", "expresions"]) == 2
    assert "did you mean 'expressions'" in capsys.readouterr().err
