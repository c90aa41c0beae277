"""Kaggle's 15 points: tables, missing labels, near-duplicates, a run, the answer sheet, the command."""

import re
import zipfile

import numpy as np
import pandas as pd
import pytest

from fkd_helpers import cli
from fkd_helpers.core import records
from fkd_helpers.core.config import load_config
from fkd_helpers.core.errors import InputError
from fkd_helpers.data.faceset import LAYOUT_MIRRORS
from fkd_helpers.faces.landmarks import POINTS_15 as POINTS
from fkd_helpers.kaggle15 import puppets, task
from fkd_helpers.kaggle15.tables import COLUMNS, answers_for, check_submission, load_faces
from fkd_helpers.kaggle15.task import load_15, near_duplicates, rmse, scores_15
from fkd_helpers.nets import save_weights
from fkd_helpers.train.augment import NONE, Augment
from fkd_helpers.train.run import run

pytestmark = pytest.mark.slow
rng = np.random.default_rng(0)
IMAGES = rng.integers(0, 256, (30, 96, 96), dtype=np.uint8)
LABELS = rng.uniform(5, 90, (30, 15, 2)).round(3).astype(np.float32)
LABELS[10:, 3:9] = np.nan


@pytest.fixture
def table(tmp_path):
    puppets.table_of(IMAGES, LABELS).to_csv(tmp_path / "training.csv", index=False)
    return tmp_path / "training.csv"


@pytest.fixture(scope="module")
def puppet_folder(tmp_path_factory):
    return puppets.write_tables(tmp_path_factory.mktemp("puppets"), n=60, tests=12)


# tables


@pytest.mark.parametrize("packed", [False, True])
def test_load_gives_what_was_written_plain_and_in_a_zip(table, packed):
    if packed:
        with zipfile.ZipFile(table.with_suffix(".zip"), "w") as archive:
            archive.write(table, "training.csv")
        table.unlink()
    faces = load_faces(task.find_table(table.parent, "training"))
    assert (faces.images == IMAGES).all() and faces.extras["id"].tolist() == [*range(1, 31)]
    assert np.allclose(faces.keypoints, LABELS, equal_nan=True)


@pytest.mark.parametrize("cell", [
    lambda cell: cell.rpartition(" ")[0], lambda cell: "", lambda cell: "12 ab " + cell,
    lambda cell: "3.5" + cell[cell.index(" ") :], lambda cell: "256" + cell[cell.index(" ") :],
])  # fmt: skip
def test_a_damaged_image_is_named(table, cell):
    rows = pd.read_csv(table)
    rows.loc[3, "Image"] = cell(rows.loc[3, "Image"])
    rows.to_csv(table, index=False)
    with pytest.raises(InputError, match=r"training\.csv row 4: expected 9216 whole numbers from 0 to 255 in Image"):
        load_faces(table)


HEADER = ",".join([*COLUMNS, "Image"])


@pytest.mark.parametrize("content, message", [
    (b"\n", "not a table"), (HEADER.encode() + b"\n", "no rows"), (b"PAR1\0\xff\x81", "not a table"),
    (",".join(COLUMNS).encode() + b"\n1\n", "expected a column 'Image'"),
    (HEADER.encode() + b"\n" + b"left," * 30 + b"0\n", "expected numbers or blanks as coordinates"),
])  # fmt: skip
def test_table_of_another_form_is_refused(tmp_path, content, message):
    (tmp_path / "training.csv").write_bytes(content)
    with pytest.raises(InputError, match=re.escape(message)):
        load_faces(tmp_path / "training.csv")


# missing labels


def test_prepared_masks_drops_or_fills(table):
    faces = load_15(table.parent)
    assert task.prepared(faces, "mask") is faces and len(task.prepared(faces, "drop")) == 10
    filled = task.prepared(faces, "fill")
    assert filled.complete.all() and np.allclose(filled.keypoints[20, 3], LABELS[:10, 3].mean(0), atol=1e-3)
    assert np.array_equal(filled.keypoints[:10], faces.keypoints[:10])


def test_train_refuses_a_table_with_nothing_to_learn(tmp_path, capsys):
    puppets.table_of(IMAGES[10:], LABELS[10:]).to_csv(tmp_path / "training.csv", index=False)
    options = ["--data", str(tmp_path), "--out", str(tmp_path / "run"), "--missing", "drop"]
    assert cli.main(["kaggle", "train", *options]) == 2
    error = capsys.readouterr().err
    assert "got 0 with missing 'drop'" in error and error.count("\n") == 1
    assert not list(tmp_path.glob("run/*"))


def test_scores_count_only_labels_that_are_there(table):
    faces = load_15(table.parent)
    scores = scores_15(faces.keypoints + 3, faces)
    assert scores["rmse"] == pytest.approx(3) and scores["rmse_complete"] == pytest.approx(3)
    assert scores["faces"] == 30 and scores["complete"] == 10 and set(scores["by_point"]) == set(POINTS)
    assert np.isnan(rmse(np.zeros((1, 2)), np.full((1, 2), np.nan)))


def test_batches_mirror_pixels_and_points(table):
    batches = task.ImageBatches(load_15(table.parent), batch_size=30, options=Augment(**{**vars(NONE), "flip": 1.0}))
    batches.shuffle = False
    images, keypoints = next(iter(batches(0)))
    assert np.abs(images[:, 0].numpy() * 255 - IMAGES[:, :, ::-1]).max() <= 1
    expected = LABELS[:, LAYOUT_MIRRORS[15]] * [-1, 1] + [96, 0]
    assert np.allclose(batches.to_images(keypoints.numpy()), expected, atol=1e-3, equal_nan=True)


def test_near_duplicates_are_found_and_kept_on_one_side(puppet_folder, table):
    dim = (IMAGES * 0.7 + 20).astype(np.uint8)
    assert near_duplicates(np.concatenate([IMAGES, dim])).tolist() == [*range(30), *range(30)]
    known, held_out = task.halves(load_15(puppet_folder))
    assert len(known) + len(held_out) == 60 and 4 <= len(held_out) <= 16
    assert not set(known.people) & set(held_out.people)
    split = {"row": range(30), "near_dup_group": range(30), "heldout": [1, 0, 0] * 10}
    pd.DataFrame(split).to_csv(table.with_name("split.csv"), index=False)
    assert load_15(table.parent).extras["held_out"].tolist() == [True, False, False] * 10


# networks and runs


def tiny(folder, **changes):
    values = dict(name="tiny", data=str(folder), net="classic", epochs=2, batch_size=16, augment=0.2)
    return load_config("keypoints15_residual", **values | changes)


def test_network_for_68_points_gives_its_weights_and_a_head(puppet_folder):
    model = task.Kaggle15Task(tiny(puppet_folder, net="small", start="shipped", loss="heatmap")).model
    images, keypoints = puppets.make_rows(7, seed=1)
    assert rmse(task.predict_15(model, images, size=112), keypoints) < 4  # no such face was seen before


def test_train_resumes_and_every_strategy_takes_the_same_steps(tmp_path, puppet_folder):
    def train(name, config, say=lambda line: lines.append(line)):
        return run(task.Kaggle15Task(config), config, tmp_path / name, say=say)

    def stop(line):
        if line.startswith("epoch 1/"):
            raise KeyboardInterrupt

    lines, config = [], tiny(puppet_folder)
    scores = train("whole", config)
    assert scores["rmse"] < 45 and len(lines) == 3
    with pytest.raises(KeyboardInterrupt):
        train("cut", config, stop)
    assert train("cut", config) == scores
    for missing in ("drop", "fill"):
        train(missing, tiny(puppet_folder, missing=missing))
    found = [records.read(tmp_path / name / "kaggle15-tiny.json")["steps"] for name in ("whole", "drop", "fill")]
    assert len(set(found)) == 1


# the answer sheet


def test_predict_command_writes_a_checked_submission(tmp_path, puppet_folder, capsys):
    weights, sheet = tmp_path / "net.safetensors", puppet_folder / "IdLookupTable.csv"
    save_weights(task.Kaggle15Task(tiny(puppet_folder)).model, weights)
    options = ["kaggle", "predict", "--weights", str(weights), "--data", str(puppet_folder), "--out", str(tmp_path)]
    assert cli.main(options) == 0
    wanted = len(pd.read_csv(sheet))
    assert f"{wanted} answers about 12 images" in capsys.readouterr().out
    assert check_submission(tmp_path / "submission.csv", sheet) == wanted
    for content in (weights.read_bytes()[:5000], task.SHIPPED.read_bytes()):  # cut off; for 68 points
        weights.write_bytes(content)
        assert cli.main(options) == 2
        error = capsys.readouterr().err
        assert weights.name in error and error.count("\n") == 1


def test_answers_are_those_asked_for_and_lie_in_the_image():
    keypoints = np.full((2, 15, 2), 40.0)
    keypoints[1, 0] = -3, 120
    names = [COLUMNS[0], COLUMNS[1], COLUMNS[5]]
    lookup = pd.DataFrame({"RowId": [7, 8, 9], "ImageId": [11, 11, 10], "FeatureName": names})
    answers = answers_for(lookup, np.array([10, 11]), keypoints)
    assert answers.to_numpy().tolist() == [[7, 0], [8, 96], [9, 40]]
    with pytest.raises(InputError, match=r"RowId 9: no prediction of left_eye_inner_corner_y .* ImageId 10"):
        answers_for(lookup, np.array([12, 11]), keypoints)


LOOKUP = "RowId,ImageId,FeatureName\n1,1,nose_tip_x\n2,1,nose_tip_y\n"


@pytest.mark.parametrize("lookup, sheet, message", [
    ("RowId,ImageId\n1,1\n", "RowId,Location\n1,5", "expected a column 'FeatureName'"),
    (LOOKUP, "Id,Location\n1,5\n2,5", "expected a column 'RowId'"),
    (LOOKUP, "RowId,Location\n1,5", "1 of 2 answers are missing, first RowId 2"),
    (LOOKUP, "RowId,Location\n1,5\n2,5\n3,5", "1 of 2 answers were not asked for, first RowId 3"),
    (LOOKUP, "RowId,Location\n1,5\n2,5\n2,6", "RowId 2 comes twice"),
    (LOOKUP, "RowId,Location\n1,96.5\n2,5", "row 1: expected a location from 0 to 96, got 96.5"),
    (LOOKUP, "RowId,Location\n1,5\n2,", "row 2: expected a location from 0 to 96, got nan"),
])  # fmt: skip
def test_check_submission_says_what_is_wrong(tmp_path, lookup, sheet, message):
    (tmp_path / "lookup.csv").write_text(lookup)
    (tmp_path / "submission.csv").write_text(sheet)
    with pytest.raises(InputError, match=re.escape(message)):
        check_submission(tmp_path / "submission.csv", tmp_path / "lookup.csv")


# configs, and what the records say of the real file


def test_train_names_what_is_not_there(capsys, tmp_path):
    assert cli.main(["kaggle", "train", "--data", str(tmp_path), "--out", str(tmp_path / "run")]) == 2
    assert "expected training.csv or training.zip" in capsys.readouterr().err
