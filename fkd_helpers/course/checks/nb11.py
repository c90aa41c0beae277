"""Checks of the exercises of notebook 11."""

import io
import tempfile
from pathlib import Path

import numpy as np
from onnx import parser, save
from PIL import Image

from fkd_helpers.course.exercises import register

MODEL = """<ir_version: 9, opset_import: ["" : 18]>
net (float[{batch}, 1, 4, 4] {name}) => (float[{batch}, 3, 2] keypoints)
<float[16, 6] weights = {{{weights}}}, float[6] bias = {{{bias}}}, int64[3] shape = {{-1, 3, 2}}> {{
  pixels = Flatten ({name})
  flat = Gemm (pixels, weights, bias)
  keypoints = Reshape (flat, shape)
}}"""


def _differing(largest_difference, *nets):
    """Ask with files of two nets, (name of the input, move of the second point, batch)."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{i}.onnx" for i in range(2)]
        for path, (name, weights, bias, batch) in zip(paths, nets, strict=True):
            lists = {"weights": ", ".join(map(str, weights.ravel())), "bias": ", ".join(map(str, bias))}
            save(parser.parse_model(MODEL.format(name=name, batch=batch, **lists)), path)
        return largest_difference(*paths, IMAGES)


def _given(calibration_reader, *arguments):
    """Return the first pixel of each image in the order given, -1 after each batch, -2 for None."""
    reader, seen = calibration_reader(*arguments), []
    for _ in range(6):
        answer = reader.get_next()
        seen += [-2] if answer is None else [*answer[arguments[1]][:, 0, 0, 0].tolist(), -1]
    return seen


def _status(status_for, kind, body, most_pixels):
    return status_for(kind, body, 10_000, most_pixels)


def _encoded(width, height, kind):
    file = io.BytesIO()
    Image.new("L", (width, height)).save(file, kind)
    return file.getvalue()


RNG = np.random.default_rng(0)
W, IMAGES = RNG.normal(size=(16, 6)).round(3), RNG.random((5, 1, 4, 4)).astype(np.float32)
IMAGES[:, 0, 0, 0] = [0, 0, 0, 0, 1]  # one of them has a light first pixel
LAST = W.copy()
LAST[0, 2:4] += 3, 4
ZERO = [0] * 6
NET = "images", W, ZERO, "n"
BATCHES = np.arange(7, dtype=np.float32).reshape(7, 1, 1, 1)
JPEG, PNG = _encoded(40, 30, "JPEG"), _encoded(400, 300, "PNG")

CASES = {
    "largest_difference": [
        ("two files that predict the same, with inputs of different names", (NET, ("crops", W, ZERO, "n")), 0),
        ("a keypoint that is moved by (3, 4) in every image", (NET, ("images", W, [0, 0, 3, 4, 0, 0], "n")), 5),
        ("a batch of one, and a keypoint that differs in the last image only", (NET, ("x", LAST, ZERO, 1)), 5),
    ],
    "through_int8": [
        ((np.array([-0.5, 0.0, 0.004, 0.006]), -1.28, 1.27), [-0.5, 0, 0, 0.01]),
        ((np.array([-5.0, 5.0]), -1.28, 1.27), [-1.28, 1.27]),
        ((np.array([0.0, 0.26, 1.02]), 0.0, 1.02), [0, 0.26, 1.02], 1e-3),
        ("zero stays zero, whatever the range", (np.zeros(1), -0.3, 1.0), [0], 1e-9),
    ],
    "calibration_reader": [
        ("7 images in batches of 2 (-1 ends a batch, -2 is None)", (BATCHES, "images", 2),
         [0, 1, -1, 2, 3, -1, 4, 5, -1, 6, -1, -2, -2]),
        ("a batch larger than all, another name", (BATCHES[:3], "crops", 8), [0, 1, 2, -1, -2, -2, -2, -2, -2]),
        ("no image at all", (BATCHES[:0], "images", 2), [-2] * 6),
    ],
    "status_for": [
        ("a photo of exactly as many pixels as allowed", ("image/jpeg", JPEG, 1200), 200),
        ("a photo that says it is a text", ("text/plain", JPEG, 2000), 415),
        ("a text that says it is a photo", ("image/jpeg", b"hello", 2000), 400),
        ("many zeros", ("image/jpeg", bytes(10_001), 2000), 413),
        ("too many pixels, and cut off: only the header may be read", ("image/png", PNG[:60], 2000), 413),
    ],
}  # fmt: skip
register("11", CASES, largest_difference=_differing, calibration_reader=_given, status_for=_status)
