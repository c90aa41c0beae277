"""What an expression network sees: faces turned upright by their keypoints, in colour. Built in notebook 07.

A face is cut once, upright and with room around it (`upright_crops`); every epoch then sees it through other windows.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import torch

from fkd_helpers.core.errors import unknown
from fkd_helpers.expressions.upright import MARGIN, ROOM, SIZE, STORED, upright_crop
from fkd_helpers.train.batches import Augment, Batches, window_maps

SHARE = (1 + 2 * MARGIN) / (1 + 2 * ROOM)
COLOUR_MEAN, COLOUR_SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's pixels


def upright_crops(images: Sequence[np.ndarray], keypoints: np.ndarray, size: int = SIZE) -> np.ndarray:
    """Cut each of n faces once, with room around it, sharp enough for inputs of `size` pixels.

    Returns (n, s, s, 3) uint8; s = 160 where the input has 112 pixels.
    """
    stored = round(STORED * size / SIZE)

    def cut(i):
        return upright_crop(np.asarray(images[i]), keypoints[i], stored, room=ROOM)

    with ThreadPoolExecutor() as pool:
        return np.stack(list(pool.map(cut, range(len(images)))))


RECIPES = {
    "none": Augment(rotate=0, zoom=0, shift=0, flip=0, light=0, noise=0, blur=0, occlude=0),
    "v1": Augment(rotate=8, zoom=0.08, shift=0.04, flip=0.5, light=0.3, noise=0, blur=0, occlude=0),
    "v2": Augment(rotate=10, zoom=0.10, shift=0.05, flip=0.5, light=0.4, noise=0, blur=0.1, occlude=0.35),
}
TINT, LEAN, MIX = 0.15, 0.06, 0.2  # of v2: strength of colour casts, of perspective, of mixup (Beta(MIX, MIX))


def view(crops: np.ndarray, recipe: str, *, size: int = SIZE, rng: np.random.Generator) -> np.ndarray:
    """Look at stored crops (n, s, s, 3) through new windows (n, size, size, 3), uint8.

    recipe: "none" = the plain window; "v1" = crop, flip, rotation, colour jitter; "v2" = v1 stronger, with perspective,
        blur and random erasing (mixup happens in the batch)

    Raises:
        InputError: another recipe.
    """
    if recipe not in RECIPES:
        raise unknown("recipe", recipe, RECIPES)
    options, n = RECIPES[recipe], len(crops)
    maps, _ = window_maps(n, crops.shape[1], options=options, size=size, share=SHARE, rng=rng)
    full = np.tile(np.array([[0.0, 0.0, 1.0]]), (n, 1, 1))
    maps = np.concatenate([maps, full], 1)
    if recipe == "v2":
        lean = np.tile(np.eye(3), (n, 1, 1))
        lean[:, 2, :2] = rng.normal(0, LEAN, (n, 2)) / size
        lean[:, :2, 2] = -lean[:, 2, :2] * (size / 2) ** 2  # about the middle, to first order
        maps = maps @ lean
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    seen = np.empty((n, size, size, 3), np.uint8)
    tables = _light(n, options.light, recipe != "none", rng)
    blurred, hidden = rng.random(n) < options.blur, rng.random(n) < options.occlude
    middle, half = rng.random((n, 2)), rng.uniform(0.06, 0.2, (n, 2))
    low, high = ((middle + sign * half).clip(0, 1) * size for sign in (-1, 1))
    paint = rng.integers(0, 256, (n, 3))
    for i in range(n):
        image = cv2.warpPerspective(crops[i], maps[i], (size, size), flags=flags, borderMode=cv2.BORDER_REPLICATE)
        if recipe != "none":
            image = cv2.LUT(image, tables[i])
        if blurred[i]:
            image = cv2.blur(image, (3, 3))
        if hidden[i]:
            (left, top), (right, bottom) = low[i].astype(int), high[i].astype(int)
            image[top:bottom, left:right] = paint[i]
        seen[i] = image
    return seen


def _light(n, strength, tint, rng):
    """Return tables (n, 1, 256, 3) of new gray levels, one a colour: contrast, brightness, gamma, a colour cast."""
    gain, lift, gamma = rng.uniform(-1, 1, (3, n, 1, 1)) * strength
    cast = rng.uniform(-1, 1, (n, 1, 3)) * TINT * tint
    level = np.linspace(0, 1, 256)[None, :, None]
    table = (level ** np.exp(gamma) - 0.5) * np.exp(gain) + 0.5 + lift / 2
    return (table * np.exp(cast) * 255).clip(0, 255).round().astype(np.uint8)[:, None]


def as_tensor(crops: np.ndarray) -> torch.Tensor:
    """Return crops (n, h, w, 3) uint8 as images (n, 3, h, w) float32 in 0..1, channels last in memory."""
    return torch.from_numpy(np.ascontiguousarray(crops)).permute(0, 3, 1, 2).float() / 255


class ExpressionBatches(Batches):
    """Batches of images (b, 3, size, size) float32 in 0..1 and targets (b, classes + 2).

    A target has the shares of the expressions, then valence and arousal.

    Args:
        limit: at most so many batches per epoch
        rest: of `Batches`: batch_size, seed, weights
    """

    def __init__(self, crops: np.ndarray, targets: np.ndarray, *, recipe="v1", size=SIZE, limit=None, **rest):
        super().__init__(len(crops), **{"batch_size": 32} | rest)
        self.crops, self.targets = crops, np.asarray(targets, np.float32)
        self.recipe, self.size, self.steps = recipe, size, limit and min(limit, len(self))

    def make(self, index, rng):
        images = as_tensor(view(self.crops[index], self.recipe, size=self.size, rng=rng))
        targets = torch.from_numpy(self.targets[index])
        if self.recipe == "v2":
            share = float(rng.beta(MIX, MIX))
            share, other = max(share, 1 - share), torch.from_numpy(rng.permutation(len(index)))
            images = share * images + (1 - share) * images[other]
            targets = share * targets + (1 - share) * targets[other]
        return images, targets


class FeatureBatches(Batches):
    """Batches of features (b, f) and targets, in another order each epoch."""

    def __init__(self, inputs, targets, *, limit: int | None = None, **rest):
        super().__init__(len(inputs), **rest)
        self.inputs, self.targets = (torch.as_tensor(v, dtype=torch.float32) for v in (inputs, targets))
        self.steps = limit and min(limit, len(self))

    def make(self, index, rng):
        index = torch.from_numpy(index)
        return self.inputs[index], self.targets[index]
