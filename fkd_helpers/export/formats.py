"""Write a trained network as ONNX (32 bits, 16 bits stored, int8) and as a program of torch.export."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import nn

from fkd_helpers import nets
from fkd_helpers.core.errors import InputError, unknown
from fkd_helpers.core.files import whole_file
from fkd_helpers.export.quantise import METHODS, write_int8
from fkd_helpers.expressions.model import NETS as EXPRESSION_NETS
from fkd_helpers.expressions.model import ExpressionNet, WithShares
from fkd_helpers.expressions.reader import SIZE
from fkd_helpers.nets.weights import check_opset, store_half, to_onnx, to_program
from fkd_helpers.predict.runtime import model_path, open_exported

FORMATS = {"onnx": "{}.onnx", "torch": "{}.pt2", "fp16": "{}-fp16.onnx", "int8": "{}-int8.onnx"}  # names of the files
OUTPUTS = {"keypoints": ["keypoints", "scores"], "expressions": ["shares", "scales"]}
BATCH = 64


@dataclass(frozen=True, eq=False)
class Source:
    """A network to export."""

    name: str
    path: Path
    kind: str  # "keypoints" or "expressions"
    shape: tuple[int, int, int]  # of one image: channels, size, size
    outputs: int  # number of keypoints or expressions
    facts: dict[str, str] = field(default_factory=dict)  # header of its file, which goes into every export
    network: nn.Module | None = None  # None where there is only an ONNX file

    def onnx(self, opset: int | None = None):
        """Return the network as an ONNX program with 32 bits."""
        if self.network is not None:
            return to_onnx(self.network, self.shape, OUTPUTS[self.kind], opset=opset, facts=self.facts)
        import onnx  # slow

        program = _widened(onnx.load(self.path))
        if opset is not None:
            program = onnx.version_converter.convert_version(program, opset)
        onnx.helper.set_model_props(program, self.facts)
        return program


def _widened(program):
    """Return an ONNX program whose weights were stored with 16 bits (`store_half`) with 32 bits."""
    from onnx import TensorProto, numpy_helper  # slow

    halves = {value.name: value for value in program.graph.initializer if value.data_type == TensorProto.FLOAT16}
    for cast in [node for node in program.graph.node if node.op_type == "Cast" and node.input[0] in halves]:
        half = halves[cast.input[0]]
        half.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(half).astype(np.float32), cast.output[0]))
        program.graph.node.remove(cast)
    return program


def source_of(model: str | Path) -> Source:
    """Return the network of a name that we ship, or of a path to .safetensors or .onnx."""
    try:
        path = model_path(model, ".safetensors")
    except InputError:
        path = model_path(model)
    if path.suffix == ".onnx":
        return _from_onnx(path)
    if path.suffix != ".safetensors":
        raise InputError(f"{path}: expected a network with 32 bits to start from (.safetensors or .onnx)")
    _, facts = nets.weights.read(path)
    if facts.get("net") in EXPRESSION_NETS:
        size, classes = int(facts.get("size", SIZE)), int(facts.get("classes", 8))
        network = nets.load_weights(ExpressionNet(facts["net"], classes=classes), path)
        return Source(path.stem, path, "expressions", (3, size, size), classes, facts, WithShares(network).eval())
    network = nets.load(path)
    facts, size = network.facts, int(network.facts["size"])
    whole = nets.WithKeypoints(network).eval()
    return Source(path.stem, path, "keypoints", (1, size, size), int(facts["keypoints"]), facts, whole)


def _from_onnx(path):
    import onnx  # slow

    _, taken, given, facts = open_exported(path)
    if any(node.op_type == "DequantizeLinear" for node in onnx.load(path).graph.node):
        raise InputError(f"{path}: is int8 already; expected a network with 32 bits (.safetensors or .onnx)")
    if len(taken) == 4 and (taken[1], len(given)) == (1, 3):
        return Source(path.stem, path, "keypoints", taken[1:], given[1], facts)
    if len(taken) == 4 and (taken[1], len(given)) == (3, 2):
        return Source(path.stem, path, "expressions", taken[1:], given[-1], facts)
    raise InputError(f"{path}: expected a network of keypoints or of expressions, got {list(taken)} to {given}")


def answering(source: Source, path: Path | None = None) -> Callable[[np.ndarray], np.ndarray]:
    """Return the network, or a file of it, as a function to keypoints (n, k, 2) or to shares and scales (n, k + 2)."""

    def by_torch(images):
        with torch.inference_mode():
            return tuple(value.numpy() for value in source.network(torch.from_numpy(images)))

    function = by_torch if path is None and source.network is not None else open_exported(path or source.path).function

    def run(images):
        outputs = [function(images[i : i + BATCH]) for i in range(0, len(images), BATCH)]
        return np.concatenate([out[0] if source.kind == "keypoints" else np.concatenate(out, 1) for out in outputs])

    return run


def checked(source: Source, formats: Sequence[str] | None, opset: int | None, method: str) -> list[str]:
    """Return the formats to write, in the order of FORMATS; the impossible is refused before anything is written."""
    check_opset(opset)
    if method not in METHODS:
        raise unknown("method", method, METHODS)
    for name in formats or ():
        if name not in FORMATS:
            raise unknown("format", name, FORMATS)
    if formats and "torch" in formats and source.network is None:
        raise InputError(f"format 'torch': needs the weights as .safetensors, {source.name} is there as .onnx only")
    wanted = formats or [name for name in FORMATS if name != "torch" or source.network is not None]
    return [name for name in FORMATS if name in wanted]


def write_formats(
    source: Source, folder: Path, formats: list[str], calibration: np.ndarray | None, opset: int | None, method: str
) -> dict[str, Path]:
    """Write a network in some formats and return the files by format."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {name: folder / FORMATS[name].format(source.name) for name in formats}
    if source.path.resolve() in {path.resolve() for path in paths.values()}:
        raise InputError(f"{source.path.name}: would be written over itself; name another folder")
    if "torch" in paths:
        with whole_file(paths["torch"]) as partial, partial.open("wb") as stream:
            header = {"facts.json": json.dumps(source.facts)}
            torch.export.save(to_program(source.network, source.shape), stream, extra_files=header)
    program = source.onnx(opset) if set(paths) - {"torch"} else None
    if "onnx" in paths:
        _save_checked(program, paths["onnx"])
    if "int8" in paths:
        write_int8(program, paths["int8"], calibration, method=method)
    if "fp16" in paths:  # last: it changes the program
        _save_checked(store_half(program), paths["fp16"])
    return paths


def _save_checked(program, path):
    """Write an ONNX file that the runtime can open."""
    with whole_file(path) as partial:
        partial.write_bytes(program.SerializeToString())
        try:
            open_exported(partial)
        except InputError as error:
            opset = next(entry.version for entry in program.opset_import if not entry.domain)
            raise InputError(f"opset {opset}: the runtime here cannot open it ({error}); try a lower one") from None
