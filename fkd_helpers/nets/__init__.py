"""Networks by name, for any number of keypoints; losses; weights as safetensors and ONNX.

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
from fkd_helpers.nets import backbones, losses, small, weights
from fkd_helpers.nets.backbones import OnBackbone
from fkd_helpers.nets.confidence import measure_min_score, measured_facts
from fkd_helpers.nets.losses import heatmap_centres, keypoints_from, soft_argmax
from fkd_helpers.nets.weights import WithKeypoints, export_onnx, load_weights, save_weights, to_onnx, to_program

__all__ = [
    "INPUT_SIZES", "NETS", "OnBackbone", "WithKeypoints", "backbones", "build", "count_weights", "export_onnx",
    "feature_maps", "heatmap_centres", "keypoints_from", "load", "load_weights", "losses", "measure_min_score",
    "measured_facts", "save_weights", "small", "soft_argmax", "to_onnx", "to_program", "weights",
]  # fmt: skip

NETS: dict[str, Callable[..., nn.Module]] = {
    "two_layers": small.TwoLayers,
    "small": small.SmallNet,
    "classic": small.ClassicCNN,
    "course_cnn": small.CourseCNN,
    "course_cnn_large": partial(small.CourseCNN, hidden=6400),
    "residual": small.ResidualNet,
    "residual_narrow": partial(small.ResidualNet, width=0.5),
    "mobilenet_v3": partial(OnBackbone, "mobilenet_v3_small"),
    "efficientnet_lite0": partial(OnBackbone, "efficientnet_lite0"),
    "resnet18": partial(OnBackbone, "resnet18"),
    "resnet34": partial(OnBackbone, "resnet34"),
    "resnet18_heatmap": partial(OnBackbone, "resnet18", cells=28),
    "resnet34_heatmap": partial(OnBackbone, "resnet34", cells=28),
    "resnet18_heatmap56": partial(OnBackbone, "resnet18", cells=56),
    "resnet34_heatmap56": partial(OnBackbone, "resnet34", cells=56),
}
OTHER_SIZES = {"classic": 96, "course_cnn": 224, "course_cnn_large": 224, "residual": 96, "residual_narrow": 96}
INPUT_SIZES = {name: OTHER_SIZES.get(name, CROP_SIZE) for name in NETS}


def build(name: str, keypoints: int = 68, **options) -> nn.Module:
    """Build a network by name, with random weights; those on backbones take `pretrained=True` for ImageNet's.

    What builds it again goes to `model.facts`, which `save_weights` and `export_onnx` write into the file's header.
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
    options.pop("pretrained", None)
    if options:
        model.facts["options"] = json.dumps(options)
    return model


def load(path: str | Path) -> nn.Module:
    """Return the network of keypoints in a safetensors file, by its header or else by the shapes of its layers."""
    state, facts = weights.read(path)
    try:
        name, keypoints = facts.get("net"), int(facts.get("keypoints", facts.get("points", 68)))
        options = {"keypoints": keypoints} | json.loads(facts.get("options", "{}"))
    except ValueError as error:
        raise InputError(f"{path}: its header is damaged ({error})") from None
    if name is None:
        name, options["keypoints"] = _recognise(path, state)
    model = load_weights(build(name, **options), path)
    model.facts = facts | model.facts
    return model


def _recognise(path, state):
    """Return name and number of keypoints of the network that has layers of these shapes."""
    shapes = {key: value.shape for key, value in state.items()}
    biases = [shape[0] for key, shape in sorted(shapes.items()) if key.startswith("head") and key.endswith("bias")]
    outputs = biases[-1] if biases else 0
    for name in NETS:
        for keypoints in {outputs, outputs // 2} - {0}:  # one heatmap each, or two coordinates each
            with torch.device("meta"):
                found = {key: value.shape for key, value in build(name, keypoints).state_dict().items()}
            if found == shapes:
                return name, keypoints
    raise InputError(f"{path}: its header names no network, and its layers are those of none of {', '.join(NETS)}")


def count_weights(model: nn.Module) -> int:
    """Return the number of trained weights."""
    return sum(weight.numel() for weight in model.parameters())


def feature_maps(model: nn.Module, images: torch.Tensor, layer: str) -> torch.Tensor:
    """Return what one layer, named as in `model.named_modules()`, answers to images."""
    layers = dict(model.named_modules())
    if not layer or layer not in layers:
        raise unknown("layer", layer, [name for name in layers if name])
    seen = []
    hook = layers[layer].register_forward_hook(lambda _module, _inputs, output: seen.append(output.detach().clone()))
    try:
        with torch.no_grad():
            model(images)
    finally:
        hook.remove()
    return seen[-1]
