"""Photos and folders to pictures, JSON, CSV and Parquet: the same faces, whatever happens on the way."""

import json
import os
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skimage.data

from fkd_helpers import cli
from fkd_helpers.core.errors import InputError
from fkd_helpers.data.puppets import make_set
from fkd_helpers.emotion.rules import read_emotion
from fkd_helpers.faces.images import read_photo, write_photo
from fkd_helpers.predict import KeypointPredictor, left_out_path, predict_folder, predict_photos, tables
from fkd_helpers.predict import folder as folder_module

PORTRAIT = skimage.data.astronaut()[:300, 100:400]


@pytest.fixture(scope="module")
def predictor():
    return KeypointPredictor()


@pytest.fixture(scope="module")
def puppets():
    return make_set(10, size=96).images


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A place to work in; a part of a dataset holds four photos."""
    monkeypatch.setattr(tables, "PART", 4)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def folder(place, puppets):
    """Ten photos of a puppet each in two subfolders."""
    for i, image in enumerate(puppets):
        path = place / "photos" / "ab"[i // 5] / f"{i}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_photo(path, image)
    return place / "photos"


@pytest.fixture
def names(place):
    """Photos of which one has a name that is no UTF-8."""
    Path("p").mkdir()
    for name in ("a.jpg", os.fsdecode(b"caf\xe9.jpg"), "Привет.jpg"):
        write_photo("p/" + name, PORTRAIT)
    return ["a.jpg", r"caf\xe9.jpg", "Привет.jpg"]


@pytest.fixture
def run(place, capsys):
    def run(*arguments):
        code = cli.main(["predict", *map(str, arguments)])
        out, err = capsys.readouterr()
        return code, out.splitlines(), err.splitlines()

    return run


@pytest.fixture
def stop_at(monkeypatch):
    read = folder_module.read_photo

    def stop(name):
        def reading(path):
            if path.name == name:
                raise KeyboardInterrupt
            return read(path)

        monkeypatch.setattr(folder_module, "read_photo", reading)

    return stop


def crops(folder, predictor, out="faces.parquet", **options):
    return predict_folder(folder, out, predictor, whole_image="always", **options)


# Photos


def test_predict_draws_pictures_that_overwrite_nothing_and_are_no_photos_later(run, place):
    for name in ("a/me.png", "b/me.png", "found/wall.png"):
        Path(name).parent.mkdir(exist_ok=True)
        write_photo(name, PORTRAIT if "me" in name else np.full((80, 90), 128, np.uint8))
    for _ in range(2):
        assert run(".")[:2] == (0, ["a/me.png: 1 face (positive)", "b/me.png: 1 face (positive)", "pictures: found"])
    drawn = ["me-2.png", "me-3.png", "me-4.png", "me.png", "wall.png"]
    assert sorted(path.name for path in (place / "found").iterdir()) == drawn
    assert (read_photo("found/me.png") != PORTRAIT).any() and (read_photo("found/wall.png") == 128).all()


@pytest.mark.parametrize(
    ("name", "message"),
    [("wall.jpg", "no face found (--min-face 0.005 looks"), ("clip.mp4", "not an image .* (for a film: live --source")],
)
def test_predict_says_what_to_do_with_a_photo_without_a_face(run, place, name, message):
    if name == "clip.mp4":
        Path(name).write_bytes(b"a film")
    else:
        write_photo(name, np.full((80, 90), 9, np.uint8))
    code, out, (line,) = run(name, "--json")
    assert (code, out) == (2, []) and re.match(f"predict: {name}: {message}".replace("(", r"\("), line)
    assert [path.name for path in place.iterdir()] == [name]


# Tables


def test_tables_hold_the_same_rows_and_any_name(run, names):
    wanted = [f"p/{name}" for name in names]
    assert run("p", "--csv", "faces.csv")[0] == 0
    table = pd.read_csv("faces.csv")
    assert table.photo.tolist() == wanted and set(table.emotion) == {"positive"}
    records = [json.loads(line) for line in run("p", "--json")[1]]
    assert [record["photo"] for record in records] == wanted
    face, row = records[0]["faces"][0], table.iloc[0]
    assert row[["box_x", "box_y", "box_w", "box_h"]].tolist() == face["box"] and row.score == face["score"]
    assert row["x0":"y67"].tolist() == np.ravel(face["keypoints"]).tolist() and "mouth" in face["reason"]
    assert run("p", "--parquet", "faces.parquet")[0] == 0
    parquet = pd.read_parquet("faces.parquet")
    assert parquet.photo.tolist() == names and parquet.columns.tolist() == table.columns.tolist()
    np.testing.assert_allclose(parquet.loc[:, "x0":"y67"], table.loc[:, "x0":"y67"], atol=1e-3)


def test_network_of_other_points_has_no_emotion(place):
    Path("p").mkdir()
    write_photo("p/a.jpg", PORTRAIT)
    predictor = KeypointPredictor(lambda images: np.zeros((len(images), 15, 2)) + 9)
    (record,) = predict_photos(["p/a.jpg"], predictor, whole_image="always", read_emotion=read_emotion)
    assert set(record["faces"][0]) == {"box", "score", "keypoints", "errors"}
    assert record["faces"][0]["errors"] is None
    crops("p", predictor, read_emotion=read_emotion)
    assert pd.read_parquet("faces.parquet").columns[8:].tolist()[:3] == ["score", "x0", "y0"]


def test_csv_keeps_its_rows_when_interrupted(run, names, stop_at):
    stop_at("Привет.jpg")
    code, _, err = run("p", "--csv", "faces.csv")
    assert code == 130 and "interrupted; what was finished is kept" in err[-1]
    assert pd.read_csv("faces.csv").photo.tolist() == [f"p/{name}" for name in names[:2]]


# Datasets


def test_predict_folder_writes_the_faces_that_the_predictor_finds(folder, predictor):
    assert crops(folder, predictor) == (10, 10, 0, 0, 0)
    table = pd.read_parquet("faces.parquet")
    assert table.photo.tolist() == [f"{'ab'[i // 5]}/{i}.jpg" for i in range(10)]
    assert set(table.dtypes[9:].astype(str)) == {"float32"} and len(table.columns) == 9 + 136 + 68
    for row in table.itertuples():
        (face,) = predictor(read_photo(folder / row.photo), whole_image="always")
        points = table.loc[row.Index, "x0":"y67"].to_numpy(float).reshape(68, 2)
        np.testing.assert_allclose(points, face.keypoints, atol=1e-3)
        assert row.score == pytest.approx(face.score, abs=1e-4) and (row.face, row.width, row.height) == (0, 96, 96)


def test_predict_folder_puts_every_photo_in_one_of_two_tables(place):
    portrait = PORTRAIT[:, :280]
    for name, image in {"two.png": np.hstack([portrait] * 2), "one.png": portrait, "wall.png": portrait[:9]}.items():
        write_photo(place / name, image)
    (place / "cut.png").write_bytes((place / "one.png").read_bytes()[:9000])
    done = predict_folder(place, "faces.parquet")
    assert (done.photos, done.faces, done.damaged, done.no_face) == (4, 3, 1, 1)
    table = pd.read_parquet("faces.parquet")
    assert list(zip(table.photo, table.face, strict=True)) == [("one.png", 0), ("two.png", 0), ("two.png", 1)]
    left_out = pd.read_csv(left_out_path("faces.parquet"))
    assert left_out[["photo", "problem"]].values.tolist() == [["cut.png", "damaged"], ["wall.png", "no face"]]
    assert "cut off" in left_out.reason[0] and "--crops" in left_out.reason[1]


def test_predict_folder_goes_on_where_it_was_interrupted(folder, predictor, stop_at):
    crops(folder, predictor, "at_once.parquet")
    stop_at("7.jpg")
    with pytest.raises(KeyboardInterrupt):
        crops(folder, predictor)
    assert len(pd.read_parquet("faces.parquet")) == 4
    stop_at("none")
    assert crops(folder, predictor) == (10, 10, 0, 0, 4)
    for part in Path("at_once.parquet").glob("part-*"):
        assert (Path("faces.parquet") / part.name).read_bytes() == part.read_bytes()
    assert crops(folder, predictor).resumed == 10


def test_predict_folder_overwrites_no_other_table(folder, predictor):
    crops(folder, KeypointPredictor(min_score=0.5))
    before = {path: path.read_bytes() for path in Path("faces.parquet").iterdir()}
    with pytest.raises(InputError, match=r"faces\.parquet: made of other photos or with other settings; move it away"):
        crops(folder, predictor)
    assert before == {path: path.read_bytes() for path in Path("faces.parquet").iterdir()}


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["photos", "photos", "--parquet", "f.parquet"], "expected one folder .*, got 2 names"),
        (["photos", "--parquet", "f.csv"], r"f\.csv: expected a name ending in \.parquet"),
        (["photos", "--parquet", "none/f.parquet"], "in a folder that is there"),
        (["photos", "--csv", "photos/a/1.jpg"], r"1\.jpg: expected a name ending in \.csv"),
    ],
)
def test_wrong_command_is_one_line_and_leaves_nothing(run, folder, arguments, message):
    before = sorted(Path().rglob("*"))
    code, _, err = run(*arguments)
    assert code == 2 and len(err) == 1 and re.search(message, err[0])
    assert sorted(Path().rglob("*")) == before
