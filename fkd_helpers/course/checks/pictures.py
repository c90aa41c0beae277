"""Checks of the exercises of notebooks 01 and 05 to 07, and the answers that stand in for unsolved ones of 01."""

import functools
from collections.abc import Sequence

import cv2
import numpy as np

from fkd_helpers.course.exercises import AtMost, ask, register
from fkd_helpers.data import load, split
from fkd_helpers.data.puppets.shapes import face_shape
from fkd_helpers.emotion import upright
from fkd_helpers.faces.boxes import box_of, crop, square_of, to_crop, turned
from fkd_helpers.faces.images import to_gray
from fkd_helpers.faces.landmarks import MIRROR
from fkd_helpers.faces.metrics import nme
from fkd_helpers.predict import find_faces, find_upright


def flipped(keypoints: np.ndarray, width: int) -> np.ndarray:
    """Return the keypoints (68, 2) of a face in the mirror image, `width` pixels wide."""
    return np.stack([width - 1 - keypoints[:, 0], keypoints[:, 1]], 1)[MIRROR]


def resized(keypoints: np.ndarray, old: Sequence[int], new: Sequence[int]) -> np.ndarray:
    """Return keypoints (k, 2) after their image is resized from one (width, height) to another."""
    return (keypoints + 0.5) * np.array(new) / np.array(old) - 0.5


def edges(crop: np.ndarray) -> np.ndarray:
    """Return features (d,) of the inner part of a gray crop (96, 96): how strong its edges are, and how they lie."""
    gradients = cv2.HOGDescriptor((48, 48), (16, 16), (8, 8), (8, 8), 9)
    features = gradients.compute(cv2.resize(crop[14:90, 10:86], (48, 48)))
    return (features - features.mean()) / features.std()


@functools.cache
def _crops():
    """Return gray crops (n, 96, 96) of puppet people, the keypoints in them (n, 68, 2), and which are for training."""
    faces = load("puppets", n=250, seed=3, looks=True)
    squares = square_of(faces.boxes)
    crops = [crop(to_gray(image), square, 96) for image, square in zip(faces.images, squares, strict=True)]
    return np.stack(crops), to_crop(faces.keypoints, squares, 96), np.isin(faces.names, split(faces)[0].names)


def _copied(features):
    """Return the NME if each new face gets the keypoints of the training face with the nearest features."""
    crops, keypoints, known = _crops()
    vectors = np.stack([np.float64(features(crop.copy())) for crop in crops])
    nearest = ((vectors[~known, None] - vectors[known]) ** 2).sum(-1).argmin(1)
    return nme(keypoints[known][nearest], keypoints[~known]).mean()


FACE = np.random.default_rng(1).uniform(30, 120, (68, 2)).round(1)  # without any symmetry
GAPS = np.array([[np.nan, np.nan], [5.0, 7.0], [25.0, 4.0], [np.nan, np.nan], [9.0, 31.0]])
CORNERS = np.array([[-0.5, -0.5], [99.5, 49.5]])
NAMES = ["training/Ann_Lee_00.png", "test/Ann_Lee_03.png", "training/Ann_Lee_Marie_01.png", "training/Ann_00.png"]

register("01", {
    "face_box": [((FACE[:2],), box_of(FACE[:2])), ((FACE,), box_of(FACE)), ((GAPS,), box_of(GAPS))],
    "flip_keypoints": [((face, width), flipped(face, width)) for face, width in ((FACE, 160), (FACE + 40.25, 301))],
    "resize_keypoints": [
        ((CORNERS, old, new), resized(CORNERS, old, new))
        for old, new in (((100, 50), (50, 25)), ((100, 50), (200, 25)), ((60, 60), (120, 120)))
    ],
    "frames_of": [
        ((["training/Bo_Ek_00.png", "training/Cy_Ash_00.png"], ["Cy_Ash"]), [0, 1]),
        ((["test/Bo_Ek_01.png", "training/Bo_Ek_00.png"], ["Bo_Ek"]), [1, 1]),
        ((NAMES, ["Ann_Lee"]), [1, 1, 0, 0]),
    ],
    "features": [
        ("number of dimensions", (lambda features: np.ndim(features(_crops()[0][0].copy())),), 1),
        ("NME of the copycat on people that it has not seen", (_copied,), AtMost(0.1)),  # of tiny pictures: 0.14
    ],
}, features=ask)  # fmt: skip

IMAGE = np.arange(72).reshape(8, 9) ** 2 % 29
INTEGRAL = np.pad(IMAGE.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
ROW = np.array([[0.0, 0, 10, 10], [4, 0, 10, 10], [8, 0, 10, 10]])  # neighbours have an IoU of 0.43, the ends 0.11
NESTED, SCORES = np.array([[0.0, 0, 10, 10], [2, 2, 4, 4]]), np.array([1.0, 3.0])
MAPS = np.zeros((6, 4, 5))
MAPS[:, 0, 0] = 3, 0, 0, 0, 0, 1
MAPS[:, 3, 1] = 3, 0.25, -0.5, np.log(2), 0, 1
MAPS[:, 1, 4] = 3, 0, 0, 0, 0.4, 0  # a sine and a cosine whose squares do not sum to 1
MAPS[:, 2, 2] = 3, 0.5, 0.5, -np.log(2), -0.3, -0.3


def _picture(drawn_face):
    picture = drawn_face()
    return f"{picture.shape}, {picture.dtype}"


def _large(drawn_face):
    found = find_faces(drawn_face())
    return found[found[:, 2] >= 80]


register("05", {
    "rectangle_sum": [
        (f"x, y, w, h = {x}, {y}, {w}, {h} of 9 x 8", (INTEGRAL, x, y, w, h), IMAGE[y : y + h, x : x + w].sum())
        for x, y, w, h in ((0, 0, 1, 1), (3, 1, 4, 2), (1, 2, 2, 4), (0, 0, 9, 8))
    ] + [("x and y are arrays: pixels (0, 0) and (3, 1)", (INTEGRAL, np.array([0, 3]), np.array([0, 1]), 1, 1),
          IMAGE[[0, 1], [0, 3]])],
    "read_cell": [
        ("row 0, column 0, all channels 0 but the cosine", (MAPS, 0, 0), [3.5, 3.5, 32, 0]),
        ("row 3, column 1, off its middle, twice as large", (MAPS, 3, 1), [13.5, 23.5, 64, 0]),
        ("sine 0.4, cosine 0", (MAPS, 1, 4), [35.5, 11.5, 32, np.pi / 2]),
        ("sine -0.3, cosine -0.3, half as large", (MAPS, 2, 2), [23.5, 23.5, 16, -0.75 * np.pi]),
    ],
    "keep_best": [
        ("two boxes far apart, the second with the higher score", (ROW[::2], SCORES, 0.3), [1, 0]),
        ("two boxes with an IoU of 0.43, overlap 0.3", (ROW[:2], SCORES, 0.3), [1]),
        ("two boxes with an IoU of 0.43, overlap 0.5", (ROW[:2], SCORES, 0.5), [1, 0]),
        ("a small box in a large one, IoU 0.16, overlap 0.3", (NESTED, SCORES, 0.3), [1, 0]),
        ("a row of three, the last overlaps a dropped one only", (ROW, np.array([3.0, 2.0, 1.0]), 0.3), [0, 2]),
    ],
    "upright_matrix": [
        ("centre (55.5, 55.5), side 112, roll 0, size 112", (55.5, 55.5, 112, 0.0, 112), [[1, 0, 0], [0, 1, 0]]),
        ("the same square elsewhere, at (75.5, 65.5)", (75.5, 65.5, 112, 0.0, 112), [[1, 0, -20], [0, 1, -10]]),
        ("side 56", (27.5, 27.5, 56, 0.0, 112), [[2, 0, 0.5], [0, 2, 0.5]]),
        ("roll pi / 2", (55.5, 55.5, 112, np.pi / 2, 112), [[0, 1, 0], [-1, 0, 111]]),
        ("roll -pi / 2, side 224", (100.0, 50.0, 224, -np.pi / 2, 112), [[0, -0.5, 80.5], [0.5, 0, 5.5]]),
    ],
    "drawn_face": [
        ("shape and type of the picture", (_picture,), "(240, 240), uint8"),
        ("gray levels beyond 16", (lambda drawn_face: max(len(np.unique(drawn_face())) - 16, 0),), 0),
        ("faces that the cascade finds", (lambda drawn_face: len(find_upright(drawn_face())),), 1),
        ("faces of at least 80 pixels that our detector finds", (lambda drawn_face: len(_large(drawn_face)),), 1),
        ("its roll, degrees", (lambda drawn_face: np.degrees(_large(drawn_face)[0, 4]),), 0, 20),
    ],
}, drawn_face=ask)  # fmt: skip

PART = np.array([[[200, 100, 0], [10, 20, 30]], [[255, 255, 255], [0, 0, 0]]], np.uint8)
COLOUR = np.array([[[0, 50, 250], [90, 80, 70]], [[0, 0, 0], [240, 240, 240]]], np.uint8)
LEVEL, SLANTED = np.array([[10.0, 20.0], [50.0, 20.0]]), np.array([[3.0, -4.0], [8.0, 9.0]])
MATRIX = np.array([[1.2, -1.6, 7], [1.6, 1.2, -3]])


def _blended(alpha):
    share = np.broadcast_to(np.array(alpha)[..., None], (2, 2, 1)) / 255
    sprite = np.dstack([COLOUR, np.uint8(share * 255)])
    return f"alpha {alpha}", (PART, sprite), share * COLOUR + (1 - share) * PART, 1.01


def _moved(points, matrix):
    return points @ matrix[:, :2].T + matrix[:, 2]


def _read_at(answer, places, *arguments):
    """Return a picture's colours (n, 3) at a few pixels (n, 2), as (x, y): edges may differ a little."""
    columns, rows = np.round(places).astype(int).T
    return np.asarray(answer(*arguments))[rows, columns]


def _colours_at(places):  # colours (..., 3) that say where (..., 2) in a picture of up to 300 pixels they are
    return np.concatenate([places * 0.8, places.sum(-1, keepdims=True) * 0.4], -1)


def _coloured(height, width):
    return _colours_at(np.stack(np.meshgrid(range(width), range(height)), -1)).round().astype(np.uint8)


def _painted(strength):
    frame, red = np.full((300, 320, 3), (180, 140, 120), np.uint8), np.array([220, 20, 60])
    points = face_shape([], {"mouth_open": 0.7}) * 240 + [160, 140]
    places = np.stack([*((points[a] + points[b]) / 2 for a, b in ((51, 62), (57, 66), (62, 66))), points[8] - [0, 12]])
    share = strength * np.array([[1], [1], [0], [0]])
    what = f"strength {strength}, read at upper lip, lower lip, open mouth, chin"
    return what, (places, frame, points, red, strength), share * red + (1 - share) * frame[0, 0], 1.01


def _exchanged(what, there):
    frame, here = np.full((240, 300, 3), 90, np.uint8), face_shape([], {}) * 110 + [150, 120]
    inside = np.stack([here[30], *((here[a] + here[b]) / 2 for a, b in ((2, 31), (14, 35), (21, 27)))]).round()
    places = np.stack([*inside, [here[:, 0].min() + 3, here[:, 1].max() - 3]])  # the last is in the box of the face
    expected = np.stack([*_colours_at(_moved(inside, there)), frame[0, 0]])
    return f"{what}, read at nose, cheeks, brow, beside the chin", (
        places, frame, here, _coloured(260, 280), _moved(here, there)), expected, 2.5  # fmt: skip


register("06", {
    "blend": [_blended(alpha) for alpha in (255, 0, 51, [[0, 255], [51, 204]])],
    "two_point_map": [
        ((LEVEL, LEVEL + np.array([3, 5])), [[1, 0, 3], [0, 1, 5]]), ((LEVEL, LEVEL * 2), [[2, 0, 0], [0, 2, 0]]),
        ((LEVEL, LEVEL @ [[0, 1], [-1, 0]]), [[0, -1, 0], [1, 0, 0]]), ((SLANTED, _moved(SLANTED, MATRIX)), MATRIX),
    ],
    "lip_colour": [_painted(strength) for strength in (0.0, 0.4, 1.0)],
    "other_face": [
        _exchanged("a face of the same size, elsewhere", np.array([[1, 0, -20.0], [0, 1, 15]])),
        _exchanged("a larger face, tilted by 20 degrees", np.array([[1.17, -0.43, 10], [0.43, 1.17, -60]])),
    ],
}, lip_colour=_read_at, other_face=_read_at)  # fmt: skip

PLACES = np.array([[40, 48], [80, 48], [60, 72], [60, 90], [60, 112]])  # (x, y) in the upright picture of 120 pixels


def _opened(knobs, side=100, roll=0):
    face = face_shape([], knobs, roll=roll)
    lips = upright(face)[[[61, 62, 63], [67, 66, 65]], 1].mean(1)
    what = f"a mouth of {knobs}, face of {side} pixels, tilted by {roll} degrees"
    return what, (side * face + 80,), lips[1] - lips[0], 0.005


def _upright(side, roll):
    points = face_shape([], {}, roll=roll) * side + [150, 140]
    eyes, unit = np.stack([points[36:42].mean(0), points[42:48].mean(0)]), np.linalg.norm(points[45] - points[36]) / 60
    places = eyes.mean(0) + unit * turned(PLACES - [60, 48], np.arctan2(*(eyes[1] - eyes[0])[::-1]))
    what = f"a face of {side} pixels, tilted by {roll} degrees, read at left eye, right eye, nose, mouth, chin"
    return what, (PLACES, _coloured(300, 300), points, 120), _colours_at(places), 3


WIDE, SMILE = {"mouth_open": 1.0}, {"smile": 0.8, "mouth_open": 0.3}
RNG = np.random.default_rng(0)
ALL, DRAWS = RNG.normal(0.6, 0.2, 20), RNG.integers(0, 20, (400, 20))  # hard and easy people, for both classifiers
A, B = ALL + RNG.normal(0.03, 0.02, 20), ALL + RNG.normal(0, 0.02, 20)
LOW, HIGH = np.percentile((A - B)[DRAWS].mean(1), [2.5, 97.5])

register("07", {
    "mouth_opening": [_opened({}), _opened(WIDE), _opened(WIDE, side=300), _opened(SMILE), _opened(WIDE, roll=35)],
    "upright_picture": [_upright(120, 0), _upright(70, 0), _upright(110, 25), _upright(110, -40)],
    "balanced_accuracy": [
        ((np.diag([5, 7, 9]),), 1), ((np.array([[90, 0, 0], [5, 0, 0], [5, 0, 0]]),), 1 / 3),
        ((np.array([[8, 2], [1, 3]]),), 0.775), ((np.array([[30, 10, 10], [2, 6, 2], [0, 5, 15]]),), 0.65),
    ],
    "paired_interval": [
        ("a is better by 0.1 on everybody", (ALL + 0.1, ALL, DRAWS), [0.1, 0.1]),
        ("people differ more than the classifiers", (A, B, DRAWS), [LOW, HIGH]),
        ("a and b exchanged", (B, A, DRAWS), [-HIGH, -LOW]),
    ],
}, upright_picture=_read_at)  # fmt: skip
