"""Photos for the detector's training, composed of labelled faces and of pictures that show none.

Each face comes with the photo around it, at any size and turned by any angle, on scenery or over most of the frame;
then the whole picture is covered in places, blurred, made noisy and darkened. Everything is gray uint8.
"""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from fkd_helpers.faces.images import shrunk
from fkd_helpers.train.augment import Augment, apply_look, draw_looks, grain

STORED = 128  # pixels: longer side of a stored face
SIZES = 10.0, 1.1  # pixels of the smallest face; of the largest, as a share of the picture's shorter side
OWN = 0.8  # sides of a face: what lies further from its centre in a photo may be a face that nobody labelled
LOOKS = Augment(light=0.6, blur=0.3, occlude=0.0)
DARK, STOPS = 0.3, 4.0  # share of the pictures that are darkened, by up to so many halvings


class Sources(NamedTuple):
    """What pictures are composed of: n gray photos with one labelled face each, and gray pictures without a face."""

    photos: Sequence[np.ndarray]
    places: np.ndarray  # (n, 4) of the faces, as in `faces.face_map`
    scenery: Sequence[np.ndarray]


def scaled_photo(gray: np.ndarray, place: np.ndarray, side: float = STORED) -> tuple[np.ndarray, np.ndarray]:
    """Return photo and place of a face that is at most `side` pixels large."""
    photo = shrunk(gray, max(gray.shape) * side / place[2])
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
        if all(np.abs(centre - old[:2]).max() > 0.5 * old[2] + 0.75 * side for old in places):
            places.append(_paste(picture, known, sources, which, centre, side, roll, rng))
    for _ in range(rng.integers(3)):  # pieces of scenery, so that a pasted edge says nothing
        _cover(picture, sources, rng.uniform(0, size), np.exp(rng.uniform(low, high - 0.7)), places, rng)
    kept = [place for place in places if (-0.1 * place[2] < place[:2]).all() and (place[:2] < size).all()]
    return _look(picture, rng), np.array(kept).reshape(-1, 4), known > 0


def _angle(rng):
    return rng.uniform(-np.pi, np.pi) if rng.random() < 0.65 else rng.normal(0, 0.4)


def _scenery(sources, size, rng):
    """Return any part of any picture without a face, mirrored or not."""
    photo = sources.scenery[rng.integers(len(sources.scenery))]
    h, w = np.maximum(np.array(photo.shape) * np.exp(rng.uniform(np.log(0.25), 0)), 8).astype(int)
    y, x = rng.integers(np.array(photo.shape) - (h, w) + 1)
    return cv2.resize(photo[y : y + h, x : x + w][:, :: rng.choice([1, -1])], size, interpolation=cv2.INTER_AREA)


def _paste(picture, known, sources, which, centre, side, roll, rng):
    """Paste a photo so that its face comes to lie at a place; return the place."""
    photo, (x, y, old_side, old_roll) = scaled_photo(sources.photos[which], sources.places[which], 2 * side)
    if rng.random() < 0.5:  # mirrored
        photo, x, old_roll = np.ascontiguousarray(photo[:, ::-1]), photo.shape[1] - 1 - x, -old_roll
    matrix = cv2.getRotationMatrix2D((x, y), np.degrees(old_roll - roll), side / old_side)
    matrix[:, 2] += centre - [x, y]
    mask = np.full(photo.shape, 255, np.uint8)
    if rng.random() < 0.4:  # an oval about the face, of any width, in place of the photo's own frame
        axes = 2 * rng.uniform([0.62, 0.68], 1.1) * old_side
        mask = cv2.ellipse(0 * mask, ((x, y), axes.tolist(), float(np.degrees(old_roll))), 255, -1)
    size = picture.shape[::-1]
    warped = cv2.warpAffine(photo, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    alpha = cv2.warpAffine(mask, matrix, size, flags=cv2.INTER_LINEAR)
    alpha = cv2.GaussianBlur(alpha, (0, 0), max(rng.uniform(0, 0.06) * side, 0.3))
    share = alpha.astype(np.float32) / 255
    picture[:] = cv2.blendLinear(warped, picture, share, 1 - share)
    known[alpha > 127] = 0
    cv2.circle(known, centre.astype(int).tolist(), int(OWN * side) + 1, 255, -1)
    return np.array([*centre, side, roll])


def _cover(picture, sources, centre, side, places, rng):
    """Lay an oval piece of scenery over the picture; it hides at most about a third of a face."""
    if places and rng.random() < 0.5:  # aimed at a face: a hand, a cup, hair
        x, y, face, _ = places[rng.integers(len(places))]
        side, way = rng.uniform(0.25, 0.7) * face, rng.uniform(0, 2 * np.pi)
        centre = np.array([x, y]) + (0.4 * face + 0.5 * side) * np.array([np.cos(way), np.sin(way)])
    elif any(np.abs(centre - place[:2]).max() < 0.5 * (place[2] + side) for place in places):
        return
    axes = side * np.exp(rng.normal(0, 0.3, 2))
    mask = cv2.ellipse(np.zeros_like(picture), (centre.tolist(), axes.tolist(), 0), 255, -1)
    cv2.copyTo(_scenery(sources, picture.shape[::-1], rng), mask, picture)


def _look(picture, rng):
    """Change light, sharpness and noise as for keypoints, and darken some pictures as a camera may."""
    looks = draw_looks(1, len(picture), LOOKS, rng)
    picture = apply_look(picture, {key: value[0] for key, value in looks.items()}, grain(rng, *picture.shape))
    return (picture * 0.5 ** rng.uniform(0, STOPS)).astype(np.uint8) if rng.random() < DARK else picture
