"""Photos for the detector's training, composed of labelled faces and of pictures that show none.

Each face comes with the photo around it, at any size and turned by any angle, on scenery or over most of the frame;
then the whole picture is darkened, blurred, covered and made noisy. Everything is gray uint8.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from fkd_helpers.faces.images import shrunk

STORED = 128  # pixels: longer side of a stored face
SIZES = 10.0, 1.1  # pixels of the smallest face; of the largest, as a share of the picture's shorter side
OWN = 0.8  # sides of a face: what lies further from its centre in a photo may be a face that nobody labelled


@dataclass(frozen=True)
class Sources:
    """What pictures are composed of: n gray photos with one labelled face each, the places (n, 4) of these faces as in
    `faces.face_map`, and gray pictures without a face."""

    photos: Sequence[np.ndarray]
    places: np.ndarray
    scenery: Sequence[np.ndarray]


def scaled_photo(gray: np.ndarray, place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return photo and place of a face that is at most STORED pixels large."""
    photo = shrunk(gray, max(gray.shape) * STORED / place[2])
    scale = photo.shape[1] / gray.shape[1]
    return photo, np.array([*((place[:2] + 0.5) * scale - 0.5), place[2] * scale, place[3]])


def compose(sources: Sources, first: int, size: tuple[int, int], rng: np.random.Generator):
    """Return a picture (h, w) uint8, the places (k, 4) of its faces, and where (h, w) there is surely no other face.

    The face of photo `first` is in, but for a tenth of pictures without a face; `size` is width and height.
    """
    picture, known = _scenery(sources, size, rng), np.full(size[::-1], 255, np.uint8)
    low, high = np.log(SIZES[0]), np.log(SIZES[1] * min(size))
    kind, places, turn = rng.random(), [], _angle(rng)
    if kind < 0.1:
        sides = np.zeros(0)
    elif kind < 0.45:  # one face of any size
        sides = np.exp(rng.uniform(np.log(20), high, 1))
    else:  # a group
        middle = rng.uniform(low, np.log(0.5 * min(size)))
        sides = np.exp(np.clip(rng.normal(middle, 0.3, rng.integers(2, 9)), low, high))
    for i, side in enumerate(np.sort(sides)[::-1]):
        which = first if i == 0 else int(rng.integers(len(sources.photos)))
        roll = turn + rng.normal(0, 0.15) if rng.random() < 0.5 else _angle(rng)  # heads are often turned alike
        centre = rng.uniform(0.25 * side, np.maximum(np.array(size) - 0.25 * side, 0.25 * side + 1))
        if len(sides) == 1 and side > 0.5 * min(size):
            centre = np.array(size) / 2 + rng.normal(0, 0.15, 2) * side
        if all(np.abs(centre - old[:2]).max() > 0.5 * old[2] + 0.75 * side for old in places):
            places.append(_paste(picture, known, sources, which, centre, side, roll, rng))
    for _ in range(rng.integers(3)):  # pieces of scenery, so that a pasted edge says nothing
        _cover(picture, sources, rng.uniform(0, size), np.exp(rng.uniform(low, high - 0.7)), places, rng)
    kept = [place for place in places if (-0.1 * place[2] < place[:2]).all() and (place[:2] < size).all()]
    return _look(picture, rng), np.array(kept).reshape(-1, 4), known > 0


def _angle(rng):
    return rng.uniform(-np.pi, np.pi) if rng.random() < 0.65 else rng.normal(0, 0.4)


def _scenery(sources, size, rng):
    """Return a part of a picture without a face, at this size, mirrored or not."""
    photo = sources.scenery[rng.integers(len(sources.scenery))]
    h, w = np.maximum(np.array(photo.shape) * np.exp(rng.uniform(np.log(0.25), 0)), 8).astype(int)
    y, x = rng.integers(np.array(photo.shape) - (h, w) + 1)
    return cv2.resize(photo[y : y + h, x : x + w][:, :: rng.choice([1, -1])], size, interpolation=cv2.INTER_AREA)


def _paste(picture, known, sources, which, centre, side, roll, rng):
    """Paste a photo so that its face comes to lie at a place; return the place."""
    photo, (x, y, old_side, old_roll) = sources.photos[which], sources.places[which]
    if rng.random() < 0.5:  # mirrored
        photo, x, old_roll = photo[:, ::-1], photo.shape[1] - 1 - x, -old_roll
    shrink = max(int(old_side / side), 1)  # average first what becomes much smaller
    small = cv2.resize(photo, (np.array(photo.shape[::-1]) // shrink).clip(1).tolist(), interpolation=cv2.INTER_AREA)
    ratio = np.divide(small.shape[::-1], photo.shape[::-1])
    middle, old_side = (np.array([x, y]) + 0.5) * ratio - 0.5, old_side * ratio[0]
    stretch = np.exp(rng.normal(0, 0.05))
    cos, sin = side / old_side * np.array([np.cos(roll - old_roll), np.sin(roll - old_roll)])
    linear = np.array([[cos, -sin], [sin, cos]]) * [[stretch], [1 / stretch]]
    matrix = np.column_stack([linear, centre - linear @ middle])
    mask = np.full(small.shape, 255, np.uint8)
    if rng.random() < 0.4:  # a soft oval about the face, of any width, in place of the photo's own frame
        axes = 2 * rng.uniform([0.62, 0.68], [1.1, 1.1]) * old_side
        mask = cv2.ellipse(0 * mask, (middle.tolist(), axes.tolist(), float(np.degrees(old_roll))), 255, -1)
    size = picture.shape[::-1]
    warped = cv2.warpAffine(small, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    alpha = cv2.warpAffine(mask, matrix, size, flags=cv2.INTER_LINEAR)
    if (soft := rng.uniform(0, 0.06) * side) > 0.4:
        alpha = cv2.GaussianBlur(alpha, (0, 0), soft)
    gain, lift = np.exp(rng.normal(0, 0.2)), rng.normal(0, 12)
    warped = cv2.convertScaleAbs(warped, alpha=gain, beta=max(lift, 0))
    share = alpha.astype(np.float32) / 255
    picture[:] = cv2.blendLinear(warped, picture, share, 1 - share)
    known[alpha > 127] = 0
    cv2.circle(known, centre.astype(int).tolist(), int(OWN * side) + 1, 255, -1)
    return np.array([*centre, side, roll])


def _cover(picture, sources, centre, side, places, rng):
    """Lay a piece of scenery or a flat patch over the picture; it hides at most about a third of a face."""
    if places and rng.random() < 0.5:  # aimed at a face: a hand, a cup, hair
        x, y, face, _ = places[rng.integers(len(places))]
        side, way = rng.uniform(0.25, 0.7) * face, rng.uniform(0, 2 * np.pi)
        centre = np.array([x, y]) + (0.4 * face + 0.5 * side) * np.array([np.cos(way), np.sin(way)])
    elif any(np.abs(centre - place[:2]).max() < 0.5 * (place[2] + side) for place in places):
        return
    half = side * np.exp(rng.normal(0, 0.3, 2)) / 2
    low, high = (centre - half).astype(int).tolist(), (centre + half).astype(int).tolist()
    mask, patch = np.zeros_like(picture), np.full_like(picture, rng.integers(256))
    if rng.random() < 0.5:
        cv2.ellipse(mask, (centre.tolist(), (2 * half).tolist(), 0), 255, -1)
    else:
        cv2.rectangle(mask, low, high, 255, -1)
    if rng.random() < 0.7:
        patch = _scenery(sources, picture.shape[::-1], rng)
    cv2.copyTo(patch, mask, picture)


def _look(picture, rng):
    """Darken, blur and add noise, as a camera may."""
    if rng.random() < 0.25:
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.5, 2.0))
    if rng.random() < 0.1:  # moved while the shutter was open
        length, way = int(rng.integers(3, 9)), rng.uniform(0, np.pi)
        kernel, middle = np.zeros((length, length), np.float32), (length - 1) / 2
        end = np.array([np.cos(way), np.sin(way)]) * length / 2
        cv2.line(kernel, *((middle + s * end).round().astype(int).tolist() for s in (-1, 1)), 1.0)
        picture = cv2.filter2D(picture, -1, kernel / kernel.sum())
    levels, noise = np.arange(256) / 255, rng.gamma(1.5, 1.6)
    if rng.random() < 0.4:
        levels = levels ** np.exp(rng.normal(0, 0.4))
    if rng.random() < 0.3:
        stops = rng.uniform(0, 4)
        levels, noise = levels * 2.0**-stops, noise * 2.0 ** (-stops / 2)
    elif rng.random() < 0.3:
        levels = rng.uniform(0, 0.5) + levels * rng.uniform(0.2, 1.2)
    if rng.random() < 0.2:  # light from one side
        picture = (picture * np.linspace(*rng.uniform(0.15, 1.0, 2), picture.shape[1])).astype(np.uint8)
    values = cv2.LUT(picture, (255 * levels).clip(0, 255).astype(np.float32))
    if rng.random() < 0.6:
        values = values + rng.standard_normal(values.shape, np.float32) * np.float32(noise)
    picture = values.clip(0, 255).astype(np.uint8)
    if rng.random() < 0.15:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(15, 80))]
        picture = cv2.imdecode(cv2.imencode(".jpg", picture, quality)[1], cv2.IMREAD_GRAYSCALE)
    return picture
