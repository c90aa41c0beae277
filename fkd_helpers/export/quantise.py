"""Int8 arithmetic of ONNX networks by ONNX Runtime's static quantisation."""

import contextlib
import io
import logging
import tempfile
from pathlib import Path

import numpy as np

from fkd_helpers.core.errors import InputError
from fkd_helpers.nets.weights import save_onnx

METHODS = {"minmax": "MinMax", "percentile": "Percentile", "entropy": "Entropy"}  # as ONNX Runtime calls them
BATCH = 8  # calibration images at once


def float_nodes(program) -> list[str]:
    """Return the names of the nodes that stay in 32 bits: up to the first convolution, and after the last.

    The first sums over one to three channels, too few for int8 to be faster, and its errors pass through the whole
    network. What follows the last (softmax, mean position) turns small errors of large values into pixels.
    """
    nodes = list(program.graph.node)
    convolutions = [i for i, node in enumerate(nodes) if node.op_type == "Conv"]
    if not convolutions:
        raise InputError("int8: expected a network of convolutions, got one without")
    return [node.name for i, node in enumerate(nodes) if i <= convolutions[0] or i > convolutions[-1]]


def write_int8(program, path: str | Path, images: np.ndarray, *, method: str = "percentile") -> Path:
    """Write an ONNX program with int8 weights and activations (QDQ).

    Weights have one scale per channel and 7 bits, with which processors without VNNI cannot overflow. Source: Jacob et
    al., Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference, 2018.

    Args:
        images: Training crops (n, c, size, size), float32 in 0..1, on which the ranges of the activations are measured.
        method: How a range is found: "percentile" (99.999 % of the values), "minmax" (all) or "entropy".
    """
    import onnx  # slow, like the quantiser
    from onnxruntime import quantization

    if len(images) < BATCH:
        raise InputError(f"int8: expected at least {BATCH} training crops to calibrate with, got {len(images)}")
    name = program.graph.input[0].name

    class Crops(quantization.CalibrationDataReader):
        def __len__(self):
            return len(images) // BATCH

        def set_range(self, start_index, end_index):
            self.batches = iter(range(start_index, end_index))

        def get_next(self):
            i = next(self.batches, None)
            return None if i is None else {name: images[BATCH * i : BATCH * (i + 1)]}

    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        given, made = Path(folder) / "given.onnx", Path(folder) / "made.onnx"
        given.write_bytes(program.SerializeToString())
        logging.disable(logging.WARNING)  # it advises to preprocess
        try:
            quantization.quantize_static(
                given, made, Crops(), quant_format=quantization.QuantFormat.QDQ, per_channel=True, reduce_range=True,
                activation_type=quantization.QuantType.QUInt8, weight_type=quantization.QuantType.QInt8,
                calibrate_method=quantization.CalibrationMethod[METHODS[method]], nodes_to_exclude=float_nodes(program),
                extra_options={"CalibStridedMinMax": 1},  # batch by batch: all activations together fill the memory
            )  # fmt: skip
        finally:
            logging.disable(logging.NOTSET)
        answer = onnx.load(made)
    onnx.helper.set_model_props(answer, {fact.key: fact.value for fact in program.metadata_props})
    return save_onnx(answer, path)
