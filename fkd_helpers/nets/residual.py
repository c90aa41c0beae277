"""The networks for Kaggle's 15 points, by name, and how they start from the network for 68. Built in notebook 06.

Each takes gray images (n, 1, size, size), float32 in 0..1, and answers with keypoints (n, 15, 2) in their pixels or
with one heatmap a keypoint.
"""

from functools import partial
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn

from fkd_helpers.core.errors import InputError, unknown
from fkd_helpers.faces.landmarks import POINTS_15 as POINTS
from fkd_helpers.nets.models import load_weights
from fkd_helpers.nets.networks import SmallNet

SIDE = 96  # pixels of one of Kaggle's images
SHIPPED = "shipped"  # the 68-keypoint weights that the package brings
# which of the 68 points each of the 15 is; a pupil is the middle of six
OF_68 = {
    "left_eye_center": (42, 43, 44, 45, 46, 47), "right_eye_center": (36, 37, 38, 39, 40, 41),
    "left_eye_inner_corner": (42,), "left_eye_outer_corner": (45,), "right_eye_inner_corner": (39,),
    "right_eye_outer_corner": (36,), "left_eyebrow_inner_end": (22,), "left_eyebrow_outer_end": (26,),
    "right_eyebrow_inner_end": (21,), "right_eyebrow_outer_end": (17,), "nose_tip": (30,), "mouth_left_corner": (54,),
    "mouth_right_corner": (48,), "mouth_center_top_lip": (51,), "mouth_center_bottom_lip": (57,),
}  # fmt: skip


def as_15(keypoints: np.ndarray) -> np.ndarray:
    """Return the 15 points (n, 15, 2) of Kaggle's faces that lie among, or in the middle of, 68 (n, 68, 2)."""
    return np.stack([keypoints[:, list(OF_68[point])].mean(1) for point in POINTS], 1)


class Block(nn.Module):
    """Two 3x3 convolutions beside a short cut. Source: He et al., Deep Residual Learning, 2016."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs),
        )  # fmt: skip
        same = stride == 1 and inputs == outputs
        self.short = nn.Identity() if same else nn.Sequential(
            nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))  # fmt: skip

    def forward(self, x):
        return torch.relu(self.body(x) + self.short(x))


class ResidualNet(nn.Module):
    """The residual network of the Kaggle course: a stem, five stages of two blocks, the mean, one linear layer.

    Input (n, 1, 96, 96); output keypoints (n, 15, 2) in its pixels. 11.2 M weights. Every image is brought to mean 0
    and spread 1 first: on pale images, of which the training has few, the answers would else lie far outside.
    """

    def __init__(self, keypoints: int = len(POINTS), width: float = 1.0):
        super().__init__()
        first, *others = (int(channels * width) for channels in (32, 32, 64, 128, 256, 512))
        self.stem = nn.Sequential(
            nn.Conv2d(1, first, 3, 2, 1, bias=False), nn.BatchNorm2d(first), nn.ReLU(inplace=True), nn.MaxPool2d(2)
        )  # 24
        stages, inputs = [], first
        for i, outputs in enumerate(others):  # 24, 12, 6, 3, 2 pixels
            stages += [Block(inputs, outputs, 1 if i == 0 else 2), Block(outputs, outputs)]
            inputs = outputs
        self.stages = nn.Sequential(*stages)
        self.head = nn.Linear(inputs, 2 * keypoints)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        spread, mean = torch.std_mean(images, (2, 3), keepdim=True)
        features = self.stages(self.stem((images - mean) / (spread + 1e-3))).mean((2, 3))
        return SIDE / 2 * (1 + self.head(features).unflatten(-1, (-1, 2)))


NETWORKS = {
    "residual": ResidualNet,
    "residual_narrow": partial(ResidualNet, width=0.5),
    "small": partial(SmallNet, len(POINTS)),
}
INPUTS = {"residual": SIDE, "residual_narrow": SIDE, "small": 112}


def build_15(name: str, *, start: str = "", seed: int = 0) -> nn.Module:
    """Build a network for 15 points, with random weights or those of a file; a file for 68 points gives up its head.

    start: a safetensors file of the same network, for 15 points or 68; "shipped" = the 68-point weights of the package

    Raises:
        InputError: unknown network, no such file, weights of another network.
    """
    if name not in NETWORKS:
        raise unknown("model", name, NETWORKS)
    torch.manual_seed(seed)
    model = NETWORKS[name]()
    if not start:
        return model
    path = Path(__file__).parents[1] / "weights" / "small.safetensors" if start == SHIPPED else Path(start)
    if name != "small" or not path.exists():
        return load_weights(model, path).train()
    try:
        state = load_file(str(path))
    except Exception:  # load_weights says what is wrong with it
        return load_weights(model, path)
    if len(state.get("head.bias", ())) == 68:
        for key in ("head.weight", "head.bias"):
            state[key] = torch.stack([state[key][list(OF_68[point])].mean(0) for point in POINTS])
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise InputError(f"{path}: weights of another network than {name!r} ({str(error)[:120]})") from None
    return model
