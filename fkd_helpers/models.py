"""The networks, by name. Built in notebook 02.

Every network takes gray crops (n, 1, size, size), float32 in 0..1. It answers with keypoints (n, k, 2) in crop pixels,
or with one heatmap a keypoint (n, k, g, g); `keypoints_from` makes keypoints of either.
"""

import functools
import itertools
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from fkd_helpers.boxes import CROP_SIZE
from fkd_helpers.errors import InputError, unknown
from fkd_helpers.files import whole_file


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


def _conv(inputs, outputs, kernel=1, stride=1, groups=1, act=True):
    layers = [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    ]
    return nn.Sequential(*layers, *([nn.ReLU(inplace=True)] if act else []))


class Inverted(nn.Module):
    """Widen, look around in each channel, narrow; added to the input where shapes allow. Source: MobileNetV2."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1, widen: int = 4):
        super().__init__()
        inner = inputs * widen
        self.body = nn.Sequential(
            _conv(inputs, inner), _conv(inner, inner, 3, stride, groups=inner), _conv(inner, outputs, act=False)
        )
        self.same = stride == 1 and inputs == outputs

    def forward(self, x):
        return x + self.body(x) if self.same else self.body(x)


class SmallNet(nn.Module):
    """Our own network: an encoder from 112 down to 7 pixels, a decoder back up to 28, one heatmap a keypoint.

    Input (n, 1, 112, 112); output logits (n, k, 28, 28).
    """

    def __init__(self, keypoints: int = 68, width: float = 1.0, depth: int = 1):
        super().__init__()
        c = [int(round(v * width / 8) * 8) for v in (16, 32, 64, 128)]

        def stage(inputs, outputs, repeats):
            return nn.Sequential(
                Inverted(inputs, outputs, 2), *[Inverted(outputs, outputs) for _ in range(repeats * depth)]
            )

        self.stem = _conv(1, c[0], 3, 2)  # 56
        self.down28 = stage(c[0], c[1], 1)
        self.down14 = stage(c[1], c[2], 2)
        self.down7 = stage(c[2], c[3], 2)
        self.lift14, self.skip14 = _conv(c[3], c[2], act=False), _conv(c[2], c[2], act=False)
        self.up14 = nn.Sequential(*[Inverted(c[2], c[2]) for _ in range(depth)])
        self.lift28, self.skip28 = _conv(c[2], c[2], act=False), _conv(c[1], c[2], act=False)
        self.up28 = nn.Sequential(*[Inverted(c[2], c[2], widen=2) for _ in range(depth)])
        self.enlarge = nn.Upsample(scale_factor=2, mode="nearest")
        self.head = nn.Conv2d(c[2], keypoints, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x28 = self.down28(self.stem(images * 2 - 1))
        x14 = self.down14(x28)
        x = self.enlarge(self.lift14(self.down7(x14)))
        x = self.up14(x + self.skip14(x14))
        x = self.enlarge(self.lift28(x))
        return self.head(self.up28(x + self.skip28(x28)))


class CourseCNN(nn.Module):
    """The five-convolution network of the classic course, 15.5 million weights; net A of the published runs.

    With 6,400 hidden units, "course_cnn_large", it is their net B: 90 million weights.

    Input (n, 1, 224, 224); output keypoints (n, k, 2) in its pixels: the last layer answers (point - 100) / 50.
    """

    def __init__(self, keypoints: int = 68, hidden: int = 1000):
        super().__init__()
        widths, drops = (1, 32, 64, 128, 256, 512), (0.1, 0.1, 0.3, 0.3, 0.3)
        blocks = []
        for i, drop in enumerate(drops):
            conv = nn.Conv2d(widths[i], widths[i + 1], 5 if i == 0 else 3)
            blocks.append(nn.Sequential(conv, nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(drop)))
        self.features = nn.Sequential(*blocks)
        sizes = (512 * 5 * 5, hidden, 1000)  # 224 pixels leave 5 x 5 after five blocks
        layers = [nn.Sequential(nn.Linear(a, b), nn.ReLU(), nn.Dropout(0.5)) for a, b in itertools.pairwise(sizes)]
        self.head = nn.Sequential(nn.Flatten(), *layers, nn.Linear(sizes[-1], 2 * keypoints))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(images)).unflatten(1, (-1, 2)) * 50 + 100


class TwoLayers(nn.Module):
    """The least that can be called a network here: one convolution and one linear layer, 0.2 million weights.

    Input (n, 1, 112, 112); output keypoints (n, k, 2) in its pixels.
    """

    def __init__(self, keypoints: int = 68):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 8, 5, stride=4, padding=2), nn.ReLU(), nn.MaxPool2d(2))
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(8 * 14 * 14, 2 * keypoints))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(images)).unflatten(1, (-1, 2)) * 28 + 56


MODELS: dict[str, Callable[..., nn.Module]] = {
    "two_layers": TwoLayers,
    "small": SmallNet,
    "course_cnn": CourseCNN,
    "course_cnn_large": functools.partial(CourseCNN, hidden=6400),
}
INPUT_SIZES = {"two_layers": 112, "small": 112, "course_cnn": 224, "course_cnn_large": 224}


def build(name: str, **options) -> nn.Module:
    """Build a network by name, with random weights.

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
        keypoints = keypoints_from(output)
        if output.ndim != 4:
            return keypoints, torch.ones_like(keypoints[..., 0])
        return keypoints, torch.softmax(output.flatten(2), -1).amax(-1)


def save_weights(model: nn.Module, path: str | Path, **facts: str) -> Path:
    """Write a network's weights as safetensors with facts (name, recipe, data) in its header."""
    path = Path(path)
    with whole_file(path) as partial:
        save_file(model.state_dict(), str(partial), metadata={key: str(value) for key, value in facts.items()})
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
        raise InputError(f"{path}: weights of another network than {type(model).__name__} "
                         f"({str(error).splitlines()[1].strip()[:120]})") from None
    return model.eval()


def export_onnx(model: nn.Module, path: str | Path, *, size: int = CROP_SIZE) -> Path:
    """Write a network as ONNX: images (n, 1, size, size) -> keypoints (n, k, 2) in crop pixels, scores (n, k)."""
    path = Path(path)
    program = torch.onnx.export(
        WithKeypoints(model).eval(),
        (torch.zeros(2, 1, size, size),),
        input_names=["images"],
        output_names=["keypoints", "scores"],
        dynamic_shapes=({0: torch.export.Dim("n", min=1)},),
        dynamo=True,
        verbose=False,
        optimize=True,
        external_data=False,
    )
    with whole_file(path) as partial:
        program.save(str(partial))
    return path
