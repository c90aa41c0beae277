"""The embedded default: faces warped from two public-domain portraits, with exact labels. Built in notebook 01.

A puppet is a stand-in for a person: one portrait, mirrored or not, one set of shape coefficients. Its frames differ in
knobs, pose, place, light and background. Everything follows from a seed.
"""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from fkd_helpers import scenery, shapes
from fkd_helpers.boxes import box_of
from fkd_helpers.data import KeypointSet
from fkd_helpers.errors import InputError, unknown
from fkd_helpers.portraits import PORTRAITS, portrait, sample, warp_onto

FACE_SIDE = (0.40, 0.66)  # of the frame's shorter side: 64-106 px of 160
FRAMES = 4  # a puppet's frames in a set, about
LEAST_STRETCH = 0.05  # below this the warp is damped: at 0 it folds
LEAST_OPENING = 0.55  # of the portrait's own eyes: the warp closes them no further
Seed = int | np.random.Generator


@dataclass(frozen=True)
class Puppet:
    """A puppet person: portrait name, mirrored or not, shape coefficients (12,) in standard deviations."""

    portrait: str
    mirrored: bool
    coefficients: np.ndarray


@dataclass(frozen=True)
class Info:
    """What a frame was made from, and the labels that follow.

    expression: 0..7, see `shapes.EXPRESSIONS`; valence, arousal: -1..1
    pose: roll, yaw, pitch in degrees
    stretch: the least stretch of the warp inside the face, 1 = as the whole; damped: how often the shape was damped
    """

    puppet: Puppet
    knobs: dict[str, float]
    pose: tuple[float, float, float]
    expression: int
    valence: float
    arousal: float
    stretch: float
    damped: int


def make_puppet(seed: Seed, *, name: str | None = None) -> Puppet:
    """Draw a puppet person; `name` (one of `portraits.PORTRAITS`) fixes its portrait.

    Raises:
        InputError: no such portrait.
    """
    rng = np.random.default_rng(seed)
    if name is not None and name not in PORTRAITS:
        raise unknown("portrait", name, PORTRAITS)
    drawn = PORTRAITS[rng.integers(len(PORTRAITS))]
    mirrored = bool(rng.integers(2))
    count = len(shapes.shape_model().spreads)
    return Puppet(name or drawn, mirrored, np.clip(rng.normal(0, 0.7, count), -1.4, 1.4))


def draw_knobs(rng: np.random.Generator, expression: int | None = None) -> dict[str, float]:
    """Draw knobs around the prototype of an expression (0..7, or any), more or less strong."""
    name = shapes.EXPRESSIONS[rng.integers(8) if expression is None else expression]
    strength = rng.uniform(0.7, 1.05)
    values = shapes.check_knobs(shapes.PROTOTYPES[name]) * strength + np.abs(rng.normal(0, 0.05, len(shapes.KNOBS)))
    return dict(zip(shapes.KNOBS, np.clip(values, 0, 1).tolist(), strict=True))


def make_face(
    seed: Seed,
    *,
    size: int | tuple[int, int] = 160,
    person: Puppet | int | None = None,
    knobs: Mapping[str, float] | None = None,
    pose: tuple[float, float, float] | None = None,
    side: float | None = None,
    centre: tuple[float, float] | None = None,
    background: np.ndarray | None = None,
    plain: bool = False,
) -> tuple[np.ndarray, np.ndarray, Info]:
    """Make one face; whatever is not given is drawn from the seed.

    size: pixels, of a square or (width, height)
    person: a Puppet, or the seed of one
    knobs: see `shapes.KNOBS`, each 0..1; pose: roll, yaw, pitch in degrees
    side: the face's side in pixels, centre: of its box in the frame, pixels
    background: uint8 (h, w, 3); plain: no change of light, no noise

    Returns:
        frame (h, w, 3) uint8 RGB, keypoints (68, 2) float32 in its pixels, Info

    Raises:
        InputError: a size below 32 pixels, an unknown knob, a knob outside 0..1.

    >>> frame, keypoints, info = make_face(0, knobs={"smile": 1.0})
    >>> frame.shape, keypoints.shape, shapes.EXPRESSIONS[info.expression]
    ((160, 160, 3), (68, 2), 'happy')
    """
    width, height = size = _size(size)
    rng = np.random.default_rng(seed)
    puppet = person if isinstance(person, Puppet) else make_puppet(rng if person is None else person)
    knobs = draw_knobs(rng) if knobs is None else dict(knobs)
    shapes.check_knobs(knobs)
    # drawn whether used or not: giving one thing leaves the others as they were
    drawn_pose = np.clip(rng.normal(0, (8, 7, 5)), (-20, -16, -10), (20, 16, 10))
    drawn_side = rng.uniform(*FACE_SIDE) * min(size)
    offset = rng.uniform(-1, 1, 2)
    wobble = rng.normal(0, 0.12, len(puppet.coefficients))
    frame = scenery.background(rng, size) if background is None else background
    if frame.shape != (height, width, 3):
        raise InputError(f"background: expected {(height, width, 3)}, got {frame.shape}")
    pose = tuple(float(v) for v in (drawn_pose if pose is None else pose))
    side = drawn_side if side is None else side
    if centre is None:
        room = np.maximum(np.array(size) - side * 1.12, 0) / 2 * 0.8
        centre = np.array([width, height]) / 2 + offset * np.minimum(room, 0.16 * min(size)) + [0, 0.03 * min(size)]
    frame, keypoints, info = put_face(frame, puppet, knobs, pose, side, centre, wobble=wobble)
    return frame if plain else scenery.light(rng, frame), keypoints, info


def put_face(
    frame: np.ndarray, puppet: Puppet, knobs: Mapping[str, float], pose: tuple, side: float, centre, *, wobble=0.0
) -> tuple[np.ndarray, np.ndarray, Info]:
    """Return the frame with a puppet's face put into it, its keypoints (68, 2) and Info.

    A shape that would fold the portrait is damped: coefficients and turn are taken back until it no longer does.
    """
    size = frame.shape[1::-1]
    face = portrait(puppet.portrait, puppet.mirrored)
    coefficients = puppet.coefficients + wobble
    for damped in range(12):
        shape = shapes.face_shape(coefficients, knobs, roll=pose[0], yaw=pose[1], pitch=pose[2],
                                  opening=face.opening)
        box = box_of(shape)
        # the face's size is that of the mean face seen from the front: an open mouth makes no face smaller
        keypoints = (shape - (box[:2] + box[2:] / 2)) * side + np.asarray(centre, np.float64)
        # lids that meet would press a whole eye into a line: the warp keeps them apart, the lid is painted
        held = scenery.hold_lids(keypoints, LEAST_OPENING * face.opening * side)
        warp = warp_onto(face, held, size)
        stretch = warp.stretch(keypoints)
        if stretch >= LEAST_STRETCH:
            break
        coefficients, pose = coefficients * 0.8, (pose[0], pose[1] * 0.85, pose[2] * 0.85)
    frame = scenery.lay_over(frame, sample(face, warp, size))
    scenery.paint_lids(frame, keypoints, held, side)
    gap, own = (np.linalg.norm(points[66] - points[62]) / length for points, length in
                ((keypoints, side), (face.keypoints, face.side)))
    opened = float(np.clip((gap - 1.3 * own - 0.015) / 0.03, 0, 1))
    if opened:
        scenery.paint_mouth(frame, keypoints, side, opened)
    valence, arousal = shapes.valence_arousal(knobs)
    info = Info(puppet, dict(knobs), pose, shapes.expression_of(knobs), valence, arousal, stretch, damped)
    return frame, keypoints.astype(np.float32), info


def _size(size):
    pair = (size, size) if np.ndim(size) == 0 else tuple(size)
    if len(pair) != 2 or not all(isinstance(v, int | np.integer) and 32 <= v <= 4096 for v in pair):
        raise InputError(f"size: expected 32 to 4096 pixels, or a pair (width, height) of them, got {size!r}")
    return int(pair[0]), int(pair[1])


def make_set(n: int = 400, *, seed: int = 0, size: int = 160) -> KeypointSet:
    """Make a set of n puppet faces: extras expression (n,) int 0..7, valence (n,), arousal (n,).

    As in the real set, a fifth of the frames lies in "test/", and the people there are also in "training/". The first k
    faces of a larger set are those of a smaller one.

    Raises:
        InputError: fewer than 1 face, or a size below 32 pixels.

    >>> make_set(8, size=64).names[3:5]
    ('training/Puppet_000_03.png', 'test/Puppet_001_00.png')
    """
    if not isinstance(n, int | np.integer) or n < 1:
        raise InputError(f"n: expected a whole number of at least 1, got {n!r}")
    images, keypoints, names, infos = [], [], [], []
    for i in range(n):
        who, which = divmod(i, FRAMES + 1)
        person = make_puppet([seed, 1, who])
        rng = np.random.default_rng([seed, 0, i])
        # every expression comes up equally often
        frame, points, info = make_face(rng, size=size, person=person, knobs=draw_knobs(rng, i * 3 % 8))
        folder = "test" if which == who % (FRAMES + 1) else "training"
        images.append(frame)
        keypoints.append(points)
        names.append(f"{folder}/Puppet_{who:03d}_{which:02d}.png")
        infos.append(info)
    extras = {key: np.array([getattr(info, key) for info in infos]) for key in ("expression", "valence", "arousal")}
    return KeypointSet(images, np.stack(keypoints), tuple(names), extras=extras)
