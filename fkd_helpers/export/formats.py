"""Write a trained network as ONNX (32 bits, 16 bits stored, int8) and as a program of torch.export."""

import contextlib
import io
import json
import logging
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from fkd_helpers import nets
from fkd_helpers.core.errors import InputError, unknown
from fkd_helpers.core.files import whole_file
from fkd_helpers.expressions.model import NETS as EXPRESSION_NETS
from fkd_helpers.expressions.model import ExpressionNet, WithShares
from fkd_helpers.expressions.reader import SIZE
from fkd_helpers.nets.weights import save_onnx, store_half, to_onnx, to_program
from fkd_helpers.predict.runtime import model_path, open_exported

FORMATS = {"onnx": "{}.onnx", "torch": "{}.pt2", "fp16": "{}-fp16.onnx", "int8": "{}-int8.onnx"}  # names of the files
OUTPUTS = {"keypoints": ["keypoints", "scores"], "expressions": ["shares", "scales"]}
BATCH = 8  # calibration images at once


@dataclass(frozen=True, eq=False)
class Source:
    """A network to export."""

    path: Path
    kind: str  # "keypoints" or "expressions"
    shape: tuple[int, int, int]  # of one image: channels, size, size
    outputs: int  # number of keypoints or expressions
    facts: dict[str, str]  # header of its file, which goes into every export
    network: nn.Module | None = None  # None where there is only an ONNX file


def source_of(model: str | Path) -> Source:
    """Return the network of a name that we ship, or of a path to .safetensors or .onnx."""
    try:
        path = model_path(model, ".safetensors")
    except InputError:
        path = model_path(model)
    if path.suffix == ".onnx":
        _, taken, given, facts = open_exported(path)
        kind, outputs = ("keypoints", given[1]) if len(given) == 3 else ("expressions", given[-1])
        return Source(path, kind, tuple(taken[1:]), outputs, facts)
    if path.suffix != ".safetensors":
        raise InputError(f"{path}: expected a network with 32 bits to start from (.safetensors or .onnx)")
    _, facts = nets.weights.read(path)
    if facts.get("net") in EXPRESSION_NETS:
        size, classes = int(facts.get("size", SIZE)), int(facts.get("classes", 8))
        network = WithShares(nets.load_weights(ExpressionNet(facts["net"], classes=classes), path)).eval()
        return Source(path, "expressions", (3, size, size), classes, facts, network)
    network = nets.load(path)
    facts, size = network.facts, int(network.facts["size"])
    network = nets.WithKeypoints(network).eval()
    return Source(path, "keypoints", (1, size, size), int(facts["keypoints"]), facts, network)


def chosen_formats(source: Source, formats: str | None) -> list[str]:
    """Return the formats that a list with commas names; None stands for all that the source allows."""
    possible = [name for name in FORMATS if name != "torch" or source.network is not None]
    wanted = formats.split(",") if formats else possible
    for name in wanted:
        if name not in FORMATS:
            raise unknown("format", name, FORMATS)
    if not set(wanted) <= set(possible):
        raise InputError(f"format 'torch': needs the weights as .safetensors, got {source.path.name}")
    return [name for name in FORMATS if name in wanted]


def write_formats(source: Source, folder: Path, formats: list[str], crops: np.ndarray) -> dict[str, Path]:
    """Write a network in some formats and return the files by format; `crops` calibrate int8."""
    paths = {name: folder / FORMATS[name].format(source.path.stem) for name in formats}
    if source.path.resolve() in {path.resolve() for path in paths.values()}:
        raise InputError(f"{source.path.name}: would be written over itself; name another folder")
    folder.mkdir(parents=True, exist_ok=True)
    if "torch" in paths:
        with whole_file(paths["torch"]) as partial, partial.open("wb") as stream:
            header = {"facts.json": json.dumps(source.facts)}
            torch.export.save(to_program(source.network, source.shape), stream, extra_files=header)
    program = _onnx(source) if set(paths) - {"torch"} else None
    if "onnx" in paths:
        save_onnx(program, paths["onnx"])
    if "int8" in paths:
        save_onnx(_to_int8(program, crops), paths["int8"])
    if "fp16" in paths:  # last: it changes the program
        save_onnx(store_half(program), paths["fp16"])
    return paths


def _onnx(source):
    """Return the network as an ONNX program with 32 bits."""
    if source.network is not None:
        return to_onnx(source.network, source.shape, OUTPUTS[source.kind], facts=source.facts)
    import onnx  # slow, like the quantiser
    from onnxruntime.quantization import shape_inference

    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "whole.onnx"
        shape_inference.quant_pre_process(source.path, whole, skip_symbolic_shape=True)  # widens 16 bits, too
        program = onnx.load(whole)
    onnx.helper.set_model_props(program, source.facts)
    return program


def _to_int8(program, crops):
    """Return an ONNX program with int8 weights and activations, calibrated on crops (n, c, size, size) in 0..1.

    Weights have one scale per channel and 7 bits, with which processors without VNNI cannot overflow. In 32 bits stay
    the nodes up to the first convolution, whose errors would pass through the whole network, and those after the last
    one, which turn small errors of large values into pixels. Source: Jacob et al., 2018, arXiv 1712.05877.
    """
    import onnx  # slow, like the quantiser
    from onnxruntime import quantization

    nodes, batches = list(program.graph.node), np.split(crops, range(BATCH, len(crops), BATCH))
    convolutions = [i for i, node in enumerate(nodes) if node.op_type == "Conv"]
    kept = [node.name for i, node in enumerate(nodes) if i <= convolutions[0] or i > convolutions[-1]]

    class Crops(quantization.CalibrationDataReader):
        def __len__(self):
            return len(batches)

        def set_range(self, start_index, end_index):
            self.batches = iter(batches[start_index:end_index])

        def get_next(self):
            batch = next(self.batches, None)
            return None if batch is None else {program.graph.input[0].name: batch}

    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        given, made = save_onnx(program, Path(folder) / "given.onnx"), Path(folder) / "made.onnx"
        logging.disable(logging.WARNING)  # it advises to preprocess
        quantization.quantize_static(
            given, made, Crops(), quant_format=quantization.QuantFormat.QDQ, per_channel=True, reduce_range=True,
            activation_type=quantization.QuantType.QUInt8, weight_type=quantization.QuantType.QInt8,
            calibrate_method=quantization.CalibrationMethod.Percentile, nodes_to_exclude=kept,
            extra_options={"CalibStridedMinMax": 1},  # batch by batch: all activations together fill the memory
        )  # fmt: skip
        logging.disable(logging.NOTSET)
        answer = onnx.load(made)
    onnx.helper.set_model_props(answer, {fact.key: fact.value for fact in program.metadata_props})
    return answer
