"""Run a trained network behind one call, by ONNX Runtime or torch: float32 crops in, keypoints and scores out.

`runner(images)` takes (n, 1, size, size) float32 in 0..1 and returns keypoints (n, k, 2) in crop pixels and scores
(n, k): how peaked each keypoint's heatmap is, 1 where the network has none. `runner.size` is the side of the crops.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from fkd_helpers.boxes import CROP_SIZE
from fkd_helpers.errors import InputError, unknown

WEIGHTS = Path(__file__).parent / "weights"
SUFFIXES = {"onnx": ".onnx", "torch": ".safetensors"}
BATCH = 64  # crops at once; more only costs memory


class Runner:
    """A function from crops to keypoints, or to keypoints and scores, with the side of its crops in pixels."""

    def __init__(self, function: Callable, size: int = CROP_SIZE):
        self.function, self.size = function, size

    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        keypoints, scores = [], []
        for start in range(0, len(images), BATCH):
            output = self.function(images[start : start + BATCH])
            points, *rest = output if isinstance(output, tuple) else (output,)
            keypoints.append(np.asarray(points, np.float32))
            scores.append(np.asarray(rest[0] if rest else np.ones(keypoints[-1].shape[:2]), np.float32))
        return np.concatenate(keypoints), np.concatenate(scores)


def load_runner(
    model: object = "small", *, backend: str = "onnx", device: str = "cpu", threads: int = 1, size: int | None = None
) -> Runner:
    """Return the runner of a model.

    model: the name of a model we ship, a path to .onnx or .safetensors, a torch network, or a function such as a
        runner's own
    backend: "onnx" or "torch", for a name; a path's suffix decides for a path
    device: where torch runs: "cpu", "cuda", "mps"; ONNX Runtime runs on the CPU
    threads: of ONNX Runtime, for one batch; torch has its own setting for the whole process
    size: side of the crops in pixels; None asks the model

    Raises:
        InputError: unknown name or backend, no such file, or a file that is not a whole model of keypoints.
    """
    if not isinstance(model, str | Path):
        torch = sys.modules.get("torch")  # whoever holds a torch network has imported torch
        if torch is not None and isinstance(model, torch.nn.Module):
            return _from_module(model, device, size or CROP_SIZE)
        if not callable(model):
            came = type(model).__name__
            raise InputError(f"model: expected a name, a path, a torch network or a function, got {came}")
        return Runner(model, size or getattr(model, "size", CROP_SIZE))
    if backend not in SUFFIXES:
        raise unknown("backend", backend, SUFFIXES)
    path = model_path(model, SUFFIXES[backend])
    if path.suffix == ".onnx":
        return _from_onnx(path, threads, size)
    return _from_safetensors(path, device, size)


def model_path(model: str | Path, suffix: str = ".onnx") -> Path:
    """Return the file of a model by the name of one we ship, or by path.

    Raises:
        InputError: no such file, or an unknown name (the near one is suggested).
    """
    path = Path(model)
    if path.suffix in SUFFIXES.values():
        if not path.is_file():
            raise InputError(f"{path}: no such model file")
        return path
    shipped = {file.stem: file for file in WEIGHTS.glob(f"*{suffix}")}
    if str(model) in shipped:
        return shipped[str(model)]
    if path.exists():
        raise InputError(f"{path}: expected a model file ending in .onnx or .safetensors")
    raise unknown("model", str(model), shipped)


def onnx_session(path: str | Path, threads: int = 1):
    """Open an ONNX file with ONNX Runtime on the CPU, quietly, on so many threads.

    Raises:
        InputError: a file that is not a whole ONNX model.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime has a dozen types, which it does not export for catching
        raise InputError(f"{path}: not a whole ONNX model ({_first_line(error)})") from None


def _from_onnx(path, threads, size):
    session = onnx_session(path, threads)
    taken, given = session.get_inputs(), session.get_outputs()
    shape, answer = list(taken[0].shape), list(given[0].shape)
    if len(taken) != 1 or len(shape) != 4 or shape[1] != 1 or len(answer) != 3 or answer[-1] != 2:
        wanted = "expected a model from gray crops (n, 1, size, size) to keypoints (n, k, 2)"
        raise InputError(f"{path}: {wanted}, got {shape} to {answer}")
    name = taken[0].name
    side = shape[-1] if isinstance(shape[-1], int) else CROP_SIZE
    return Runner(lambda images: tuple(session.run(None, {name: images})), size or side)


def _from_safetensors(path, device, size):
    from safetensors import safe_open

    from fkd_helpers import models

    try:
        with safe_open(str(path), framework="numpy") as file:
            facts = file.metadata() or {}
    except Exception as error:  # safetensors raises its own type, which it does not export for catching
        raise InputError(f"{path}: not a whole safetensors file ({_first_line(error)})") from None
    kind = facts.get("net", path.stem)
    model = models.build(kind, **json.loads(facts.get("options", "{}")))
    return _from_module(models.load_weights(model, path), device, size or models.INPUT_SIZES[kind])


def _from_module(model, device, size):
    import torch

    from fkd_helpers.models import WithKeypoints

    try:
        whole = WithKeypoints(model).eval().to(device)
    except (RuntimeError, AssertionError) as error:  # torch's ways of saying that there is no such device
        raise InputError(f"device {device!r}: {_first_line(error)}") from None

    def run(images):
        with torch.inference_mode():
            keypoints, scores = whole(torch.from_numpy(images).to(device))
        return keypoints.float().cpu().numpy(), scores.float().cpu().numpy()

    return Runner(run, size)


def _first_line(error):
    return (str(error).strip() or type(error).__name__).splitlines()[0][:160]
