"""Sprites: RGBA pictures with anchors, laid over a face where its keypoints are.

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
from PIL import Image

from fkd_helpers.faces.boxes import similarity

FOLDER = Path(__file__).parents[1] / "assets" / "sprites"
SPRITES = ("sunglasses", "moustache", "hat", "crown", "dog", "mask", "tears")
KEYPOINTS = 68
LEVELS = 6  # of a sprite, each half the size of the one before: the smallest fits a face of 10 pixels
LEAST_WIDTH = 0.1  # of a sprite's length on the face: squeezed further it would be a line


@dataclass(frozen=True, eq=False)
class Sprite:
    """A picture to wear."""

    name: str
    levels: tuple[np.ndarray, ...]  # RGBA (h, w, 4) uint8, colours times alpha, each half the size of the one before
    anchors: np.ndarray  # (a, 2) pixels of the first level, each goes to the mean of the keypoints that it follows
    follows: tuple[tuple[int, ...], ...]


@functools.cache
def load_sprite(name: str) -> Sprite:
    """Return a shipped sprite, one of SPRITES."""
    anchors = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))["anchors"]
    return make_sprite(name, np.array(Image.open(FOLDER / f"{name}.png")), anchors)


def make_sprite(name: str, picture: np.ndarray, anchors: Sequence[Mapping]) -> Sprite:
    """Build a sprite of an RGBA picture (h, w, 4) uint8 and two anchors or more."""
    pixels = np.array([anchor["pixel"] for anchor in anchors], np.float64)
    follows = tuple(tuple(anchor["keypoints"]) for anchor in anchors)
    visible = np.argwhere(picture[..., 3] > 0)
    (top, left), (bottom, right) = visible.min(0), visible.max(0) + 1
    level = picture[top:bottom, left:right].astype(np.float32)
    level[..., :3] *= level[..., 3:] / 255  # premultiplied: what is transparent has no colour to bleed
    block = 2 ** (LEVELS - 1)  # whole blocks, so that each level is an exact half
    levels = [np.pad(level, (*((0, -side % block) for side in level.shape[:2]), (0, 0)))]
    for _ in range(LEVELS - 1):
        levels.append(cv2.resize(levels[-1], None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))
    return Sprite(name, tuple(level.round().astype(np.uint8) for level in levels), pixels - [left, top], follows)


def fit_affine(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the affine map (2, 3) that brings points (k, 2) nearest to target points (k, 2), in least squares."""
    return np.linalg.lstsq(np.column_stack([source, np.ones(len(source))]), target, rcond=None)[0].T


def place(sprite: Sprite, keypoints: np.ndarray) -> np.ndarray | None:
    """Return the map (2, 3) from a sprite's pixels to a frame's, for a face (68, 2); None where it cannot be placed."""
    targets = np.stack([keypoints[list(follows)].mean(0) for follows in sprite.follows]).astype(np.float64)
    if not np.isfinite(targets).all():
        return None
    matrix = (similarity if len(targets) == 2 else fit_affine)(sprite.anchors, targets)
    length, width = np.linalg.svd(matrix[:, :2], compute_uv=False)
    return matrix if width > LEAST_WIDTH * length and length * max(sprite.levels[0].shape) > 1 else None


def paint(frame: np.ndarray, sprite: Sprite, matrix: np.ndarray) -> None:
    """Blend a sprite into an RGB frame (h, w, 3) uint8, in place; `matrix` (2, 3) is that of `place`."""
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
