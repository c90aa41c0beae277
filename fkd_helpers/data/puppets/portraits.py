"""The two public-domain portraits, and the warp that moves one onto any face shape.

The warp is a radial-basis map from the picture back to the portrait. Its control points are the 68 keypoints and two
fixed rings, one around the head and one far out, so that hair and shoulders follow the head as a whole. It is evaluated
on a coarse grid and enlarged, which makes a face cheap.
"""

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from fkd_helpers.core.errors import unknown
from fkd_helpers.data.puppets.shapes import lid_gaps
from fkd_helpers.faces.boxes import similarity
from fkd_helpers.faces.images import read_photo
from fkd_helpers.faces.landmarks import MIRROR

FILE = Path(__file__).parents[2] / "assets" / "portraits.json"
PORTRAITS = ("astronaut", "admiral")
SOFTNESS = 0.03  # face sides: how round the basis is at a control point; 0 would leave a kink there


@dataclass(frozen=True)
class Portrait:
    """A portrait cut out of its background."""

    name: str
    levels: tuple[np.ndarray, ...]  # RGBA pictures (h, w, 4) uint8 to sample from, each half the size of the one before
    keypoints: np.ndarray  # (68, 2) pixels of the portrait
    controls: np.ndarray  # (m, 2) keypoints and rings
    side: float  # longer side of the box of the keypoints, pixels
    zoom: float  # pixels of the first level per pixel of the portrait: a small portrait is enlarged once, with care
    opening: float  # how far its lids stand apart, face sides
    gap: float  # how far its inner lips stand apart, face sides


@functools.cache
def portrait(name: str, mirrored: bool = False) -> Portrait:
    """Return a portrait by name (one of PORTRAITS), or its mirror image with left and right keypoints swapped."""
    if name not in PORTRAITS:
        raise unknown("portrait", name, PORTRAITS)
    entry = json.loads(FILE.read_text(encoding="utf-8"))["portraits"][name]
    if name == "astronaut":
        from skimage.data import astronaut  # slow to import

        picture = astronaut()
    else:
        from matplotlib.cbook import get_sample_data  # slow to import

        with get_sample_data("grace_hopper.jpg") as file:
            picture = read_photo(file.read())
    keypoints, outline = np.array(entry["keypoints"], np.float64), np.zeros(picture.shape[:2], np.uint8)
    cv2.fillPoly(outline, [np.array(entry["outline"], np.int32)], 255)
    if mirrored:
        picture, outline = (np.ascontiguousarray(image[:, ::-1]) for image in (picture, outline))
        keypoints = keypoints[MIRROR] * [-1, 1] + [picture.shape[1] - 1, 0]
    return prepare(name, picture, outline, keypoints)


def prepare(name: str, picture: np.ndarray, outline: np.ndarray, keypoints: np.ndarray) -> Portrait:
    """Build a Portrait of an RGB picture (h, w, 3), an outline mask (h, w) uint8 and keypoints (68, 2)."""
    side = float(np.ptp(keypoints, axis=0).max())
    cut, zoom = _cut_out(picture, outline, side), 1.0
    if side < 150:
        cut, zoom = cv2.resize(cut, None, fx=2, fy=2, interpolation=cv2.INTER_LANCZOS4), 2.0
    levels = [cut]
    while min(levels[-1].shape[:2]) >= 128:
        levels.append(cv2.resize(levels[-1], None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))
    centre = (keypoints.min(0) + keypoints.max(0)) / 2
    rings = [centre + side * radius * circle(count) for radius, count in ((1.05, 16), (2.2, 8))]
    opening, gap = float(lid_gaps(keypoints).mean()) / side, float(np.linalg.norm(keypoints[66] - keypoints[62])) / side
    return Portrait(name, tuple(levels), keypoints, np.concatenate([keypoints, *rings]), side, zoom, opening, gap)


def circle(count: int) -> np.ndarray:
    """Return points (count, 2) at equal distances on the unit circle, clockwise in a picture from the right."""
    angle = np.arange(count) * 2 * np.pi / count
    return np.column_stack([np.cos(angle), np.sin(angle)])


def _cut_out(picture, outline, side):
    """Return RGBA; colours near the outline come from well inside it, so that no old background shines through."""
    square = np.ones((3, 3), np.uint8)
    inner = (cv2.erode(outline, square, iterations=max(round(side / 70), 1)) > 0)[..., None]
    colours, weight = (
        cv2.GaussianBlur(image.astype(np.float32), (0, 0), side / 40) for image in (picture * inner, inner[..., 0])
    )
    outside = colours / np.maximum(weight, 1e-4)[..., None]
    filled = np.where(inner, picture, np.clip(outside, 0, 255)).astype(np.uint8)
    return np.dstack([filled, cv2.GaussianBlur(cv2.erode(outline, square), (0, 0), max(side / 160, 0.8))])


@dataclass(frozen=True)
class Warp:
    """A map from frame pixels back to portrait pixels."""

    grid: np.ndarray  # (rows, columns, 2), the portrait pixel for each frame pixel (column, row) * step
    step: int
    scale: float  # frame pixels per portrait pixel

    def stretch(self, keypoints: np.ndarray) -> float:
        """Return the least stretch inside the face of keypoints (68, 2), mouth left out; at or below 0 it folds."""
        right, down = (np.gradient(self.grid, self.step, axis=axis) for axis in (1, 0))
        stretch = (right[..., 0] * down[..., 1] - right[..., 1] * down[..., 0]) * self.scale**2
        mask = np.zeros(stretch.shape, np.uint8)
        cv2.fillConvexPoly(mask, cv2.convexHull((keypoints / self.step).round().astype(np.int32)), 1)
        cv2.fillPoly(mask, [(keypoints[48:60] / self.step).round().astype(np.int32)], 0)
        return float(stretch[mask > 0].min()) if mask.any() else 1.0


def warp_onto(face: Portrait, keypoints: np.ndarray, size: tuple[int, int], *, step: int = 3) -> Warp:
    """Fit the warp that shows a portrait with its keypoints at given pixels (68, 2) of a frame of `size` (w, h)."""
    # solved in units of the portrait's face side, after the similarity: what is left to bend is small
    there = similarity(face.keypoints, keypoints)
    scale = float(np.hypot(there[0, 0], there[1, 0]))
    back = cv2.invertAffineTransform(there)
    centre = face.keypoints.mean(0)
    source = (face.controls - centre) / face.side
    target = source.copy()
    target[:68] = (keypoints @ back[:, :2].T + back[:, 2] - centre) / face.side
    count = len(target)
    system = np.zeros((count + 3, count + 3))
    system[:count] = _design(target, target)
    system[count:, :count] = system[:count, count:].T
    inverse = np.linalg.inv(system)[:, :count] * face.side
    columns, rows = (np.arange(0, length - 1 + step, step, dtype=np.float32) for length in size)
    pixels = np.stack(np.meshgrid(columns, rows), -1).reshape(-1, 2)
    straight = pixels @ back[:, :2].T.astype(np.float32) + back[:, 2].astype(np.float32)
    design = _design((straight - centre.astype(np.float32)) / np.float32(face.side), target.astype(np.float32))
    shape = (len(rows), len(columns), 2)
    places = keypoints / step
    seen = ((places >= 0) & (places <= [shape[1] - 1, shape[0] - 1])).all(1)
    wanted = source - target
    for _ in range(3):
        grid = (straight + design @ (inverse @ wanted).astype(np.float32)).reshape(shape)
        # between its points the grid cuts corners: ask for as much more as a keypoint missed
        wanted[:68][seen] += (face.keypoints[seen] - between(grid, places[seen])) / face.side
    return Warp(grid, step, scale)


def between(grid: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return a grid's (rows, columns, 2) values at places (k, 2) = (column, row); cv2.remap would round to 1/32."""
    corner = np.minimum(places.astype(int), np.array(grid.shape[1::-1]) - 2)
    (right, down), (column, row) = (places - corner).T[..., None], corner.T
    above = grid[row, column] * (1 - right) + grid[row, column + 1] * right
    below = grid[row + 1, column] * (1 - right) + grid[row + 1, column + 1] * right
    return above * (1 - down) + below * down


def _design(points, centres):
    """Return (n, m + 3): multiquadrics sqrt(r^2 + softness^2) of points (n, 2) and centres (m, 2), 1, x and y."""
    # as smooth as a thin plate, but with less overshoot where lids or lips come close together
    # r^2 + softness^2 as one product: fewer passes over the largest array here
    ones = np.ones((len(points), 1), points.dtype)
    left = np.concatenate([points, (points**2).sum(1, keepdims=True) + points.dtype.type(SOFTNESS**2), ones], 1)
    right = np.stack([*(-2 * centres.T), np.ones(len(centres), points.dtype), (centres**2).sum(1)])
    return np.concatenate([np.sqrt(left @ right), ones, points], 1)


def sample(face: Portrait, warp: Warp, size: tuple[int, int], level_of: Callable | None = None) -> np.ndarray:
    """Return the warped portrait, or what `level_of` gives for one of its levels, as RGBA (h, w, 4) uint8."""
    level = int(np.clip(np.floor(np.log2(face.zoom / warp.scale) + 0.3), 0, len(face.levels) - 1))
    grid = (warp.grid + 0.5) / np.float32(2.0**level / face.zoom) - np.float32(0.5)
    enlarge = np.array([[1 / warp.step, 0, 0], [0, 1 / warp.step, 0]])  # a grid point is the centre of a pixel
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    full = cv2.warpAffine(grid, enlarge, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    # the outline touches the portrait's lower edge: shoulders go on beyond it
    picture = level_of(level) if level_of else face.levels[level]
    return cv2.remap(picture, full, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
