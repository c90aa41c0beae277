"""Run a trained network behind one call, by ONNX Runtime or torch: float32 crops in, keypoints and scores out.

`runner(images)` takes (n, 1, size, size) float32 in 0..1 and returns keypoints (n, k, 2) in crop pixels and scores
(n, k): how peaked each keypoint's heatmap is, 1 where the network has none. `runner.size` is the side of the crops.
"""

import json
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

from fkd_helpers.core.errors import InputError, unknown
from fkd_helpers.faces.boxes import CROP_SIZE
from fkd_helpers.nets.quantise import INT8, int8_is_exact, original_of

WEIGHTS = Path(__file__).parents[1] / "weights"
SUFFIXES = {"onnx": ".onnx", "torch": ".safetensors"}  # of the models that ship
PROGRAM = ".pt2"  # of torch.export
BATCH = 8  # crops at once; with 64 a face took 1.6 times as long: they no longer fit the processor's cache


class Runner:
    """A function from crops to keypoints, or to keypoints and scores, with the side of its crops in pixels."""

    def __init__(self, function: Callable, size: int = CROP_SIZE):
        self.function, self.size = function, size
        self.file: Path | None = None  # what it was read from, if from a file

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

    model: the name of a model we ship, a path to .onnx (of 32, 16 or 8 bits), .pt2 (torch.export) or .safetensors, a
        torch network, or a function such as a runner's own
    backend: "onnx" or "torch", for a name; a path's suffix decides for a path
    device: where torch runs: "cpu", "cuda", "mps"; ONNX Runtime and .pt2 run on the CPU
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
    exported = path.suffix in (".onnx", PROGRAM)
    runner = _from_exported(path, threads, size) if exported else _from_safetensors(path, device, size)
    runner.file = path
    return runner


def model_path(model: str | Path, suffix: str = ".onnx") -> Path:
    """Return the file of a model by the name of one we ship, or by path.

    Raises:
        InputError: no such file, or an unknown name (the near one is suggested).
    """
    path = Path(model)
    if path.suffix in (*SUFFIXES.values(), PROGRAM):
        if not path.is_file():
            raise InputError(f"{path}: no such model file")
        return path
    shipped = {file.stem: file for file in WEIGHTS.glob(f"*{suffix}")}
    if str(model) in shipped:
        return shipped[str(model)]
    if path.exists():
        raise InputError(f"{path}: expected a model file ending in .onnx, .safetensors or {PROGRAM}")
    raise unknown("model", str(model), shipped)


def onnx_session(path: str | Path, threads: int = 1):
    """Open an ONNX file with ONNX Runtime on the CPU, quietly, on so many threads.

    Where this processor gets int8 wrong, or the runtime cannot open it, the file with 32 bits that a network of int8
    was made of is opened in its place, if it lies beside it, and a warning says so.

    Raises:
        InputError: a file that is not a whole ONNX model.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        original = session.get_modelmeta().custom_metadata_map.get(INT8)
    except Exception as error:  # ONNX Runtime has a dozen types, which it does not export for catching
        lacks = f"{path}: not a whole ONNX model ({_first_line(error)})"
        session, original = None, original_of(path)
    else:
        if original is None or int8_is_exact():
            return session
        lacks = f"{path}: this processor has no exact int8 instructions (VNNI or the like)"
    if original and (other := Path(path).with_name(original)).is_file():
        warnings.warn(f"{lacks}: {original} with 32 bits runs instead", stacklevel=2)
        return onnx_session(other, threads)
    if session is None:
        raise InputError(lacks)
    warnings.warn(f"{lacks}, and the network with 32 bits is not beside it: its answers are off", stacklevel=2)
    return session


def exported(path: str | Path, threads: int = 1) -> tuple[Callable, tuple, tuple]:
    """Open an .onnx or .pt2 file: return a function from images to a tuple of arrays, and the shapes of both ends.

    The shapes are those of the only input and of the first output; a number that may vary is a word.

    Raises:
        InputError: a file that is not a whole model, or one of several inputs.
    """
    path = Path(path)
    if path.suffix == PROGRAM:
        return _program(path)
    session = onnx_session(path, threads)
    taken, given = session.get_inputs(), session.get_outputs()
    if len(taken) != 1:
        raise InputError(f"{path}: expected a model of one input, got {len(taken)}")
    name = taken[0].name
    return lambda images: tuple(session.run(None, {name: images})), tuple(taken[0].shape), tuple(given[0].shape)


def _program(path):
    import torch

    try:
        program = torch.export.load(path)
        nodes = {node.name: node.meta["val"] for node in program.graph.nodes if "val" in node.meta}
        (taken,), given = program.graph_signature.user_inputs, program.graph_signature.user_outputs
    except Exception as error:  # a damaged archive can fail in any of its parts
        raise InputError(f"{path}: not a whole program of torch.export ({_first_line(error)})") from None
    shapes = (tuple(v if isinstance(v, int) else str(v) for v in nodes[name].shape) for name in (taken, given[0]))
    module = program.module()

    def run(images):
        with torch.inference_mode():
            return tuple(value.numpy() for value in module(torch.from_numpy(images)))

    return run, *shapes


def _from_exported(path, threads, size):
    function, shape, answer = exported(path, threads)
    if len(shape) != 4 or shape[1] != 1 or len(answer) != 3 or answer[-1] != 2:
        wanted = "expected a model from gray crops (n, 1, size, size) to keypoints (n, k, 2)"
        raise InputError(f"{path}: {wanted}, got {list(shape)} to {list(answer)}")
    return Runner(function, size or (shape[-1] if isinstance(shape[-1], int) else CROP_SIZE))


def facts_of(path: str | Path) -> dict[str, str]:
    """Return what the header of a .safetensors file says: its network, run and data.

    Raises:
        InputError: a file that is not a whole one.
    """
    from safetensors import safe_open

    try:
        with safe_open(str(path), framework="numpy") as file:
            return file.metadata() or {}
    except Exception as error:  # safetensors raises its own type, which it does not export for catching
        raise InputError(f"{path}: not a whole safetensors file ({_first_line(error)})") from None


def network_of(path: str | Path):
    """Return the network of keypoints in a .safetensors file, and the side of its crops.

    Raises:
        InputError: a damaged file, or of a network that is not known.
    """
    from fkd_helpers.nets import models

    facts = facts_of(path)
    kind = facts.get("net", Path(path).stem)
    model = models.build(kind, **json.loads(facts.get("options", "{}")))
    return models.load_weights(model, path), models.INPUT_SIZES[kind]


def _from_safetensors(path, device, size):
    model, side = network_of(path)
    return _from_module(model, device, size or side)


def _from_module(model, device, size):
    import torch

    from fkd_helpers.nets.models import WithKeypoints

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
