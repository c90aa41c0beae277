"""Kaggle's 15 points: the table read strictly, labels that are missing, both frameworks, the answer sheet."""

import csv
import io
import re
import zipfile

import numpy as np
import pytest
import torch

from fkd_helpers import cli
from fkd_helpers.core import records
from fkd_helpers.core.config import load_config
from fkd_helpers.core.errors import InputError
from fkd_helpers.faces.landmarks import POINTS_15 as POINTS
from fkd_helpers.kaggle15 import data as kaggle_data
from fkd_helpers.kaggle15 import puppets as kaggle_puppets
from fkd_helpers.kaggle15 import submission
from fkd_helpers.kaggle15 import summaries as kaggle_tables
from fkd_helpers.kaggle15 import task as kaggle_runs
from fkd_helpers.kaggle15.scores import rmse, scores_15
from fkd_helpers.kaggle15.tables import COLUMNS, pixels_of, read_lookup, read_rows
from fkd_helpers.nets import count_weights, save_weights
from fkd_helpers.nets.losses import LOSSES
from fkd_helpers.train.batches import NONE, Augment, flip_order

rng = np.random.default_rng(0)
IMAGES = rng.integers(0, 256, (30, 96, 96), dtype=np.uint8)
LABELS = rng.uniform(5, 90, (30, 15, 2)).round(3).astype(np.float32)
LABELS[10:, 3:9] = np.nan


@pytest.fixture
def table(tmp_path):
    return kaggle_puppets.write_table(tmp_path / "training.csv", IMAGES, LABELS)


@pytest.fixture(scope="module")
def puppet_folder(tmp_path_factory):
    return kaggle_puppets.write_tables(tmp_path_factory.mktemp("puppets"), n=60, tests=12)


def changed(table, row, column, cell):
    """Write one cell of a table anew; row from 1."""
    with table.open(newline="") as stream:
        rows = list(csv.reader(stream))
    rows[row][rows[0].index(column)] = cell(rows[row][rows[0].index(column)]) if callable(cell) else cell
    table.write_text("\n".join(",".join(cells) for cells in rows) + "\n")
    return table


def test_what_is_written_is_read_again(table):
    rows = read_rows(table)
    assert (rows.images == IMAGES).all() and not rows.problems
    assert np.allclose(rows.keypoints, LABELS, equal_nan=True)
    assert rows.ids.tolist() == list(range(1, 31))


def test_pixels_are_those_that_a_split_would_give():
    for seed, high in ((0, 10), (1, 100), (2, 256)):
        values = np.random.default_rng(seed).integers(0, high, 9216)
        assert (pixels_of(" ".join(map(str, values)).encode()).ravel() == values).all()
    assert (pixels_of(b"  " + b"5 " * 9216 + b" ") == 5).all()
    assert (pixels_of(b"007 " * 9216) == 7).all()


BAD = {
    "too few": ("Image", lambda cell: cell.rpartition(" ")[0], "column Image: expected 9216 pixels, got 9215"),
    "too many": ("Image", lambda cell: cell + " 7", "column Image: expected 9216 pixels, got 9217"),
    "none": ("Image", "", "column Image: expected 9216 pixels, got 0"),
    "letters": ("Image", lambda cell: "12 ab " + cell, "column Image: expected whole numbers from 0 to 255, got 'ab'"),
    "negative": ("Image", lambda cell: "-3" + cell[cell.index(" ") :], "got '-3'"),
    "a fraction": ("Image", lambda cell: "3.5" + cell[cell.index(" ") :], "got '3.5'"),
    "256": ("Image", lambda cell: "256" + cell[cell.index(" ") :], "expected gray levels up to 255, got 256"),
    "1000": ("Image", lambda cell: "1000" + cell[cell.index(" ") :], "expected gray levels up to 255, got 1000"),
    "far away": ("nose_tip_x", "1e9", "column nose_tip_x: expected 0 to 96 pixels, got 1e+09"),
    "infinite": ("nose_tip_y", "inf", "column nose_tip_y: expected 0 to 96 pixels, got inf"),
    "below": ("nose_tip_y", "-1", "column nose_tip_y: expected 0 to 96 pixels, got -1"),
    "text": ("mouth_left_corner_x", "left", "column mouth_left_corner_x: expected a number, got 'left'"),
    "a column more": ("mouth_left_corner_x", "1,2", "expected 31 columns, got 32"),
}  # fmt: skip


@pytest.mark.parametrize("column, cell, words", BAD.values(), ids=BAD)
def test_a_damaged_row_is_named_and_can_be_left_out(table, column, cell, words):
    changed(table, 4, column, cell)
    with pytest.raises(InputError) as error:
        read_rows(table)
    assert str(error.value).startswith("training.csv row 4: ") and words in str(error.value)
    rows = read_rows(table, on_error="skip")
    assert rows.ids.tolist() == [1, 2, 3, *range(5, 31)] and (rows.images[3] == IMAGES[4]).all()
    assert len(rows.problems) == 1 and words in rows.problems[0]
    with pytest.warns(UserWarning, match="1 rows left out"):
        assert len(kaggle_data.load_15(table.parent)) == 29


def test_columns_in_another_order_are_the_same_table(table):
    with table.open(newline="") as stream:
        rows = list(csv.reader(stream))
    order = np.random.default_rng(1).permutation(31)
    table.write_text("\r\n".join(",".join(row[i] for i in order) for row in rows))
    again = read_rows(table)
    assert (again.images == IMAGES).all() and np.allclose(again.keypoints, LABELS, equal_nan=True)


@pytest.mark.parametrize(
    "content, words",
    [
        (b"", "empty, expected a header"),
        (b"\n", "empty, expected a header"),
        (",".join([*COLUMNS, "Image"]).encode() + b"\n", "no usable row"),
        (",".join(COLUMNS).encode() + b"\n1\n", "expected a column 'Image'"),
        (",".join([*COLUMNS[1:], "Image"]).encode() + b"\n1\n", "'left_eye_center_x' (1 of 30 are missing)"),
        (",".join(["left_eye_centre_x", *COLUMNS[1:], "Image"]).encode() + b"\n1\n", "got 'left_eye_centre_x'"),
        (",".join([*COLUMNS, "Image", "Image"]).encode() + b"\n1\n", "column 'Image' comes twice"),
        (b"PK\x03\x04 a zip that was cut off", "not a whole zip"),
    ],
)
def test_a_table_of_another_form_is_refused(tmp_path, content, words):
    (tmp_path / "training.csv").write_bytes(content)
    for on_error in ("raise", "skip"):
        with pytest.raises(InputError, match=re.escape(words)):
            read_rows(tmp_path / "training.csv", on_error=on_error)


def test_missing_files_and_words_are_named(tmp_path, table):
    with pytest.raises(InputError, match=r"test\.csv: no such file"):
        read_rows(tmp_path / "test.csv")
    with pytest.raises(InputError, match=r"expected test\.csv or test\.zip"):
        kaggle_data.table_in(tmp_path, "test")
    with pytest.raises(InputError, match="did you mean 'skip'"):
        read_rows(table, on_error="skipp")


@pytest.mark.parametrize("nested", [False, True])
def test_a_zip_is_as_good_as_the_table_in_it(tmp_path, table, nested):
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.write(table, "training.csv")
    folder = tmp_path / "zipped"
    folder.mkdir()
    if nested:  # as Kaggle packs it: a zip of zips
        with zipfile.ZipFile(folder / "training.zip", "w") as archive:
            archive.writestr("training.zip", inner.getvalue())
            archive.writestr("test.zip", b"")
    else:
        (folder / "training.zip").write_bytes(inner.getvalue())
    assert (read_rows(kaggle_data.table_in(folder, "training")).images == IMAGES).all()


def test_the_cache_gives_the_same_rows_and_sees_a_changed_file(table, cache_folder):
    first = kaggle_data.load_rows(table)
    (cache,) = (cache_folder / "kaggle").glob("*.npz")
    again = kaggle_data.load_rows(table)
    assert (first.images == again.images).all() and np.array_equal(first.keypoints, again.keypoints, equal_nan=True)
    cache.write_bytes(b"damaged")
    assert (kaggle_data.load_rows(table).images == IMAGES).all()
    changed(table, 1, "nose_tip_x", "1.5")
    assert kaggle_data.load_rows(table).keypoints[0, POINTS.index("nose_tip"), 0] == 1.5


# missing labels


@pytest.mark.parametrize("name", ["mse", "l1", "smooth_l1", "huber", "wing"])
@pytest.mark.parametrize("shape", [(4, 30), (4, 15, 2), (7,)])
def test_a_masked_loss_is_blind_where_labels_are_missing(name, shape):
    loss, draw = LOSSES[name], torch.Generator().manual_seed(0)
    target = torch.randn(shape, generator=draw) * 9
    predicted = torch.randn(shape, generator=draw).requires_grad_()
    there = torch.rand(shape, generator=draw) < 0.5
    value = loss(predicted, torch.where(there, target, torch.nan))
    assert torch.isclose(value, loss(predicted[there], target[there]))  # the plain loss of what is there
    (gradient,) = torch.autograd.grad(value, predicted)
    assert (gradient[~there] == 0).all() and (gradient[there] != 0).all()
    nothing = loss(predicted, torch.full(shape, torch.nan))
    (gradient,) = torch.autograd.grad(nothing, predicted)
    assert nothing == 0 and (gradient == 0).all()


def test_the_three_strategies(table):
    faces = kaggle_data.load_15(table.parent)
    assert kaggle_data.prepared(faces, "mask") is faces
    assert len(kaggle_data.prepared(faces, "drop")) == 10
    filled = kaggle_data.prepared(faces, "fill")
    assert filled.complete.all() and np.allclose(filled.keypoints[20, 3], LABELS[:10, 3].mean(0), atol=1e-3)
    assert np.array_equal(filled.keypoints[:10], faces.keypoints[:10])


def test_scores_count_only_labels_that_are_there(table):
    faces = kaggle_data.load_15(table.parent)
    scores = scores_15(faces.keypoints + 3, faces)
    assert scores["rmse"] == pytest.approx(3) and scores["rmse_complete"] == pytest.approx(3)
    assert scores["faces"] == 30 and scores["complete"] == 10 and set(scores["by_point"]) == set(POINTS)
    assert np.isnan(rmse(np.zeros((1, 2)), np.full((1, 2), np.nan)))


def test_left_and_right_change_places():
    order = flip_order(15)
    assert (order[order] == np.arange(15)).all()
    for i, j in enumerate(order):
        assert POINTS[i].replace("left", "right") == POINTS[j].replace("left", "right")
    middle = [name for i, name in enumerate(POINTS) if order[i] == i]
    assert middle == ["nose_tip", "mouth_center_top_lip", "mouth_center_bottom_lip"]


def test_mirrored_faces_have_mirrored_pixels_and_points(table):
    faces = kaggle_data.load_15(table.parent)
    mirrored = Augment(**{**vars(NONE), "flip": 1.0})
    batches = kaggle_data.ImageBatches(faces, batch_size=30, options=mirrored)
    batches.shuffle = False
    images, keypoints = next(batches(0))
    assert np.abs(images[:, 0].numpy() * 255 - IMAGES[:, :, ::-1]).max() <= 1
    expected = LABELS[:, flip_order(15)] * [-1, 1] + [96, 0]
    assert np.allclose(batches.to_images(keypoints.numpy()), expected, atol=1e-3, equal_nan=True)


@pytest.mark.parametrize("size", [96, 112])
def test_plain_batches_are_the_images_and_come_back(table, size):
    faces = kaggle_data.load_15(table.parent)
    plain = kaggle_data.ImageBatches(faces, batch_size=7, size=size).without_augmentation()
    pairs = list(plain(0))
    assert sum(len(images) for images, _ in pairs) == 30 and pairs[0][0].shape[1:] == (1, size, size)
    back = plain.to_images(np.concatenate([keypoints.numpy() for _, keypoints in pairs]))
    assert np.allclose(back, LABELS, atol=1e-3, equal_nan=True)


# duplicates


def test_near_duplicates_are_found_and_kept_on_one_side(puppet_folder, tmp_path):
    dim = (IMAGES * 0.7 + 20).astype(np.uint8)
    groups = kaggle_data.near_duplicates(np.concatenate([IMAGES, dim]))
    assert groups.tolist() == [*range(30), *range(30)]
    for name in ("training.csv", "split.csv"):
        (tmp_path / name).write_bytes((puppet_folder / name).read_bytes())
    told = kaggle_data.load_15(tmp_path)
    (tmp_path / "split.csv").unlink()
    for faces in (told, kaggle_data.load_15(tmp_path)):
        known, held_out = kaggle_data.halves(faces)
        assert len(known) + len(held_out) == 60 and 4 <= len(held_out) <= 16
        assert not set(known.people) & set(held_out.people)
    (tmp_path / "split.csv").write_text("row,near_dup_group,heldout\n0,0,0\n")
    with pytest.raises(InputError, match=r"split\.csv: expected row, near_dup_group, heldout for every row"):
        kaggle_data.load_15(tmp_path)


# the embedded default


def test_puppets_lack_labels_as_the_real_faces_do():
    full = np.ones((2000, 15, 2), np.float32)
    kept = kaggle_puppets.drop_labels(full)
    lacking = np.isnan(kept).any((1, 2))
    assert 0.66 < lacking.mean() < 0.73
    assert not lacking[:648].all() and lacking[648:].all()
    there = ~np.isnan(kept[1000, :, 0])
    assert [POINTS[i] for i in np.flatnonzero(there)] == [name for name in POINTS if name in kaggle_puppets.FOUR]


def test_puppet_tables_are_read_like_the_real_ones(puppet_folder):
    rows = read_rows(puppet_folder / "test.csv", labelled=False)
    assert rows.images.shape == (12, 96, 96) and rows.ids.tolist() == list(range(1, 13))
    assert {image for _, image, _ in read_lookup(puppet_folder / "IdLookupTable.csv")} == set(range(1, 13))
    keypoints = kaggle_data.load_15(puppet_folder).keypoints
    there = ~np.isnan(keypoints)
    assert keypoints[there].min() >= 0 and keypoints[there].max() <= 96
    with pytest.raises(InputError, match="at least 20 faces"):
        kaggle_puppets.write_tables(puppet_folder, n=3)


# networks and runs


def test_the_residual_network_is_the_one_described():
    assert 11.1e6 < count_weights(kaggle_runs.build_15("residual")) < 11.25e6
    for name, size in {"residual": 96, "residual_narrow": 96, "small": 112}.items():
        answer = kaggle_runs.build_15(name)(torch.zeros(2, 1, size, size))
        assert answer.shape[:2] == (2, 15)


def test_a_network_for_68_points_gives_its_weights_and_a_head():
    model = kaggle_runs.build_15("small", start="shipped")
    images, keypoints = kaggle_puppets.make_rows(24, seed=1)
    predicted = kaggle_runs.predict_15(model, images, size=112)
    assert rmse(predicted, keypoints) < 4  # without ever having seen one of these faces
    untrained = kaggle_runs.predict_15(kaggle_runs.build_15("small"), images, size=112)
    assert rmse(untrained, keypoints) > 10
    both = kaggle_runs.predict_15(model, images, size=112, mirror=True)
    mirrored = kaggle_runs.predict_15(model, images[..., ::-1], size=112, mirror=True)
    assert np.abs(mirrored[:, flip_order(15)] * [-1, 1] + [96, 0] - both).max() < 0.02


def test_starts_that_do_not_fit_are_refused(tmp_path):
    with pytest.raises(InputError, match="did you mean 'residual'"):
        kaggle_runs.build_15("residuall")
    with pytest.raises(InputError, match="no such weights file"):
        kaggle_runs.build_15("small", start=str(tmp_path / "none.safetensors"))
    with pytest.raises(InputError, match="weights of another network"):
        kaggle_runs.build_15("residual", start="shipped")
    narrow = save_weights(kaggle_runs.build_15("residual_narrow"), tmp_path / "narrow.safetensors")
    with pytest.raises(InputError, match="weights of another network"):
        kaggle_runs.build_15("small", start=str(narrow))


def tiny(**changes):
    values = dict(name="tiny", data="puppets", net="residual_narrow", epochs=2, batch_size=16, augment=0.2)
    return load_config("keypoints15_residual", **values | changes)


def test_a_run_learns_resumes_and_leaves_a_record(tmp_path, puppet_folder):
    faces = kaggle_data.load_15(puppet_folder)
    lines = []
    scores = kaggle_runs.train_15(tiny(), tmp_path / "whole", faces=faces, say=lines.append)
    assert scores["rmse"] < 45 and len(lines) == 3
    with pytest.raises(KeyboardInterrupt):
        kaggle_runs.train_15(tiny(), tmp_path / "cut", faces=faces, say=lines.append, callbacks=[_stop])
    again = kaggle_runs.train_15(tiny(), tmp_path / "cut", faces=faces, say=lines.append)
    assert again == scores
    record = records.read(tmp_path / "whole" / "kaggle15-tiny.json")
    assert record["scores"]["rmse"] == pytest.approx(scores["rmse"], rel=1e-4) and len(record["history"]) == 2
    steps = {}
    for missing in ("mask", "drop", "fill"):
        config = tiny(missing=missing, epochs=1, name=missing)
        kaggle_runs.train_15(config, tmp_path / missing, faces=faces, say=lines.append)
        steps[missing] = records.read(tmp_path / missing / f"kaggle15-{missing}.json")["steps"]
    assert len(set(steps.values())) == 1


def _stop(row):
    raise KeyboardInterrupt


# the answer sheet


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """One weights file of each framework, untrained."""
    from fkd_helpers.kaggle15 import keras_net as kaggle_keras

    folder = tmp_path_factory.mktemp("weights")
    kaggle_keras.keras_cnn().save(folder / "keras_cnn.keras")
    save_weights(kaggle_runs.build_15("residual_narrow"), folder / "net.safetensors", net="residual_narrow")
    return {"torch": folder / "net.safetensors", "keras": folder / "keras_cnn.keras"}


@pytest.mark.parametrize("framework", ["torch", "keras"])
def test_a_submission_of_each_framework_passes_the_checker(tmp_path, puppet_folder, weights, framework, capsys):
    options = ["--weights", str(weights[framework]), "--data", str(puppet_folder), "--out", str(tmp_path)]
    assert cli.main(["kaggle", "predict", *options, "--framework", framework]) == 0
    wanted = len(read_lookup(puppet_folder / "IdLookupTable.csv"))
    assert f"{wanted} answers about 12 images" in capsys.readouterr().out
    assert submission.check_submission(tmp_path / "submission.csv", puppet_folder / "IdLookupTable.csv") == wanted
    assert (tmp_path / "predictions.png").stat().st_size > 10_000
    other = {"torch": "keras", "keras": "torch"}[framework]
    assert cli.main(["kaggle", "predict", *options, "--framework", other]) == 2
    assert f"expected weights of {other}, got those of {framework}" in capsys.readouterr().err


def test_weights_of_something_else_are_refused(tmp_path, weights):
    with pytest.raises(InputError, match="no such weights file"):
        submission.load_predictor(tmp_path / "none.keras")
    (tmp_path / "text.keras").write_text("no weights at all")
    with pytest.raises(InputError, match=r"expected weights of PyTorch \(.safetensors\) or a Keras model"):
        submission.load_predictor(tmp_path / "text.keras")
    shipped = kaggle_runs.SHIPPED
    with pytest.raises(InputError, match="expected a network for 15 points"):
        submission.load_predictor(shipped)
    for framework, words in (("keras", "not a Keras model"), ("torch", "not a whole safetensors file")):
        half = tmp_path / weights[framework].name
        half.write_bytes(weights[framework].read_bytes()[:5000])
        with pytest.raises(InputError, match=words):
            submission.load_predictor(half)


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


def test_a_lookup_table_is_read_strictly(tmp_path):
    path = tmp_path / "IdLookupTable.csv"
    for content, words in [
        ("", "expected a column 'RowId'"),
        ("RowId,ImageId,FeatureName,Location\n", "no rows"),
        ("RowId,ImageId,FeatureName,Location\n1,1,nose_tipx,\n", "did you mean 'nose_tip_x'"),
        ("RowId,ImageId,FeatureName,Location\n1,1,nose_tip_x,\n1,1,nose_tip_y,\n", "row 2: RowId 1 comes twice"),
        ("RowId,ImageId,FeatureName,Location\nx,1,nose_tip_x,\n", "row 1: expected whole numbers, got 'x', '1'"),
    ]:
        path.write_text(content)
        with pytest.raises(InputError, match=re.escape(words)):
            read_lookup(path)
    path.write_text("FeatureName,ImageId,RowId\nnose_tip_y,3,12\n")  # another order, no Location
    assert read_lookup(path) == [(12, 3, COLUMNS.index("nose_tip_y"))]


@pytest.mark.parametrize(
    "lines, words",
    [
        (["Id,Location", "1,5", "2,5"], "expected the columns RowId, Location, got Id, Location"),
        (["RowId,Location", "1,5"], "1 of 2 answers are missing, first RowId 2"),
        (["RowId,Location", "1,5", "2,5", "3,5"], "1 answers were not asked for, first RowId 3"),
        (["RowId,Location", "1,5", "2,5", "2,6"], "RowId 2 comes twice"),
        (["RowId,Location", "1,96.5", "2,5"], "row 1: expected a location from 0 to 96, got 96.5"),
        (["RowId,Location", "1,", "2,5"], "row 1: expected a whole number and a number"),
        (["RowId,Location", "1,nan", "2,5"], "row 1: expected a location from 0 to 96, got nan"),
    ],
)
def test_the_checker_says_what_is_wrong(tmp_path, lines, words):
    (tmp_path / "lookup.csv").write_text("RowId,ImageId,FeatureName\n1,1,nose_tip_x\n2,1,nose_tip_y\n")
    (tmp_path / "submission.csv").write_text("\n".join(lines) + "\n")
    with pytest.raises(InputError, match=re.escape(words)):
        submission.check_submission(tmp_path / "submission.csv", tmp_path / "lookup.csv")


# the other framework


def test_the_keras_network_and_its_loss_agree_with_torch():
    from fkd_helpers.kaggle15 import keras_net as kaggle_keras

    assert kaggle_keras.keras_cnn().count_params() == 6_758_702
    target, predicted = torch.randn(5, 30) * 3, torch.randn(5, 30)
    target[torch.rand(5, 30) < 0.4] = torch.nan
    ours = LOSSES["huber"](predicted, target)
    assert float(kaggle_keras.masked_huber(target, predicted)) == pytest.approx(float(ours), rel=1e-5)
    leaf = predicted.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(kaggle_keras.masked_huber(target, leaf), leaf)
    assert (gradient[target.isnan()] == 0).all() and gradient.isfinite().all()
    nothing = kaggle_keras.masked_huber(torch.full_like(target, torch.nan), leaf)
    assert float(nothing.detach()) == 0 and (torch.autograd.grad(nothing, leaf)[0] == 0).all()


def test_a_keras_run_has_two_phases_and_goes_on_where_it_stopped(tmp_path, puppet_folder):
    from fkd_helpers.kaggle15 import keras_net as kaggle_keras

    faces = kaggle_data.load_15(puppet_folder)
    faces = faces[np.arange(28)]
    config = load_config("keypoints15_keras", name="tiny", epochs=2, batch_size=16)

    def stop(line):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kaggle_keras.train_keras(config, tmp_path, faces=faces, say=stop)
    lines = []
    scores = kaggle_keras.train_keras(config, tmp_path, faces=faces, say=lines.append)
    assert len(lines) == 1 and lines[0].startswith("epoch 2/2") and scores["rmse"] < 60
    record = records.read(tmp_path / "kaggle15-tiny.json")
    assert record["framework"].startswith("keras 3") and record["weights"] == 6_758_702
    predictor = submission.load_predictor(tmp_path / "keras_cnn.keras")
    assert predictor(np.stack(faces.images[:3])).shape == (3, 15, 2)


# configuration and command line


def test_the_config_is_printed_and_checked(capsys, tmp_path):
    assert cli.main(["kaggle", "train", "--print-config", "--epochs", "3"]) == 0
    printed = capsys.readouterr().out
    assert "net: small" in printed and "start: shipped" in printed and "epochs: 3" in printed
    (tmp_path / "own.yaml").write_text(printed)
    assert load_config(tmp_path / "own.yaml") == load_config("keypoints15", epochs=3)
    for line, words in [("mising: mask", "did you mean 'missing'"), ("missing: maskk", "did you mean 'mask'"),
                        ("epochs: 0", "epochs: expected 1 to"), ("epochs: many", "epochs: expected int")]:  # fmt: skip
        (tmp_path / "own.yaml").write_text(line)
        assert cli.main(["kaggle", "train", "--config", str(tmp_path / "own.yaml")]) == 2
        error = capsys.readouterr().err
        assert words in error and "own.yaml" in error


@pytest.mark.parametrize("name", ["keypoints15", "keypoints15_residual", "keypoints15_keras"])
def test_our_configs_are_whole(name):
    assert load_config(name).name == name


def test_data_that_is_not_there_is_named(capsys, tmp_path):
    assert cli.main(["kaggle", "train", "--data", str(tmp_path), "--out", str(tmp_path / "run")]) == 2
    assert "expected training.csv or training.zip" in capsys.readouterr().err


# what the records say of the real file


def test_masking_beats_dropping_and_filling_by_more_than_the_spread():
    table = kaggle_tables.strategy_table(kaggle_tables.runs_15())
    assert (table["seeds"] == 3).all() and len(table) == 3
    masked, *others = table["RMSE"]
    assert min(others) - masked > 3 * table["spread"].max()


def test_the_networks_reach_what_the_notebook_says():
    runs = kaggle_tables.runs_15()
    table = kaggle_tables.framework_table(runs)
    assert set(table["framework"]) == {"torch", "keras"} and table.index[0] == "keypoints15"
    assert table.loc["keypoints15", "RMSE"] <= 1.7 and table.loc["keypoints15_keras", "RMSE"] <= 2.55
    assert table.loc["keypoints15_residual", "RMSE"] <= 2.0
    for name in table.index:
        scores = runs[name]["scores"]
        assert scores["faces"] == 1008 and scores["complete"] == 318 and set(scores["by_point"]) == set(POINTS)


def test_there_must_be_records(tmp_path):
    with pytest.raises(InputError, match="no record of a run on Kaggle's 15 points"):
        kaggle_tables.runs_15(tmp_path)


def test_the_real_file_is_read_fast_enough():
    facts = records.read(records.RECORDS / "facts-kaggle15.json")
    assert facts["rows"] == 7049 and facts["complete"] == 2140 and facts["parse"]["seconds"] < 4
    assert facts["leak"]["group_split"] == 0 < facts["leak"]["random_split"]
