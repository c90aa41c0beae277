"""Emotions over a table of predictions: the column, the statistics, the command, the figures."""

import numpy as np
import pandas as pd
import pytest

from fkd_helpers import emotion_plots, records, shapes
from fkd_helpers.cli import main
from fkd_helpers.data import load
from fkd_helpers.emotion import LABELS, UNKNOWN, changes, emotion_labels
from fkd_helpers.emotion_features import FEATURES
from fkd_helpers.emotion_table import balance, fill_emotions, histograms, read_predictions, spread
from fkd_helpers.errors import InputError
from fkd_helpers.run_files import write_predictions


@pytest.fixture(scope="module")
def keypoints():
    smiles = [shapes.face_shape([], {"smile": v}) * 100 + 80 for v in np.linspace(0, 1, 12)]
    return np.stack([*smiles, np.full((68, 2), np.nan)])


@pytest.fixture
def table(tmp_path, keypoints):
    return write_predictions(tmp_path, [f"face_{i}.png" for i in range(len(keypoints))], keypoints)


def test_the_column_is_filled_and_the_rest_is_kept(table, keypoints):
    before = pd.read_csv(table)
    labels = fill_emotions(table)
    after = pd.read_csv(table)
    assert after.columns[:2].tolist() == ["name", "emotion"]
    assert after["emotion"].tolist() == labels == emotion_labels(np.round(keypoints, 2))
    pd.testing.assert_frame_equal(after.drop(columns="emotion"), before)
    assert labels[-1] == UNKNOWN and "positive" in labels


def test_filling_twice_gives_one_column(table):
    first = fill_emotions(table)
    assert fill_emotions(table) == first
    assert pd.read_csv(table).columns.tolist().count("emotion") == 1


def test_a_classic_table_is_read_too(tmp_path):
    faces = load("puppets", n=3)
    faces.table().to_csv(tmp_path / "classic.csv")
    _, read = read_predictions(tmp_path / "classic.csv")
    np.testing.assert_allclose(read, faces.keypoints, atol=1e-3)


@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "No such file"), ("", "not a table"), ("name,x0,y0\na,1,2\n", "136 coordinate columns"),
     ("name," + ",".join(f"{a}{i}" for i in range(68) for a in "xy") + "\n", "no rows"), ("a\n1,2\n1,2,3\n", "not a")],
)  # fmt: skip
def test_a_file_that_is_no_table_of_predictions_is_named(tmp_path, content, says, capsys):
    path = tmp_path / "faces.csv"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=says):
        read_predictions(path)
    assert main(["emotions", "--predictions", str(path)]) == 2
    assert says in capsys.readouterr().err


def test_a_word_in_the_place_of_a_mouth_corner_makes_a_face_unknown(table):
    lines = table.read_text().splitlines()
    cells = lines[1].split(",")
    cells[1 + 2 * 48] = "n/a or so"  # a mouth corner
    table.write_text("\n".join([lines[0], ",".join(cells), *lines[2:]]))
    assert fill_emotions(table)[0] == UNKNOWN


def test_class_balance_counts_everybody():
    shares = balance(["neutral", "positive", "neutral", UNKNOWN])
    assert shares["faces"].tolist() == [0, 2, 1, 1] and shares["share"].sum() == 1
    assert UNKNOWN not in balance(["neutral"]).index


def test_spread_is_in_percent_of_the_eye_distance(keypoints):
    labels = emotion_labels(keypoints)
    rows = spread(keypoints, labels)
    assert list(rows.index) == list(FEATURES)
    widths = 100 * changes(keypoints)[:-1, list(FEATURES).index("mouth_width")]
    assert rows.loc["mouth_width", "median"] == pytest.approx(np.median(widths))
    assert rows.loc["mouth_width", "positive"] > rows.loc["mouth_width", "median"]
    assert len(rows.loc["mouth_width", "-20 to 20 %"]) == 17


def test_histograms_hold_every_face_once(keypoints):
    labels = emotion_labels(keypoints)
    found = histograms(changes(keypoints), labels)
    for label in set(labels) - {UNKNOWN}:
        assert found["corner_lift"][label].sum() == pytest.approx(1)
    with pytest.raises(InputError, match="at least one face"):
        histograms(changes(keypoints[-1:]), [UNKNOWN])


def test_the_command_prints_and_draws(table, tmp_path, capsys):
    picture = tmp_path / "features.png"
    assert main(["emotions", "--predictions", str(table), "--picture", str(picture), "--fill"]) == 0
    said = capsys.readouterr().out
    assert "13 faces" in said and "positive" in said and "corner_lift" in said and "unknown" in said
    assert picture.read_bytes()[:4] == b"\x89PNG"
    assert "emotion" in pd.read_csv(table).columns


@pytest.mark.parametrize("picture", ["features.txt", "features", "nowhere/features.png"])
def test_the_command_refuses_a_picture_that_cannot_be(table, tmp_path, picture, capsys):
    assert main(["emotions", "--predictions", str(table), "--picture", str(tmp_path / picture)]) == 2
    assert "--picture" in capsys.readouterr().err


def test_every_feature_is_drawn_between_points_that_it_depends_on():
    from fkd_helpers.emotion_features import features

    assert set(emotion_plots.MEASURED) == set(FEATURES)
    face = shapes.face_shape([], {"smirk": 0.4})
    for k, name in enumerate(FEATURES):
        for group in (points for pair in emotion_plots.MEASURED[name] for points in pair):
            moved = face.copy()
            moved[list(group)] += [0.03, 0.05] if name != "nose_width" else [0.05, 0]
            assert features(moved)[k] != pytest.approx(features(face)[k], abs=1e-6), name


def test_figures_say_what_they_show(keypoints):
    record = records.read(records.RECORDS / "emotion-affectnet.json")
    frame = np.zeros((200, 200, 3), np.uint8)
    made = [
        emotion_plots.feature_sketches(frame, keypoints[3]),
        emotion_plots.average_faces(record["mean_faces"]),
        emotion_plots.feature_histograms(record["histograms"], ["corner_lift", "brow_height"]),
        emotion_plots.confusion({"rules": record["scores"]["rules-predicted"]["confusion"]}),
    ]
    assert [len(figure.axes) for figure in made] == [12, 3, 2, 1]
    assert all(len(figure.get_label()) > 20 for figure in made)
    texts = [text.get_text() for text in made[3].axes[0].texts]
    assert len(texts) == len(LABELS) ** 2 and all(text.endswith("%") for text in texts)
