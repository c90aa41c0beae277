"""Sprites: RGBA pictures with anchors, laid over a face where its keypoints are. Built in notebook 04.

A sprite is NAME.png beside NAME.json, {"anchors": [{"pixel": [x, y], "keypoints": [36, 39]}, ...]}: each anchor is a
pixel of the picture that goes to the mean of its keypoints. Two anchors make a similarity, more an affine map.
"""

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from fkd_helpers.core.errors import InputError, unknown
from fkd_helpers.faces.boxes import similarity

FOLDER = Path(__file__).parents[1] / "assets" / "sprites"
SPRITES = ("sunglasses", "moustache", "hat", "crown", "dog", "mask", "tears")
KEYPOINTS = 68
LEVELS = 6  # of a sprite, each half the size of the one before: the smallest fits a face of 10 pixels
LEAST_WIDTH = 0.1  # of a sprite's length on the face: squeezed further it would be a line


@dataclass(frozen=True, eq=False)
class Sprite:
    """A picture to wear.

    levels: RGBA (h, w, 4) uint8, colours multiplied by alpha, transparent margins cut off, each half of the one before
    anchors: (a, 2) pixels of the first level; follows: for each anchor the keypoints whose mean is its place
    """

    name: str
    levels: tuple[np.ndarray, ...]
    anchors: np.ndarray
    follows: tuple[tuple[int, ...], ...]


def load_sprite(source: str | Path) -> Sprite:
    """Return a sprite by its name (one of SPRITES), or from the path of a PNG with its JSON beside it.

    Raises:
        InputError: no such sprite or file, a picture without alpha, anchors that cannot be used.
    """
    if isinstance(source, str) and not Path(source).suffix:
        if source not in SPRITES:
            raise unknown("sprite", source, SPRITES)
        return _shipped(source)
    path = Path(source)
    try:
        with Image.open(path) as image:
            if image.mode not in ("RGBA", "LA", "PA") and "transparency" not in image.info:
                raise InputError(f"{path}: expected a picture with transparency (RGBA), got {image.mode}")
            picture = np.array(image.convert("RGBA"))
        entries = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["anchors"]
    except FileNotFoundError as error:
        raise InputError(f"{Path(error.filename).name}: no such file; a sprite is NAME.png and NAME.json") from None
    except (UnidentifiedImageError, json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, OSError) as error:
        raise InputError(f"{path.stem}: cannot be read as a sprite ({error})") from None
    return make_sprite(path.stem, picture, entries)


@functools.cache
def _shipped(name: str) -> Sprite:
    return load_sprite(FOLDER / f"{name}.png")


def make_sprite(name: str, picture: np.ndarray, anchors: Sequence[Mapping]) -> Sprite:
    """Build a sprite of an RGBA picture (h, w, 4) uint8 and anchors, each {"pixel": [x, y], "keypoints": [...]}.

    Raises:
        InputError: a picture without alpha or without anything on it; fewer than two anchors, one outside the picture
            or naming no keypoint, two in one place, three or more on one line.

    >>> ball = np.full((9, 9, 4), 255, np.uint8)
    >>> make_sprite("ball", ball, [{"pixel": [0, 4], "keypoints": [31]}, {"pixel": [8, 4], "keypoints": [35]}]).follows
    ((31,), (35,))
    """
    if picture.ndim != 3 or picture.shape[2] != 4 or picture.dtype != np.uint8:
        raise InputError(f"sprite {name}: expected uint8 RGBA (h, w, 4), got {picture.dtype} {picture.shape}")
    places, follows = _checked(name, picture.shape, anchors)
    seen = np.argwhere(picture[..., 3] > 0)
    if not len(seen):
        raise InputError(f"sprite {name}: expected something to see, got alpha 0 everywhere")
    (top, left), (bottom, right) = seen.min(0), seen.max(0) + 1
    picture = picture[top:bottom, left:right].astype(np.float32)
    picture[..., :3] *= picture[..., 3:] / 255  # premultiplied: what is transparent has no colour to bleed
    block = 2 ** (LEVELS - 1)
    pad = [(0, -side % block) for side in picture.shape[:2]]  # whole blocks, so that each level is an exact half
    picture = np.pad(picture, (*pad, (0, 0)))
    levels = [picture]
    for _ in range(LEVELS - 1):
        levels.append(cv2.resize(levels[-1], None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))
    return Sprite(name, tuple(level.round().astype(np.uint8) for level in levels), places - [left, top], follows)


def _checked(name, shape, anchors) -> tuple[np.ndarray, tuple[tuple[int, ...], ...]]:
    """Return the anchors' places (a, 2) and the keypoints that each follows."""
    try:
        places = np.array([anchor["pixel"] for anchor in anchors], np.float64).reshape(-1, 2)
        follows = tuple(tuple(int(i) for i in anchor["keypoints"]) for anchor in anchors)
    except (KeyError, TypeError, ValueError):
        raise InputError(f'sprite {name}: expected anchors {{"pixel": [x, y], "keypoints": [...]}}') from None
    if len(places) < 2:
        raise InputError(f"sprite {name}: expected two anchors or more, got {len(places)}")
    for place, keypoints in zip(places, follows, strict=True):
        if not ((place >= -0.5) & (place <= np.array(shape[1::-1]) - 0.5)).all():
            raise InputError(f"sprite {name}: anchor {place.tolist()} is outside the {shape[1]}x{shape[0]} picture")
        if not keypoints or not all(0 <= i < KEYPOINTS for i in keypoints):
            raise InputError(f"sprite {name}: expected keypoints 0 to {KEYPOINTS - 1}, got {list(keypoints)}")
    spread = np.linalg.svd(places - places.mean(0), compute_uv=False)
    if spread[0] < 1:
        raise InputError(f"sprite {name}: its anchors are all in one place")
    if len(places) > 2 and spread[1] < 1:
        raise InputError(f"sprite {name}: its {len(places)} anchors are on one line; take two, or move one off it")
    return places, follows


def fit_affine(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the affine map (2, 3) that brings points (k, 2) nearest to target points (k, 2), in least squares."""
    return np.linalg.lstsq(np.column_stack([source, np.ones(len(source))]), target, rcond=None)[0].T


def place(sprite: Sprite, keypoints: np.ndarray) -> np.ndarray | None:
    """Return the map (2, 3) from a sprite's pixels to the frame's that puts it on a face, keypoints (68, 2).

    None where the keypoints leave no room for it: one is missing, they are all in one place, or on a line.
    """
    targets = np.stack([keypoints[list(follows)].mean(0) for follows in sprite.follows]).astype(np.float64)
    if not np.isfinite(targets).all():
        return None
    fit = similarity if len(targets) == 2 else fit_affine
    matrix = fit(sprite.anchors, targets)
    length, width = np.linalg.svd(matrix[:, :2], compute_uv=False)
    visible = width > LEAST_WIDTH * length and length * max(sprite.levels[0].shape) > 1
    return matrix if visible else None


def paint(frame: np.ndarray, sprite: Sprite, matrix: np.ndarray) -> None:
    """Lay a sprite over an RGB frame (h, w, 3) uint8, in place; matrix (2, 3) as from `place`.

    Only the part of the frame under the sprite is touched; what would be outside the frame is left out.
    """
    shrink = 1 / np.sqrt(abs(np.linalg.det(matrix[:, :2])))  # sprite pixels per frame pixel
    level = int(np.clip(np.floor(np.log2(shrink) + 0.3), 0, LEVELS - 1))
    picture, zoom = sprite.levels[level], 2.0**level
    # a pixel of the level to a pixel of the first: (x + 0.5) * zoom - 0.5
    matrix = np.column_stack([matrix[:, :2] * zoom, matrix[:, 2] + matrix[:, :2] @ np.full(2, (zoom - 1) / 2)])
    height, width = picture.shape[:2]
    corners = np.array([[-1, -1, 1], [width, -1, 1], [-1, height, 1], [width, height, 1]]) @ matrix.T
    limits = np.array(frame.shape[1::-1])
    left, top = np.clip(np.floor(corners.min(0)), 0, limits).astype(int)
    right, bottom = np.clip(np.ceil(corners.max(0)) + 1, 0, limits).astype(int)
    if left >= right or top >= bottom:
        return
    matrix[:, 2] -= [left, top]
    worn = cv2.warpAffine(picture, matrix, (int(right - left), int(bottom - top)), flags=cv2.INTER_LINEAR)
    part = frame[top:bottom, left:right]
    colour, through = cv2.cvtColor(worn, cv2.COLOR_RGBA2RGB), cv2.cvtColor(255 - worn[..., 3], cv2.COLOR_GRAY2RGB)
    part[:] = cv2.add(cv2.multiply(part, through, scale=1 / 255), colour)
