"""Emotions over a table of predictions: what is read, the column, the statistics, the command, the figures."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skimage.data

from fkd_helpers import data
from fkd_helpers.cli import main
from fkd_helpers.core.errors import InputError
from fkd_helpers.data.puppets import shapes
from fkd_helpers.emotion.features import FEATURES, features
from fkd_helpers.emotion.rules import LABELS, UNKNOWN, changes, emotion_labels
from fkd_helpers.emotion.table import balance, fill_emotions, read_predictions, spread
from fkd_helpers.faces.images import write_photo
from fkd_helpers.plots.emotion import MEASURED

COORDINATES = [f"{axis}{i}" for i in range(68) for axis in "xy"]
HEADER = "name," + ",".join(COORDINATES)


@pytest.fixture(scope="module")
def keypoints():
    smiles = [shapes.face_shape([], {"smile": v}) * 100 + 80 for v in np.linspace(0, 1, 12)]
    return np.round(np.stack([*smiles, np.full((68, 2), np.nan)]), 2)


def text_of(keypoints, separator=",", columns=None):
    """Return a table of predictions with names 0000, 0001 ...; commas as decimals where they do not separate."""
    names = [f"{i:04}" for i in range(len(keypoints))]
    table = pd.DataFrame(keypoints.reshape(-1, 136), columns=COORDINATES, index=pd.Index(names, name="name"))
    return table[columns or COORDINATES].to_csv(sep=separator, decimal="." if separator == "," else ",")


@pytest.fixture
def table(tmp_path, keypoints):
    (tmp_path / "faces.csv").write_text(text_of(keypoints))
    return tmp_path / "faces.csv"


@pytest.mark.parametrize(
    ("separator", "encoding", "columns"),
    [
        (",", "utf-8", None),
        ("\t", "utf-8-sig", None),
        (";", "utf-16", COORDINATES[::-1]),
        (",", "utf-16-le", COORDINATES[::2] + COORDINATES[1::2]),
    ],
)
def test_read_predictions_takes_what_excel_and_powershell_write(tmp_path, keypoints, separator, encoding, columns):
    text = text_of(keypoints, separator, columns).replace("\n", "\r\n")
    (tmp_path / "faces.csv").write_bytes(text.encode(encoding))
    np.testing.assert_array_equal(read_predictions(tmp_path / "faces.csv"), keypoints)


def test_read_predictions_takes_a_classic_table_and_commas_at_the_ends(tmp_path, keypoints):
    faces = data.load("puppets", n=3)
    faces.table().to_csv(tmp_path / "classic.csv")
    np.testing.assert_allclose(read_predictions(tmp_path / "classic.csv"), faces.keypoints, atol=1e-3)
    lines = text_of(keypoints).splitlines()
    (tmp_path / "faces.csv").write_text("\n".join([lines[0], *(f"{line}," for line in lines[1:])]))
    np.testing.assert_array_equal(read_predictions(tmp_path / "faces.csv"), keypoints)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_read_predictions_takes_the_json_of_predict(tmp_path, keypoints, encoding):
    faces = [{"keypoints": face.tolist()} for face in keypoints[:2]]
    lines = [json.dumps({"photo": r"C:\photos\a.jpg", "faces": faces}), json.dumps({"photo": "b.jpg", "faces": []})]
    (tmp_path / "faces.jsonl").write_bytes("\r\n".join([*lines, ""]).encode(encoding))
    np.testing.assert_array_equal(read_predictions(tmp_path / "faces.jsonl"), keypoints[:2])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.csv", None, "none.csv: cannot be read"),
        ("a.csv", b"", "a.csv: read .*expected a column of file names, then x0, y0"),
        ("a.csv", b"name,x0,y0\na,1,2\n", r"expected 68 keypoints per face \(136 coordinates\), got 1"),
        ("a.csv", HEADER.replace("x0", "left").encode(), "a.csv: point 0: expected x and y, got y"),
        ("a.csv", f"{HEADER}\n".encode(), "no rows, expected one per face"),
        ("a.csv", b"PK\x03\x04\0", "not a text file, but an Excel workbook or a ZIP file; save it as CSV"),
        ("a.json", b"[]", "a.json: expected what predict --json prints"),
        ("a.json", b"{", "expected what predict --json prints"),
        ("a.jsonl", b'{"photo": "a", "faces": [{"keypoints": [[1, 2]]}]}', "expected 68 keypoints per face"),
        ("a.parquet", b"PAR1 and no more", "a.parquet: cannot be read as Parquet"),
        ("none.parquet", None, "none.parquet: cannot be read"),
    ],
)
def test_emotions_names_what_is_no_table(tmp_path, capsys, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_predictions(tmp_path / name)
    assert main(["emotions", "--predictions", str(tmp_path / name)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize(
    ("encoding", "separator", "end"),
    [("utf-8", ",", "\n"), ("utf-8-sig", ";", "\r\n"), ("utf-16", "\t", "\r\n"), ("latin-1", ",", "\n")],
)
def test_fill_emotions_changes_no_other_cell(tmp_path, keypoints, encoding, separator, end):
    header, *rows = text_of(keypoints, separator).splitlines()
    names = ["0001", "NA", "1e5", " é ", "", *(f"{i}.jpg" for i in range(8))]
    rows = [name + row[4:] for name, row in zip(names, rows, strict=True)]
    lines = [f"sep={separator}", header, *rows[:3], "", *rows[3:]]
    (tmp_path / "faces.csv").write_bytes((end.join(lines) + end).encode(encoding))
    labels = fill_emotions(tmp_path / "faces.csv")
    assert labels == emotion_labels(keypoints) and labels[-1] == UNKNOWN and "positive" in labels
    filled = (tmp_path / "faces.csv").read_bytes().decode(encoding).split(end)
    given = [separator.join([name, emotion, row[len(name) + 1 :]]) for name, emotion, row in
             zip(["name", *names], ["emotion", *labels], [header, *rows], strict=True)]  # fmt: skip
    assert filled == [lines[0], *given[:4], "", *given[4:], ""]


def test_fill_emotions_twice_gives_one_column_where_it_was(table):
    labels = fill_emotions(table)
    rows = pd.read_csv(table, dtype=str)
    rows[[*rows.columns.drop("emotion"), "emotion"]].assign(emotion="old").to_csv(table, index=False)
    assert fill_emotions(table) == labels
    assert pd.read_csv(table).columns.tolist() == [*rows.columns.drop("emotion"), "emotion"]
    with pytest.raises(InputError, match="expected a CSV file to fill"):
        fill_emotions(table.with_suffix(".jsonl"))


def test_balance_counts_everybody():
    shares = balance(["neutral", "positive", "neutral", UNKNOWN])
    assert shares["faces"].tolist() == [0, 2, 1, 1] and shares["share"].sum() == 1
    assert UNKNOWN not in balance(["neutral"]).index and balance([])["share"].tolist() == [0, 0, 0]


def test_spread_is_in_percent_of_the_eye_distance(keypoints):
    rows = spread(keypoints, emotion_labels(keypoints))
    assert list(rows.index) == list(FEATURES)
    assert list(rows.columns) == ["5 %", "median", "95 %", *LABELS, "-20 to 20 %"]
    widths = 100 * changes(keypoints)[:-1, list(FEATURES).index("mouth_width")]
    assert rows.loc["mouth_width", "median"] == pytest.approx(np.median(widths))
    assert rows.loc["mouth_width", "positive"] > rows.loc["mouth_width", "median"]
    assert spread(keypoints[-1:], [UNKNOWN])["median"].isna().all()


def test_emotions_prints_and_draws(table, tmp_path, capsys):
    picture = tmp_path / "features.png"
    assert main(["emotions", "--predictions", str(table), "--picture", str(picture), "--fill"]) == 0
    out = capsys.readouterr().out
    assert "13 faces" in out and "positive" in out and "corner_lift" in out and "unknown" in out
    assert picture.read_bytes()[:4] == b"\x89PNG" and "emotion" in pd.read_csv(table).columns
    for wrong in ("features.txt", "features", "nowhere/features.png"):
        assert main(["emotions", "--predictions", str(table), "--picture", str(tmp_path / wrong)]) == 2
        assert "--picture" in capsys.readouterr().err


def test_predict_and_emotions_go_together(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("photos").mkdir()
    write_photo("photos/astronaut.png", skimage.data.astronaut())
    assert main(["predict", "photos", "--csv", "faces.csv"]) == 0
    assert "astronaut.png: 1 face (positive)" in capsys.readouterr().out
    assert main(["predict", "photos", "--json"]) == 0
    Path("faces.jsonl").write_text(capsys.readouterr().out)
    assert main(["predict", "photos", "--parquet", "faces.parquet"]) == 0
    capsys.readouterr()
    out = []
    for file in ("faces.csv", "faces.jsonl", "faces.parquet"):
        assert main(["emotions", "--predictions", file]) == 0
        out.append(capsys.readouterr().out.replace(file, "FILE"))
    assert out[0] == out[1] and "FILE: 1 face\n" in out[0]
    assert out[2].splitlines()[:5] == out[0].splitlines()[:5], "all digits, so that a median may be rounded otherwise"


def test_a_feature_is_drawn_between_points_that_it_depends_on():
    assert set(MEASURED) == set(FEATURES)
    face = shapes.face_shape([], {"smirk": 0.4})
    for k, name in enumerate(FEATURES):
        for group in (points for pair in MEASURED[name] for points in pair):
            moved = face.copy()
            moved[list(group)] += [0.03, 0.05] if name != "nose_width" else [0.05, 0]
            assert features(moved)[k] != pytest.approx(features(face)[k], abs=1e-6), name
