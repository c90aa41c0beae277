"""Augmentation of whole batches in which the keypoints go where the pixels go. Built in notebook 01.

A face is cut once, wide and square, from its image (`base_crops`); every epoch then sees it through another window:
one affine map a face brings pixels and keypoints from the base crop to the network's input, flip included. Pixels stay
uint8 until the batch is whole: OpenCV's warps and tables on bytes are several times faster than float tensors here.
"""

import copy
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
import torch

from fkd_helpers.data import FaceSet
from fkd_helpers.faces.boxes import CROP_SIZE, MARGIN, crop, square_of, to_crop, to_frame
from fkd_helpers.faces.images import to_gray
from fkd_helpers.faces.landmarks import MIRROR
from fkd_helpers.faces.landmarks import POINTS_15 as POINTS
from fkd_helpers.train.distributed import shard

BASE_MARGIN = 0.6  # of the face's longer side on each side: room for shifted and zoomed windows
WINDOW = (1 + 2 * MARGIN) / (1 + 2 * BASE_MARGIN)  # the plain window's side, as a share of the base crop's
BASE_SIZE = 200  # pixels; the network's window is then cut at about one pixel to one


@dataclass(frozen=True)
class Augment:
    """How far each change goes; 0 turns it off.

    rotate: standard deviation of the angle, degrees
    zoom: standard deviation of the log of the window's side
    shift: standard deviation of the window's centre, in sides of the window, each way
    flip: probability of a mirrored face
    light: strength of changes of contrast, brightness and gamma
    noise: highest standard deviation of pixel noise, gray levels of 255
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


NONE = Augment(**dict.fromkeys(Augment.__dataclass_fields__, 0.0))


def flip_order(k: int) -> np.ndarray:
    """Return for each keypoint of a mirrored face which keypoint of the face it was; for 68 points and Kaggle's 15.

    >>> order = flip_order(68); (order[order] == np.arange(68)).all(), int(order[36])
    (np.True_, 45)
    """
    if k == len(POINTS):
        other = {"left": "right", "right": "left"}
        names = [re.sub("left|right", lambda side: other[side[0]], point) for point in POINTS]
        return np.array([POINTS.index(name) for name in names])
    if k != 68:
        raise ValueError(f"flip order: known for 68 and {len(POINTS)} keypoints, got {k}")
    return MIRROR.copy()


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
    rng: np.random.Generator,
    own: slice = slice(None),
) -> tuple[np.ndarray, np.ndarray]:
    """Look at base crops (n, s, s) uint8 through random windows, of about `share` of their side.

    own: which of them are looked at; chance deals with all n all the same

    Returns:
        images (n, size, size) uint8 and keypoints (n, k, 2) in their pixels; missing points stay NaN
    """
    n, source = len(crops), crops.shape[-1]
    maps, flipped = window_maps(n, source, options=options, size=size, share=share, rng=rng)
    moved = move(keypoints, maps)
    if flipped.any():
        moved[flipped] = moved[flipped][:, flip_order(keypoints.shape[1])]
    looks = _looks(n, size, options, rng)
    noise = rng.integers(-128, 128, (2, 4 * size, size), dtype=np.int8).astype(np.int16).sum(0)  # triangular, std 104.5
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    chosen = range(n)[own]
    images = np.empty((len(chosen), size, size), np.uint8)
    for place, i in enumerate(chosen):  # calls this short are slower in several threads
        image = cv2.warpAffine(crops[i], maps[i], (size, size), flags=flags, borderMode=cv2.BORDER_REPLICATE)
        images[place] = _seen(image, {key: value[i] for key, value in looks.items()}, noise)
    return images, moved[own]


def window_maps(
    n: int, source: int, *, options: Augment, size: int, share: float = WINDOW, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw n windows, of about `share` of its side, into base crops of side `source`.

    Returns:
        maps (n, 2, 3) from a window's pixels to the crop's, and which windows (n,) are mirrored
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


def _looks(n: int, size: int, options: Augment, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Draw for n windows what happens to their pixels: a table of gray levels, blur, noise, a hidden rectangle."""
    gain, lift, gamma = rng.uniform(-1, 1, (3, n, 1)) * options.light
    level = np.linspace(0, 1, 256)[None]
    table = ((level ** np.exp(gamma) - 0.5) * np.exp(gain) + 0.5 + lift / 2).clip(0, 1) * 255
    middle, half = rng.random((n, 2)), rng.uniform(0.05, 0.22, (n, 2)) * (rng.random((n, 1)) < options.occlude)
    return {
        "table": table.round().astype(np.uint8),
        "blur": rng.choice([3, 5], n) * (rng.random(n) < options.blur),
        "noise": rng.random(n) * options.noise / 104.5,
        "noise_row": rng.integers(0, 3 * size, n),
        "hidden": (np.concatenate([middle - half, middle + half], 1).clip(0, 1) * size).astype(int),
        "paint": rng.integers(0, 256, n),
    }


def _seen(image: np.ndarray, look: dict, noise: np.ndarray) -> np.ndarray:
    """Change one window's light, sharpness, noise and what is hidden; the keypoints stay where they are."""
    image = cv2.LUT(image, look["table"])
    if look["blur"]:
        image = cv2.blur(image, (int(look["blur"]),) * 2)
    left, top, right, bottom = look["hidden"]
    image[top:bottom, left:right] = look["paint"]
    if look["noise"]:
        grain = noise[look["noise_row"] : look["noise_row"] + len(image)]
        image = cv2.addWeighted(image, 1.0, grain, float(look["noise"]), 0.0, dtype=cv2.CV_8U)
    return image


class FaceBatches:
    """Batches of faces for `training.fit`: calling it with an epoch gives that epoch's batches, always the same ones.

    A batch is images (n, 1, size, size) float32 in 0..1 and keypoints (n, k, 2) float32 in their pixels.

    shard: rank and number of the processes that share each batch; this one makes its own part of it only
    """

    shard = (0, 1)

    def __init__(
        self,
        faces: FaceSet,
        *,
        batch_size: int = 64,
        options: Augment = Augment(),
        size: int = CROP_SIZE,
        seed: int = 0,
        shuffle: bool = True,
    ):
        self.crops, self.keypoints = base_crops(faces)
        self.squares = square_of(faces.boxes, margin=MARGIN)
        self.batch_size, self.options, self.size = min(batch_size, len(faces)), options, size
        self.seed, self.shuffle = seed, shuffle

    @property
    def faces(self) -> int:
        """How many faces there are."""
        return len(self.crops)

    def __len__(self) -> int:
        return len(self.crops) // self.batch_size if self.shuffle else -(-len(self.crops) // self.batch_size)

    def __call__(self, epoch: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        rng = np.random.default_rng([self.seed, epoch])
        n = len(self.crops)
        order = rng.permutation(n) if self.shuffle else np.arange(n)
        for i in range(len(self)):
            chosen = order[i * self.batch_size : (i + 1) * self.batch_size]
            images, keypoints = augment(
                self.crops[chosen], self.keypoints[chosen], options=self.options, size=self.size, rng=rng,
                own=shard(len(chosen), *self.shard),
            )  # fmt: skip
            yield torch.from_numpy(images)[:, None] / 255, torch.from_numpy(keypoints)

    def to_images(self, keypoints: np.ndarray) -> np.ndarray:
        """Return keypoints (n, k, 2) of the plain windows, in order, in pixels of the images they were cut from."""
        return to_frame(keypoints, self.squares, self.size)

    def without_augmentation(self) -> "FaceBatches":
        """Return the same faces in order, seen through the plain window."""
        plain = copy.copy(self)
        plain.options, plain.shuffle = NONE, False
        return plain
