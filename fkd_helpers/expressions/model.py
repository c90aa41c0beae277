"""Networks with three answers (expression, valence, arousal), their loss, export.

Every network answers with (n, classes + 2): the logits of the expressions, then valence and arousal in -1..1.
"""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from fkd_helpers.core.errors import unknown
from fkd_helpers.expressions.reader import SIZE
from fkd_helpers.nets import build, load_weights, to_onnx
from fkd_helpers.nets.lite0 import WIDTH, lite0
from fkd_helpers.nets.weights import save_onnx, store_half
from fkd_helpers.predict.runtime import model_path

NETS = ("lite0", "encoder")
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's pixels
GRAY = (0.299, 0.587, 0.114)  # weights of red, green and blue in a gray level


class Encoder(nn.Module):
    """The encoder of our keypoint network: colour images (n, 3, h, w), made gray -> features (n, c, h / 16, w / 16)."""

    def __init__(self, pretrained: bool):
        super().__init__()
        net = build("small")
        if pretrained:
            load_weights(net, model_path("small", ".safetensors"))
        self.stages = nn.Sequential(net.stem, net.down28, net.down14, net.down7)
        self.register_buffer("gray", torch.tensor(GRAY)[:, None, None], persistent=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.stages((images * self.gray).sum(1, keepdim=True) * 2 - 1)


class ExpressionNet(nn.Module):
    """A backbone with three heads: images (n, 3, size, size) float32 in 0..1 -> (n, classes + 2).

    "lite0" is EfficientNet-Lite0 (pretrained on ImageNet), "encoder" that of our keypoint network (on keypoints). The
    first `frozen` stages of it do not learn.
    """

    def __init__(self, backbone: str = "lite0", *, classes: int = 8, pretrained: bool = False, frozen: int = 0):
        super().__init__()
        if backbone not in NETS:
            raise unknown("backbone", backbone, NETS)
        self.on_colours = backbone == "lite0"
        if self.on_colours:
            self.features, width = lite0(pretrained=pretrained), WIDTH
        else:
            self.features, width = Encoder(pretrained), 128
        self.register_buffer("mean", torch.tensor(MEAN)[:, None, None], persistent=False)
        self.register_buffer("spread", torch.tensor(STD)[:, None, None], persistent=False)
        self.drop = nn.Dropout(0.3)
        self.heads = nn.ModuleDict({"expression": nn.Linear(width, classes), "emotion": nn.Linear(width, 2)})
        self.frozen = frozen
        for stage in self.stages()[:frozen]:
            stage.requires_grad_(False)

    def stages(self) -> list[nn.Module]:
        """Return the stages of the backbone, the first ones first."""
        return list(self.features if self.on_colours else self.features.stages)

    def train(self, mode: bool = True) -> "ExpressionNet":
        """Switch to training, except for frozen stages: their normalisation keeps its statistics."""
        super().train(mode)
        for stage in self.stages()[: self.frozen]:
            stage.eval()
        return self

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        maps = self.features((images - self.mean) / self.spread if self.on_colours else images)
        features = self.drop(maps.mean((2, 3)))
        return torch.cat([self.heads["expression"](features), torch.tanh(self.heads["emotion"](features))], -1)


def expression_loss(*, share: float = 0.5, smoothing: float = 0.1) -> Callable:
    """Return the loss of answers: cross-entropy, and `share` of ten times the scales' squared error."""

    def loss(output, target):
        entropy = functional.cross_entropy(output[:, :-2], target[:, :-2], label_smoothing=smoothing)
        return (1 - share) * entropy + share * 10 * functional.mse_loss(output[:, -2:], target[:, -2:])

    return loss


class WithShares(nn.Module):
    """A network that answers with shares of the expressions that sum to 1, and with valence and arousal."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        output = self.model(images)
        return torch.softmax(output[:, :-2], -1), output[:, -2:]


def export_expressions(model: nn.Module, path: str | Path, *, size: int = SIZE) -> Path:
    """Write a network as ONNX, weights of 16 bits: images (n, 3, size, size) -> shares (n, classes), scales (n, 2)."""
    return save_onnx(store_half(to_onnx(WithShares(model), (3, size, size), ["shares", "scales"])), path)
