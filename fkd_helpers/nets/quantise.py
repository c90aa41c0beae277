"""Fewer bits a weight: 16-bit storage and int8 arithmetic of ONNX networks. Built in notebook 08."""

import contextlib
import functools
import io
import logging
import tempfile
from pathlib import Path

import numpy as np

from fkd_helpers.core.errors import InputError
from fkd_helpers.core.files import whole_file

SMALL = 256  # values; a tensor below that is not worth a cast
METHODS = {"minmax": "MinMax", "percentile": "Percentile", "entropy": "Entropy"}  # as ONNX Runtime calls them
BATCH = 8  # calibration images at once
INSTRUCTIONS = ("avx2", "avx512f", "avx_vnni", "avx512_vnni", "amx_int8", "asimddp", "i8mm")  # asimddp: ARM
INT8 = "int8_of"  # this key of a file's metadata names the file with 32 bits that it was made of


def store_half(program):
    """Let the weights of an ONNX program be stored with 16 bits, and return it.

    They are widened as the model is loaded, and computed with in 32: half the size, the same speed.
    """
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for value in program.graph.initializer:
        array = numpy_helper.to_array(value)
        if array.dtype != np.float32 or array.size < SMALL:
            continue
        name = value.name
        value.CopyFrom(numpy_helper.from_array(array.astype(np.float16), f"{name}_half"))
        casts.append(helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT))
    _set_nodes(program, [*casts, *program.graph.node])
    return program


def store_whole(program):
    """Undo `store_half`, but for the digits that are gone, and return the program."""
    from onnx import numpy_helper

    halves = {value.name: value for value in program.graph.initializer if value.name.endswith("_half")}
    kept = []
    for node in program.graph.node:
        if node.op_type == "Cast" and node.input[0] in halves:
            value = halves[node.input[0]]
            array = numpy_helper.to_array(value).astype(np.float32)
            value.CopyFrom(numpy_helper.from_array(array, node.output[0]))
        else:
            kept.append(node)
    _set_nodes(program, kept)
    return program


def _set_nodes(program, nodes):
    nodes = list(nodes)
    del program.graph.node[:]
    program.graph.node.extend(nodes)


def float_nodes(program) -> list[str]:
    """Return the names of the nodes that keep 32 bits: up to the first convolution, and after the last.

    The first has a channel or three to sum over, too few for int8 to be faster, and every error there goes through the
    whole network. What follows the last (softmax, mean position) turns small errors of large values into pixels.
    """
    nodes = list(program.graph.node)
    convolutions = [i for i, node in enumerate(nodes) if node.op_type == "Conv"]
    if not convolutions:
        raise InputError("int8: expected a network of convolutions, got one without")
    first, last = convolutions[0], convolutions[-1]
    return [node.name for i, node in enumerate(nodes) if i <= first or i > last]


def quantise(program, path: str | Path, images: np.ndarray, *, method: str = "percentile", of: str = "") -> Path:
    """Write an ONNX program with int8 weights and activations (QDQ), and return the path.

    Weights have a scale a channel; the ranges of the activations are those that training crops `images` (n, c, size,
    size) float32 in 0..1 show. See `float_nodes` for what keeps 32 bits.

    method: of METHODS, how a range is found: "percentile" (99.999 % of the values), "minmax" (all of them) or "entropy"
    of: the name of the same network with 32 bits, which runs instead where int8 is not exact

    Source: Jacob et al., Quantization and Training of Neural Networks, 2018.

    Raises:
        InputError: fewer images than a batch, or a network without convolutions.
    """
    import onnx
    from onnxruntime import quantization

    if len(images) < BATCH:
        raise InputError(f"int8: expected at least {BATCH} training crops to calibrate with, got {len(images)}")
    name = program.graph.input[0].name

    class Crops(quantization.CalibrationDataReader):
        def __len__(self):
            return len(images) // BATCH

        def set_range(self, start_index, end_index):
            self.places = iter(range(start_index, end_index))

        def get_next(self):
            place = next(self.places, None)
            return None if place is None else {name: images[BATCH * place : BATCH * (place + 1)]}

    path = Path(path)
    with tempfile.TemporaryDirectory() as place, _quiet():
        given, made = Path(place) / "given.onnx", Path(place) / "made.onnx"
        given.write_bytes(program.SerializeToString())
        quantization.quantize_static(
            given, made, Crops(), quant_format=quantization.QuantFormat.QDQ, per_channel=True,
            activation_type=quantization.QuantType.QUInt8, weight_type=quantization.QuantType.QInt8,
            calibrate_method=quantization.CalibrationMethod[METHODS[method]], nodes_to_exclude=float_nodes(program),
            extra_options={"CalibStridedMinMax": 1},  # batch by batch, or all activations of all images fill the memory
        )  # fmt: skip
        answer = onnx.load(made)
    answer.metadata_props.add(key=INT8, value=of)
    with whole_file(path) as partial:
        partial.write_bytes(answer.SerializeToString())
    return path


@contextlib.contextmanager
def _quiet():
    """Let the quantiser, which prints and advises, be silent."""
    logger, level = logging.getLogger(), logging.getLogger().level
    logger.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logger.setLevel(level)


def original_of(path: str | Path) -> str | None:
    """Return the name of the file with 32 bits that an ONNX file of int8 was made of; None for any other file."""
    import onnx

    try:
        facts = {fact.key: fact.value for fact in onnx.load(path, load_external_data=False).metadata_props}
    except Exception:  # whatever is damaged in it, it names no other
        return None
    return facts.get(INT8)


@functools.cache
def int8_is_exact() -> bool:
    """Tell whether this processor multiplies int8 without overflow: with VNNI, AMX or ARM's dot product it does.

    Older x86 processors add pairs of products in 16 bits, where 2 x 255 x 127 has no room; ONNX Runtime lets that pass.
    The product is tried, which tells more than a name of the processor does.
    """
    import onnxruntime
    from onnx import TensorProto, helper

    ends = [helper.make_tensor_value_info(*value) for value in (
        ("a", TensorProto.UINT8, [64, 64]), ("b", TensorProto.INT8, [64, 64]), ("c", TensorProto.INT32, [64, 64]),
    )]  # fmt: skip
    graph = helper.make_graph([helper.make_node("MatMulInteger", ["a", "b"], ["c"])], "product", ends[:2], ends[2:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    a, b = np.full((64, 64), 255, np.uint8), np.full((64, 64), 127, np.int8)
    return bool((session.run(None, {"a": a, "b": b})[0] == 64 * 255 * 127).all())


def cpu_instructions() -> list[str] | None:
    """Return which of INSTRUCTIONS this processor has, where Linux tells; None elsewhere."""
    try:
        words = set(Path("/proc/cpuinfo").read_text(encoding="utf-8").split())
    except OSError:
        return None
    return [name for name in INSTRUCTIONS if name in words]
