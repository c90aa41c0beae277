"""Measure the least score of a face: just above what a heatmap network answers in pictures that show none."""

import functools

import numpy as np
import torch
from torch import nn

from fkd_helpers.faces.boxes import box_of, crop, square_of, to_frame
from fkd_helpers.faces.images import to_gray
from fkd_helpers.nets.weights import WithKeypoints

FACELESS = ("brick", "camera", "cat", "clock", "coffee", "coins", "grass", "gravel", "moon", "page", "rocket", "text")
PER_PICTURE, LOOKS = 10, 2  # boxes of each; crops of each box, as in prediction
MARGIN = 1.05  # between the 99th percentile without a face and the threshold
ACCEPTED = 0.9  # so many true crops must pass, or the scores tell nothing


@functools.cache
def faceless_boxes() -> list[tuple[np.ndarray, np.ndarray]]:
    """Return pictures without a face (h, w) uint8, each with random boxes (n, 4)."""
    import skimage.data  # slow

    rng, pairs = np.random.default_rng(0), []
    for name in FACELESS:
        image = getattr(skimage.data, name)()
        image = image if image.ndim == 2 else to_gray(image)
        height, width = image.shape
        side = rng.uniform(40, 0.8 * min(height, width), PER_PICTURE)
        pairs.append((image, np.stack([rng.uniform(0, width - side), rng.uniform(0, height - side), side, side], 1)))
    return pairs


@torch.no_grad()
def measure_min_score(model: nn.Module, crops: np.ndarray) -> float | None:
    """Return the score that a face needs, just above what the network answers in pictures without a face.

    None if scores tell no face from anything else: without heatmaps, or if the network has hardly learned. `crops`
    (n, 1, size, size), float32 in 0..1, show true faces.
    """
    whole = WithKeypoints(model).eval()

    def answer(images):
        return tuple(value.numpy() for value in whole(torch.from_numpy(images)))

    faces = np.concatenate([answer(crops[i : i + 8])[1].mean(1) for i in range(0, min(len(crops), 500), 8)])
    if (faces == 1).all():
        return None
    pictures, threshold = faceless_boxes(), 0.0
    for _ in range(LOOKS):
        looked, scores = [], []
        for image, boxes in pictures:
            squares = square_of(boxes)
            cut = np.stack([crop(image, square, crops.shape[-1]) for square in squares])
            points, peaks = answer(cut[:, None].astype(np.float32) / 255)
            boxes = box_of(to_frame(points, squares, crops.shape[-1]))
            looked.append((image, np.concatenate([boxes[:, :2], boxes[:, 2:].clip(1)], 1)))
            scores += peaks.mean(1).tolist()
        pictures, threshold = looked, round(MARGIN * float(np.percentile(scores, 99)), 4)
        if (faces >= threshold).mean() < ACCEPTED:
            return None
    return threshold
