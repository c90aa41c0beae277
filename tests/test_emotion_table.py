"""Emotions over a table of predictions: the column, the statistics, the command, the figures."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skimage.data

from fkd_helpers.cli import main
from fkd_helpers.core import records
from fkd_helpers.core.errors import InputError
from fkd_helpers.data import load
from fkd_helpers.data.puppets import shapes
from fkd_helpers.emotion.features import FEATURES
from fkd_helpers.emotion.rules import LABELS, UNKNOWN, changes, emotion_column, emotion_labels, read_emotion
from fkd_helpers.emotion.table import balance, fill_emotions, histograms, read_predictions, spread
from fkd_helpers.faces.images import write_photo
from fkd_helpers.plots import emotion as emotion_plots
from fkd_helpers.predict.photo_run import to_record, write_faces
from fkd_helpers.predict.predictor import Face
from fkd_helpers.train import run_data
from fkd_helpers.train.run_files import write_predictions


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


def rows_of(keypoints):
    return [(Path("a.jpg"), [Face(np.array([0, 0, 9, 9.0]), points, 0.9) for points in keypoints])]


def test_the_photos_of_predict_are_read_back_from_csv_and_from_json(tmp_path, keypoints):
    smiles = keypoints[:-1]
    write_faces(tmp_path / "faces.csv", rows_of(smiles), labels=emotion_column)
    record = to_record(*rows_of(smiles)[0], read_emotion=read_emotion)
    (tmp_path / "faces.jsonl").write_text(json.dumps(record) + "\n" + json.dumps(record) + "\n")
    table, read = read_predictions(tmp_path / "faces.csv")
    assert table.columns[:4].tolist() == ["name", "emotion", "score", "x0"] and set(table["name"]) == {"a.jpg"}
    assert table["emotion"].tolist() == emotion_labels(smiles)
    assert [face["emotion"] for face in record["faces"]] == emotion_labels(smiles)
    assert "mouth" in record["faces"][-1]["reason"]
    np.testing.assert_allclose(read, smiles, atol=0.006)
    _, again = read_predictions(tmp_path / "faces.jsonl")
    np.testing.assert_allclose(again, np.concatenate([smiles, smiles]), atol=0.006)


def test_a_network_of_other_points_has_no_emotion(tmp_path):
    (photo,) = rows_of(np.zeros((2, 15, 2), np.float32))
    assert "emotion" not in to_record(*photo, read_emotion=read_emotion)["faces"][0]
    write_faces(tmp_path / "faces.csv", [photo], labels=emotion_column)
    assert pd.read_csv(tmp_path / "faces.csv").columns[:4].tolist() == ["name", "score", "x0", "y0"]


@pytest.mark.parametrize("content", ['{"photo": "a"}', "[]", "{", '{"photo": "a", "faces": [{"keypoints": [[1, 2]]}]}'])
def test_json_of_something_else_is_named(tmp_path, content):
    (tmp_path / "faces.json").write_text(content)
    with pytest.raises(InputError, match="not what predict --json prints"):
        read_predictions(tmp_path / "faces.json")


def test_json_is_not_filled(tmp_path):
    with pytest.raises(InputError, match="expected a CSV file to fill"):
        fill_emotions(tmp_path / "faces.jsonl")


def test_predict_and_emotions_go_together(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_photo("astronaut.png", skimage.data.astronaut())
    assert main(["predict", "astronaut.png", "--csv", "faces.csv"]) == 0
    assert capsys.readouterr().out.splitlines() == ["astronaut.png: 1 face (positive)", "rows: faces.csv"]
    assert main(["predict", "astronaut.png", "--json"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["faces"][0]["emotion"] == "positive"
    Path("faces.jsonl").write_text(line)
    Path("photos").mkdir()
    Path("astronaut.png").rename("photos/astronaut.png")
    assert main(["predict", "photos", "--parquet", "faces.parquet"]) == 0
    capsys.readouterr()
    said = []
    for file in ("faces.csv", "faces.jsonl", "faces.parquet"):
        assert main(["emotions", "--predictions", file]) == 0
        said.append(capsys.readouterr().out.replace(file, "FILE"))
    assert said[0] == said[1] and "FILE: 1 face\n" in said[0]
    assert said[2].splitlines()[:5] == said[0].splitlines()[:5], "all digits, so that a median may be rounded otherwise"
    assert main(["emotions", "--predictions", "faces.parquet", "--fill"]) == 2
    assert "expected a CSV file to fill, got .parquet" in capsys.readouterr().err
    names = ["faces.csv", "faces.jsonl", "faces.left_out.csv", "faces.parquet", "photos"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names


def test_a_broken_parquet_file_is_named(tmp_path):
    (tmp_path / "faces.parquet").write_bytes(b"PAR1 and no more")
    for file, says in {"faces.parquet": "not a whole Parquet file", "none.parquet": "cannot be read"}.items():
        with pytest.raises(InputError, match=f"{file}: .*{says}"):
            read_predictions(tmp_path / file)


@pytest.mark.parametrize(("file", "says"), [("faces.json", "ends in .csv"), ("nowhere/faces.csv", "no such folder")])
def test_predict_refuses_a_table_that_cannot_be(tmp_path, capsys, file, says):
    assert main(["predict", str(tmp_path / "a.png"), "--csv", str(tmp_path / file)]) == 2
    assert says in capsys.readouterr().err


def test_a_training_leaves_the_emotion_of_each_prediction(tmp_path, capsys, monkeypatch):
    faces = load("puppets", n=60)
    monkeypatch.setattr(run_data, "load", lambda *_, **__: faces)
    options = {
        "net": "two_layers",
        "loss": "smooth_l1",
        "epochs": 1,
        "data": "puppets",
        "extra-data": "",
        "device": "cpu",
    }
    arguments = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    assert main(["train", *arguments, "--out", str(tmp_path / "run")]) == 0
    path = tmp_path / "run" / "test_predictions.csv"
    table, keypoints = read_predictions(path)
    assert table.columns[1] == "emotion" and table["emotion"].tolist() == emotion_labels(keypoints)
    before = path.read_text()
    capsys.readouterr()
    assert main(["emotions", "--predictions", str(path)]) == 0
    assert f"{len(table)} faces" in capsys.readouterr().out and path.read_text() == before


@pytest.mark.parametrize("picture", ["features.txt", "features", "nowhere/features.png"])
def test_the_command_refuses_a_picture_that_cannot_be(table, tmp_path, picture, capsys):
    assert main(["emotions", "--predictions", str(table), "--picture", str(tmp_path / picture)]) == 2
    assert "--picture" in capsys.readouterr().err


def test_every_feature_is_drawn_between_points_that_it_depends_on():
    from fkd_helpers.emotion.features import features

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
