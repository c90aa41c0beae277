"""Losses for keypoints, some of which may be missing, and the soft-argmax that turns heatmaps into keypoints.

Each loss takes predicted and target (..., 2) in the same unit and averages over the coordinates that are not NaN; if
all are NaN, it is zero and so is its gradient.
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F

from fkd_helpers.core.errors import unknown
from fkd_helpers.faces.boxes import CROP_SIZE


def heatmap_centres(cells: int, size: int = CROP_SIZE) -> torch.Tensor:
    """Return the positions (g,) of a heatmap's cells along one axis, in crop pixels."""
    return (torch.arange(cells) + 0.5) * (size / cells) - 0.5


def soft_argmax(logits: torch.Tensor, size: int = CROP_SIZE) -> torch.Tensor:
    """Return the mean position (n, k, 2), in crop pixels, under the softmax of heatmaps (n, k, g, g)."""
    weights = torch.softmax(logits.float().flatten(2), -1).unflatten(-1, logits.shape[-2:])
    centres = heatmap_centres(logits.shape[-1], size).to(weights)
    return torch.stack([weights.sum(-2) @ centres, weights.sum(-1) @ centres], -1)


def keypoints_from(output: torch.Tensor) -> torch.Tensor:
    """Return keypoints (n, k, 2) in crop pixels from the output of any of our networks."""
    return soft_argmax(output) if output.ndim == 4 else output


def masked(function: Callable[[torch.Tensor], torch.Tensor]) -> Callable:
    """Turn a function of the error into a loss that ignores missing targets."""

    def loss(predicted: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return the mean over the coordinates whose target is not NaN, a scalar."""
        if predicted.shape != target.shape:
            wanted, got = tuple(target.shape), tuple(predicted.shape)
            raise ValueError(f"predicted: expected the target's shape {wanted}, got {got}")
        there = ~torch.isnan(target)
        error = torch.where(there, predicted - torch.where(there, target, 0.0), 0.0)
        return function(error).sum() / there.sum().clamp(min=1)  # of an error 0 every loss is 0

    return loss


def wing(error: torch.Tensor, *, width: float = 5.0, curvature: float = 1.0) -> torch.Tensor:
    """Return the wing function of an error in pixels: steep near zero, linear beyond `width` (Feng et al., 2018)."""
    size = error.abs()
    bend = width * torch.log1p(size / curvature)
    offset = width * math.log1p(width / curvature) - width  # the two parts meet
    return torch.where(size < width, bend, size + offset)


mse = masked(torch.square)
l1 = masked(torch.abs)
smooth_l1 = masked(lambda error: F.smooth_l1_loss(error, torch.zeros_like(error), reduction="none"))
wing_loss = masked(wing)


def heatmap(logits: torch.Tensor, target: torch.Tensor, *, spread: float = 1.0, weight: float = 1.0) -> torch.Tensor:
    """Return the loss of heatmaps (n, k, g, g) against keypoints (n, k, 2) in crop pixels.

    The wing loss of the soft-argmax says where the middle must be, the cross-entropy with a Gaussian of `spread` cells
    that the map must have one peak there. Source: Nibali et al., Numerical Coordinate Regression with Convolutional
    Neural Networks, 2018.
    """
    cells = logits.shape[-1]
    centres = heatmap_centres(cells).to(logits)  # crop pixels
    step = centres[1] - centres[0]
    target = target.clamp(centres[0] - step / 2, centres[-1] + step / 2)
    there = ~torch.isnan(target).any(-1)
    safe = torch.where(there[..., None], target, 0.0)
    bumps = torch.softmax(-((centres - safe[..., None]) ** 2) / (2 * (spread * step) ** 2), -1)  # (n, k, 2, g)
    # a Gaussian is a product: the cross-entropy needs only the log-map's expectation under rows and columns
    log_map = torch.log_softmax(logits.float().flatten(2), -1).unflatten(-1, (cells, cells))
    cross = -torch.einsum("nkyx,nkx,nky->nk", log_map, bumps[:, :, 0], bumps[:, :, 1])
    cross = torch.where(there, cross, 0.0).sum() / there.sum().clamp(min=1)
    return wing_loss(soft_argmax(logits), target) + weight * cross


LOSSES: dict[str, Callable] = {
    "mse": mse, "l1": l1, "smooth_l1": smooth_l1, "huber": smooth_l1, "wing": wing_loss, "heatmap": heatmap
}  # fmt: skip


def loss_named(name: str) -> Callable:
    """Return the loss of that name."""
    if name not in LOSSES:
        raise unknown("loss", name, LOSSES)
    return LOSSES[name]
