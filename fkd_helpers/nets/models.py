"""The networks by name, what they cost, and their weights as files. Built in notebook 02.

Every network takes gray crops (n, 1, size, size), float32 in 0..1. It answers with keypoints (n, k, 2) in crop pixels,
or with one heatmap a keypoint (n, k, g, g); `keypoints_from` makes keypoints of either.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pandas as pd
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from fkd_helpers.core.errors import InputError, unknown
from fkd_helpers.core.files import whole_file
from fkd_helpers.faces.boxes import CROP_SIZE
from fkd_helpers.nets.backbones import OnBackbone
from fkd_helpers.nets.networks import CourseCNN, SmallNet, TwoLayers

OLDEST_OPSET = 18  # torch's exporter writes none below


def heatmap_centres(cells: int, size: int = CROP_SIZE) -> torch.Tensor:
    """Return where the cells (g,) of a heatmap lie along one axis, in crop pixels."""
    return (torch.arange(cells) + 0.5) * (size / cells) - 0.5


def soft_argmax(logits: torch.Tensor, size: int = CROP_SIZE) -> torch.Tensor:
    """Return the mean position (n, k, 2), in crop pixels, under the softmax of heatmaps (n, k, g, g)."""
    weights = torch.softmax(logits.float().flatten(2), -1).unflatten(-1, logits.shape[-2:])
    centres = heatmap_centres(logits.shape[-1], size).to(weights)
    return torch.stack([weights.sum(-2) @ centres, weights.sum(-1) @ centres], -1)


def keypoints_from(output: torch.Tensor) -> torch.Tensor:
    """Return keypoints (n, k, 2) in crop pixels from what any of our networks answers."""
    return soft_argmax(output) if output.ndim == 4 else output


MODELS: dict[str, Callable[..., nn.Module]] = {
    "two_layers": TwoLayers,
    "small": SmallNet,
    "course_cnn": CourseCNN,
    "course_cnn_large": partial(CourseCNN, hidden=6400),
    "mobilenet_v3": partial(OnBackbone, "mobilenet_v3_small"),
    "efficientnet_lite0": partial(OnBackbone, "efficientnet_lite0"),
    "resnet18": partial(OnBackbone, "resnet18"),
    "resnet34": partial(OnBackbone, "resnet34"),
    "resnet18_heatmap": partial(OnBackbone, "resnet18", cells=28),
    "resnet34_heatmap": partial(OnBackbone, "resnet34", cells=28),
    "resnet18_heatmap56": partial(OnBackbone, "resnet18", cells=56),
    "resnet34_heatmap56": partial(OnBackbone, "resnet34", cells=56),
}
INPUT_SIZES = {name: 224 if name.startswith("course") else CROP_SIZE for name in MODELS}


def build(name: str, **options) -> nn.Module:
    """Build a network by name, with random weights; of those that have them, `pretrained=True` asks for ImageNet's.

    Raises:
        InputError: unknown name (the near one is suggested), or an option that this network does not have.
    """
    if name not in MODELS:
        raise unknown("model", name, MODELS)
    try:
        return MODELS[name](**options)
    except TypeError as error:
        raise InputError(f"model {name!r}: {error}") from None


def count_weights(model: nn.Module) -> int:
    """Return the number of trained weights."""
    return sum(weight.numel() for weight in model.parameters())


def table() -> pd.DataFrame:
    """Return what each network takes and answers, its weights and its multiply-adds an image.

    input: the side of the gray crop in pixels; heatmap: the cells along a side, 0 = it answers with keypoints
    multiply-adds: of convolutions and linear layers; everything else is small beside them
    """
    rows = []
    for name, size in INPUT_SIZES.items():
        with torch.device("meta"):  # shapes without values: nothing is computed
            model, images = build(name).eval(), torch.empty(1, 1, size, size)
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            output = model(images)
        rows.append({
            "net": name,
            "input": size,
            "heatmap": output.shape[-1] if output.ndim == 4 else 0,
            "weights": count_weights(model),
            "multiply-adds": counter.get_total_flops() // 2,  # a multiplication and an addition count as two
            "ImageNet": isinstance(model, OnBackbone),
        })  # fmt: skip
    return pd.DataFrame(rows).set_index("net")


def feature_maps(model: nn.Module, images: torch.Tensor, layer: str) -> torch.Tensor:
    """Return what one layer, named as in `model.named_modules()`, answers to images: (n, channels, h, w) or other.

    Raises:
        InputError: no such layer (the near one is suggested).
    """
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


class WithKeypoints(nn.Module):
    """A network that answers in keypoints, with how peaked each heatmap is (0..1; 1 where there are no heatmaps)."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        output = self.model(images)
        if output.ndim != 4:
            return output, torch.ones_like(output[..., 0])
        shares = torch.softmax(output.flatten(2), -1)
        x = y = heatmap_centres(output.shape[-1]).to(shares)
        places = torch.cartesian_prod(y, x).flip(-1)  # one product with them is faster than `soft_argmax`, row by row
        return shares @ places, shares.amax(-1)


def save_weights(model: nn.Module, path: str | Path, **facts: str) -> Path:
    """Write a network's weights as safetensors with facts (name, recipe, data) in its header."""
    path = Path(path)
    state = {key: value.contiguous() for key, value in model.state_dict().items()}  # training puts the channels last
    with whole_file(path) as partial:
        save_file(state, str(partial), metadata={key: str(value) for key, value in facts.items()})
    return path


def load_weights(model: nn.Module, path: str | Path) -> nn.Module:
    """Load safetensors weights into a network of the same kind and return it in evaluation mode.

    Raises:
        InputError: no such file, a damaged one, or weights of another network.
    """
    try:
        state = load_file(str(path))
    except FileNotFoundError:
        raise InputError(f"{path}: no such weights file") from None
    except Exception as error:  # safetensors raises its own type, which it does not export for catching
        raise InputError(f"{path}: not a whole safetensors file ({error})") from None
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise InputError(
            f"{path}: weights of another network than {type(model).__name__} "
            f"({str(error).splitlines()[1].strip()[:120]})"
        ) from None
    return model.eval()


def export_onnx(model: nn.Module, path: str | Path, *, size: int = CROP_SIZE) -> Path:
    """Write a network as ONNX: images (n, 1, size, size) -> keypoints (n, k, 2) in crop pixels, scores (n, k)."""
    path = Path(path)
    program = to_onnx(WithKeypoints(model), (1, size, size), ["keypoints", "scores"])
    with whole_file(path) as partial:
        Path(partial).write_bytes(program.SerializeToString())
    return path


def to_program(model: nn.Module, shape: tuple[int, ...]) -> torch.export.ExportedProgram:
    """Return a network as a program of `torch.export`: images (n, *shape), any n, no trace of this machine."""
    images = torch.zeros(2, *shape)
    program = torch.export.export(model.eval(), (images,), dynamic_shapes=({0: torch.export.Dim("n", min=1)},))
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # where each line of code lay on this machine's disk
    return program


def check_opset(opset: int | None) -> int | None:
    """Return a version of ONNX's operators that can be written.

    Raises:
        InputError: it cannot.
    """
    import onnx

    newest = onnx.defs.onnx_opset_version()
    if opset is not None and not OLDEST_OPSET <= opset <= newest:
        raise InputError(f"opset: expected {OLDEST_OPSET} to {newest}, got {opset}")
    return opset


def to_onnx(model: nn.Module, shape: tuple[int, ...], outputs: list[str], *, opset: int | None = None):
    """Return a network as an ONNX program: "images" (n, *shape) -> outputs by name; any n, no trace of this machine.

    opset: the version of ONNX's operators; None takes the exporter's own

    Raises:
        InputError: an opset that the exporter lacks.
    """
    check_opset(opset)
    program = torch.onnx.export(
        model.eval(), (torch.zeros(2, *shape),), input_names=["images"], output_names=outputs,
        dynamic_shapes=({0: torch.export.Dim("n", min=1)},), dynamo=True, verbose=False, optimize=True,
        external_data=False, opset_version=opset,
    ).model_proto  # fmt: skip
    graph = program.graph
    for part in (graph, *graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer):
        del part.metadata_props[:]  # where each line of code lay on this machine's disk
    return program
