"""Load a trained network, ONNX or safetensors, behind one call: crops in; keypoints, scores and expected errors out."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from fkd_helpers.core.errors import InputError, unknown
from fkd_helpers.faces.boxes import CROP_SIZE

WEIGHTS = Path(__file__).parents[1] / "weights"
SUFFIXES = (".onnx", ".safetensors")
LEAST_SCORE = 1e-3  # of a keypoint whose error is asked
BATCH = 8  # crops at once; with 64 a face took 1.6 times as long: they no longer fit the processor's cache


class Runner:
    """A function from crops (n, 1, size, size), float32 in 0..1, to keypoints (n, k, 2) in their pixels and scores.

    The scores (n, k) say how peaked the heatmap of each keypoint is; they are 1 where the network has none.

    Attributes:
        facts: header of the file: "net", "keypoints", "mirror", "min_score", "errors", "run", "data", where known
        file: what it was read from, if from a file
        min_score: score that a face needs; 0 if scores tell no face from anything else, or nobody measured
    """

    def __init__(self, function: Callable, size: int = CROP_SIZE, facts: dict[str, str] | None = None):
        self.function, self.size, self.facts = function, size, facts or {}
        self.keypoints, self.file = int(self.facts.get("keypoints", 68)), None
        self._error_fit = json.loads(self.facts.get("errors", "null"))
        self.min_score = float(self.facts.get("min_score", "none").replace("none", "0"))

    def expected_errors(self, scores: np.ndarray) -> np.ndarray:
        """Return the expected error of each keypoint as a share of the distance between the outer eye corners.

        It was fitted to scores (n, k) on photos with labels (`tools/fit_keypoint_errors.py`); NaN if it was not.
        """
        fit, logs = self._error_fit, np.log(np.maximum(scores, LEAST_SCORE))
        if fit is None:
            return np.full_like(scores, np.nan)
        return np.exp(fit["bias"] + fit["peak"] * logs + fit["mean_peak"] * logs.mean(1, keepdims=True))

    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        keypoints, scores = [], []
        for start in range(0, len(images), BATCH):
            output = self.function(images[start : start + BATCH])
            points, *rest = output if isinstance(output, tuple) else (output,)
            keypoints.append(np.asarray(points, np.float32))
            scores.append(np.asarray(rest[0] if rest else np.ones(keypoints[-1].shape[:2]), np.float32))
        return np.concatenate(keypoints), np.concatenate(scores)


def load_runner(model: str | Path | Callable = "small") -> Runner:
    """Return the runner of a model on the CPU.

    It is the name of a model that ships, a path to .onnx (of 32, 16 or 8 bits) or .safetensors, or a function
    such as a runner's own.
    """
    if callable(model):
        return Runner(model)
    path = model_path(model)
    if path.suffix == ".safetensors":
        from fkd_helpers import nets  # torch is slow to import

        module = nets.load(path)
        function, facts = _by_torch(nets.WithKeypoints(module).eval()), module.facts
        runner = Runner(function, int(facts.get("size", CROP_SIZE)), facts)
    else:
        function, taken, given, facts = open_exported(path)
        if len(taken) != 4 or taken[1] != 1 or len(given) != 3 or given[-1] != 2:
            wanted = "expected a model from gray crops (n, 1, size, size) to keypoints (n, k, 2)"
            raise InputError(f"{path}: {wanted}, got {list(taken)} to {list(given)}")
        size = taken[-1] if isinstance(taken[-1], int) else CROP_SIZE
        runner = Runner(function, size, facts | {"keypoints": str(given[1])})
    runner.file = path
    return runner


def model_path(model: str | Path, suffix: str = ".onnx") -> Path:
    """Return the file of a model, given by path or by the name of one that ships."""
    path = Path(model)
    if path.suffix in SUFFIXES:
        if not path.is_file():
            raise InputError(f"{path}: no such model file")
        return path
    if path.is_file():
        raise InputError(f"{path}: expected a model file ending in .onnx or .safetensors")
    shipped = {file.stem: file for file in WEIGHTS.glob(f"*{suffix}")}
    if str(model) not in shipped:
        raise unknown("model", str(model), shipped)
    return shipped[str(model)]


def open_exported(path: str | Path) -> tuple[Callable, tuple, tuple, dict[str, str]]:
    """Open an .onnx file with ONNX Runtime on the CPU.

    Returns a function from images to a tuple of arrays, the shapes of its input and of its first output, where a number
    that may vary is a word, and its header.
    """
    import onnxruntime  # slow to import

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads, options.log_severity_level = 1, 1, 3
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        (taken,), given = session.get_inputs(), session.get_outputs()
    except Exception as error:  # ONNX Runtime has a dozen types, which it does not export for catching
        raise InputError(f"{path}: not a whole model of one input ({_first_line(error)})") from None
    facts = session.get_modelmeta().custom_metadata_map
    return lambda images: tuple(session.run(None, {taken.name: images})), (*taken.shape,), (*given[0].shape,), facts


def _by_torch(module):
    import torch  # here already

    def run(images):
        with torch.inference_mode():
            return tuple(value.float().numpy() for value in module(torch.from_numpy(images)))

    return run


def _first_line(error):
    return (str(error).strip() or type(error).__name__).splitlines()[0][:160]
