"""A folder becomes one table: the same faces as photo by photo, whatever happens on the way, in bounded memory."""

import os
import re
import sys
import tracemalloc

import numpy as np
import pandas as pd
import pytest
import skimage.data

from fkd_helpers import cli
from fkd_helpers.core.errors import InputError
from fkd_helpers.data.puppets import make_set
from fkd_helpers.faces.images import read_photo, write_photo
from fkd_helpers.predict import batch, face_table
from fkd_helpers.predict.batch import left_out_path, predict_folder
from fkd_helpers.predict.predictor import KeypointPredictor

pyarrow = pytest.importorskip("pyarrow")


@pytest.fixture(scope="module")
def predictor():
    return KeypointPredictor(detectors=())


@pytest.fixture(scope="module")
def images():
    return make_set(10, size=96).images


@pytest.fixture
def folder(tmp_path, images, monkeypatch):
    """Ten photos of a puppet each in two subfolders, of which a part holds four."""
    monkeypatch.setattr(batch, "PART", 4)
    for i, image in enumerate(images):
        path = tmp_path / "photos" / "ab"[i // 5] / f"{i}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_photo(path, image)
    return tmp_path / "photos"


@pytest.fixture
def out(tmp_path):
    return tmp_path / "faces.parquet"


def crops(folder, out, predictor, **options):
    return predict_folder(folder, out, predictor, whole_image="always", workers=2, **options)


def interrupt_at(photos):
    def stop(done):
        if done.photos == photos:
            raise KeyboardInterrupt

    return stop


def cut(path):
    path.write_bytes(path.read_bytes()[:-100])


def flip(path):
    """Change a byte of the pixels of the table, as a failing disk does: nothing but a checksum shows it."""
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 3] ^= 255
    path.write_bytes(raw)


def replace(path):
    pd.DataFrame({"photo": ["mine.jpg"]}).to_parquet(path)


def empty(path):
    path.write_bytes(b"")


def test_a_row_is_a_face_as_the_predictor_finds_it(folder, out, predictor):
    done = crops(folder, out, predictor)
    assert (done.photos, done.faces, done.damaged, done.no_face, done.resumed) == (10, 10, 0, 0, 0)
    table = pd.read_parquet(out)
    assert table.photo.tolist() == [f"{'ab'[i // 5]}/{i}.jpg" for i in range(10)]
    assert set(table.dtypes[9:].astype(str)) == {"float32"} and len(table.columns) == 9 + 136
    for row in table.itertuples():
        (face,) = predictor(read_photo(folder / row.photo), whole_image="always")
        points = table.loc[row.Index, "x0":"y67"].to_numpy(float).reshape(68, 2)
        np.testing.assert_allclose(points, face.keypoints, atol=1e-3)
        np.testing.assert_allclose([row.box_x, row.box_y, row.box_w, row.box_h], face.box, atol=1e-3)
        assert row.score == pytest.approx(face.score) and (row.face, row.width, row.height) == (0, 96, 96)
    assert sorted(path.name for path in out.parent.iterdir()) == ["faces.left_out.csv", "faces.parquet", "photos"]
    assert len(pd.read_csv(left_out_path(out))) == 0


def test_every_photo_is_in_one_of_the_two_tables(tmp_path, out):
    portrait, wall = skimage.data.astronaut()[:300, 80:400], np.full((60, 80), 128, np.uint8)
    for name, image in {"two.png": np.hstack([portrait, portrait]), "one.png": portrait, "wall.png": wall}.items():
        write_photo(tmp_path / name, image)
    (tmp_path / "cut.png").write_bytes((tmp_path / "one.png").read_bytes()[:9000])
    (tmp_path / "text.jpg").write_text("no photo")
    (tmp_path / "notes.txt").write_text("not looked at")
    done = predict_folder(tmp_path, out)
    assert (done.photos, done.faces, done.damaged, done.no_face) == (5, 3, 2, 1)
    table = pd.read_parquet(out)
    assert list(zip(table.photo, table.face, strict=True)) == [("one.png", 0), ("two.png", 0), ("two.png", 1)]
    left_out = pd.read_csv(left_out_path(out))
    assert left_out.photo.tolist() == ["cut.png", "text.jpg", "wall.png"]
    assert left_out.problem.tolist() == ["damaged", "damaged", "no face"]
    assert "cut off" in left_out.reason[0] and "not an image" in left_out.reason[1]


def test_an_interrupted_run_goes_on(folder, out, predictor, tmp_path):
    crops(folder, tmp_path / "at_once.parquet", predictor)
    with pytest.raises(KeyboardInterrupt):
        crops(folder, out, predictor, on_progress=interrupt_at(7))
    assert not out.exists()
    seen = []
    done = crops(folder, out, predictor, on_progress=lambda done: seen.append(done.photos))
    assert seen == [5, 6, 7, 8, 9, 10]
    assert (done.photos, done.faces, done.resumed, done.redone) == (10, 10, 4, [])
    pd.testing.assert_frame_equal(pd.read_parquet(out), pd.read_parquet(tmp_path / "at_once.parquet"))


@pytest.mark.parametrize("harm", [cut, flip, replace, empty])
def test_a_part_that_was_damaged_is_named_and_done_again(folder, out, predictor, harm, tmp_path):
    crops(folder, tmp_path / "at_once.parquet", predictor)
    with pytest.raises(KeyboardInterrupt):
        crops(folder, out, predictor, on_progress=interrupt_at(9))
    harm(tmp_path / "faces.parquet.parts" / "000001.parquet")
    done = crops(folder, out, predictor)
    assert (done.photos, done.faces, done.resumed, done.redone) == (10, 10, 4, ["000001.parquet"])
    pd.testing.assert_frame_equal(pd.read_parquet(out), pd.read_parquet(tmp_path / "at_once.parquet"))


def test_what_has_changed_since_the_interruption_is_done_again(folder, out, predictor, images):
    with pytest.raises(KeyboardInterrupt):
        crops(folder, out, predictor, on_progress=interrupt_at(9))
    write_photo(folder / "a" / "1.jpg", images[1][:90])
    done = crops(folder, out, predictor)
    assert (done.resumed, done.redone) == (4, ["000001.parquet"])
    assert pd.read_parquet(out).height.tolist() == [96, 90, *[96] * 8]


def test_parts_of_other_settings_are_done_again(folder, out, predictor):
    with pytest.raises(KeyboardInterrupt):
        crops(folder, out, predictor, on_progress=interrupt_at(9))
    done = crops(folder, out, KeypointPredictor(detectors=(), looks=1))
    assert done.resumed == 0 and len(done.redone) == 2


def test_a_finished_table_is_not_made_again(folder, out, predictor):
    first = crops(folder, out, predictor)
    before = out.stat().st_mtime_ns
    again = crops(folder, out, predictor, on_progress=interrupt_at(1))
    assert (again.photos, again.faces, again.resumed) == (first.photos, first.faces, 10)
    assert out.stat().st_mtime_ns == before


@pytest.mark.parametrize(
    "harm, message",
    [(cut, "not a whole Parquet file"), (flip, "not a whole Parquet file"), (replace, "not made here"),
     (empty, "not a whole Parquet file")],
)  # fmt: skip
def test_a_damaged_or_foreign_output_is_never_overwritten(folder, out, predictor, harm, message):
    crops(folder, out, predictor)
    harm(out)
    before = out.read_bytes()
    with pytest.raises(InputError, match=rf"faces\.parquet: .*{message}"):
        crops(folder, out, predictor)
    assert out.read_bytes() == before


def test_a_table_of_other_photos_is_never_overwritten(folder, out, predictor, images):
    crops(folder, out, predictor)
    write_photo(folder / "new.jpg", images[0])
    with pytest.raises(InputError, match="made of other photos or with other settings"):
        crops(folder, out, predictor)


def test_no_more_is_held_as_a_folder_goes_on(tmp_path, images, monkeypatch):
    """With short lists and parts: what Python and Arrow hold at the end of the 4th of 13 parts and of the 12th."""
    monkeypatch.setattr(batch, "PART", 16)
    monkeypatch.setattr(face_table, "ROW_GROUP", 16)
    (tmp_path / "photos").mkdir()
    write_photo(tmp_path / "face.jpg", images[0])
    for i in range(200):
        os.link(tmp_path / "face.jpg", tmp_path / "photos" / f"{i:04d}.jpg")
    points = np.random.default_rng(0).uniform(20, 90, (68, 2)).astype(np.float32)
    predictor = KeypointPredictor(lambda crops: np.stack([points] * len(crops)), detectors=())
    held, one_row, write_part = [], 136 * sys.getsizeof(1.5), face_table.write_part

    def look(*part):  # here no thread is at work on a photo
        # Python's table of all interned strings grows in leaps, whatever is in it
        traces = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(False, "*pathlib*")])
        held.append(sum(trace.size for trace in traces.traces) + pyarrow.total_allocated_bytes())
        write_part(*part)

    monkeypatch.setattr(face_table, "write_part", look)
    tracemalloc.start()
    try:
        crops(tmp_path / "photos", tmp_path / "faces.parquet", predictor)
    finally:
        tracemalloc.stop()
    assert held[11] - held[3] < 128 * one_row / 4
    groups = pyarrow.parquet.ParquetFile(tmp_path / "faces.parquet").metadata
    assert [groups.row_group(i).num_rows for i in range(groups.num_row_groups)] == [16] * 12 + [8]


@pytest.mark.parametrize(
    "whole_image, message", [("alway", "did you mean 'always'"), ("never", "this predictor has no detector")]
)
def test_wrong_settings_are_no_fault_of_the_photos(folder, out, predictor, whole_image, message):
    with pytest.raises(InputError, match=message):
        predict_folder(folder, out, predictor, whole_image=whole_image)
    assert [path.name for path in out.parent.iterdir()] == ["photos"]


# the command


@pytest.fixture
def place(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    return folder.parent


def test_the_command_says_what_became_of_the_photos(place, capsys):
    (place / "photos" / "cut.jpg").write_bytes(b"cut")
    assert cli.main(["predict", "photos", "--parquet", "faces.parquet", "--crops"]) == 0
    answer, rows, others = capsys.readouterr().out.splitlines()
    assert answer.startswith("11 photos: 10 faces, 0 photos without one, 1 damaged; ") and answer.endswith("photos/s")
    assert rows == "rows: faces.parquet" and others == "photos without a row: faces.left_out.csv"


def test_an_interrupted_command_says_that_it_goes_on(place, capsys, monkeypatch):
    monkeypatch.setattr(batch, "predict_folder", lambda *_, **__: interrupt_at(0)(batch.Summary()))
    assert cli.main(["predict", "photos", "--parquet", "faces.parquet"]) == 130
    assert "the same command goes on" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["photos", "photos", "--parquet", "f.parquet"], "expected one folder, got 2"),
        (["photos", "--parquet", "f.parquet", "--json"], "expected without --out, --json and --csv"),
        (["photos", "--parquet", "f.csv"], r"f\.csv: expected a file ending in \.parquet"),
        (["photos", "--parquet", "none/f.parquet"], "in a folder that is there"),
        (["photos", "--parquet", "f.parquet", "--workers", "0"], "workers: expected at least 1, got 0"),
        (["none", "--parquet", "f.parquet"], "none: cannot be read"),
        (["bare", "--parquet", "f.parquet"], "bare: no photo in this folder"),
    ],
)
def test_a_wrong_command_leaves_nothing(place, capsys, arguments, message):
    (place / "bare").mkdir()
    before = sorted(place.rglob("*"))
    assert cli.main(["predict", *arguments]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert re.search(message, err)
    assert sorted(place.rglob("*")) == before


def test_where_pyarrow_is_missing_the_extra_is_named(folder, out, predictor, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.delitem(sys.modules, "pyarrow.parquet", raising=False)
    with pytest.raises(InputError, match=r"pip install 'fkd-helpers\[scale\]'"):
        crops(folder, out, predictor)
