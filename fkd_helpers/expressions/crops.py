"""What an expression network sees: faces turned upright, in colour, through the windows of a recipe.

A face is cut once, upright and with room around it (`upright_crops`); every epoch then sees it through another window.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import torch

from fkd_helpers.core.errors import unknown
from fkd_helpers.expressions.upright import MARGIN, ROOM, SIZE, STORED, upright_crop
from fkd_helpers.train.augment import NONE, Augment, apply_look, draw_looks, window_maps
from fkd_helpers.train.batches import Batches

SHARE = (1 + 2 * MARGIN) / (1 + 2 * ROOM)
RECIPES = {
    "none": NONE,
    "v1": Augment(rotate=8, zoom=0.08, shift=0.04, flip=0.5, light=0.3, noise=0, blur=0, occlude=0),
    "v2": Augment(rotate=10, zoom=0.10, shift=0.05, flip=0.5, light=0.4, noise=0, blur=0.1, occlude=0.35),
}
CHUNK = 64  # faces that are looked at together
TINT = 0.15  # strength of colour casts, of both recipes
PERSPECTIVE, MIXUP = 0.06, 0.2  # of v2: strength of the perspective, parameter of mixup's Beta distribution


def upright_crops(images: Sequence[np.ndarray], keypoints: np.ndarray, size: int = SIZE) -> np.ndarray:
    """Cut each of n faces once, with room around it, sharp enough for inputs of `size` pixels.

    Returns (n, s, s, 3) uint8; s = 160 where the input has 112 pixels.
    """
    stored = round(STORED * size / SIZE)

    def cut(i):
        return upright_crop(np.asarray(images[i]), keypoints[i], stored, room=ROOM)

    with ThreadPoolExecutor() as pool:
        return np.stack(list(pool.map(cut, range(len(images)))))


def view(crops: np.ndarray, recipe: str, *, size: int = SIZE, rng: np.random.Generator) -> np.ndarray:
    """Look at stored crops (n, s, s, 3) through new windows (n, size, size, 3), uint8.

    Args:
        recipe: "none" = the plain window; "v1" = crop, mirroring, rotation, colour jitter; "v2" = v1 stronger, with
            perspective, blur and random erasing (mixup happens in the batch).
    """
    if recipe not in RECIPES:
        raise unknown("recipe", recipe, RECIPES)
    options, n = RECIPES[recipe], len(crops)
    maps, _ = window_maps(n, crops.shape[1], options=options, size=size, share=SHARE, rng=rng)
    maps = np.concatenate([maps, np.tile([[[0.0, 0.0, 1.0]]], (n, 1, 1))], 1)
    looks = draw_looks(n, size, options, rng)
    cast = rng.uniform(-1, 1, (n, 1, 1, 3)) * TINT * (recipe != "none")
    table = looks["table"][:, None, :, None] * np.exp(cast)
    looks["table"] = table.clip(0, 255).round().astype(np.uint8)
    if recipe == "v2":
        lean = np.tile(np.eye(3), (n, 1, 1))
        lean[:, 2, :2] = rng.normal(0, PERSPECTIVE, (n, 2)) / size
        lean[:, :2, 2] = -lean[:, 2, :2] * (size / 2) ** 2  # about the middle, to first order
        maps = maps @ lean
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    images = np.empty((n, size, size, 3), np.uint8)
    for i in range(n):
        image = cv2.warpPerspective(crops[i], maps[i], (size, size), flags=flags, borderMode=cv2.BORDER_REPLICATE)
        images[i] = image if recipe == "none" else apply_look(image, {key: look[i] for key, look in looks.items()})
    return images


def mean_over_mirror(answer: Callable[[np.ndarray], np.ndarray], crops: np.ndarray, *, size: int = SIZE) -> np.ndarray:
    """Return the mean of what a function answers to the plain windows (n, size, size, 3) and to their mirror images."""
    rows = []
    for start in range(0, len(crops), CHUNK):
        seen = view(crops[start : start + CHUNK], "none", size=size, rng=np.random.default_rng(0))
        rows.append((answer(seen) + answer(seen[:, :, ::-1])) / 2)
    return np.concatenate(rows)


def as_tensor(crops: np.ndarray) -> torch.Tensor:
    """Return crops (n, h, w, 3) uint8 as images (n, 3, h, w) float32 in 0..1, channels last in memory."""
    return torch.from_numpy(np.ascontiguousarray(crops)).permute(0, 3, 1, 2).float() / 255


class ExpressionBatches(Batches):
    """Batches of images (b, 3, size, size) in 0..1, or of features (b, f), and of targets (b, classes + 2).

    A target holds the shares of the expressions, then valence and arousal.

    Args:
        inputs: Stored crops (n, s, s, 3) uint8, or features (n, f).
    """

    def __init__(
        self, inputs: np.ndarray, targets: np.ndarray, *, recipe: str = "v1", size: int = SIZE, batch_size=32, **rest
    ):
        super().__init__(len(inputs), batch_size=batch_size, **rest)
        self.inputs, self.targets, self.recipe, self.size = inputs, np.asarray(targets, np.float32), recipe, size

    def make(self, index, rng):
        targets = torch.from_numpy(self.targets[index])
        if self.inputs.ndim == 2:
            return torch.from_numpy(np.asarray(self.inputs[index], np.float32)), targets
        images = as_tensor(view(self.inputs[index], self.recipe, size=self.size, rng=rng))
        if self.recipe == "v2":  # mixup
            share = float(rng.beta(MIXUP, MIXUP))
            share, other = max(share, 1 - share), torch.from_numpy(rng.permutation(len(index)))
            images = share * images + (1 - share) * images[other]
            targets = share * targets + (1 - share) * targets[other]
        return images, targets
