"""Emotion from keypoints: features that do not depend on size, position and roll; rules, reasons; tables of faces."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skimage.data

from fkd_helpers import emotion
from fkd_helpers.cli import main
from fkd_helpers.core import records
from fkd_helpers.data import puppets
from fkd_helpers.data.puppets import shapes
from fkd_helpers.data.puppets.portraits import portrait
from fkd_helpers.emotion import FEATURES, LABELS, neutral_face, read_emotion, rule_scores
from fkd_helpers.emotion.features import features
from fkd_helpers.emotion.rules import UNKNOWN, emotion_labels
from fkd_helpers.emotion.table import COORDINATES, read_predictions
from fkd_helpers.faces.images import write_photo
from fkd_helpers.faces.landmarks import MIRROR


def shape(knobs=None):
    return shapes.face_shape([], knobs or {})


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


@pytest.mark.parametrize(("knob", "feature", "sign"), [
    ("smile", "corner_lift", 1), ("smile", "mouth_width", 1), ("smile", "corner_drop", -1),
    ("frown", "corner_lift", -1), ("mouth_open", "mouth_opening", 1), ("brow_raise", "brow_height", 1),
    ("brow_lower", "brow_height", -1), ("brow_lower", "inner_brows", -1), ("eye_close", "eye_opening", -1),
    ("frown", "brow_slant", 1), ("sneer", "upper_lip", -1), ("smirk", "lopsided", 1), ("sneer", "nose_width", 1),
])  # fmt: skip
def test_a_knob_moves_its_feature_all_the_way(knob, feature, sign):
    faces = np.stack([shape({knob: v}) for v in np.linspace(0, 1, 6)])
    assert (sign * np.diff(features(faces)[:, list(FEATURES).index(feature)]) > 0).all()


# rules


def test_happy_puppets_are_positive_and_neutral_ones_neutral(people):
    keypoints, expression = people
    answer = rule_scores(keypoints).argmax(1)
    assert (answer[expression == 1] == 2).mean() > 0.9 and (answer[expression == 0] == 1).mean() > 0.7
    assert set(answer) == {0, 1, 2}


def test_own_neutral_face_makes_people_comparable(people):
    at_rest = people[0][::8]
    plain = rule_scores(at_rest)
    own = [rule_scores(face, neutral_face(shape_of(person, {}))) for person, face in enumerate(at_rest)]
    assert np.std(own, 0).max() < 0.7 * np.std(plain, 0).max() and (np.argmax(own, 1) == 1).all()


def test_reasons_name_the_change_and_its_size():
    smile = read_emotion(shape({"smile": 1.0}), shape())
    assert smile.label == "positive" and "mouth wider by" in smile.reason and "%" in smile.reason
    frown = read_emotion(shape({"frown": 0.5}), shape())
    assert frown.label == "neutral" and "mouth corners lowered" in frown.reason and "too little for" in frown.reason
    assert read_emotion(emotion.load_rules().neutral).reason == "close to the neutral face"


@pytest.mark.parametrize(("points", "value"), [(slice(None), np.nan), (48, np.nan), (slice(None), 7), (36, np.inf)])
def test_a_face_that_cannot_be_read_is_unknown(points, value):
    face = 100 * shape({"smile": 1.0})
    face[points] = value
    answer = read_emotion(face)
    assert answer.label == UNKNOWN and answer.scores.sum() == pytest.approx(1)
    assert emotion_labels(np.stack([face, 100 * shape()])) == [UNKNOWN, "neutral"]


def test_neutral_face_leaves_out_frames_with_missing_points():
    frames = np.stack([shape(), np.full((68, 2), np.nan), 30 * shape() + 9])
    np.testing.assert_allclose(neutral_face(frames), emotion.upright(shape()), atol=1e-9)


def test_the_record_agrees_with_the_rules():
    record = records.read(records.RECORDS / "emotion-affectnet.json")
    assert record["choices"]["signs"] == len(emotion.load_rules().features)


# tables of predictions


@pytest.fixture(scope="module")
def keypoints():
    smiles = [shape({"smile": v}) * 100 + 80 for v in np.linspace(0, 1, 12)]
    return np.round(np.stack([*smiles, np.full((68, 2), np.nan)]), 2)


@pytest.fixture
def table(tmp_path, keypoints):
    names = pd.Index(["NA", "1e5", " é ", *map(str, range(10))], name="name")
    pd.DataFrame(keypoints.reshape(-1, 136), names, COORDINATES).to_csv(tmp_path / "faces.csv")
    return tmp_path / "faces.csv"


def test_read_predictions_takes_blank_cells_and_any_name(table, keypoints):
    np.testing.assert_array_equal(read_predictions(table), keypoints)


@pytest.mark.parametrize(("name", "content", "message"), [
    ("none.csv", None, "none.csv: not a table of predictions"), ("a.csv", b"", "a.csv: not a table of predictions"),
    ("a.csv", b"name,x0,y0\na,1,2\n", "expected 68 keypoints per face, in columns x0, y0 ... y67, got no x1"),
    ("a.csv", ",".join(["name", *COORDINATES]).encode(), "no rows, expected one per face"),
    ("a.parquet", b"PAR1 and no more", "a.parquet: not a table of predictions"),
])  # fmt: skip
def test_emotions_names_what_is_no_table(tmp_path, capsys, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert main(["emotions", "--predictions", str(tmp_path / name)]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_emotions_counts_labels_and_faces_that_cannot_be_read(table, capsys):
    assert main(["emotions", "--predictions", str(table)]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[2:]]
    assert [row[0] for row in rows] == [*LABELS, UNKNOWN]
    assert sum(int(row[1]) for row in rows) == 13 and int(rows[2][1]) > 5 and rows[3][1:] == ["1", "7.7%"]


def test_predict_and_emotions_go_together(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("photos").mkdir()
    write_photo("photos/astronaut.png", skimage.data.astronaut())
    for kind, file in (("--csv", "faces.csv"), ("--parquet", "faces.parquet")):
        assert main(["predict", "photos", kind, file]) == 0
        assert main(["emotions", "--predictions", file]) == 0
        assert "positive      1 100.0%" in capsys.readouterr().out
