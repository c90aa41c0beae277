"""Self-checks of the exercises of notebook 11."""

import io
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from fkd_helpers.course.exercises import exercise
from fkd_helpers.course.verdicts import Case, Verdict, is_stub, run


@exercise("11")
def largest_difference(function: Callable) -> Verdict:
    """Check exercise 1: the largest distance in pixels between the keypoints of two ONNX files."""
    rng = np.random.default_rng(0)
    weights, images = rng.normal(size=(16, 6)), rng.random((5, 1, 4, 4)).astype(np.float32)
    images[:, 0, 0, 0] = [0, 0, 0, 0, 1]  # one of them has a light first pixel
    moved, last = weights.copy(), weights.copy()
    last[0, 2:4] += 3, 4
    with tempfile.TemporaryDirectory() as folder:
        first, same, shifted, one = (Path(folder) / f"{name}.onnx" for name in ("first", "same", "shifted", "one"))
        _write_net(first, "images", weights)
        _write_net(same, "crops", moved)
        _write_net(shifted, "images", weights, [0, 0, 3, 4, 0, 0])
        _write_net(one, "x", last, batch=1)
        return run(function, [
            Case("two files that predict the same, with inputs of different names", (first, same, images), 0.0),
            Case("a keypoint that is moved by (3, 4) in every image", (first, shifted, images), 5.0),
            Case("a batch of one, and a keypoint that differs in the last image only", (first, one, images), 5.0),
            Case("the same two, the other way round", (one, first, images), 5.0),
        ])  # fmt: skip


def _write_net(path, name, weights, bias=(0,) * 6, batch="n"):
    """Write an ONNX file: three keypoints that are linear in the pixels of an image of 4x4."""
    from onnx import TensorProto, helper, numpy_helper, save  # slow

    values = {"w": np.float32(weights), "b": np.float32(bias), "s": np.array([-1, 3, 2]), "f": np.array([-1, 16])}
    nodes = [
        helper.make_node("Reshape", [name, "f"], ["flat"]), helper.make_node("MatMul", ["flat", "w"], ["product"]),
        helper.make_node("Add", ["product", "b"], ["sum"]), helper.make_node("Reshape", ["sum", "s"], ["keypoints"]),
    ]  # fmt: skip
    taken, given = (helper.make_tensor_value_info(title, TensorProto.FLOAT, [batch, *shape])
                    for title, shape in ((name, (1, 4, 4)), ("keypoints", (3, 2))))  # fmt: skip
    initial = [numpy_helper.from_array(value, title) for title, value in values.items()]
    opset = [helper.make_opsetid("", 18)]
    save(helper.make_model(helper.make_graph(nodes, "g", [taken], [given], initial), opset_imports=opset, ir_version=9),
         path)  # fmt: skip


@exercise("11")
def through_int8(function: Callable) -> Verdict:
    """Check exercise 2: what is left of values (n,) after eight bits over low..high."""
    even, skewed = np.array([-1.28, -0.5, 0.0, 0.004, 0.006, 1.27]), np.array([0.0, 0.1, 0.26, 1.02])
    return run(function, [
        Case("steps of 0.01 about zero", (even, -1.28, 1.27), [-1.28, -0.5, 0.0, 0.0, 0.01, 1.27]),
        Case("values beyond the range", (np.array([-5.0, 5.0]), -1.28, 1.27), [-1.28, 1.27]),
        Case("a range from zero up, as after ReLU", (skewed, 0.0, 1.02), [0.0, 0.1, 0.26, 1.02], 1e-3),
        Case("zero stays zero, whatever the range", (np.zeros(1), -0.3, 1.0), [0.0], 1e-9),
    ])  # fmt: skip


@exercise("11")
def calibration_reader(function: Callable) -> Verdict:
    """Check exercise 3: an object whose `get_next` gives all images in batches, then None."""
    images = np.arange(7, dtype=np.float32).reshape(7, 1, 1, 1)

    def given(images, name, batch):
        """Return the first pixel of each image in the order given, -1 after each batch, -2 for None."""
        reader = function(images, name, batch)
        if is_stub(reader):
            return reader
        seen = []
        for _ in range(6):
            answer = reader.get_next()
            seen += [-2] if answer is None else [*np.asarray(answer[name])[:, 0, 0, 0].tolist(), -1]
        return seen

    return run(given, [
        Case("7 images in batches of 2 (-1 ends a batch, -2 is None)", (images, "images", 2),
             [0, 1, -1, 2, 3, -1, 4, 5, -1, 6, -1, -2, -2]),
        Case("a batch larger than all, another name", (images[:3], "crops", 8), [0, 1, 2, -1, -2, -2, -2, -2, -2]),
        Case("no image at all", (images[:0], "images", 2), [-2] * 6),
    ])  # fmt: skip


@exercise("11")
def status_for(function: Callable) -> Verdict:
    """Check exercise 4: the HTTP status for a photo, from type, length and header."""
    photo, large = _encoded((40, 30), "JPEG"), _encoded((400, 300), "PNG")
    jpeg, png = "image/jpeg", "image/png"
    return run(function, [
        Case("a photo", (jpeg, photo, 10_000, 2000), 200),
        Case("a photo of exactly as many pixels as allowed", (jpeg, photo, 10_000, 1200), 200),
        Case("a text that says it is a text", ("text/plain", b"hello", 10_000, 2000), 415),
        Case("a photo that says it is a text", ("text/plain", photo, 10_000, 2000), 415),
        Case("a text that says it is a photo", (jpeg, b"hello", 10_000, 2000), 400),
        Case("no bytes at all", (jpeg, b"", 10_000, 2000), 400),
        Case("many zeros", (jpeg, bytes(10_001), 10_000, 2000), 413),
        Case("few bytes, but too many pixels", (png, large, 10_000, 2000), 413),
        Case("too many pixels, and cut off: only the header may be read", (png, large[:60], 10_000, 2000), 413),
    ])  # fmt: skip


def _encoded(size, kind):
    file = io.BytesIO()
    Image.new("L", size).save(file, kind)
    return file.getvalue()
