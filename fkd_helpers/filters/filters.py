"""Filters by name: functions from a frame and keypoints to a frame, one or several on top of another."""

import functools
import warnings
from collections.abc import Callable, Sequence

import cv2
import numpy as np

from fkd_helpers.core.errors import InputError, unknown
from fkd_helpers.faces.boxes import box_of
from fkd_helpers.faces.draw import FARTHEST
from fkd_helpers.faces.images import shrunk, to_rgb
from fkd_helpers.faces.pose import head_pose, project
from fkd_helpers.faces.sprites import KEYPOINTS, SPRITES, load_sprite, paint, place

Filter = Callable[[np.ndarray, np.ndarray], np.ndarray]
FILTERS: dict[str, Filter] = {}
LEAST_FACE = 4  # pixels, the longer side of a face that anything can be drawn on
BLOCKS = 8  # of a hidden face, along its longer side
AXES = np.array([0, 0, 0.32]) + np.vstack([np.zeros(3), 0.5 * np.eye(3)])  # from the nose's tip: right, down, ahead
AXIS_COLOURS = ((235, 50, 40), (40, 190, 60), (50, 90, 255))


def face_filter(function: Filter) -> Filter:
    """Register a function (frame, keypoints (68, 2)) -> frame under its name, and return a safe form of it.

    That paints on a copy, on any number of faces, and warns of one that has missing keypoints or is too small.
    """

    @functools.wraps(function)
    def safe(frame: np.ndarray, keypoints: np.ndarray) -> np.ndarray:
        painted = to_rgb(frame).copy()
        for face in _as_faces(keypoints):
            if not np.isfinite(face).all() or np.abs(face).max() >= FARTHEST or max(box_of(face)[2:]) < LEAST_FACE:
                warnings.warn("a face without usable keypoints was left as it is", stacklevel=2)
                continue
            shape, painted = painted.shape, function(painted, face)
            if getattr(painted, "shape", None) != shape or painted.dtype != np.uint8:
                raise InputError(f"filter {function.__name__}: expected it to return a uint8 frame {shape}")
        return painted

    FILTERS[function.__name__] = safe
    return safe


def filter_named(name: str) -> Filter:
    """Return a registered filter."""
    if name not in FILTERS:
        raise unknown("filter", name, FILTERS)
    return FILTERS[name]


def _as_faces(keypoints) -> np.ndarray:
    keypoints = np.asarray(keypoints, np.float32)
    if keypoints.size and (keypoints.shape[-2:] != (KEYPOINTS, 2) or keypoints.ndim not in (2, 3)):
        raise InputError(f"keypoints: expected ({KEYPOINTS}, 2) or (n, {KEYPOINTS}, 2), got {keypoints.shape}")
    return keypoints.reshape(-1, KEYPOINTS, 2)


def wear(frame: np.ndarray, keypoints: np.ndarray, filters: str | Filter | Sequence[str | Filter]) -> np.ndarray:
    """Return a frame with filters, names or functions, applied to all faces (68, 2) or (n, 68, 2), the first below.

    A filter that fails on a frame is left out there, with a warning: a video goes on.
    """
    chosen = [filters] if isinstance(filters, str) or callable(filters) else filters
    functions = [filter_named(one) if isinstance(one, str) else one for one in chosen]
    frame, faces = to_rgb(frame), _as_faces(keypoints)
    for function in functions:
        try:
            frame = function(frame, faces)
        except Exception as error:  # a filter is anybody's code
            name = getattr(function, "__name__", "filter")
            warnings.warn(f"{name} was left out: {type(error).__name__}: {error}", stacklevel=2)
    return frame


def _sprite_filter(name: str) -> None:
    def put_on(frame, keypoints):
        if (matrix := place(load_sprite(name), keypoints)) is not None:
            paint(frame, load_sprite(name), matrix)
        return frame

    put_on.__name__, put_on.__doc__ = name, f"Put the sprite {name} on a face."
    face_filter(put_on)


for _name in SPRITES:
    _sprite_filter(_name)


@face_filter
def blur(frame: np.ndarray, keypoints: np.ndarray, enlarge: int = cv2.INTER_CUBIC) -> np.ndarray:
    """Hide a face behind a blur that leaves nothing finer than an eighth of it."""
    outline, limits = face_outline(keypoints), frame.shape[1::-1]
    left, top = np.clip(np.floor(outline.min(0)), 0, limits).astype(int)
    right, bottom = np.clip(np.ceil(outline.max(0)) + 1, 0, limits).astype(int)
    part = frame[top:bottom, left:right]
    if part.size:
        block = max(2.0, max(box_of(keypoints)[2:]) / BLOCKS)
        few = shrunk(part, max(part.shape[:2]) / block)
        inside = np.zeros(part.shape[:2], np.uint8)
        cv2.fillConvexPoly(inside, (outline - [left, top]).round().astype(np.int32), 255)
        cv2.copyTo(cv2.resize(few, part.shape[1::-1], interpolation=enlarge), inside, part)
    return frame


@face_filter
def pixelate(frame: np.ndarray, keypoints: np.ndarray) -> np.ndarray:
    """Hide a face behind 8 blocks along its longer side."""
    return blur.__wrapped__(frame, keypoints, cv2.INTER_NEAREST)


def face_outline(keypoints: np.ndarray) -> np.ndarray:
    """Return a convex outline (m, 2) of a face (68, 2) with its forehead, 8 % larger than the points."""
    # the keypoints end at the brows: the forehead is as high above them as the base of the nose is below, at any tilt
    forehead = keypoints[17:27] + keypoints[17:27].mean(0) - keypoints[33]
    hull = cv2.convexHull(np.concatenate([keypoints, forehead]).astype(np.float32))[:, 0]
    return hull.mean(0) + (hull - hull.mean(0)) * 1.08


@face_filter
def axes(frame: np.ndarray, keypoints: np.ndarray) -> np.ndarray:
    """Draw the axes of a head at its nose: red to the side, green down, blue ahead; nothing where no pose is found."""
    pose = head_pose(keypoints, frame.shape[1::-1])
    ends = None if pose is None else project(AXES, pose, frame.shape[1::-1])
    if ends is not None and np.abs(ends).max() < FARTHEST:
        thick = max(1, round(max(box_of(keypoints)[2:]) / 50))
        nose, *others = np.round(ends + keypoints[30] - ends[0]).astype(int).tolist()
        for end, colour in zip(others, AXIS_COLOURS, strict=True):
            cv2.arrowedLine(frame, nose, end, colour, thick, cv2.LINE_AA, tipLength=0.15)
    return frame
