"""The embedded default: faces warped from two public-domain portraits, with exact labels.

A puppet is a stand-in for a person: one portrait, mirrored or not, one set of shape coefficients. Its frames differ in
knobs, pose, place, light and background. Everything follows from a seed.
"""

import functools
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from fkd_helpers.core.errors import InputError
from fkd_helpers.data.faceset import FaceSet
from fkd_helpers.data.puppets import scenery, shapes
from fkd_helpers.data.puppets.looks import Look, draw_look, draw_pose, dressed, glasses_of
from fkd_helpers.data.puppets.portraits import PORTRAITS, portrait, sample, warp_onto
from fkd_helpers.faces.sprites import paint, place

FACE_SIDE = (0.40, 0.66)  # of the frame's shorter side: 64-106 px of 160
FRAMES = 5  # a puppet's frames in a set; one of them in test/
LEAST_STRETCH = 0.05  # below this the warp is damped: at 0 it folds
LEAST_OPENING = 0.55  # of the portrait's own eyes: the warp closes them no further


@dataclass(frozen=True)
class Puppet:
    """A puppet person: portrait name, mirrored or not, shape coefficients (12,) in standard deviations, own look."""

    portrait: str
    mirrored: bool
    coefficients: np.ndarray
    look: Look | None = None  # None = the portrait as it is


@dataclass(frozen=True)
class Info:
    """What a frame was made from, and the labels that follow."""

    puppet: Puppet
    knobs: dict[str, float]
    pose: tuple[float, float, float]  # roll, yaw, pitch in degrees
    expression: int  # 0..7, see `shapes.EXPRESSIONS`
    valence: float  # -1..1
    arousal: float  # -1..1
    stretch: float  # the least stretch of the warp inside the face, 1 = as the whole
    damped: int  # how often the shape was damped


def make_puppet(seed: int | np.random.Generator, *, name: str | None = None, looks: bool = False) -> Puppet:
    """Draw a puppet person, with a look of its own if asked; `name` (one of PORTRAITS) fixes its portrait."""
    rng = np.random.default_rng(seed)
    drawn, mirrored = PORTRAITS[rng.integers(len(PORTRAITS))], bool(rng.integers(2))
    coefficients = np.clip(rng.normal(0, 0.7, len(shapes.shape_model()["spreads"])), -1.4, 1.4)
    return Puppet(name or drawn, mirrored, coefficients, draw_look(rng) if looks else None)


def make_face(
    seed: int | np.random.Generator,
    *,
    size: int | tuple[int, int] = 160,
    person: Puppet | int | None = None,
    knobs: Mapping[str, float] | None = None,
    pose: tuple[float, float, float] | None = None,
    side: float | None = None,
    centre: tuple[float, float] | None = None,
    plain: bool = False,
) -> tuple[np.ndarray, np.ndarray, Info]:
    """Make one face: frame (h, w, 3) uint8 RGB, keypoints (68, 2) float32, Info; what is not given is drawn.

    `size` is of a square or (width, height); `person` a Puppet or the seed of one; `knobs` are those of `shapes.KNOBS`,
    each 0..1; `pose` is roll, yaw, pitch in degrees; `side` the face's side and `centre` the middle of the head, in
    pixels; `plain` changes no light and adds no noise.

    >>> frame, keypoints, info = make_face(0, knobs={"smile": 1.0})
    >>> frame.shape, keypoints.shape, shapes.EXPRESSIONS[info.expression]
    ((160, 160, 3), (68, 2), 'happy')
    """
    size = (size, size) if isinstance(size, int) else size
    # one generator each: what is given in place of one draw leaves the others as they were
    who, how, where, wall, lamp = map(np.random.default_rng, np.random.default_rng(seed).integers(2**63, size=5))
    puppet = person if isinstance(person, Puppet) else make_puppet(who if person is None else person)
    knobs = shapes.draw_knobs(how) if knobs is None else dict(knobs)
    wobble = where.normal(0, 0.12, len(puppet.coefficients))
    drawn_pose, drawn_side = draw_pose(where), where.uniform(*FACE_SIDE) * min(size)
    if puppet.look is not None:  # frames as those of a film: one room, one way to hold the head
        wall, drawn_pose = np.random.default_rng(puppet.look.room), puppet.look.pose + 0.35 * drawn_pose
    pose = tuple(float(v) for v in (drawn_pose if pose is None else pose))
    side = drawn_side if side is None else float(side)
    frame = scenery.background(wall, size)
    if centre is None:  # anywhere near the middle where the whole face fits in, a dropped jaw included
        low, high = side * np.array([0.6, 0.75]), size - side * np.array([0.6, 0.72])
        middle, room = (low + high) / 2, np.clip((high - low) / 2, 0, 0.16 * min(size))
        centre = middle + where.uniform(-1, 1, 2) * room
    frame, keypoints, info = put_face(frame, puppet, knobs, pose, side, centre, wobble=wobble)
    return frame if plain else scenery.light(lamp, frame), keypoints, info


def put_face(
    frame: np.ndarray, puppet: Puppet, knobs: Mapping[str, float], pose: tuple, side: float, centre, *, wobble=0.0
) -> tuple[np.ndarray, np.ndarray, Info]:
    """Return a frame with a puppet's face put into it, its keypoints (68, 2) and Info; units as in `make_face`."""
    size, face = frame.shape[1::-1], portrait(puppet.portrait, puppet.mirrored)
    coefficients, damped, own = puppet.coefficients + wobble, 0, {"opening": face.opening, "parting": 0.5 * face.gap}
    while True:
        shape = shapes.face_shape(coefficients, knobs, roll=pose[0], yaw=pose[1], pitch=pose[2], **own)
        keypoints = shape * side + np.asarray(centre, np.float64)
        # lids that meet would press a whole eye into a line: the warp keeps them apart, the lid is painted
        held = scenery.hold_lids(keypoints, LEAST_OPENING * face.opening * side)
        warp = warp_onto(face, held, size, step=int(np.clip(side / 35, 3, 8)))
        stretch = warp.stretch(keypoints)
        if stretch >= LEAST_STRETCH or damped == 12:
            break
        damped += 1  # coefficients and turn are taken back until the portrait no longer folds
        coefficients, pose = coefficients * 0.8, (pose[0], pose[1] * 0.85, pose[2] * 0.85)
    worn = puppet.look and functools.partial(dressed, puppet.portrait, puppet.mirrored, look=puppet.look)
    frame = scenery.lay_over(frame, sample(face, warp, size, worn))
    scenery.paint_lids(frame, keypoints, held, side)
    scenery.paint_mouth(frame, keypoints, side, face.gap * side)
    if puppet.look and puppet.look.glasses:
        glasses = glasses_of(puppet.look)
        paint(frame, glasses, place(glasses, keypoints))
    valence, arousal = shapes.valence_arousal(knobs)
    info = Info(puppet, dict(knobs), pose, shapes.expression_of(knobs), valence, arousal, stretch, damped)
    return frame, keypoints.astype(np.float32), info


def make_set(n: int = 400, *, seed: int = 0, size: int = 160, looks: bool = False) -> FaceSet:
    """Make a set of n puppet faces: extras expression (n,) int 0..7, valence (n,), arousal (n,).

    With `looks` each person has hair, glasses, a room ... of their own, on all frames. As in the real set, a fifth of
    the frames lies in "test/", and the people there are also in "training/".
    """
    if n < 1:
        raise InputError(f"n: expected at least 1, got {n}")
    names, made = [], []
    for i in range(n):
        who, which = divmod(i, FRAMES)
        rng = np.random.default_rng([seed, 0, i])
        knobs = shapes.draw_knobs(rng, i * 3 % 8)  # every expression comes up equally often
        made.append(make_face(rng, size=size, person=make_puppet([seed, 1, who], looks=looks), knobs=knobs))
        folder = "test" if which == who % FRAMES else "training"
        names.append(f"{folder}/Puppet_{who:03d}_{which:02d}.png")
    images, keypoints, infos = zip(*made, strict=True)
    extras = {key: np.array([getattr(info, key) for info in infos]) for key in ("expression", "valence", "arousal")}
    return FaceSet(images, np.stack(keypoints), tuple(names), extras=extras)


def stream(
    *, seed: int = 0, size: tuple[int, int] = (640, 480), n: int | None = None, faces: int = 1
) -> Iterator[tuple[np.ndarray, np.ndarray, tuple[Info, ...]]]:
    """Play a camera, without end where n is None: faces that turn, wander, blink, smile and talk, smoothly in time.

    Yields, for 30 frames per second, frame (h, w, 3) uint8, keypoints (faces, 68, 2) float32, one Info per face.
    """
    (width, height), rng, actors = size, np.random.default_rng(seed), []
    wall = scenery.background(rng, size, kind=0)
    names = rng.permutation(PORTRAITS)
    for i in range(faces):
        puppet = make_puppet(rng, name=names[i % len(names)])
        waves = rng.uniform(0.6, 1.4, (9, 2)), rng.uniform(0, 2 * np.pi, (9, 2))
        actors.append((puppet, _acting(*waves, rng.integers(2**32))))
    side = min(0.48 * height, 0.5 * width / faces if faces > 1 else width)
    middle = (np.arange(faces) + 0.5) * width / faces
    for _ in range(n) if n is not None else itertools.count():
        frame, shown = wall, []
        for x, (puppet, acting) in zip(middle, actors, strict=True):
            knobs, pose, away, near = next(acting)
            centre = np.array([x, 0.54 * height]) + away * side * 0.12
            frame, *labels = put_face(frame, puppet, knobs, pose, side * near, centre)
            shown.append(labels)
        keypoints, infos = zip(*shown, strict=True)
        yield frame, np.stack(keypoints), infos


def _acting(speeds: np.ndarray, phases: np.ndarray, seed: int) -> Iterator[tuple]:
    """Yield the knobs, pose, place and nearness of an actor, one per frame."""
    rng = np.random.default_rng(seed)  # its own: actors blink without waiting for one another
    blink = rng.uniform(0.5, 2)
    for t in (frame / 30 for frame in itertools.count()):
        # two slow waves for each of nine things, -1..1
        roll, yaw, pitch, x, y, near, smile, brow, talk = np.sin(t * speeds * [0.9, 0.37] + phases).mean(1)
        while t > blink + 0.32:
            blink += rng.uniform(1.8, 4.5)
        closed = np.sin(np.pi * max(t - blink, 0) / 0.32) ** 2
        chatter = 0.5 + 0.5 * np.sin(t * 9 + 2 * np.sin(t * 3.1))
        knobs = {"smile": _ease(smile * 1.6), "brow_raise": 0.7 * _ease(brow * 1.6 - 0.3)}
        knobs |= {"mouth_open": 0.45 * _ease(talk * 2 - 0.2) * chatter, "eye_close": float(closed)}
        yield knobs, (roll * 11, yaw * 17, pitch * 8), np.array([x, y * 0.5]), 1 + 0.08 * near


def _ease(value: float) -> float:
    value = float(np.clip(value, 0, 1))
    return value * value * (3 - 2 * value)
