"""Augmentation of whole batches, in which keypoints move with the pixels.

One affine map per face brings pixels and keypoints from the base crop to the network's input, mirroring included.
Pixels stay uint8, because OpenCV's warps and look-up tables are several times faster on bytes.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from fkd_helpers.data.faceset import LAYOUT_MIRRORS
from fkd_helpers.faces.boxes import CROP_SIZE, MARGIN

BASE_MARGIN = 0.6  # of the face's longer side, on each side: room for shifted and zoomed windows
WINDOW = (1 + 2 * MARGIN) / (1 + 2 * BASE_MARGIN)  # side of the plain window, as a share of the base crop's side
NOISE_STD = 104.5  # of the sum of two uniform bytes


@dataclass(frozen=True)
class Augment:
    """How strong each change is; 0 turns it off."""

    rotate: float = 15.0  # standard deviation of the angle, degrees
    zoom: float = 0.12  # standard deviation of the log of the window's side
    shift: float = 0.06  # standard deviation of the window's centre, in sides of the window, along each axis
    flip: float = 0.5  # probability of a mirrored face
    light: float = 0.4  # strength of changes of contrast, brightness and gamma
    noise: float = 14.0  # largest standard deviation of pixel noise, gray levels of 255
    blur: float = 0.2  # probability of a blurred face
    occlude: float = 0.4  # probability of a rectangle that hides a part of the face
    dark: float = 0.0  # probability of a face in the dark, down to 1/16 of its light
    shrink: float = 0.0  # probability of a face of few pixels, down to a fifth of the window's
    widest: int = 5  # pixels: the widest blur

    def scaled(self, factor: float) -> "Augment":
        """Scale every change but the mirroring, which stays as it is unless the factor is 0."""
        changes = {key: value * factor for key, value in vars(self).items()}
        return Augment(**changes | {"flip": self.flip if factor else 0.0, "widest": self.widest})


NONE = Augment().scaled(0)
UPRIGHT = Augment(rotate=8, zoom=0.08, shift=0.04, light=0.3, noise=10, occlude=0.3, dark=0.2, shrink=0.25, widest=11)


def augment(
    crops: np.ndarray, keypoints: np.ndarray, *, options: Augment, size: int = CROP_SIZE, share: float = WINDOW,
    mirror: np.ndarray | str | None = "layout", rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Return images (n, size, size) uint8 of base crops (n, s, s) seen through random windows, and their keypoints.

    A window has about `share` of a crop's side. `mirror` is the order (k,) of the keypoints in a mirrored face, without
    which nothing is mirrored; "layout" takes that of the course's 68 or 15 points.
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
    noise = grain(rng, size, size)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    images = np.empty((n, size, size), np.uint8)
    for i in range(n):  # calls this short are slower in several threads
        image = cv2.warpAffine(crops[i], maps[i], (size, size), flags=flags, borderMode=cv2.BORDER_REPLICATE)
        images[i] = apply_look(image, {key: value[i] for key, value in looks.items()}, noise)
    return images, moved


def window_maps(
    n: int, source: int, *, options: Augment, size: int, share: float = WINDOW, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw maps (n, 2, 3) from pixels of a window to pixels of a base crop, and which windows (n,) are mirrored."""
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


def grain(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Return noise `(4 * height, width)` of a triangular distribution, to take rows from."""
    return rng.integers(-128, 128, (2, 4 * height, width), dtype=np.int8).astype(np.int16).sum(0)


def draw_looks(n: int, size: int, options: Augment, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Draw what happens to the pixels of n windows: a table of gray levels, blur, noise, a hidden rectangle."""
    gain, lift, gamma = rng.uniform(-1, 1, (3, n, 1)) * options.light
    level = np.linspace(0, 1, 256)[None]
    table = ((level ** np.exp(gamma) - 0.5) * np.exp(gain) + 0.5 + lift / 2).clip(0, 1) * 255
    dimmed = 2.0 ** (-4 * rng.random((n, 1)) * (rng.random((n, 1)) < options.dark)) if options.dark else np.ones((n, 1))
    middle, half = rng.random((n, 2)), rng.uniform(0.05, 0.22, (n, 2)) * (rng.random((n, 1)) < options.occlude)
    return {
        "table": (table * dimmed).round().astype(np.uint8),
        "blur": rng.choice(np.arange(3, options.widest + 1, 2), n) * (rng.random(n) < options.blur),
        "noise": rng.random(n) * options.noise / NOISE_STD * dimmed[:, 0],
        "noise_row": rng.integers(0, 3 * size, n),
        "hidden": (np.concatenate([middle - half, middle + half], 1).clip(0, 1) * size).astype(int),
        "paint": rng.integers(0, 256, n),
        "shrunk": 5.0 ** (-rng.random(n) * (rng.random(n) < options.shrink)) if options.shrink else np.ones(n),
    }


def apply_look(image: np.ndarray, look: dict, noise: np.ndarray | None = None) -> np.ndarray:
    """Change the pixels of one window as `draw_looks` drew it, with some rows of `grain`."""
    if look["shrunk"] < 1:
        small = cv2.resize(image, None, fx=look["shrunk"], fy=look["shrunk"], interpolation=cv2.INTER_AREA)
        image = cv2.resize(small, image.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    image = cv2.LUT(image, look["table"])
    if look["blur"]:
        image = cv2.blur(image, (int(look["blur"]),) * 2)
    left, top, right, bottom = look["hidden"]
    image[top:bottom, left:right] = look["paint"]
    if look["noise"]:
        grain = noise[look["noise_row"] : look["noise_row"] + len(image)]
        image = cv2.addWeighted(image, 1.0, grain, float(look["noise"]), 0.0, dtype=cv2.CV_8U)
    return image
