"""Networks by name, for any number of keypoints; losses, and points from heatmaps; weights as safetensors and ONNX.

Every network takes gray images (n, 1, size, size), float32 in 0..1, and answers with keypoints (n, k, 2) in pixels of
the image or with the logits of one heatmap per keypoint (n, k, g, g); `keypoints_from` makes keypoints of either.
"""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import nn

from fkd_helpers.core.errors import InputError, unknown
from fkd_helpers.faces.boxes import CROP_SIZE
from fkd_helpers.nets import losses, small, weights
from fkd_helpers.nets.losses import heatmap_centres, keypoints_from, soft_argmax
from fkd_helpers.nets.min_score import measure_min_score
from fkd_helpers.nets.weights import WithKeypoints, export_onnx, load_weights, save_weights, to_onnx

NETS: dict[str, Callable[..., nn.Module]] = {
    "two_layers": small.TwoLayers,
    "small": small.SmallNet,
    "classic": small.ClassicCNN,
    "course_cnn": small.CourseCNN,
    "course_cnn_large": partial(small.CourseCNN, hidden=6400),
    "residual": small.ResidualNet,
}
OTHER_SIZES = {"classic": 96, "course_cnn": 224, "course_cnn_large": 224, "residual": 96}
INPUT_SIZES = {name: OTHER_SIZES.get(name, CROP_SIZE) for name in NETS}


def build(name: str, keypoints: int = 68, **options) -> nn.Module:
    """Build one of NETS by name, with random weights; `options` are those of its class.

    `model.facts`, of which `load` builds it again, go into the header of its files.
    """
    if name not in NETS:
        raise unknown("model", name, NETS)
    if keypoints < 1:
        raise InputError(f"keypoints: expected at least 1, got {keypoints}")
    try:
        model = NETS[name](keypoints=keypoints, **options)
    except TypeError as error:
        raise InputError(f"model {name!r}: {error}") from None
    model.facts = {"net": name, "keypoints": str(keypoints), "size": str(INPUT_SIZES[name])}
    if options:
        model.facts["options"] = json.dumps(options)
    return model


def load(path: str | Path) -> nn.Module:
    """Return the network of keypoints that the header of a safetensors file names, with its weights."""
    _, facts = weights.read(path)
    if "net" not in facts:
        raise InputError(f"{path}: its header names no network; expected a file of `save_weights`")
    options = json.loads(facts.get("options", "{}"))
    keypoints = int(facts.get("keypoints", facts.get("points", 68)))  # "points" in the first edition
    model = load_weights(build(facts["net"], keypoints, **options), path)
    model.facts = facts | model.facts
    return model


def count_weights(model: nn.Module) -> int:
    """Return the number of trained weights."""
    return sum(weight.numel() for weight in model.parameters())
