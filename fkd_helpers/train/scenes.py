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
    """What pictures are composed of.

    Args:
        photos: n gray photos, each with one labelled face
        places: (n, 4) of each face, see `faces.face_map`
        scenery: gray pictures without a face
    """

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

    Args:
        first: the photo whose face is sure to be in, unless the picture is one of the tenth without a face
        size: width and height of the picture
    """
    picture = _scenery(sources, size, rng)
    known = np.full(size[::-1], 255, np.uint8)
    low, high = np.log(SIZES[0]), np.log(SIZES[1] * min(size))
    kind = rng.random()
    if kind < 0.1:
        sides = np.zeros(0)
    elif kind < 0.45:  # one face of any size
        sides = np.exp(rng.uniform(np.log(20), high, 1))
    else:  # a group
        middle = rng.uniform(low, np.log(0.5 * min(size)))
        sides = np.exp(np.clip(rng.normal(middle, 0.3, rng.integers(2, 9)), low, high))
    places: list[np.ndarray] = []
    turn = _angle(rng)
    for i, side in enumerate(np.sort(sides)[::-1]):
        which = first if i == 0 else int(rng.integers(len(sources.photos)))
        together = rng.random() < 0.5  # heads of a group are often turned alike: the camera was
        roll = turn + rng.normal(0, 0.15) if together else _angle(rng)
        centre = rng.uniform(0.25 * side, np.maximum(np.array(size) - 0.25 * side, 0.25 * side + 1))
        if len(sides) == 1 and side > 0.5 * min(size):
            centre = np.array(size) / 2 + rng.normal(0, 0.15, 2) * side
        if any(np.abs(centre - old[:2]).max() < 0.5 * old[2] + 0.75 * side for old in places):
            continue
        places.append(_paste(picture, known, sources, which, centre, side, roll, rng))
    for _ in range(rng.integers(3)):  # pieces of scenery, so that a pasted edge says nothing
        _cover(picture, sources, rng.uniform(0, size), np.exp(rng.uniform(low, high - 0.7)), places, rng)
    kept = [place for place in places if (-0.1 * place[2] < place[:2]).all() and (place[:2] < size).all()]
    return _look(picture, rng), np.array(kept).reshape(-1, 4), known > 0


def _angle(rng):
    return rng.uniform(-np.pi, np.pi) if rng.random() < 0.65 else rng.normal(0, 0.4)


def _scenery(sources, size, rng):
    photo = sources.scenery[rng.integers(len(sources.scenery))]
    height, width = photo.shape
    part = np.exp(rng.uniform(np.log(0.25), 0))
    w, h = max(int(width * part), 8), max(int(height * part), 8)
    x, y = rng.integers(width - w + 1), rng.integers(height - h + 1)
    piece = photo[y : y + h, x : x + w]
    if rng.random() < 0.5:
        piece = piece[:, ::-1]
    return cv2.resize(piece, size, interpolation=cv2.INTER_AREA)


def _paste(picture, known, sources, which, centre, side, roll, rng):
    """Paste a photo so that its face comes to lie at a place; return the place."""
    photo, (x, y, old_side, old_roll) = sources.photos[which], sources.places[which]
    mirrored = rng.random() < 0.5
    if mirrored:
        photo, x, old_roll = photo[:, ::-1], photo.shape[1] - 1 - x, -old_roll
    shrink = int(old_side / side)
    if shrink >= 2:
        height, width = photo.shape
        photo = cv2.resize(photo, (max(width // shrink, 1), max(height // shrink, 1)), interpolation=cv2.INTER_AREA)
        ratio = photo.shape[1] / width, photo.shape[0] / height
        x, y, old_side = (x + 0.5) * ratio[0] - 0.5, (y + 0.5) * ratio[1] - 0.5, old_side * ratio[0]
    stretch = np.exp(rng.normal(0, 0.05))
    scale, turn = side / old_side, roll - old_roll
    linear = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    linear[0] *= stretch
    linear[1] /= stretch
    matrix = np.column_stack([linear, centre - linear @ [x, y]])
    height, width = photo.shape
    mask = np.full(photo.shape, 255, np.uint8)
    if rng.random() < 0.4:  # a soft oval about the face, of any width, in place of the photo's own frame
        mask[:] = 0
        axes = rng.uniform([0.62, 0.68], [1.1, 1.1]) * old_side
        oval = (float(x), float(y)), tuple(float(2 * a) for a in axes), float(np.degrees(old_roll))
        cv2.ellipse(mask, oval, 255, -1)
    corners = np.array([[0, width, 0, width], [0, 0, height, height], [1, 1, 1, 1]])
    reach = matrix @ corners
    x0, y0 = np.maximum(np.floor(reach.min(1)).astype(int), 0)
    x1, y1 = np.minimum(np.ceil(reach.max(1)).astype(int) + 1, picture.shape[::-1])
    if x1 <= x0 or y1 <= y0:
        return np.array([*centre, side, roll])
    matrix[:, 2] -= (x0, y0)
    box = (int(x1 - x0), int(y1 - y0))
    warped = cv2.warpAffine(photo, matrix, box, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    alpha = cv2.warpAffine(mask, matrix, box, flags=cv2.INTER_LINEAR)
    soft = rng.uniform(0, 0.06) * side
    if soft > 0.4:
        alpha = cv2.GaussianBlur(alpha, (0, 0), soft)
    gain, lift = np.exp(rng.normal(0, 0.2)), rng.normal(0, 12)
    warped = cv2.convertScaleAbs(warped, alpha=gain, beta=max(lift, 0))
    target = picture[y0:y1, x0:x1]
    a = alpha.astype(np.float32) / 255
    target[:] = cv2.blendLinear(warped, target, a, 1 - a)
    region = np.where(alpha > 127, np.uint8(0), known[y0:y1, x0:x1])
    cv2.circle(region, (int(centre[0] - x0), int(centre[1] - y0)), int(OWN * side) + 1, 255, -1)
    known[y0:y1, x0:x1] = region
    return np.array([*centre, side, roll])


def _cover(picture, sources, centre, side, places, rng):
    """Lay a piece of scenery or a flat patch over the picture; it hides at most about a third of a face."""
    if places and rng.random() < 0.5:  # aimed at a face: a hand, a cup, hair
        x, y, face, _ = places[rng.integers(len(places))]
        side, way = rng.uniform(0.25, 0.7) * face, rng.uniform(0, 2 * np.pi)
        centre = np.array([x, y]) + (0.4 * face + 0.5 * side) * np.array([np.cos(way), np.sin(way)])
    elif any(np.abs(centre - place[:2]).max() < 0.5 * (place[2] + side) for place in places):
        return
    w, h = (max(int(v), 2) for v in side * np.exp(rng.normal(0, 0.3, 2)))
    piece = _scenery(sources, (w, h), rng) if rng.random() < 0.7 else np.full((h, w), rng.integers(256), np.uint8)
    mask = np.zeros((h, w), np.uint8)
    if rng.random() < 0.5:
        cv2.ellipse(mask, (w // 2, h // 2), (max(w // 2 - 1, 1), max(h // 2 - 1, 1)), 0, 0, 360, 255, -1)
    else:
        mask[:] = 255
    x0, y0 = int(centre[0] - w / 2), int(centre[1] - h / 2)
    a0, b0 = max(-x0, 0), max(-y0, 0)
    target = picture[max(y0, 0) : max(y0 + h, 0), max(x0, 0) : max(x0 + w, 0)]
    if target.size:
        hidden = mask[b0 : b0 + target.shape[0], a0 : a0 + target.shape[1]] > 0
        target[hidden] = piece[b0 : b0 + target.shape[0], a0 : a0 + target.shape[1]][hidden]


def _look(picture, rng):
    """Darken, blur and add noise, as a camera may."""
    if rng.random() < 0.25:
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.5, 2.0))
    if rng.random() < 0.1:  # moved while the shutter was open
        length, way = int(rng.integers(3, 9)), rng.uniform(0, np.pi)
        kernel = np.zeros((length, length), np.float32)
        ends = np.array([np.cos(way), np.sin(way)]) * length / 2
        middle = (length - 1) / 2
        cv2.line(kernel, *(tuple(round(v) for v in middle + s * ends) for s in (-1, 1)), 1.0)
        picture = cv2.filter2D(picture, -1, kernel / kernel.sum())
    levels = np.arange(256) / 255
    if rng.random() < 0.4:
        levels = levels ** np.exp(rng.normal(0, 0.4))
    noise = rng.gamma(1.5, 1.6)
    if rng.random() < 0.3:
        stops = rng.uniform(0, 4)
        levels, noise = levels * 2.0**-stops, noise * 2.0 ** (-stops / 2)
    elif rng.random() < 0.3:
        levels = rng.uniform(0, 0.5) + levels * rng.uniform(0.2, 1.2)
    if rng.random() < 0.2:  # light from one side
        slope = np.linspace(*rng.uniform(0.15, 1.0, 2), picture.shape[1], dtype=np.float32)
        picture = (picture * (slope if rng.random() < 0.5 else slope[::-1])).astype(np.uint8)
    values = cv2.LUT(picture, (255 * levels).clip(0, 255).astype(np.float32))
    if rng.random() < 0.6:
        values = values + rng.standard_normal(values.shape, np.float32) * np.float32(noise)
    picture = values.clip(0, 255).astype(np.uint8)
    if rng.random() < 0.15:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(15, 80))]
        picture = cv2.imdecode(cv2.imencode(".jpg", picture, quality)[1], cv2.IMREAD_GRAYSCALE)
    return picture
