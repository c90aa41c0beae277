"""Kaggle's 15 points: tables, missing labels, near-duplicates, both frameworks, the answer sheet, the command."""

import csv
import re
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import torch

from fkd_helpers import cli
from fkd_helpers.core import records
from fkd_helpers.core.config import load_config
from fkd_helpers.core.errors import InputError
from fkd_helpers.faces.landmarks import POINTS_15 as POINTS
from fkd_helpers.kaggle15 import data, keras_net, puppets, submission
from fkd_helpers.kaggle15 import task as kaggle_task
from fkd_helpers.kaggle15.data import load_15, load_faces, rmse, scores_15
from fkd_helpers.kaggle15.duplicates import near_duplicates
from fkd_helpers.kaggle15.tables import COLUMNS, read_lookup
from fkd_helpers.nets import save_weights
from fkd_helpers.nets.losses import LOSSES
from fkd_helpers.train.augment import NONE, Augment, flip_order

rng = np.random.default_rng(0)

pytestmark = pytest.mark.slow
IMAGES = rng.integers(0, 256, (30, 96, 96), dtype=np.uint8)
LABELS = rng.uniform(5, 90, (30, 15, 2)).round(3).astype(np.float32)
LABELS[10:, 3:9] = np.nan


@pytest.fixture
def table(tmp_path):
    return puppets.write_table(tmp_path / "training.csv", IMAGES, LABELS)


@pytest.fixture(scope="module")
def puppet_folder(tmp_path_factory):
    return puppets.write_tables(tmp_path_factory.mktemp("puppets"), n=60, tests=12)


def cells_of(table):
    with table.open(newline="") as stream:
        return list(csv.reader(stream))


def rewrite(table, cells, separator=",", encoding="utf-8"):
    table.write_text("\n".join(separator.join(row) for row in cells) + "\n", encoding=encoding)
    return table


def assert_is_whole(faces):
    assert (faces.images == IMAGES).all() and not faces.problems
    assert np.allclose(faces.keypoints, LABELS, equal_nan=True) and faces.extras["id"].tolist() == [*range(1, 31)]


# tables


def test_load_gives_what_was_written_and_again_from_the_cache(table, cache_folder):
    for _ in range(2):
        assert_is_whole(load_faces(table))
    for file in (cache_folder / "kaggle").rglob("*.npy"):
        file.write_bytes(b"damaged")
    assert_is_whole(load_faces(table))


@pytest.mark.parametrize("separator, encoding", [(",", "utf-8-sig"), (";", "utf-16"), ("\t", "utf-16-le")])
def test_load_reads_what_excel_saves_with_columns_in_any_order(table, separator, encoding):
    order = np.random.default_rng(1).permutation(31)
    cells = [[row[i].replace(".", "." if separator == "," else ",") for i in order] for row in cells_of(table)]
    assert_is_whole(load_faces(rewrite(table, cells, separator, encoding)))


@pytest.mark.parametrize("nested", [False, True])
def test_load_reads_zips_and_zips_of_zips(tmp_path, table, nested):
    (tmp_path / "zipped").mkdir()
    packed = tmp_path / "zipped" / "training.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.write(table, "training.csv")
    if nested:
        inner = packed.read_bytes()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("training.zip", inner)
            archive.writestr("test.zip", b"")
    assert_is_whole(load_faces(data.find_table(tmp_path / "zipped", "training")))


@pytest.mark.parametrize("column, cell, message", [
    ("Image", lambda cell: cell.rpartition(" ")[0], "expected 9216 whole numbers from 0 to 255, got 9215"),
    ("Image", lambda cell: "", "column Image: expected 9216 whole numbers from 0 to 255, got ''"),
    ("Image", lambda cell: "12 ab " + cell, "whole numbers from 0 to 255, got '12 ab"),
    ("Image", lambda cell: "3.5" + cell[cell.index(" ") :], "got '3.5"),
    ("Image", lambda cell: "256" + cell[cell.index(" ") :], "got 9216 from 0 to 256"),
    ("nose_tip_x", lambda cell: "1e9", "column nose_tip_x: expected 0 to 96 pixels, got 1e+09"),
    ("nose_tip_y", lambda cell: "-1", "column nose_tip_y: expected 0 to 96 pixels, got -1"),
    ("nose_tip_x", lambda cell: "left", "column nose_tip_x: expected a number, got 'left'"),
    ("nose_tip_x", lambda cell: "1,2", "more columns than the header"),
])  # fmt: skip
def test_damaged_row_is_named_and_can_be_left_out(table, column, cell, message):
    cells = cells_of(table)
    at = cells[0].index(column)
    cells[4][at] = cell(cells[4][at])
    rewrite(table, cells)
    with pytest.raises(InputError) as error:
        load_faces(table)
    assert str(error.value).startswith("training.csv row 4: ") and message in str(error.value)
    faces = load_faces(table, on_error="skip")
    assert faces.extras["id"].tolist() == [1, 2, 3, *range(5, 31)] and (faces.images[3] == IMAGES[4]).all()
    assert len(faces.problems) == 1 and message in faces.problems[0]


HEADER = ",".join([*COLUMNS, "Image"])


@pytest.mark.parametrize("content, message", [
    (b"\n", "empty, expected a header"), (HEADER.encode() + b"\n", "no usable row"),
    (b"PK\x03\x04 a zip that was cut off", "not a whole zip"), (b"PAR1\0\xff\x81", "not a text file, but a Parquet"),
    (",".join(COLUMNS).encode() + b"\n1\n", "expected a column 'Image'"),
    (HEADER.replace("left_eye_center_x", "left_eye_centre_x").encode() + b"\n1\n", "got left_eye_centre_x"),
    (HEADER.encode() + b",Image\n1\n", "column 'Image' comes twice"),
])  # fmt: skip
def test_table_of_another_form_is_refused(tmp_path, content, message):
    (tmp_path / "training.csv").write_bytes(content)
    with pytest.raises(InputError, match=re.escape(message)):
        load_faces(tmp_path / "training.csv", on_error="skip")


# missing labels


def test_prepared_masks_drops_or_fills(table):
    faces = load_15(table.parent)
    assert data.prepared(faces, "mask") is faces and len(data.prepared(faces, "drop")) == 10
    filled = data.prepared(faces, "fill")
    assert filled.complete.all() and np.allclose(filled.keypoints[20, 3], LABELS[:10, 3].mean(0), atol=1e-3)
    assert np.array_equal(filled.keypoints[:10], faces.keypoints[:10])


@pytest.mark.parametrize("images, labels, missing, message", [
    (IMAGES[:1], LABELS[:1], "mask", "expected 2 different pictures or more, got 1 in 1 rows"),
    (IMAGES, np.full_like(LABELS, np.nan), "mask", "expected labels among the faces to learn from, got none"),
    (IMAGES[10:], LABELS[10:], "drop", "expected complete faces to learn from, got none in 17 rows"),
])  # fmt: skip
@pytest.mark.parametrize("config", ["keypoints15_residual", "keypoints15_keras"])
def test_train_refuses_a_table_with_nothing_to_learn(tmp_path, capsys, images, labels, missing, message, config):
    puppets.write_table(tmp_path / "training.csv", images, labels)
    options = ["--config", config, "--data", str(tmp_path), "--out", str(tmp_path / "run"), "--missing", missing]
    assert cli.main(["kaggle", "train", *options]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1 and not list(tmp_path.glob("run/*"))


def test_scores_count_only_labels_that_are_there(table):
    faces = load_15(table.parent)
    scores = scores_15(faces.keypoints + 3, faces)
    assert scores["rmse"] == pytest.approx(3) and scores["rmse_complete"] == pytest.approx(3)
    assert scores["faces"] == 30 and scores["complete"] == 10 and set(scores["by_point"]) == set(POINTS)
    assert np.isnan(rmse(np.zeros((1, 2)), np.full((1, 2), np.nan)))


def test_batches_mirror_pixels_and_points(table):
    batches = data.ImageBatches(load_15(table.parent), batch_size=30, options=Augment(**{**vars(NONE), "flip": 1.0}))
    batches.shuffle = False
    images, keypoints = next(iter(batches(0)))
    assert np.abs(images[:, 0].numpy() * 255 - IMAGES[:, :, ::-1]).max() <= 1
    expected = LABELS[:, flip_order(15)] * [-1, 1] + [96, 0]
    assert np.allclose(batches.to_images(keypoints.numpy()), expected, atol=1e-3, equal_nan=True)


def test_near_duplicates_are_found_and_kept_on_one_side(puppet_folder, tmp_path):
    dim = (IMAGES * 0.7 + 20).astype(np.uint8)
    assert near_duplicates(np.concatenate([IMAGES, dim])).tolist() == [*range(30), *range(30)]
    for name in ("training.csv", "split.csv"):
        (tmp_path / name).write_bytes((puppet_folder / name).read_bytes())
    told = load_15(tmp_path)
    (tmp_path / "split.csv").unlink()
    for faces in (told, load_15(tmp_path)):
        known, held_out = data.halves(faces)
        assert len(known) + len(held_out) == 60 and 4 <= len(held_out) <= 16
        assert not set(known.people) & set(held_out.people)
    (tmp_path / "split.csv").write_text("row,near_dup_group,heldout\n0,0,0\n")
    with pytest.raises(InputError, match=r"split\.csv: expected row, near_dup_group, heldout for every row"):
        load_15(tmp_path)


# networks and runs


def test_network_for_68_points_gives_its_weights_and_a_head():
    model = kaggle_task.build_15("small", start="shipped")
    images, keypoints = puppets.make_rows(24, seed=1)
    assert rmse(kaggle_task.predict_15(model, images[:7], size=112), keypoints[:7]) < 4  # no such face was seen before
    both = kaggle_task.predict_15(model, images, size=112, mirror=True)
    mirrored = kaggle_task.predict_15(model, images[..., ::-1], size=112, mirror=True)
    assert np.abs(mirrored[:, flip_order(15)] * [-1, 1] + [96, 0] - both).max() < 0.02


def test_train_resumes_and_every_strategy_takes_the_same_steps(tmp_path, puppet_folder):
    def tiny(**changes):
        values = dict(name="tiny", data="puppets", net="residual_narrow", epochs=2, batch_size=16, augment=0.2)
        return load_config("keypoints15_residual", **values | changes)

    def stop(row):
        raise KeyboardInterrupt

    faces, lines = load_15(puppet_folder), []
    scores = kaggle_task.train_15(tiny(), tmp_path / "whole", faces=faces, say=lines.append)
    assert scores["rmse"] < 45 and len(lines) == 3
    with pytest.raises(KeyboardInterrupt):
        kaggle_task.train_15(tiny(), tmp_path / "cut", faces=faces, say=lines.append, callbacks=[stop])
    assert kaggle_task.train_15(tiny(), tmp_path / "cut", faces=faces, say=lines.append) == scores
    record = records.read(tmp_path / "whole" / "kaggle15-tiny.json")
    for missing in ("drop", "fill"):
        kaggle_task.train_15(tiny(missing=missing), tmp_path / missing, faces=faces, say=lines.append)
        assert records.read(tmp_path / missing / "kaggle15-tiny.json")["steps"] == record["steps"]


def test_keras_network_and_loss_agree_with_torch():
    assert keras_net.keras_cnn().count_params() == 6_758_702
    target, predicted = torch.randn(5, 30) * 3, torch.randn(5, 30)
    target[torch.rand(5, 30) < 0.4] = torch.nan
    ours = LOSSES["huber"](predicted, target)
    assert float(keras_net.masked_huber(target, predicted)) == pytest.approx(float(ours), rel=1e-5)
    leaf = predicted.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(keras_net.masked_huber(target, leaf), leaf)
    assert (gradient[target.isnan()] == 0).all() and gradient.isfinite().all()
    nothing = keras_net.masked_huber(torch.full_like(target, torch.nan), leaf)
    assert float(nothing.detach()) == 0 and (torch.autograd.grad(nothing, leaf)[0] == 0).all()


def test_keras_run_has_two_phases_and_resumes(tmp_path, puppet_folder):
    faces, lines = load_15(puppet_folder)[:28], []
    config = load_config("keypoints15_keras", name="tiny", epochs=2, batch_size=16)

    def stop(line):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        keras_net.train_keras(config, tmp_path, faces=faces, say=stop)
    scores = keras_net.train_keras(config, tmp_path, faces=faces, say=lines.append)
    assert len(lines) == 1 and lines[0].startswith("epoch 2/2") and scores["rmse"] < 60
    record = records.read(tmp_path / "kaggle15-tiny.json")
    assert record["framework"].startswith("keras 3") and [row["epoch"] for row in record["history"]] == [1, 2]


@pytest.mark.parametrize("backend", ["tensorflow", "numpy", "tensorfow"])
def test_keras_backend_that_cannot_train_is_named(backend, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", backend)
    command = [sys.executable, "-c", "import fkd_helpers.kaggle15.keras_net"]
    error = subprocess.run(command, capture_output=True, text=True).stderr.splitlines()[-1]
    assert f"KERAS_BACKEND={backend}" in error and "KERAS_BACKEND=torch" in error


# the answer sheet


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """One weights file of each framework, untrained."""
    folder = tmp_path_factory.mktemp("weights")
    keras_net.keras_cnn().save(folder / "keras_cnn.keras")
    save_weights(kaggle_task.build_15("residual_narrow"), folder / "net.safetensors", net="residual_narrow")
    return {"torch": folder / "net.safetensors", "keras": folder / "keras_cnn.keras"}


@pytest.mark.parametrize("framework, other", [("torch", "keras"), ("keras", "torch")])
def test_predict_command_writes_a_checked_submission(tmp_path, puppet_folder, weights, framework, other, capsys):
    options = ["--weights", str(weights[framework]), "--data", str(puppet_folder), "--out", str(tmp_path)]
    assert cli.main(["kaggle", "predict", *options, "--framework", framework]) == 0
    wanted = len(read_lookup(puppet_folder / "IdLookupTable.csv"))
    assert f"{wanted} answers about 12 images" in capsys.readouterr().out
    assert submission.check_submission(tmp_path / "submission.csv", puppet_folder / "IdLookupTable.csv") == wanted
    assert (tmp_path / "predictions.png").stat().st_size > 10_000
    assert cli.main(["kaggle", "predict", *options, "--framework", other]) == 2
    assert f"expected weights of {other}, got those of {framework}" in capsys.readouterr().err


def test_weights_of_something_else_are_refused(tmp_path, weights):
    (tmp_path / "text.keras").write_text("no weights at all")
    keras = keras_net.keras
    keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)]).save(tmp_path / "a.keras")
    for file in weights.values():
        (tmp_path / file.name).write_bytes(file.read_bytes()[:5000])
    for path, message in {
        tmp_path / "none.keras": "no such weights file", tmp_path / "keras_cnn.keras": "not a Keras model",
        tmp_path / "text.keras": r"expected weights of PyTorch \(.safetensors\) or a Keras model",
        tmp_path / "a.keras": "expected a model from", tmp_path / "net.safetensors": "not a whole safetensors file",
        kaggle_task.SHIPPED: "expected a network for 15 points",
    }.items():  # fmt: skip
        with pytest.raises(InputError, match=message):
            submission.load_predictor(path)


def test_answers_are_those_asked_for_and_lie_in_the_image():
    keypoints = np.full((2, 15, 2), 40.0)
    keypoints[1, 0] = -3, 120
    lookup = [(7, 11, 0), (8, 11, 1), (9, 10, 5)]
    assert submission.answers_for(lookup, np.array([10, 11]), keypoints) == [(7, 0.0), (8, 96.0), (9, 40.0)]
    with pytest.raises(InputError, match="RowId 9: expected an image with ImageId 10, the test has none"):
        submission.answers_for(lookup, np.array([12, 11]), keypoints)
    keypoints[0] = np.nan
    with pytest.raises(InputError, match="RowId 9: the prediction of left_eye_inner_corner_y is nan"):
        submission.answers_for(lookup, np.array([10, 11]), keypoints)


LOOKUP = "RowId,ImageId,FeatureName\n1,1,nose_tip_x\n2,1,nose_tip_y\n"


@pytest.mark.parametrize("lookup, sheet, message", [
    ("", "", "empty, expected a header"), (LOOKUP[:25], "", "no rows"),
    ("RowId,ImageId\n1,1\n", "", "expected a column 'FeatureName'"),
    (LOOKUP.replace("tip_x", "tipx"), "", "did you mean 'nose_tip_x'"),
    (LOOKUP.replace("\n2", "\n1"), "", "row 2: RowId 1 comes twice"),
    (LOOKUP.replace("\n1", "\nx"), "", "row 1: column RowId: expected a whole number, got 'x'"),
    (LOOKUP, "Id,Location\n1,5\n2,5", "expected a column 'RowId'"),
    (LOOKUP, "RowId,Location\n1,5", "1 of 2 answers are missing, first RowId 2"),
    (LOOKUP, "RowId,Location\n1,5\n2,5\n3,5", "1 of 2 answers were not asked for, first RowId 3"),
    (LOOKUP, "RowId,Location\n1,5\n2,5\n2,6", "RowId 2 comes twice"),
    (LOOKUP, "RowId,Location\n1,96.5\n2,5", "row 1: expected a location from 0 to 96, got 96.5"),
    (LOOKUP, "RowId,Location\n1,\n2,5", "row 1: column Location: expected a number"),
    (LOOKUP, "RowId,Location\n1\n2,5", "row 1: column Location: expected a number"),
    (LOOKUP, "RowId,Location\n1,nan\n2,5", "row 1: expected a location from 0 to 96, got nan"),
])  # fmt: skip
def test_check_submission_says_what_is_wrong(tmp_path, lookup, sheet, message):
    (tmp_path / "lookup.csv").write_text(lookup)
    (tmp_path / "submission.csv").write_text(sheet)
    with pytest.raises(InputError, match=re.escape(message)):
        submission.check_submission(tmp_path / "submission.csv", tmp_path / "lookup.csv")


# configs, and what the records say of the real file


def test_train_prints_its_config_and_names_bad_values(capsys, tmp_path):
    assert cli.main(["kaggle", "train", "--print-config", "--epochs", "3"]) == 0
    (tmp_path / "own.yaml").write_text(capsys.readouterr().out)
    assert load_config(tmp_path / "own.yaml") == load_config("keypoints15", epochs=3)
    for line, message in {"mising: mask": "did you mean 'missing'", "missing: maskk": "did you mean 'mask'"}.items():
        (tmp_path / "own.yaml").write_text(line)
        assert cli.main(["kaggle", "train", "--config", str(tmp_path / "own.yaml")]) == 2
        assert message in capsys.readouterr().err
    assert cli.main(["kaggle", "train", "--data", str(tmp_path), "--out", str(tmp_path / "run")]) == 2
    assert "expected training.csv or training.zip" in capsys.readouterr().err


def test_records_reach_the_goals():
    scores = {record["name"]: record["scores"] for record in records.find("kaggle15") if "scores" in record}
    for name, goal in {"keypoints15": 1.7, "keypoints15_residual": 2.0, "keypoints15_keras": 2.55}.items():
        assert scores[name]["rmse"] <= goal and scores[name]["faces"] == 1008
    ways = ("mask", "drop", "fill")
    masked, *others = ([scores[f"strategy_{way}_seed{i}"]["rmse"] for i in range(3)] for way in ways)
    assert all(np.mean(other) - np.mean(masked) > 3 * np.std(other, ddof=1) for other in others)
