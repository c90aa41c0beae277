"""Each exported file gives the original's predictions; int8 costs next to nothing; what cannot be exported is said."""

import functools
import json

import numpy as np
import pytest
import torch

from fkd_helpers import cli, nets
from fkd_helpers.data import load, write_classic
from fkd_helpers.export import FORMATS, export, source_of
from fkd_helpers.expressions.data import load_expressions
from fkd_helpers.expressions.model import ExpressionNet, export_expressions
from fkd_helpers.expressions.reader import ExpressionReader
from fkd_helpers.predict import load_runner
from fkd_helpers.predict.runtime import WEIGHTS

pytestmark = pytest.mark.slow
CROPS = np.random.default_rng(0).random((3, 1, 112, 112), np.float32)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder with the shipped network in every format, and the record of the command that wrote it."""
    faces, folder = tmp_path_factory.mktemp("faces"), tmp_path_factory.mktemp("export")
    write_classic(load("puppets", n=60), faces)
    options = {"data": faces, "rounds": 1, "out": folder, "record": folder}
    assert cli.main(["export", *(f"--{name}={value}" for name, value in options.items())]) == 0
    return folder, json.loads((folder / "export-small.json").read_text())


def test_every_format_predicts_as_the_original(made):
    folder, record = made
    rows = {row["format"]: row for row in record["rows"]}
    assert list(rows) == ["original", *FORMATS]
    limits = {"onnx": 0.01, "torch": 0.01, "fp16": 0.05, "int8": 2}  # pixels of a crop of 112, the worst keypoint
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
        assert (runner.size, runner.min_score, runner.keypoints) == (112, 0.1, 68), "the header came along"
        assert b'File "/' not in (made[0] / text.format("small")).read_bytes(), "a path of this machine"
        np.testing.assert_allclose(runner(CROPS[:1])[0], keypoints[:1], atol=1e-3)


@pytest.fixture
def few_expressions(monkeypatch):
    """Puppets with expressions, and noise for their crops."""
    few = functools.partial(load_expressions, "puppets", n=80)
    monkeypatch.setattr("fkd_helpers.export.compare.load_expressions", lambda _, classes: few(classes=classes))
    monkeypatch.setattr("fkd_helpers.export.compare.face_crops", lambda part, size: np.stack(
        [np.random.default_rng(i).integers(0, 256, (size + 32, size + 32, 3), np.uint8) for i in range(len(part))]
    ))  # fmt: skip


def test_an_expression_network_is_exported_from_its_onnx_file(few_expressions, tmp_path):
    torch.manual_seed(0)
    given = export_expressions(ExpressionNet("encoder").eval(), tmp_path / "mood.onnx")
    source = source_of(given)
    assert (source.kind, source.shape, source.outputs) == ("expressions", (3, 112, 112), 8)
    rows = {row["format"]: row for row in export(model=given, out=tmp_path / "made", rounds=1)["rows"]}
    assert list(rows) == ["original", "onnx", "fp16", "int8"]
    for name, limit in {"onnx": 1e-4, "fp16": 1e-4, "int8": 0.2}.items():
        assert rows[name]["difference_max"] < limit, name
    assert set(rows["int8"]["scores"]) == {"accuracy", "valence_rmse", "arousal_rmse"}
    (_, again) = export(model=tmp_path / "made" / "mood-fp16.onnx", out=tmp_path, formats="onnx", rounds=1)["rows"]
    crops = np.random.default_rng(0).integers(0, 256, (2, 112, 112, 3), np.uint8)
    wide = ExpressionReader(tmp_path / again["file"]).run(crops)
    np.testing.assert_allclose(wide, ExpressionReader(given).run(crops), atol=1e-3)


def test_an_expression_network_of_a_run_becomes_a_program(few_expressions, tmp_path):
    torch.manual_seed(0)
    net = ExpressionNet("encoder", classes=7).eval()
    weights = nets.save_weights(net, tmp_path / "encoder.safetensors", net="encoder", size=96, classes=7)
    export(model=weights, out=tmp_path, formats="torch", rounds=1)
    reader = ExpressionReader(tmp_path / "encoder.pt2")
    predictions = reader.run(np.zeros((3, 96, 96, 3), np.uint8))
    assert reader.size == 96 and predictions.shape == (3, 9) and np.allclose(predictions[:, :7].sum(1), 1)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ("--formats onxx", "unknown format 'onxx': did you mean 'onnx'"),
        ("--formats torch --model {small}.onnx", "format 'torch': needs the weights as .safetensors, got small.onnx"),
        ("--rounds 0", "rounds: expected at least 1"),
        ("--model {small}.onnx --out {weights} --formats onnx", "small.onnx: would be written over itself"),
        ("--model {hand}", "puppets: expected faces of 5 keypoints, as the network gives, got 68"),
    ],
)
def test_bad_input_is_one_line(arguments, message, tmp_path, capsys, monkeypatch):
    hand = nets.save_weights(nets.build("small", 5), tmp_path / "hand.safetensors")
    monkeypatch.chdir(tmp_path)
    assert cli.main(["export", *arguments.format(small=WEIGHTS / "small", weights=WEIGHTS, hand=hand).split()]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not list(tmp_path.rglob("*.onnx"))
