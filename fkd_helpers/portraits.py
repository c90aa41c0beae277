"""The two public-domain portraits, and the warp that moves one onto any face shape. Built in notebook 01.

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

from fkd_helpers.errors import unknown
from fkd_helpers.shapes import MIRROR, lid_gaps

FILE = Path(__file__).parent / "assets" / "portraits.json"
SOFTNESS = 0.03  # face sides: how round the basis is at a control point; 0 would leave a kink there


@dataclass(frozen=True)
class Portrait:
    """A portrait cut out of its background.

    levels: RGBA pictures (h, w, 4) uint8, each half the size of the one before
    keypoints: (68, 2) pixels of the first level
    controls: (m, 2) keypoints and rings
    side: longer side of the box of the keypoints, pixels
    opening: how far its lids stand apart, face sides
    """

    name: str
    levels: tuple[np.ndarray, ...]
    keypoints: np.ndarray
    controls: np.ndarray
    side: float
    opening: float


def _astronaut() -> np.ndarray:
    from skimage.data import astronaut

    return astronaut()


def _admiral() -> np.ndarray:
    from matplotlib.cbook import get_sample_data

    from fkd_helpers.photos import read_photo

    with get_sample_data("grace_hopper.jpg") as file:
        return read_photo(file.read())


_PICTURES: dict[str, Callable[[], np.ndarray]] = {"astronaut": _astronaut, "admiral": _admiral}
PORTRAITS = tuple(_PICTURES)


@functools.cache
def portrait(name: str, mirrored: bool = False) -> Portrait:
    """Return a portrait by name (one of PORTRAITS), or its mirror image with left and right keypoints swapped.

    Raises:
        InputError: no such portrait.
    """
    if name not in PORTRAITS:
        raise unknown("portrait", name, PORTRAITS)
    entry = json.loads(FILE.read_text(encoding="utf-8"))["portraits"][name]
    picture = _PICTURES[name]()
    keypoints = np.array(entry["keypoints"], np.float64)
    outline = np.zeros(picture.shape[:2], np.uint8)
    cv2.fillPoly(outline, [np.array(entry["outline"], np.int32)], 255)
    if mirrored:
        picture, outline = (np.ascontiguousarray(image[:, ::-1]) for image in (picture, outline))
        keypoints = keypoints[MIRROR] * [-1, 1] + [picture.shape[1] - 1, 0]
    return prepare(name, picture, outline, keypoints)


def prepare(name: str, picture: np.ndarray, outline: np.ndarray, keypoints: np.ndarray) -> Portrait:
    """Build a Portrait of an RGB picture (h, w, 3), an outline mask (h, w) uint8 and keypoints (68, 2)."""
    side = float(np.ptp(keypoints, axis=0).max())
    levels = [_cut_out(picture, outline, side)]
    while min(levels[-1].shape[:2]) >= 128:
        levels.append(cv2.resize(levels[-1], None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))
    centre = (keypoints.min(0) + keypoints.max(0)) / 2
    rings = [centre + side * radius * _circle(count) for radius, count in ((1.05, 16), (2.2, 8))]
    return Portrait(name, tuple(levels), keypoints, np.concatenate([keypoints, *rings]), side,
                    float(lid_gaps(keypoints).mean()) / side)


def _circle(count: int) -> np.ndarray:
    angle = np.arange(count) * 2 * np.pi / count
    return np.column_stack([np.cos(angle), np.sin(angle)])


def _cut_out(picture, outline, side):
    """Return RGBA; colours near the outline come from well inside it, so that no old background shines through."""
    soft = max(side / 160, 0.8)
    inner = cv2.erode(outline, np.ones((3, 3), np.uint8), iterations=max(round(side / 70), 1))
    colours = picture.astype(np.float32) * (inner > 0)[..., None]
    weight = (inner > 0).astype(np.float32)
    spread = [cv2.GaussianBlur(image, (0, 0), side / 40) for image in (colours, weight)]
    outside = spread[0] / np.maximum(spread[1], 1e-4)[..., None]
    filled = np.where((inner > 0)[..., None], picture, np.clip(outside, 0, 255)).astype(np.uint8)
    alpha = cv2.GaussianBlur(cv2.erode(outline, np.ones((3, 3), np.uint8)), (0, 0), soft)
    return np.dstack([filled, alpha])


def similarity(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the similarity (2, 3) that brings points (k, 2) nearest to target points (k, 2), in least squares."""
    a, b = source - source.mean(0), target - target.mean(0)
    power = (a**2).sum()
    cosine, sine = (a * b).sum() / power, (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum() / power
    turn = np.array([[cosine, -sine], [sine, cosine]])
    return np.column_stack([turn, target.mean(0) - turn @ source.mean(0)])


@dataclass(frozen=True)
class Warp:
    """A map from frame pixels back to portrait pixels on a grid: frame pixel (column, row) * step -> grid (rows, columns, 2).

    scale: frame pixels per portrait pixel
    """

    grid: np.ndarray
    step: int
    scale: float

    def stretch(self, keypoints: np.ndarray) -> float:
        """Return the least stretch of the map inside the face of frame keypoints (68, 2); at or below 0 it folds.

        1 is the stretch of the face as a whole. The inside of the mouth is left out: there lips meet that are one in
        the portrait.
        """
        right, down = (np.gradient(self.grid, self.step, axis=axis) for axis in (1, 0))
        stretch = (right[..., 0] * down[..., 1] - right[..., 1] * down[..., 0]) * self.scale**2
        mask = np.zeros(stretch.shape, np.uint8)
        cv2.fillConvexPoly(mask, cv2.convexHull((keypoints / self.step).round().astype(np.int32)), 1)
        cv2.fillPoly(mask, [(keypoints[48:60] / self.step).round().astype(np.int32)], 0)
        return float(stretch[mask > 0].min()) if mask.any() else 1.0


def warp_onto(face: Portrait, keypoints: np.ndarray, size: tuple[int, int], *, step: int | None = None) -> Warp:
    """Fit the warp that shows a portrait with its keypoints at `keypoints` (68, 2) of a frame of `size` (width, height)."""
    step = step or (3 if max(size) <= 240 else 4)
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
    system[:count, :count] = _basis(target, target)
    system[:count, count] = 1
    system[:count, count + 1:] = target
    system[count:, :count] = system[:count, count:].T
    weights = np.linalg.solve(system, np.concatenate([source - target, np.zeros((3, 2))])) * face.side
    columns, rows = (np.arange(0, length - 1 + step, step, dtype=np.float32) for length in size)
    pixels = np.stack(np.meshgrid(columns, rows), -1).reshape(-1, 2)
    straight = pixels @ back[:, :2].T.astype(np.float32) + back[:, 2].astype(np.float32)
    local = (straight - centre.astype(np.float32)) / np.float32(face.side)
    bent = _basis(local, target.astype(np.float32)) @ weights[:count].astype(np.float32)
    bent += local @ weights[count + 1:].astype(np.float32) + weights[count].astype(np.float32)
    return Warp((straight + bent).reshape(len(rows), len(columns), 2), step, scale)


def _basis(points, centres):
    """Return the multiquadric sqrt(r^2 + softness^2) between points (n, 2) and centres (m, 2).

    Smooth like a thin plate, but it overshoots less where lids or lips come close together.
    """
    squared = points @ (-2 * centres.T)
    squared += (points**2).sum(1)[:, None] + points.dtype.type(SOFTNESS**2)
    squared += (centres**2).sum(1)
    return np.sqrt(np.maximum(squared, points.dtype.type(SOFTNESS**2), out=squared), out=squared)


def sample(face: Portrait, warp: Warp, size: tuple[int, int]) -> np.ndarray:
    """Return the warped portrait as RGBA (h, w, 4) uint8, transparent outside head and shoulders."""
    level = int(np.clip(np.floor(np.log2(1 / warp.scale) + 0.3), 0, len(face.levels) - 1))
    shrink = 2.0**level
    # a grid point is a pixel's centre: enlarge about the first one, not about the grid's corner
    width, height = size
    enlarge = np.array([[1 / warp.step, 0, 0], [0, 1 / warp.step, 0]])
    grid = (warp.grid + 0.5) / np.float32(shrink) - np.float32(0.5) if level else warp.grid
    full = cv2.warpAffine(grid, enlarge, (width, height), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                          borderMode=cv2.BORDER_REPLICATE)
    how = cv2.INTER_CUBIC if warp.scale > 1.3 else cv2.INTER_LINEAR
    picture = face.levels[level]
    # the outline touches the portrait's lower edge: shoulders go on below it, not above
    return cv2.remap(picture, full, None, how, borderMode=cv2.BORDER_REPLICATE)
