"""Batches of training examples, and augmentation in which keypoints move with the pixels.

A face is cut once, wide and square, from its image (`base_crops`). Every epoch then sees it through another window: one
affine map per face brings pixels and keypoints from the base crop to the network's input, mirroring included. Pixels
stay uint8 until the batch is whole, because OpenCV's warps and look-up tables are several times faster on bytes.
"""

import copy
import math
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch

from fkd_helpers.data.faceset import LAYOUT_MIRRORS, FaceSet
from fkd_helpers.faces.boxes import CROP_SIZE, MARGIN, crop, square_of, to_crop, to_frame
from fkd_helpers.faces.images import to_gray
from fkd_helpers.train.distributed import processes, shard

BASE_MARGIN = 0.6  # of the face's longer side, on each side: room for shifted and zoomed windows
WINDOW = (1 + 2 * MARGIN) / (1 + 2 * BASE_MARGIN)  # side of the plain window, as a share of the base crop's side
BASE_SIZE = 200  # pixels: one pixel of the base crop is then about one pixel of the network's input
NOISE_STD = 104.5  # of the sum of two uniform bytes
FRAME_SCALED, FRAME_INPUT = 250, 224  # pixels: shorter side of the resized image, side of the square cut from it
FRAME_UNIT, FRAME_CENTRE = 50.0, 100.0  # the published runs learn (keypoint - 100) / 50


@dataclass(frozen=True)
class Augment:
    """How strong each change is; 0 turns it off.

    Attributes:
        rotate: standard deviation of the angle, degrees
        zoom: standard deviation of the log of the window's side
        shift: standard deviation of the window's centre, in sides of the window, along each axis
        flip: probability of a mirrored face
        light: strength of changes of contrast, brightness and gamma
        noise: largest standard deviation of pixel noise, gray levels of 255
        blur: probability of a blurred face
        occlude: probability of a rectangle that hides a part of the face
    """

    rotate: float = 15.0
    zoom: float = 0.12
    shift: float = 0.06
    flip: float = 0.5
    light: float = 0.4
    noise: float = 14.0
    blur: float = 0.2
    occlude: float = 0.4

    def scaled(self, factor: float) -> "Augment":
        """Scale every change but the mirroring, which stays as it is unless the factor is 0."""
        changes = {key: value * factor for key, value in vars(self).items()}
        return Augment(**changes | {"flip": self.flip if factor else 0.0})


NONE = Augment().scaled(0)


def flip_order(k: int) -> np.ndarray:
    """Return for each keypoint of a mirrored face which keypoint of the face it was; known for 68 and 15 points.

    >>> order = flip_order(68); (order[order] == np.arange(68)).all(), int(order[36])
    (np.True_, 45)
    """
    return LAYOUT_MIRRORS[k].copy()


class Batches:
    """Batches of n examples: `batches(epoch)` yields those of an epoch, the same ones whenever it is asked for.

    A subclass writes `make`. Where several processes train together, each makes its own shard of every batch.

    Args:
        shuffle: draw a new order each epoch; without it the examples come in order, the last batch may be smaller
        weights: probability (n,) with which each example is drawn, with repetition
        steps: batches per epoch; more than there are examples for show them more than once
    """

    drop_last = True  # leave the incomplete last batch of a shuffled epoch out
    options = NONE

    def __init__(self, n: int, *, batch_size: int, seed: int = 0, shuffle: bool = True, weights=None, steps=None):
        self.n, self.batch_size, self.seed, self.shuffle = n, min(batch_size, n), seed, shuffle
        self.weights, self.steps = weights, steps

    def make(self, index: np.ndarray, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Return inputs and targets of the examples at these indices; chance comes from `rng` alone."""
        raise NotImplementedError

    def __len__(self) -> int:
        if self.shuffle and self.steps:
            return self.steps
        batches = self.n / self.batch_size
        return math.floor(batches) if self.shuffle and self.drop_last else math.ceil(batches)

    def __call__(self, epoch: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        rank, count = processes()
        rng = np.random.default_rng([self.seed, epoch])
        order = self.order(rng)
        if rank:  # every process draws the same order, then its own augmentation
            rng = np.random.default_rng([self.seed, epoch, rank])
        for step in range(len(self)):
            index = order[step * self.batch_size : (step + 1) * self.batch_size]
            yield self.make(index[shard(len(index), rank, count)], rng)

    def order(self, rng: np.random.Generator) -> np.ndarray:
        """Return the examples of an epoch, one row each; a row is what `make` gets as an index."""
        if not self.shuffle:
            return np.arange(self.n)
        if self.weights is not None:
            return rng.choice(self.n, self.n, p=self.weights)
        rounds = math.ceil(self.steps * self.batch_size / self.n) if self.steps else 1
        return np.concatenate([rng.permutation(self.n) for _ in range(rounds)])

    def without_augmentation(self) -> "Batches":
        """Return the same examples in order, not augmented."""
        plain = copy.copy(self)
        plain.options, plain.shuffle = NONE, False
        return plain


class FaceBatches(Batches):
    """Faces by the crop rule: images (n, 1, size, size) float32 in 0..1, keypoints (n, k, 2) in their pixels."""

    def __init__(self, faces: FaceSet, *, options: Augment = Augment(), size: int = CROP_SIZE, batch_size=64, **rest):
        super().__init__(len(faces), batch_size=batch_size, **rest)
        self.crops, self.keypoints = base_crops(faces)
        self.squares, self.options, self.size = square_of(faces.boxes, margin=MARGIN), options, size
        self.share, self.mirror = WINDOW, faces.mirror
        if options.flip and self.mirror is None:
            points = faces.keypoints.shape[1]
            warnings.warn(f"no mirror order is known for these {points} keypoints: no face is mirrored", stacklevel=2)

    def make(self, index, rng):
        options = dict(options=self.options, size=self.size, share=self.share, mirror=self.mirror)
        images, keypoints = augment(self.crops[index], self.keypoints[index], **options, rng=rng)
        return torch.from_numpy(images)[:, None] / 255, torch.from_numpy(keypoints)

    def to_images(self, keypoints: np.ndarray) -> np.ndarray:
        """Bring keypoints (n, k, 2) of the plain windows, in order, to pixels of the images they were cut from."""
        return to_frame(keypoints, self.squares, self.size)


class FrameBatches(Batches):
    """Whole frames as in the classic course: a random square of 224 pixels from the image resized to 250.

    No box is used: the network has to find the face. The fifteen published runs were trained like this.
    """

    drop_last = False

    def __init__(self, faces: FaceSet, *, batch_size: int = 10, **rest):
        super().__init__(len(faces), batch_size=batch_size, **rest)
        with ThreadPoolExecutor() as pool:
            self.images = list(pool.map(_frame, faces.images))
        pairs = zip(self.images, faces.images, strict=True)
        self.scale = np.array([np.divide(new.shape[::-1], old.shape[1::-1]) for new, old in pairs])[:, None]
        self.keypoints = ((faces.keypoints + 0.5) * self.scale - 0.5).astype(np.float32)
        self.room = np.array([image.shape[::-1] for image in self.images]) - FRAME_INPUT  # for the corner, x and y

    def order(self, rng):
        corners = self.room // 2
        order = super().order(rng)
        if self.shuffle:
            corners = rng.integers(0, self.room + 1)
        return np.column_stack([order, corners[order]])

    def make(self, index, rng):
        squares = np.zeros((len(index), FRAME_INPUT, FRAME_INPUT), np.uint8)
        for square, (i, x, y) in zip(squares, index, strict=True):
            square[:] = self.images[i][y : y + FRAME_INPUT, x : x + FRAME_INPUT]
        keypoints = self.keypoints[index[:, 0]] - index[:, None, 1:].astype(np.float32)
        return torch.from_numpy(squares)[:, None] / 255, torch.from_numpy(keypoints)

    def to_images(self, keypoints: np.ndarray) -> np.ndarray:
        """Bring keypoints (n, k, 2) of the middle squares, in order, to pixels of the images they were cut from."""
        return (keypoints + (self.room // 2)[:, None] + 0.5) / self.scale - 0.5


def _frame(image: np.ndarray) -> np.ndarray:
    gray = to_gray(np.asarray(image))
    height, width = (max(FRAME_INPUT, round(side * FRAME_SCALED / min(gray.shape))) for side in gray.shape)
    method = cv2.INTER_AREA if min(gray.shape) > FRAME_SCALED else cv2.INTER_LINEAR
    return cv2.resize(gray, (width, height), interpolation=method)


def base_crops(faces: FaceSet, *, size: int = BASE_SIZE) -> tuple[np.ndarray, np.ndarray]:
    """Cut each face once: gray crops (n, size, size) uint8 and keypoints (n, k, 2) in their pixels."""
    squares = square_of(faces.boxes, margin=BASE_MARGIN)

    def cut(i):
        return crop(to_gray(np.asarray(faces.images[i])), squares[i], size)

    with ThreadPoolExecutor() as pool:
        crops = np.stack(list(pool.map(cut, range(len(faces)))))
    return crops, to_crop(faces.keypoints, squares, size)


def augment(
    crops: np.ndarray,
    keypoints: np.ndarray,
    *,
    options: Augment,
    size: int = CROP_SIZE,
    share: float = WINDOW,
    mirror: np.ndarray | str | None = "layout",
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Look at base crops (n, s, s) uint8 through random windows of about `share` of their side.

    Args:
        mirror: order (k,) of the keypoints in a mirrored face; None = unknown, nothing is mirrored; "layout" = that
            of the course's 68 or 15 points

    Returns:
        images (n, size, size) uint8 and keypoints (n, k, 2) in their pixels; missing keypoints stay NaN
    """
    n, source = len(crops), crops.shape[-1]
    if isinstance(mirror, str):
        mirror = LAYOUT_MIRRORS.get(keypoints.shape[1])
    if mirror is None:
        options = replace(options, flip=0.0)
    maps, flipped = window_maps(n, source, options=options, size=size, share=share, rng=rng)
    moved = move(keypoints, maps)
    if flipped.any():
        moved[flipped] = moved[flipped][:, mirror]
    looks = draw_looks(n, size, options, rng)
    noise = rng.integers(-128, 128, (2, 4 * size, size), dtype=np.int8).astype(np.int16).sum(0)  # triangular
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    images = np.empty((n, size, size), np.uint8)
    for i in range(n):  # calls this short are slower in several threads
        image = cv2.warpAffine(crops[i], maps[i], (size, size), flags=flags, borderMode=cv2.BORDER_REPLICATE)
        images[i] = apply_look(image, {key: value[i] for key, value in looks.items()}, noise)
    return images, moved


def window_maps(
    n: int, source: int, *, options: Augment, size: int, share: float = WINDOW, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw n windows into base crops of side `source`.

    Returns:
        maps (n, 2, 3) from pixels of a window to pixels of the crop, and which windows (n,) are mirrored
    """
    zoom = np.exp(np.clip(rng.normal(0, options.zoom, n), -0.5, 0.6))
    side = source * share * zoom
    angle = np.clip(rng.normal(0, np.radians(options.rotate), n), -1.2, 1.2)
    centre = (source - 1) / 2 + np.clip(rng.normal(0, options.shift, (n, 2)), -0.2, 0.2) * side[:, None]
    flipped = rng.random(n) < options.flip
    scale = side / size
    cos, sin = np.cos(angle) * scale, np.sin(angle) * scale
    mirror = np.where(flipped, -1.0, 1.0)
    linear = np.stack([np.stack([cos * mirror, -sin], -1), np.stack([sin * mirror, cos], -1)], 1)
    offset = centre - linear @ np.full(2, (size - 1) / 2)
    return np.concatenate([linear, offset[..., None]], -1), flipped


def move(keypoints: np.ndarray, maps: np.ndarray) -> np.ndarray:
    """Move keypoints (n, k, 2) from crops to the windows of `window_maps`, by the inverse of each map."""
    inverse = np.linalg.inv(maps[..., :2])
    return ((keypoints - maps[:, None, :, 2]) @ inverse.transpose(0, 2, 1)).astype(np.float32)


def draw_looks(n: int, size: int, options: Augment, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Draw what happens to the pixels of n windows: a table of gray levels, blur, noise, a hidden rectangle."""
    gain, lift, gamma = rng.uniform(-1, 1, (3, n, 1)) * options.light
    level = np.linspace(0, 1, 256)[None]
    table = ((level ** np.exp(gamma) - 0.5) * np.exp(gain) + 0.5 + lift / 2).clip(0, 1) * 255
    middle, half = rng.random((n, 2)), rng.uniform(0.05, 0.22, (n, 2)) * (rng.random((n, 1)) < options.occlude)
    return {
        "table": table.round().astype(np.uint8),
        "blur": rng.choice([3, 5], n) * (rng.random(n) < options.blur),
        "noise": rng.random(n) * options.noise / NOISE_STD,
        "noise_row": rng.integers(0, 3 * size, n),
        "hidden": (np.concatenate([middle - half, middle + half], 1).clip(0, 1) * size).astype(int),
        "paint": rng.integers(0, 256, n),
    }


def apply_look(image: np.ndarray, look: dict, noise: np.ndarray | None = None) -> np.ndarray:
    """Change the pixels of one window as `draw_looks` drew it; noise (4 * size, size) holds rows to take grain from."""
    image = cv2.LUT(image, look["table"])
    if look["blur"]:
        image = cv2.blur(image, (int(look["blur"]),) * 2)
    left, top, right, bottom = look["hidden"]
    image[top:bottom, left:right] = look["paint"]
    if look["noise"]:
        grain = noise[look["noise_row"] : look["noise_row"] + len(image)]
        image = cv2.addWeighted(image, 1.0, grain, float(look["noise"]), 0.0, dtype=cv2.CV_8U)
    return image
