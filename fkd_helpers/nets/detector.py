"""Our one-shot face detector: a gray picture in, the map of its faces out, see `faces.face_map`."""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn
from torchvision.ops import Conv2dNormActivation

from fkd_helpers.faces.face_map import MULTIPLE
from fkd_helpers.nets.weights import save_onnx, to_onnx


class Separable(nn.Sequential):
    """A convolution of each channel by itself, then one that mixes them; added to its input where shapes allow it."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1, kernel: int = 3):
        each = Conv2dNormActivation(inputs, inputs, kernel, stride, groups=inputs, activation_layer=None)
        mix = Conv2dNormActivation(inputs, outputs, 1, activation_layer=None)
        super().__init__(each, mix)
        self.same = stride == 1 and inputs == outputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = super().forward(x)
        return F.relu(x + y if self.same else y)


class FaceDetector(nn.Module):
    """Find faces of any roll: an encoder to stride 32, a decoder back to stride 8, six channels.

    Input (n, 1, h, w) float32 of any range, sides multiples of 32; output (n, 6, h / 8, w / 8). Each picture is brought
    to mean 0 and standard deviation 1 first, so that a dark one looks like any other.
    """

    def __init__(self):
        super().__init__()
        a, b, c, d, e = 16, 32, 64, 96, 128  # channels at strides 2, 4 ... 32
        self.facts: dict = {}
        self.stem = Conv2dNormActivation(1, a, 3, 2)
        self.down4 = nn.Sequential(Separable(a, b, 2), Separable(b, b))
        self.down8 = nn.Sequential(Separable(b, c, 2), Separable(c, c), Separable(c, c))
        self.down16 = nn.Sequential(Separable(c, d, 2), Separable(d, d, kernel=5), Separable(d, d, kernel=5))
        self.down32 = nn.Sequential(Separable(d, e, 2), Separable(e, e, kernel=5), Separable(e, e, kernel=5))
        self.lift16 = Conv2dNormActivation(e, d, 1, activation_layer=None)
        self.up16 = Separable(d, d)
        self.lift8 = Conv2dNormActivation(d, c, 1, activation_layer=None)
        self.up8 = nn.Sequential(Separable(c, c), Separable(c, c))
        self.head = nn.Sequential(Conv2dNormActivation(c, c, 1), nn.Conv2d(c, 6, 1))
        nn.init.constant_(self.head[-1].bias[:1], -4.0)  # nearly every cell is no centre

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        mean = images.mean((2, 3), keepdim=True)
        spread = (images - mean).square().mean((2, 3), keepdim=True).sqrt()
        x8 = self.down8(self.down4(self.stem((images - mean) / (spread + 1e-4))))
        x16 = self.down16(x8)
        x = F.interpolate(self.lift16(self.down32(x16)), scale_factor=2.0)
        x = self.up16(F.relu(x + x16))
        x = F.interpolate(self.lift8(x), scale_factor=2.0)
        return self.head(self.up8(F.relu(x + x8)))


def export_detector(model: FaceDetector, path: str | Path, **facts: object) -> Path:
    """Write a detector as ONNX: pictures (n, 1, h, w), sides multiples of 32, -> maps (n, 6, h / 8, w / 8)."""
    header = model.facts | {key: str(value) for key, value in ({"kind": "detector"} | facts).items()}
    sides = {2: MULTIPLE * torch.export.Dim("rows", max=999), 3: MULTIPLE * torch.export.Dim("columns", max=999)}
    return save_onnx(to_onnx(model, (1, 160, 192), ["maps"], facts=header, varies=sides), path)
