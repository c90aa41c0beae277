"""Checks of the exercises of notebooks 08 and 11: a live demo, and what a server runs."""

import tempfile
from pathlib import Path

import cv2
import ipywidgets
import numpy as np
from onnx import parser, save

from fkd_helpers.course.exercises import AtMost, ask, register


def _pressed(toggle_button, presses):
    calls, button = [], ipywidgets.Button(description="Record")
    answer = toggle_button(button, lambda: calls.append("begin"), lambda: calls.append("end"))
    for _ in range(presses):
        button.click()
    return f"calls: {', '.join(calls) or 'none'}; the button says {answer.description}"


def jitter_of(points: np.ndarray) -> float:
    """Return the mean length of the second difference of points (n, k, 2)."""
    return float(np.linalg.norm(np.diff(points, 2, axis=0), axis=-1).mean())


def _steadied(steady, points):
    return np.asarray(steady(points.copy(), 30, 100.0))  # frames per second, pixels of the face


def _jitter_left(steady):
    return jitter_of(_steadied(steady, REST)[30:]) / jitter_of(REST[30:])


def _later(steady):
    """Return by how much the first 60 answers change if 30 more frames follow."""
    return np.abs(_steadied(steady, PAN)[:60] - _steadied(steady, PAN[:60])).max()


EVEN = np.arange(6) * 0.04  # seconds
TAKEN, SHOWN = np.arange(5) / 10, np.array([0.06, 0.17, np.nan, 0.48, np.nan])  # two were dropped
RNG = np.random.default_rng(8)
REST = RNG.uniform(0, 100, (1, 10, 2)) + RNG.normal(0, 0.2, (90, 10, 2))
PAN = REST + np.arange(90)[:, None, None] * [1.0, 0.0]  # one pixel per frame to the right

register("08", {
    "latest_wins": [
        ((EVEN, 0.01), [0, 1, 2, 3, 4, 5]), ((EVEN, 0.05), [0, 1, 2, 3, 5]), ((EVEN, 0.13), [0, 3, 5]),
        ((np.array([0.0, 0.30, 0.31, 0.32]), 0.1), [0, 1, 3]), ((np.array([1.0, 1.05, 1.5]), 0.1), [0, 1, 2]),
    ],
    "toggle_button": [
        ("before the first press", (0,), "calls: none; the button says Record"),
        ("after 1 press", (1,), "calls: begin; the button says Stop recording"),
        ("after 2 presses", (2,), "calls: begin, end; the button says Record"),
        ("after 3 presses", (3,), "calls: begin, end, begin; the button says Stop recording"),
    ],
    "picture_age": [
        ((TAKEN, SHOWN, np.array([0.06, 0.1, 0.18])), [0.06, 0.1, 0.08]),
        ((TAKEN, SHOWN, np.array([0.3, 0.47, 0.5, 1.0])), [0.2, 0.37, 0.2, 0.7]),
        ((TAKEN, SHOWN, np.array([0.0, 0.05, 0.16])), [np.nan, np.nan, 0.16]),
        ((TAKEN, SHOWN * np.nan, np.array([0.2, 0.9])), [np.nan, np.nan]),
    ],
    "steady": [
        ("shape of the answer", (lambda steady: _steadied(steady, REST).shape,), REST.shape),
        ("share of the jitter that is left of a face at rest", (_jitter_left,), AtMost(1 / 3)),
        ("frames of delay on a pan", (lambda steady: (PAN - _steadied(steady, PAN))[30:, :, 0].mean(),), AtMost(1)),
        ("change of frames 0 to 59 if later frames come", (_later,), 0),
    ],
}, toggle_button=_pressed, steady=ask)  # fmt: skip

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


PIXELS = np.random.default_rng(0)
W, IMAGES = PIXELS.normal(size=(16, 6)).round(3), PIXELS.random((5, 1, 4, 4)).astype(np.float32)
IMAGES[:, 0, 0, 0] = [0, 0, 0, 0, 1]  # one of them has a light first pixel
LAST = W.copy()
LAST[0, 2:4] += 3, 4
ZERO = [0] * 6
NET = "images", W, ZERO, "n"
BATCHES = np.arange(7, dtype=np.float32).reshape(7, 1, 1, 1)
JPEG = cv2.imencode(".jpg", np.zeros((30, 40), np.uint8))[1].tobytes()
PNG = cv2.imencode(".png", np.zeros((300, 400), np.uint8))[1].tobytes()

register("11", {
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
        ("a photo of exactly as many pixels as allowed", ("image/jpeg", JPEG, 10_000, 1200), 200),
        ("a photo that says it is a text", ("text/plain", JPEG, 10_000, 2000), 415),
        ("a text that says it is a photo", ("image/jpeg", b"hello", 10_000, 2000), 400),
        ("many zeros", ("image/jpeg", bytes(10_001), 10_000, 2000), 413),
        ("too many pixels, and cut off: only the header may be read", ("image/png", PNG[:60], 10_000, 2000), 413),
    ],
}, largest_difference=_differing, calibration_reader=_given)  # fmt: skip
