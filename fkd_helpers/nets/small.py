"""Our own small networks: a baseline of two layers, the classic course's CNN, our heatmap network, a residual network.

Inputs and outputs are those of `nets`. Weights and multiply-adds are for 68 keypoints.
"""

import functools
import itertools

import torch
from torch import nn
from torchvision.models.resnet import BasicBlock
from torchvision.ops import Conv2dNormActivation


def _conv(inputs, outputs, kernel=1, stride=1, groups=1, act=True):
    act = nn.ReLU if act else None
    return Conv2dNormActivation(inputs, outputs, kernel, stride, groups=groups, activation_layer=act)


class Residual(nn.Module):
    """A stack of layers, added to its input where the shapes allow it."""

    def __init__(self, *layers: nn.Module, same: bool):
        super().__init__()
        self.body, self.same = nn.Sequential(*layers), same

    def forward(self, x):
        return x + self.body(x) if self.same else self.body(x)


def inverted(inputs: int, outputs: int, stride: int = 1, widen: int = 4) -> Residual:
    """Return MobileNetV2's inverted residual block: widen, filter each channel, narrow."""
    inner = inputs * widen
    layers = _conv(inputs, inner), _conv(inner, inner, 3, stride, groups=inner), _conv(inner, outputs, act=False)
    return Residual(*layers, same=stride == 1 and inputs == outputs)


class SmallNet(nn.Module):
    """Our own network: an encoder from 112 down to 7 pixels, a decoder back up to 28, one heatmap per keypoint.

    Input (n, 1, 112, 112); output logits (n, k, 28, 28). 0.51 M weights, 78 M multiply-adds.
    """

    def __init__(self, keypoints: int = 68, width: float = 1.0):
        super().__init__()
        c = [int(round(v * width / 8) * 8) for v in (16, 32, 64, 128)]

        def stage(inputs, outputs, repeats):
            first = inverted(inputs, outputs, 2)
            return nn.Sequential(first, *[inverted(outputs, outputs) for _ in range(repeats)])

        self.stem = _conv(1, c[0], 3, 2)  # 56
        self.down28 = stage(c[0], c[1], 1)
        self.down14 = stage(c[1], c[2], 2)
        self.down7 = stage(c[2], c[3], 2)
        self.lift14, self.skip14 = _conv(c[3], c[2], act=False), _conv(c[2], c[2], act=False)
        self.up14 = nn.Sequential(inverted(c[2], c[2]))
        self.lift28, self.skip28 = _conv(c[2], c[2], act=False), _conv(c[1], c[2], act=False)
        self.up28 = nn.Sequential(inverted(c[2], c[2], widen=2))
        self.enlarge = nn.Upsample(scale_factor=2, mode="nearest")
        self.head = nn.Conv2d(c[2], keypoints, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x28 = self.down28(self.stem(images * 2 - 1))
        x14 = self.down14(x28)
        x = self.enlarge(self.lift14(self.down7(x14)))
        x = self.up14(x + self.skip14(x14))
        x = self.enlarge(self.lift28(x))
        return self.head(self.up28(x + self.skip28(x28)))


def _blocks(widths, drops, padding):
    """Return five blocks of convolution, ReLU, pooling and dropout; the first convolution is 5 x 5."""
    blocks = []
    for i, (inputs, outputs) in enumerate(itertools.pairwise(widths)):
        conv = nn.Conv2d(inputs, outputs, 3 if i else 5, padding=padding)
        blocks.append(nn.Sequential(conv, nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(drops[i])))
    return nn.Sequential(*blocks)


class ClassicCNN(nn.Module):
    """The CNN of notebook 02, (n, 1, 96, 96) -> keypoints in its pixels. 0.26 M weights, 12 M multiply-adds."""

    def __init__(self, keypoints: int = 68):
        super().__init__()
        self.blocks = _blocks((1, 8, 16, 32, 64, 128), drops=(0, 0, 0, 0.1, 0.1), padding="same")
        linear = nn.Linear(128 * 3 * 3, 128), nn.ReLU(), nn.Dropout(0.1), nn.Linear(128, 2 * keypoints)
        self.head = nn.Sequential(nn.Flatten(), *linear)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.blocks((images - 0.45) / 0.23)).float().unflatten(1, (-1, 2)) * 24 + 48


class CourseCNN(nn.Module):
    """The five-convolution network of the classic course: net A of the published runs; net B has 6,400 hidden units.

    A has 15.5 M weights and 755 M multiply-adds, B 90.0 M and 829 M.
    Input (n, 1, 224, 224); output keypoints (n, k, 2) in its pixels: the last layer answers (point - 100) / 50.
    """

    def __init__(self, keypoints: int = 68, hidden: int = 1000):
        super().__init__()
        self.features = _blocks((1, 32, 64, 128, 256, 512), drops=(0.1, 0.1, 0.3, 0.3, 0.3), padding=0)
        sizes = (512 * 5 * 5, hidden, 1000)  # 224 pixels leave 5 x 5 after five blocks
        layers = [nn.Sequential(nn.Linear(a, b), nn.ReLU(), nn.Dropout(0.5)) for a, b in itertools.pairwise(sizes)]
        self.head = nn.Sequential(nn.Flatten(), *layers, nn.Linear(sizes[-1], 2 * keypoints))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(images)).float().unflatten(1, (-1, 2)) * 50 + 100


class TwoLayers(nn.Module):
    """The smallest baseline, (n, 1, 112, 112) -> keypoints in its pixels. 0.21 M weights, 0.37 M multiply-adds."""

    def __init__(self, keypoints: int = 68):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 8, 5, stride=4, padding=2), nn.ReLU(), nn.MaxPool2d(2))
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(8 * 14 * 14, 2 * keypoints))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(images)).float().unflatten(1, (-1, 2)) * 28 + 56


class ResidualNet(nn.Module):
    """The residual network of the Kaggle course: a stem, five stages of two blocks, the mean, one linear layer.

    Input (n, 1, 96, 96), brought to mean 0 and standard deviation 1; output keypoints in its pixels. 11.2 M weights.
    """

    def __init__(self, keypoints: int = 68):
        super().__init__()
        self.stem = nn.Sequential(*_conv(1, 32, 3, 2), nn.MaxPool2d(2))  # 24
        stages, inputs = [], 32
        for i, outputs in enumerate((32, 64, 128, 256, 512)):  # 24, 12, 6, 3, 2 pixels
            stride = 1 if i == 0 else 2
            short = None if stride == 1 else _conv(inputs, outputs, 1, stride, act=False)
            stages += [BasicBlock(inputs, outputs, stride, short), BasicBlock(outputs, outputs)]
            inputs = outputs
        self.stages = nn.Sequential(*stages)
        self.head = nn.Linear(inputs, 2 * keypoints)
        self.register_load_state_dict_pre_hook(_rename_first_edition)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        spread, mean = torch.std_mean(images, (2, 3), keepdim=True)
        features = self.stages(self.stem((images - mean) / (spread + 1e-3))).mean((2, 3))
        return 48 * (1 + self.head(features).float().unflatten(-1, (-1, 2)))  # the middle of 96 pixels


FIRST_EDITION = {
    ".body.0": ".conv1", ".body.1": ".bn1", ".body.3": ".conv2", ".body.4": ".bn2", ".short.": ".downsample.",
}  # fmt: skip


def _rename_first_edition(_module, state, *_):
    """Load blocks that were saved before they were torchvision's."""
    for key in list(state):
        renamed = functools.reduce(lambda name, pair: name.replace(*pair), FIRST_EDITION.items(), key)
        state[renamed] = state.pop(key)
