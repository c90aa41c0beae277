"""Our own networks and the classic course's, each a few layers long. Built in notebook 02.

Every network takes gray crops (n, 1, size, size), float32 in 0..1. It answers with keypoints (n, k, 2) in crop pixels,
or with one heatmap a keypoint (n, k, g, g). Weights and multiply-adds are those for 68 keypoints.
"""

import itertools

import torch
from torch import nn


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

    Input (n, 1, 112, 112); output logits (n, k, 28, 28). 0.51 M weights, 78 M multiply-adds.
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
    """The five-convolution network of the classic course: net A of the published runs.

    15.5 M weights, 755 M multiply-adds. With 6,400 hidden units, "course_cnn_large", it is their net B: 90.0 M weights,
    829 M multiply-adds.

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
    """The least that can be called a network here: one convolution and one linear layer.

    Input (n, 1, 112, 112); output keypoints (n, k, 2) in its pixels. 0.21 M weights, 0.37 M multiply-adds.
    """

    def __init__(self, keypoints: int = 68):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 8, 5, stride=4, padding=2), nn.ReLU(), nn.MaxPool2d(2))
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(8 * 14 * 14, 2 * keypoints))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(images)).unflatten(1, (-1, 2)) * 28 + 56
