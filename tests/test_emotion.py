"""Emotion from keypoints: features that do not depend on size, position and roll; rules, reasons, calibration."""

import numpy as np
import pytest

from fkd_helpers import emotion
from fkd_helpers.core import records
from fkd_helpers.core.errors import InputError
from fkd_helpers.data import puppets
from fkd_helpers.data.puppets import shapes
from fkd_helpers.data.puppets.portraits import portrait
from fkd_helpers.emotion import (
    FEATURES,
    UNKNOWN,
    learned_scores,
    neutral_face,
    read_emotion,
    rule_scores,
    rules,
)
from fkd_helpers.emotion.features import features
from fkd_helpers.faces.landmarks import MIRROR


def shape(knobs=None, **pose):
    return shapes.face_shape([], knobs or {}, **pose)


def shape_of(person, knobs):
    """The shape of a puppet person as `puppets.put_face` makes it, without the picture."""
    who = puppets.make_puppet(person)
    face = portrait(who.portrait, who.mirrored)
    return shapes.face_shape(who.coefficients, knobs, opening=face.opening, parting=0.5 * face.gap)


@pytest.fixture(scope="module")
def people():
    """Shapes (400, 68, 2) of 50 puppet people with every expression, seen from the front, and their expressions."""
    rng = np.random.default_rng(0)
    found = [shape_of(person, shapes.draw_knobs(rng, expression)) for person in range(50) for expression in range(8)]
    return np.stack(found), np.tile(np.arange(8), 50)


@pytest.mark.parametrize("turn", [-45, -10, 30, 170])
def test_features_do_not_depend_on_size_position_and_roll(turn):
    face = shape({"smile": 0.6, "brow_raise": 0.3})
    c, s = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    moved = 173 * face @ np.array([[c, s], [-s, c]]) + [400, -20]
    np.testing.assert_allclose(features(moved), features(face), atol=1e-9)


def test_features_of_the_mirrored_face_are_the_same():
    face = shape({"smirk": 0.8, "mouth_open": 0.2})
    np.testing.assert_allclose(features(face[MIRROR] * [-1, 1]), features(face), atol=1e-9)


@pytest.mark.parametrize(
    ("knob", "feature", "sign"),
    [
        ("smile", "corner_lift", 1), ("smile", "mouth_width", 1), ("smile", "corner_drop", -1),
        ("frown", "corner_lift", -1), ("mouth_open", "mouth_opening", 1), ("brow_raise", "brow_height", 1),
        ("brow_lower", "brow_height", -1), ("brow_lower", "inner_brows", -1), ("eye_close", "eye_opening", -1),
        ("frown", "brow_slant", 1), ("sneer", "upper_lip", -1), ("smirk", "lopsided", 1), ("sneer", "nose_width", 1),
    ],
)  # fmt: skip
def test_a_knob_moves_its_feature_all_the_way(knob, feature, sign):
    faces = np.stack([shape({knob: v}) for v in np.linspace(0, 1, 6)])
    assert (sign * np.diff(features(faces)[:, list(FEATURES).index(feature)]) > 0).all()


def test_happy_puppets_are_positive_and_neutral_ones_neutral(people):
    keypoints, expression = people
    answer = rule_scores(keypoints).argmax(1)
    assert (answer[expression == 1] == 2).mean() > 0.9
    assert (answer[expression == 0] == 1).mean() > 0.7
    assert set(answer) == {0, 1, 2}


def test_own_neutral_face_makes_people_comparable(people):
    keypoints, _ = people
    plain, own = [], []
    for person in range(50):
        at_rest = keypoints[8 * person]
        plain.append(rule_scores(at_rest))
        own.append(rule_scores(at_rest, neutral_face(shape_of(person, {}))))
    assert np.std(own, 0).max() < 0.7 * np.std(plain, 0).max()
    assert (np.argmax(own, 1) == 1).all()


def test_the_average_neutral_face_has_the_points_of_the_start():
    shipped = emotion.load_rules()
    np.testing.assert_allclose(shipped.points(np.zeros(len(FEATURES))), shipped.start)
    assert read_emotion(shipped.neutral).reason == "close to the neutral face"


def test_reasons_name_the_change_and_its_size():
    smile = read_emotion(shape({"smile": 1.0}), shape())
    assert smile.label == "positive" and "mouth wider by" in smile.reason and "%" in smile.reason
    frown = read_emotion(shape({"frown": 0.5}), shape())
    assert frown.label == "neutral" and "mouth corners lowered" in frown.reason and "too little for" in frown.reason


@pytest.mark.parametrize(("points", "value"), [(slice(None), np.nan), (48, np.nan), (slice(None), 7), (36, np.inf)])
def test_a_face_that_cannot_be_read_is_unknown(points, value):
    face = 100 * shape({"smile": 1.0})
    face[points] = value
    answer = read_emotion(face)
    assert answer.label == UNKNOWN and answer.scores.sum() == pytest.approx(1)
    assert emotion.emotion_labels(np.stack([face, 100 * shape()])) == [UNKNOWN, "neutral"]


@pytest.mark.parametrize("wrong", [np.zeros((15, 2)), np.zeros((68, 3)), np.zeros(136), np.zeros((1, 68, 2))])
def test_read_emotion_refuses_other_shapes(wrong):
    with pytest.raises(InputError, match="68, 2"):
        read_emotion(wrong)


def test_a_column_of_emotions_needs_68_points():
    assert rules.emotion_column(np.zeros((2, 15, 2))) == {}
    assert rules.emotion_column(shape()[None]) == {"emotion": ["neutral"]}


def test_neutral_face_leaves_out_frames_with_missing_points():
    frames = np.stack([shape(), np.full((68, 2), np.nan), 30 * shape() + 9])
    np.testing.assert_allclose(neutral_face(frames), emotion.upright(shape()), atol=1e-9)
    with pytest.raises(InputError, match="at least one"):
        neutral_face(frames[1:2])


def test_learned_scores_read_puppets_and_their_mirror_images(people):
    keypoints, expression = people
    scores = learned_scores(keypoints)
    np.testing.assert_allclose(scores.sum(1), 1)
    assert (scores[expression == 1].argmax(1) == 2).mean() > 0.9
    assert (scores[expression == 6].argmax(1) == 0).mean() > 0.6  # anger
    np.testing.assert_allclose(learned_scores(keypoints[:20, MIRROR] * [-1, 1]), scores[:20])


def test_the_record_agrees_with_the_rules_and_reaches_its_goals():
    record = records.read(records.RECORDS / "emotion-affectnet.json")
    assert record["choices"]["signs"] == len(emotion.load_rules().features)
    scores = record["scores"]
    assert scores["rules-landmarks"]["balanced_accuracy"] >= 0.56
    assert scores["learned-landmarks"]["balanced_accuracy"] >= 0.60
    for score in scores.values():
        table = np.array(score["confusion"])
        assert table.sum(1).tolist() == list(record["held_out"].values())
        assert np.mean(np.diag(table) / table.sum(1)) == pytest.approx(score["balanced_accuracy"], abs=1e-4)
    for method in ("rules", "learned"):
        assert (np.array(scores[f"{method}-landmarks"]["confusion"]).sum(0) > 0).all()  # every label is given
