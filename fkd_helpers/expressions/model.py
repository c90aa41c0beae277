"""Networks with three answers (expression, valence, arousal), their loss, freezing.

Every network answers with (n, classes + 2): the logits of the expressions, then valence and arousal in -1..1.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from fkd_helpers.core.errors import InputError, unknown
from fkd_helpers.expressions.upright import SIZE
from fkd_helpers.nets import build, load_weights, to_onnx
from fkd_helpers.nets.backbones import backbone
from fkd_helpers.nets.weights import save_onnx, store_half
from fkd_helpers.predict.runtime import model_path

NETS = {"lite0": "efficientnet_lite0", "encoder": None, "resnet50": "resnet50", "efficientnet_b0": "efficientnet_b0"}
LOSSES = ("mse", "ccc", "both")  # of valence and arousal
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's pixels
GRAY = (0.299, 0.587, 0.114)  # weights of red, green and blue in a gray level


def _per_channel(values: tuple[float, ...]) -> torch.Tensor:
    return torch.tensor(values).reshape(1, 3, 1, 1)


class ThreeHeads(nn.Module):
    """Logits of the expressions, valence and arousal (n, classes + 2) from features (n, width)."""

    def __init__(self, width: int, classes: int = 8, *, hidden: int = 0, drop: float = 0.3):
        super().__init__()
        body = [nn.Linear(width, hidden), nn.ReLU(inplace=True), nn.Dropout(drop)] if hidden else []
        self.body = nn.Sequential(nn.Dropout(drop), *body)
        self.expression = nn.Linear(hidden or width, classes)
        self.emotion = nn.Linear(hidden or width, 2)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        features = self.body(features)
        return torch.cat([self.expression(features), torch.tanh(self.emotion(features))], -1)


class FeatureHead(nn.Module):
    """Three heads on features (n, f), which are brought to mean 0 and standard deviation 1 first."""

    def __init__(self, features: np.ndarray, classes: int, *, hidden: int = 128):
        super().__init__()
        self.register_buffer("mean", torch.from_numpy(features.mean(0)).float())
        self.register_buffer("spread", torch.from_numpy(features.std(0) + 1e-3).float())
        self.heads = ThreeHeads(len(self.mean), classes, hidden=hidden, drop=0.5)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return self.heads((features - self.mean) / self.spread)


class Encoder(nn.Module):
    """The encoder of our keypoint network, on colour images: they are made gray first."""

    def __init__(self, pretrained: bool):
        super().__init__()
        net = build("small")
        if pretrained:
            load_weights(net, model_path("small", ".safetensors"))
        self.stages = nn.Sequential(net.stem, net.down28, net.down14, net.down7)
        self.register_buffer("gray", _per_channel(GRAY), persistent=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.stages((images * self.gray).sum(1, keepdim=True) * 2 - 1)


class ExpressionNet(nn.Module):
    """A backbone with three heads: images (n, 3, size, size) float32 in 0..1 -> (n, classes + 2).

    Args:
        backbone: lite0 = EfficientNet-Lite0, 3.4 M weights; encoder = of our keypoint network, 0.3 M; resnet50 and
            efficientnet_b0 of torchvision.
        pretrained: Start from ImageNet weights (encoder: from those of the keypoint network); `self.pretrained` tells
            whether they could be had.
        frozen: So many first stages never change, their normalisation included; see `freeze`.
    """

    def __init__(self, backbone: str = "lite0", *, classes: int = 8, pretrained: bool = False, frozen: int = 0):
        super().__init__()
        self.features, width, self.pretrained = _features(backbone, pretrained)
        self.on_colours = backbone != "encoder"
        self.register_buffer("mean", _per_channel(MEAN), persistent=False)
        self.register_buffer("spread", _per_channel(STD), persistent=False)
        self.heads = ThreeHeads(width, classes)
        freeze(self, frozen)

    def stages(self) -> list[nn.Module]:
        """Return the stages of the backbone, the first ones first."""
        return list(self.features.stages if isinstance(self.features, Encoder) else self.features)

    def train(self, mode: bool = True) -> "ExpressionNet":
        """Switch to training, except for frozen stages: their normalisation keeps its statistics."""
        super().train(mode)
        for stage in self.stages()[: self.frozen]:
            stage.eval()
        return self

    def pooled(self, images: torch.Tensor) -> torch.Tensor:
        """Return the features (n, width) that the heads look at."""
        return self.features((images - self.mean) / self.spread if self.on_colours else images).mean((2, 3))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.heads(self.pooled(images))


def _features(name: str, pretrained: bool) -> tuple[nn.Module, int, bool]:
    """Return a backbone's stages, its number of features, and whether it has its trained weights."""
    if name not in NETS:
        raise unknown("backbone", name, NETS)
    if name == "encoder":
        return Encoder(pretrained), 128, pretrained
    stages, width, loaded = backbone(NETS[name], pretrained=pretrained)
    if name == "resnet50":  # its first four layers are one stage to freeze
        stages = nn.Sequential(stages[:4], *stages[4:])
    return stages, width, loaded


def freeze(model: ExpressionNet, stages: int) -> int:
    """Freeze the first `stages` stages of the backbone, or all of them; return how many weights still learn."""
    model.frozen = stages
    for i, stage in enumerate(model.stages()):
        stage.requires_grad_(i >= stages)
    model.train(model.training)
    return sum(weight.numel() for weight in model.parameters() if weight.requires_grad)


def concordance(predicted: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return the concordance correlation coefficient of each column: (n, m), (n, m) -> (m,). Source: Lin, 1989.

    With the biased variances, unlike torchmetrics': a batch of one face then has a finite loss.
    """
    means = predicted.mean(0), target.mean(0)
    apart = predicted - means[0], target - means[1]
    variances = apart[0].square().mean(0) + apart[1].square().mean(0)
    return 2 * (apart[0] * apart[1]).mean(0) / (variances + (means[0] - means[1]).square() + 1e-8)


def expression_loss(
    *, share: float = 0.5, kind: str = "mse", smoothing: float = 0.1, weights: torch.Tensor | None = None
) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """Return the loss of (n, classes + 2) answers against (n, classes + 2) targets.

    Args:
        share: Of valence and arousal in the sum; 0 = expressions alone, 1 = valence and arousal alone.
        kind: Of the valence and arousal part: "mse" (times 10), "ccc" = 1 - concordance, or "both".
        smoothing: Of the labels.
        weights: (classes,) of the expressions in the cross-entropy.
    """
    if kind not in LOSSES:
        raise unknown("loss", kind, LOSSES)
    if not 0 <= share <= 1:
        raise InputError(f"share: expected 0 to 1, got {share!r}")

    def loss(output, target):
        value, (scales, wanted) = output.new_zeros(()), (output[:, -2:], target[:, -2:])
        if share < 1:
            options = dict(weight=None if weights is None else weights.to(output), label_smoothing=smoothing)
            value = (1 - share) * functional.cross_entropy(output[:, :-2], target[:, :-2], **options)
        if share > 0 and kind in ("mse", "both"):
            value = value + share * 10 * functional.mse_loss(scales, wanted)
        if share > 0 and kind in ("ccc", "both"):
            value = value + share * (1 - concordance(scales, wanted)).mean()
        return value

    return loss


class WithShares(nn.Module):
    """A network that answers with shares of the expressions that sum to 1, and with valence and arousal."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        output = self.model(images)
        return torch.softmax(output[:, :-2], -1), output[:, -2:]


def export_expressions(model: nn.Module, path: str | Path, *, size: int = SIZE, half: bool = True) -> Path:
    """Write an expression network as ONNX: images (n, 3, size, size) in 0..1 -> shares (n, classes), scales (n, 2).

    Args:
        half: Store the weights with 16 bits, half the size; they are widened as the model is loaded.
    """
    program = to_onnx(WithShares(model), (3, size, size), ["shares", "scales"])
    return save_onnx(store_half(program) if half else program, path)
