"""What an export starts from, and the faces on which its files are tried. Built in notebook 08."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from fkd_helpers.core import records
from fkd_helpers.core.errors import InputError
from fkd_helpers.data import as_labelled, complete_only, load, split
from fkd_helpers.expressions.data import load_expressions
from fkd_helpers.expressions.features import face_crops, key_of
from fkd_helpers.expressions.metrics import all_scores
from fkd_helpers.expressions.model import NETS, ExpressionNet, WithShares
from fkd_helpers.expressions.split import split_expressions, without_contempt
from fkd_helpers.expressions.views import SIZE, as_tensor, view
from fkd_helpers.faces.metrics import nme
from fkd_helpers.nets.models import WithKeypoints, check_opset, load_weights, to_onnx
from fkd_helpers.nets.quantise import original_of, store_whole
from fkd_helpers.predict.runtime import exported, facts_of, model_path, network_of
from fkd_helpers.train.batches import FaceBatches

OUTPUTS = {"keypoints": ["keypoints", "scores"], "expressions": ["shares", "scales"]}
CALIBRATION = 256  # training crops that show the ranges of the activations
SCORES = ("accuracy", "valence_rmse", "arousal_rmse")  # of expressions, in a record of exports
BATCH = 64


@dataclass(frozen=True, eq=False)
class Source:
    """A network to export.

    kind: "keypoints" or "expressions"
    shape: of one of its images, (channels, size, size)
    network: for torch, None where there is an ONNX file only
    classes: how many expressions
    """

    name: str
    path: Path
    kind: str
    shape: tuple[int, int, int]
    network: nn.Module | None = None
    classes: int = 8

    def onnx(self, opset: int | None = None):
        """Return the network as an ONNX program with 32 bits.

        Raises:
            InputError: an opset that the exporter lacks.
        """
        if self.network is not None:
            return to_onnx(self.network, self.shape, OUTPUTS[self.kind], opset=opset)
        import onnx

        program = store_whole(onnx.load(self.path))
        return program if opset is None else onnx.version_converter.convert_version(program, check_opset(opset))

    def asked(self) -> Callable[[np.ndarray], np.ndarray]:
        """Return the network as a function, see `answering`."""
        if self.network is None:
            return answering(self.path, self.kind)

        def run(images):
            with torch.inference_mode():
                return tuple(value.numpy() for value in self.network(torch.from_numpy(images)))

        return _answers(run, self.kind)


def source_of(model: str | Path) -> Source:
    """Return the network of a name that we ship, or of a path to .safetensors or .onnx.

    Raises:
        InputError: no such model, a damaged one, or one that is int8 already.
    """
    try:
        path = model_path(model, ".safetensors")
    except InputError:
        path = model_path(model)
    if path.suffix == ".safetensors":
        facts = facts_of(path)
        if facts.get("net") not in NETS:
            network, size = network_of(path)
            return Source(path.stem, path, "keypoints", (1, size, size), WithKeypoints(network).eval())
        size, classes = int(facts.get("size", SIZE)), int(facts.get("classes", 8))
        network = WithShares(load_weights(ExpressionNet(facts["net"], classes=classes), path)).eval()
        return Source(path.stem, path, "expressions", (3, size, size), network, classes)
    if path.suffix != ".onnx" or original_of(path) is not None:
        raise InputError(f"{path}: expected a network with 32 bits to start from (.safetensors or .onnx)")
    _, shape, answer = exported(path)
    kinds = {(1, 3): "keypoints", (3, 2): "expressions"}
    if len(shape) != 4 or (shape[1], len(answer)) not in kinds:
        raise InputError(f"{path}: expected a network of keypoints or of expressions, got {list(shape)} to {answer}")
    return Source(path.stem, path, kinds[shape[1], len(answer)], shape[1:], classes=answer[-1])


def answering(path: Path, kind: str) -> Callable[[np.ndarray], np.ndarray]:
    """Return an exported file as a function from images to keypoints (n, k, 2), or to shares and scales (n, 10)."""
    return _answers(exported(path)[0], kind)


def _answers(function, kind):
    join = (lambda parts: parts[0]) if kind == "keypoints" else (lambda parts: np.concatenate(parts, 1))

    def answers(images):
        return np.concatenate([join(function(images[i : i + BATCH])) for i in range(0, len(images), BATCH)])

    return answers


@dataclass(frozen=True, eq=False)
class Trial:
    """Crops of faces: `calibration` of the training part, `images` of the test part, both (n, c, size, size) float32
    in 0..1, and a function from answers to scores by name."""

    calibration: np.ndarray
    images: np.ndarray
    score: Callable[[np.ndarray], dict[str, float]]
    digest: str


def trial_for(source: Source, data: str = "puppets") -> Trial:
    """Return the crops that a network is calibrated with and tried on: training part and test part of a data set.

    Raises:
        InputError: no such data, or too little of it to be split.
    """
    make = _keypoint_trial if source.kind == "keypoints" else _expression_trial
    return make(source, data)


def _some(faces):
    chosen = np.random.default_rng(0).permutation(len(faces))[:CALIBRATION]
    return faces[np.sort(chosen)]


def _keypoint_trial(source, data):
    faces = load(data, progress=sys.stderr.isatty())
    if faces.keypoints.shape[1] != 68:
        raise InputError(f"a trial needs faces of 68 keypoints, got {faces.keypoints.shape[1]} in {data}")
    official = all(name.rpartition("/")[0] in ("training", "test") for name in faces.names)
    parts = split(faces, "official" if official else "person")
    training, test = (complete_only(part, why="a trial") for part in parts)
    seen, tried = (
        FaceBatches(part, size=source.shape[-1]).without_augmentation() for part in (_some(training), test)
    )  # fmt: skip

    def score(answers):
        return {"nme": float(nme(as_labelled(tried.to_images(answers), data), test.keypoints).mean())}

    calibration, images = (np.concatenate([crops.numpy() for crops, _ in part(0)]) for part in (seen, tried))
    return Trial(calibration, images, score, records.digest(test))


def _expression_trial(source, data):
    faces = without_contempt(load_expressions(data), source.classes)
    training, _, test = split_expressions(faces, validation=0)
    size, rng = source.shape[-1], np.random.default_rng(0)
    calibration, images = (
        as_tensor(view(face_crops(part, size), "none", size=size, rng=rng)).contiguous().numpy()
        for part in (_some(training), test)
    )  # fmt: skip

    def score(answers):
        scores = all_scores(answers, test)
        return {key: scores[key] for key in SCORES}

    return Trial(calibration, images, score, key_of(test))
