"""Our one-shot face detector: a gray picture in, a map of face centres with sizes and roll angles out.

Every cell of the map stands for STRIDE x STRIDE pixels and has six channels: the logit of a face's centre, where in the
cell the centre lies (x, y), the logarithm of the face's size, and sine and cosine of its roll.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torchvision.ops import Conv2dNormActivation

from fkd_helpers.faces.boxes import settle

STRIDE, MULTIPLE = 8, 32  # pixels: of a cell; both sides of the input are multiples of the deepest stride
UNIT = 32.0  # pixels: a face of this size has the log size 0
WIDTHS = (16, 32, 64, 96, 128)


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

    def __init__(self, widths: tuple[int, ...] = WIDTHS):
        super().__init__()
        a, b, c, d, e = widths
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


def decode(maps: np.ndarray, *, min_score: float = 0.3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the faces of a map (6, h, w), the surest first: squares (n, 4) in pixels of the input, rolls (n,) in
    radians, scores (n,).

    A square has the size of the face's tight box when it is turned upright. Of squares that overlap the surest stays.
    """
    logits = torch.from_numpy(np.ascontiguousarray(maps[:1]))
    peaks = (F.max_pool2d(logits, 3, 1, 1) == logits)[0].numpy()
    scores = logits[0].sigmoid().numpy()
    rows, columns = np.nonzero(peaks & (scores >= min_score))
    scores = scores[rows, columns]
    _, x, y, size, sine, cosine = maps[:, rows, columns].astype(np.float64)
    side = np.exp(np.clip(size, -4, 4)) * UNIT
    centre = (np.stack([columns + x, rows + y], 1) + 0.5) * STRIDE - 0.5
    squares = np.concatenate([centre - side[:, None] / 2, side[:, None], side[:, None]], 1)
    kept = np.array(settle(squares, scores), int)
    kept = kept[np.argsort(-scores[kept], kind="stable")]
    return squares[kept], np.arctan2(sine, cosine)[kept], scores[kept]
