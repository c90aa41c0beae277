"""Each exported file gives the original's predictions; int8 costs next to nothing; what cannot be exported is said."""

import json

import numpy as np
import onnx
import pytest
import skimage.data
import torch

from fkd_helpers import cli, nets
from fkd_helpers.core.errors import InputError
from fkd_helpers.data import load, write_classic
from fkd_helpers.export import FORMATS, compare_files, export, source_of, trial_for, write_int8
from fkd_helpers.export.quantise import float_nodes
from fkd_helpers.expressions.data import load_expressions
from fkd_helpers.expressions.model import ExpressionNet, export_expressions
from fkd_helpers.expressions.reader import ExpressionReader
from fkd_helpers.predict import KeypointPredictor, load_runner
from fkd_helpers.predict.runtime import WEIGHTS

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """A folder of puppets in the classic layout."""
    folder = tmp_path_factory.mktemp("faces")
    write_classic(load("puppets", n=60), folder, parts=["training"] * 40 + ["test"] * 20)
    return folder


@pytest.fixture(scope="module")
def made(faces, tmp_path_factory):
    """The folder with the shipped network in every format, and the record of the command that wrote it."""
    folder = tmp_path_factory.mktemp("export")
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
    crops = np.random.default_rng(0).random((3, 1, 112, 112), np.float32)
    wanted = load_runner("small")(crops)
    for name, text in FORMATS.items():
        runner = load_runner(made[0] / text.format("small"))
        keypoints, scores = runner(crops)
        assert np.abs(scores - wanted[1]).max() < 0.1 and keypoints.shape == (3, 68, 2), name
        assert (runner.size, runner.min_score, runner.keypoints) == (112, 0.1, 68), "the header came along"
        assert b'File "/' not in (made[0] / text.format("small")).read_bytes(), "a path of this machine"
        np.testing.assert_allclose(runner(crops[:1])[0], keypoints[:1], atol=1e-3)


def test_the_shipped_onnx_file_predicts_as_the_shipped_weights():
    assert [node.op_type for node in onnx.load(WEIGHTS / "small.onnx").graph.node].count("MatMul") == 1
    crops = np.random.default_rng(0).random((2, 1, 112, 112), np.float32)
    ours, again = (load_runner(WEIGHTS / f"small.{suffix}")(crops) for suffix in ("onnx", "safetensors"))
    assert np.abs(ours[0] - again[0]).max() < 0.01 and np.abs(ours[1] - again[1]).max() < 1e-4


@pytest.mark.parametrize("picture", [skimage.data.coins, skimage.data.astronaut])
def test_a_network_given_by_its_path_has_the_threshold_of_its_name(made, picture):
    paths = [WEIGHTS / "small.onnx", WEIGHTS / "small.safetensors", made[0] / "small-int8.onnx"]
    counts = [len(KeypointPredictor(model)(picture())) for model in ("small", *paths)]
    assert len(set(counts)) == 1, counts


def test_the_ends_of_the_network_keep_32_bits(made):
    whole, small = (onnx.load(made[0] / name) for name in ("small.onnx", "small-int8.onnx"))
    kept = {node.op_type for node in whole.graph.node if node.name in float_nodes(whole)}
    assert kept == {"Mul", "Sub", "Conv", "Reshape", "Softmax", "MatMul", "ReduceMax"}
    weights = [v for v in small.graph.initializer if v.data_type == onnx.TensorProto.INT8 and len(v.dims) == 4]
    assert len(weights) == sum(node.op_type == "Conv" for node in whole.graph.node) - 1
    scales = {value.name: list(value.dims) for value in small.graph.initializer}
    of = {node.input[0]: scales[node.input[1]] for node in small.graph.node if node.op_type == "DequantizeLinear"}
    assert all(of[value.name] == [value.dims[0]] for value in weights), "one scale per channel"


@pytest.fixture(scope="module")
def expression_file(tmp_path_factory):
    torch.manual_seed(0)
    return export_expressions(ExpressionNet("encoder").eval(), tmp_path_factory.mktemp("expressions") / "mood.onnx")


def test_an_expression_network_is_exported_from_its_onnx_file(expression_file, tmp_path, monkeypatch):
    source = source_of(expression_file)
    assert (source.kind, source.shape, source.outputs) == ("expressions", (3, 112, 112), 8)
    monkeypatch.setattr("fkd_helpers.export.compare.load_expressions", lambda _: load_expressions("puppets", n=80))
    monkeypatch.setattr("fkd_helpers.export.compare.face_crops", lambda part, size: np.stack(
        [np.random.default_rng(i).integers(0, 256, (144, 144, 3), np.uint8) for i in range(len(part))]))  # fmt: skip
    paths = export(expression_file, tmp_path)
    assert list(paths) == ["onnx", "fp16", "int8"]
    rows = {row["format"]: row for row in compare_files(paths, source, trial_for(source), rounds=1)}
    for name, limit in {"onnx": 1e-4, "fp16": 1e-4, "int8": 0.2}.items():
        assert rows[name]["difference_max"] < limit, name
    assert set(rows["int8"]["scores"]) == {"accuracy", "valence_rmse", "arousal_rmse"}
    again = export(paths["fp16"], tmp_path / "wide", formats=["onnx"])["onnx"]
    crops = np.random.default_rng(0).integers(0, 256, (2, 112, 112, 3), np.uint8)
    wanted = ExpressionReader(expression_file).run(crops)
    for path, limit in ((again, 1e-3), (paths["int8"], 0.1)):
        np.testing.assert_allclose(ExpressionReader(path).run(crops), wanted, atol=limit)
    with pytest.raises(InputError, match="needs the weights as"):
        export(expression_file, tmp_path, formats=["torch"])
    with pytest.raises(InputError, match="would be written over itself"):
        export(expression_file, expression_file.parent, formats=["onnx"])


def test_an_expression_network_of_a_run_becomes_a_program(tmp_path):
    torch.manual_seed(0)
    net = ExpressionNet("encoder", classes=7).eval()
    weights = nets.save_weights(net, tmp_path / "encoder.safetensors", net="encoder", size=96, classes=7)
    reader = ExpressionReader(export(weights, tmp_path, formats=["torch"])["torch"])
    predictions = reader.run(np.zeros((3, 96, 96, 3), np.uint8))
    assert reader.size == 96 and predictions.shape == (3, 9) and np.allclose(predictions[:, :7].sum(1), 1)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ("--formats onxx", "unknown format 'onxx': did you mean 'onnx'"),
        ("--model smal", "unknown model 'smal': did you mean 'small'"),
        ("--opset 99 --formats onnx", "opset: expected 18 to"),
        ("--opset 9 --model expressions --formats onnx", "opset: expected 18 to"),
        ("--method guess", "unknown method 'guess'"),
        ("--data nothing", "unknown data set 'nothing'"),
        ("--rounds 0", "rounds: expected at least 1"),
    ],
)
def test_bad_input_is_one_line(arguments, message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["export", *arguments.split()]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not list(tmp_path.rglob("*.onnx"))


def test_an_opset_that_the_runtime_lacks_is_said_and_leaves_no_file(made, expression_file, tmp_path, monkeypatch):
    program = onnx.load(made[0] / "small.onnx")
    program.opset_import[0].version = 99
    monkeypatch.setattr("fkd_helpers.export.formats.Source.onnx", lambda *_: program)
    with pytest.raises(InputError, match="opset 99: the runtime here cannot open it"):
        export(expression_file, tmp_path, formats=["onnx"])
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_exported_or_read_is_said(made, tmp_path):
    damaged = tmp_path / "half.pt2"
    damaged.write_bytes((made[0] / "small.pt2").read_bytes()[:9999])
    with pytest.raises(InputError, match=r"half.pt2: not a whole program of torch.export"):
        load_runner(damaged)
    with pytest.raises(InputError, match="int8 already"):
        source_of(made[0] / "small-int8.onnx")
    program, three = onnx.load(made[0] / "small.onnx"), np.zeros((3, 1, 112, 112), np.float32)
    with pytest.raises(InputError, match="at least 8 training crops"):
        write_int8(program, tmp_path / "x.onnx", three)


def test_own_points_are_exported_with_their_header(tmp_path):
    weights = nets.save_weights(nets.build("small", 5), tmp_path / "hand.safetensors", mirror="[1, 0, 2, 4, 3]")
    for path in export(weights, tmp_path / "out", formats=["onnx", "torch", "fp16"]).values():
        runner = load_runner(path)
        assert runner.keypoints == 5 and runner.facts["mirror"] == "[1, 0, 2, 4, 3]"
        assert runner(np.zeros((2, 1, 112, 112), np.float32))[0].shape == (2, 5, 2)
    with pytest.raises(InputError, match="puppets: expected faces of 5 keypoints, as hand gives, got 68"):
        export(weights, tmp_path / "out", formats=["int8"])


def test_a_network_without_a_threshold_gets_one(tmp_path, faces):
    program = onnx.load(WEIGHTS / "small.onnx")
    del program.metadata_props[:]
    onnx.save(program, tmp_path / "plain.onnx")
    path = export(tmp_path / "plain.onnx", tmp_path / "out", formats=["int8"], data=faces)["int8"]
    assert load_runner(tmp_path / "plain.onnx").min_score is None and abs(load_runner(path).min_score - 0.1) < 0.02
