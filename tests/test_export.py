"""Each exported file gives the original's predictions; int8 costs next to nothing; bad input is named."""

import json

import numpy as np
import pytest

from fkd_helpers import cli, nets
from fkd_helpers.data import load, write_classic
from fkd_helpers.export import FORMATS, formats
from fkd_helpers.predict import load_runner
from fkd_helpers.predict.runtime import WEIGHTS

pytestmark = pytest.mark.slow
CROPS = np.random.default_rng(0).random((3, 1, 112, 112), np.float32)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder with the shipped network in every format, and the record of the command that wrote it."""
    faces, folder = tmp_path_factory.mktemp("faces"), tmp_path_factory.mktemp("export")
    write_classic(load("puppets", n=60), faces)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(formats, "ROUNDS", 1)
        assert cli.main(["export", "--data", str(faces), "--out", str(folder)]) == 0
    return folder, json.loads((folder / "export-small.json").read_text())


def test_every_format_predicts_as_the_original(made):
    folder, record = made
    rows = {row["format"]: row for row in record["rows"]}
    assert list(rows) == ["original", *FORMATS]
    limits = {"onnx": 0.01, "fp16": 0.05, "int8": 2}  # pixels of a crop of 112, the worst keypoint
    for name, limit in limits.items():
        assert rows[name]["difference_max"] < limit, name
        assert abs(rows[name]["scores"]["nme"] - rows["original"]["scores"]["nme"]) < 0.001, name
    assert 0 < rows["int8"]["difference_mean"] < 0.25
    sizes = {name: (folder / rows[name]["file"]).stat().st_size for name in FORMATS}
    assert sizes["int8"] < 0.4 * sizes["onnx"] and sizes["fp16"] < 0.55 * sizes["onnx"]


def test_every_file_runs_as_a_model_with_any_number_of_faces(made):
    wanted = load_runner("small")(CROPS)
    for name, text in FORMATS.items():
        runner = load_runner(made[0] / text.format("small"))
        keypoints, scores = runner(CROPS)
        assert np.abs(scores - wanted[1]).max() < 0.1 and keypoints.shape == (3, 68, 2), name
        assert (runner.size, runner.min_score, runner.keypoints) == (112, 0.11, 68), "the header came along"
        assert b'File "/' not in (made[0] / text.format("small")).read_bytes(), "a path of this machine"
        np.testing.assert_allclose(runner(CROPS[:1])[0], keypoints[:1], atol=1e-3)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ("--formats onxx", "unknown format 'onxx': did you mean 'onnx'"),
        ("--model {small}.onnx", "small.onnx: expected the weights of a training (.safetensors)"),
        ("--model {hand}", "puppets: expected faces of 5 keypoints, as the network gives, got 68"),
    ],
)
def test_bad_input_is_one_line(arguments, message, tmp_path, capsys, monkeypatch):
    hand = nets.save_weights(nets.build("small", 5), tmp_path / "hand.safetensors")
    monkeypatch.chdir(tmp_path)
    assert cli.main(["export", *arguments.format(small=WEIGHTS / "small", hand=hand).split()]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not list(tmp_path.rglob("*.onnx"))
