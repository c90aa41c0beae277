"""Bad input on the command line: exit code 2, one line that says what came and what was expected, no leftovers."""

import errno
import json
import re
import warnings
from pathlib import Path
from unittest.mock import Mock

import matplotlib.cbook
import numpy as np
import pytest
import skimage.data
from PIL import Image

from fkd_helpers import cli
from fkd_helpers.core import records
from fkd_helpers.data import load, write_classic
from fkd_helpers.faces.images import write_photo
from fkd_helpers.train import keypoints


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """An empty folder to work in, with no data set anywhere."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FKD_DATA_DIR", str(tmp_path / "data"))
    return tmp_path


def run(capsys, *arguments):
    """Return the exit code and the lines of stdout and stderr."""
    try:
        code = cli.main([str(argument) for argument in arguments])
    except SystemExit as stop:
        code = stop.code
    out, err = capsys.readouterr()
    return code, out.splitlines(), err.splitlines()


def refused(capsys, *arguments, message):
    code, _, err = run(capsys, *arguments)
    assert code == 2
    assert len(err) == 1 and re.search(message, err[0]), err


def left(place):
    return sorted(str(file.relative_to(place)) for file in place.rglob("*"))


@pytest.mark.parametrize("command", [[], ["predict"], ["train"], ["evaluate"], ["fetch"], ["check"], ["live"]])
def test_help(capsys, command):
    code, out, err = run(capsys, *command, "--help")
    assert code == 0 and not err and out[0].startswith(" ".join(["usage: python -m fkd_helpers", *command]))


@pytest.mark.parametrize(
    "arguments, message",
    [
        ("", "required: SUBCOMMAND"),
        ("predic", "invalid choice: 'predic' .*predict"),
        ("train --epochs ten", "--epochs: invalid int value: 'ten'"),
        ("train --config keypoint68", "unknown config 'keypoint68': did you mean 'keypoints68'"),
        ("train --data pupets", "unknown data set 'pupets': did you mean 'puppets'"),
        ("train --data ytf", "'ytf' is not, or not whole, in .*run `make data`"),
        ("train --data no/where", "unknown data set 'no/where'"),
        ("evaluate --data puppets --part tset", "unknown part 'tset': did you mean 'test'"),
        ("evaluate --data puppets --model none.onnx", r"none\.onnx: no such model file"),
    ],
)
def test_what_cannot_begin_leaves_nothing(capsys, place, arguments, message):
    refused(capsys, *arguments.split(), message=message)
    assert left(place) == []


HEADER = ",".join(["name", *map(str, range(136))])


@pytest.mark.parametrize(
    "content, message",
    [
        ("", "labels.csv: not a label table"),
        (f"{HEADER}\na.png,left" + ",1" * 135, "column 0: expected a number, got 'left'"),
        ("name,0,1,2,3\na.png,1,2,3,4", "a model of 2 keypoints, this one gives 68"),
        (f"{HEADER}\na.png," + ",1" * 135, "scoring needs faces with all keypoints, got 1 faces with missing ones"),
    ],
)
def test_tables_that_cannot_be_scored(capsys, place, content, message):
    (place / "labels.csv").write_text(content)
    Image.new("RGB", (9, 9)).save(place / "a.png")
    refused(capsys, "evaluate", "--data", ".", "--part", "all", message=message)
    assert left(place) == ["a.png", "labels.csv"]


def test_bad_rows_are_warned_of_and_the_rest_is_scored(capsys, place):
    write_classic(load("puppets", n=8)[[0, 1, 2, 3]], place / "mine")
    table = place / "mine" / "training_frames_keypoints.csv"
    lines = table.read_text().splitlines()
    table.write_text("\n".join([*lines[:2], "none.png" + ",1" * 136, *lines[2:]]))
    shown = warnings.showwarning
    code, out, err = run(capsys, "evaluate", "--data", "mine", "--part", "all", "--out", "scores")
    assert code == 0 and out[0].startswith("NME 0.")
    assert warnings.showwarning is shown  # our short form of warnings ends with the command
    assert len(err) == 1 and re.search("warning: .*1 rows left out, first: .*none.png: no such file", err[0])
    (record,) = records.find("evaluation", folder=place / "scores")
    assert record["scores"]["faces"] == 4 and record["data"] == "mine"


def test_the_bad_ones_of_a_batch_are_reported_and_the_rest_go_on(capsys, place):
    photos = place / "photos"
    photos.mkdir()
    (place / "empty").mkdir()
    write_photo(photos / "astronaut.png", skimage.data.astronaut())
    (photos / "hopper.jpg").write_bytes(matplotlib.cbook.get_sample_data("grace_hopper.jpg").read())
    (photos / "cut.jpg").write_bytes((photos / "hopper.jpg").read_bytes()[:20_000])
    (photos / "text.png").write_text("not a photo")
    write_photo(photos / "dot.png", np.zeros((1, 1, 3), np.uint8))
    code, out, err = run(capsys, "predict", "empty", photos, "none.jpg", "--json", "--out", "drawn")
    assert code == 2
    assert err.pop() == "pictures: drawn"
    expected = [
        ("empty", "no photo in this folder"), (photos / "cut.jpg", "damaged"), (photos / "dot.png", "no face found"),
        (photos / "text.png", "not an image"), ("none.jpg", "no such file"),
    ]  # fmt: skip
    for line, (name, message) in zip(err, expected, strict=True):
        assert line.startswith(f"predict: {name}: {message}")
    found = {Path(entry["photo"]).name: entry["faces"] for entry in map(json.loads, out)}
    assert {name: len(faces) for name, faces in found.items()} == {"astronaut.png": 1, "hopper.jpg": 1}
    assert np.shape(found["hopper.jpg"][0]["keypoints"]) == (68, 2)
    assert {"drawn/astronaut.png", "drawn/hopper.png"} <= set(left(place))
    assert not [name for name in left(place) if "partial" in name]


FULL = OSError(errno.ENOSPC, "No space left on device", "runs/last.pt")


@pytest.mark.parametrize("error, code, message", [(FULL, 2, r"train: runs/last\.pt: No space left on device"),
                                                  (KeyboardInterrupt, 130, "train: interrupted")])  # fmt: skip
def test_what_ends_a_command_is_one_line_and_a_fault_of_ours_a_traceback(capsys, monkeypatch, error, code, message):
    monkeypatch.setattr(keypoints, "KeypointsTask", Mock(side_effect=error))
    ended, _, err = run(capsys, "train")
    assert ended == code and len(err) == 1 and re.search(message, err[0])
    monkeypatch.setattr(keypoints, "KeypointsTask", Mock(side_effect=ValueError("a fault")))
    with pytest.raises(ValueError, match="a fault"):
        cli.main(["train"])
