"""Face shapes: a statistical model of 68 points, expression knobs, head pose, and the labels that follow from knobs.

Shapes are measured in face sides: 1 is the longer side of the box of the mean face, seen from the front. x goes right,
y down, z towards the camera. The model is fitted by `benchmarks/fit_shape_model.py`; built in notebook 01.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fkd_helpers.core.errors import InputError, unknown
from fkd_helpers.faces.landmarks import EXPRESSIONS, MIRROR, SHAPE_MODEL

UPPER_LIDS, LOWER_LIDS = np.array([37, 38, 43, 44]), np.array([41, 40, 47, 46])
UPPER_LIP, LOWER_LIP = np.array([49, 50, 51, 52, 53, 61, 62, 63]), np.array([59, 58, 57, 56, 55, 67, 66, 65])
LIP_SHARE = np.array([0.4, 1, 1, 1, 0.4, 1, 1, 1])[:, None] * [0, 1]  # towards the corners lips move less

# What a knob at 1 does: point -> (right, down) in thousandths of a face side. Points of the image's left half stand for
# both halves, but in `smirk`, which is one-sided.
_MOVES = {
    "smile": {48: (-45, -45), 60: (-42, -42), 49: (-22, -20), 59: (-24, -18), 50: (-6, -2), 58: (-8, 2), 51: (0, 3),
              61: (-14, -6), 67: (-14, -4), 62: (0, 2), 66: (0, 3), 57: (0, 3), 40: (0, -6), 41: (0, -7), 31: (-8, -4),
              4: (-5, -4), 5: (-4, -4), 3: (-4, -2)},
    "frown": {48: (6, 38), 60: (5, 34), 49: (2, 12), 59: (4, 20), 58: (2, 2), 57: (0, -6), 66: (0, -5), 67: (0, -2),
              62: (0, -4), 51: (0, -4), 50: (0, 0), 21: (8, -26), 20: (6, -16), 19: (2, -4), 18: (0, 4), 17: (0, 10),
              8: (0, -10), 7: (0, -6)},
    "mouth_open": {66: (0, 150), 67: (4, 136), 57: (0, 150), 58: (6, 136), 59: (14, 82), 48: (20, 38), 60: (20, 38),
                   50: (0, -10), 51: (0, -10), 61: (2, -12), 62: (0, -12), 49: (8, 0), 8: (0, 130), 7: (2, 126),
                   6: (4, 108), 5: (6, 76), 4: (4, 40), 3: (0, 14)},
    "brow_raise": {17: (0, -34), 18: (0, -46), 19: (0, -52), 20: (0, -50), 21: (0, -44), 37: (0, -9), 38: (0, -9),
                   36: (0, -1), 41: (0, 2), 40: (0, 2)},
    "brow_lower": {17: (0, -4), 18: (4, 4), 19: (8, 16), 20: (14, 27), 21: (19, 34), 37: (0, 5), 38: (2, 9), 39: (2, 3),
                   51: (0, 3), 57: (0, -3), 27: (0, 3)},
    "eye_close": {},  # the lids meet: done on the face itself, below
    "sneer": {49: (0, -16), 50: (0, -25), 51: (0, -23), 61: (0, -16), 62: (0, -16), 31: (-8, -20), 32: (-3, -15),
              33: (0, -11), 30: (0, -9), 29: (0, -3), 20: (5, 10), 21: (7, 15), 19: (2, 5), 40: (0, -7), 41: (0, -7),
              48: (-5, 4), 60: (-5, 4)},
    "smirk": {54: (38, -42), 64: (36, -39), 53: (22, -21), 55: (20, -16), 52: (8, -5), 63: (14, -9), 65: (14, -7),
              56: (8, -2), 35: (7, -7), 51: (3, -1), 57: (3, 0), 62: (4, -2), 66: (4, -2), 46: (0, -6), 47: (0, -4),
              48: (4, 2), 60: (4, 2)},
}
KNOBS = tuple(_MOVES)

# The knobs of each expression at full strength; whatever is not named is 0.
PROTOTYPES = {
    "neutral": {},
    "happy": {"smile": 0.9, "mouth_open": 0.12, "eye_close": 0.15},
    "sad": {"frown": 0.9, "eye_close": 0.25},
    "surprise": {"mouth_open": 0.75, "brow_raise": 0.95},
    "fear": {"mouth_open": 0.35, "brow_raise": 0.75, "frown": 0.7},
    "disgust": {"sneer": 0.95, "frown": 0.2, "eye_close": 0.35},
    "anger": {"brow_lower": 1.0, "frown": 0.35, "sneer": 0.15},
    "contempt": {"smirk": 0.95},
}
# valence and arousal = the sum of knob x weight, cut to [-1, 1]
VALENCE = {"smile": 0.95, "frown": -0.75, "brow_raise": 0.05, "brow_lower": -0.5, "sneer": -0.65, "smirk": -0.5}
AROUSAL = {"smile": 0.35, "frown": -0.25, "mouth_open": 0.5, "brow_raise": 0.5, "brow_lower": 0.8, "eye_close": -0.5,
           "sneer": 0.5, "smirk": 0.2}


@dataclass(frozen=True)
class ShapeModel:
    """A face is mean (68, 3) + the sum of coefficient x spread (m,) x mode (m, 68, 2), the modes of unit length."""

    mean: np.ndarray
    modes: np.ndarray
    spreads: np.ndarray
    source: str


@functools.cache
def shape_model() -> ShapeModel:
    """Return the shape model that ships with the package."""
    with np.load(SHAPE_MODEL) as file:
        return ShapeModel(*(file[key].astype(np.float64) for key in ("mean", "modes", "spreads")), str(file["source"]))


@functools.cache
def knob_fields() -> np.ndarray:
    """Return what each of the KNOBS moves at full strength: (8, 68, 2), face sides."""
    fields = np.zeros((len(KNOBS), 68, 2))
    for field, (name, moves) in zip(fields, _MOVES.items(), strict=True):
        for point, move in moves.items():
            field[point] = move
        if name != "smirk":
            other = np.flatnonzero((field == 0).all(1))
            field[other] = field[MIRROR[other]] * [-1, 1]
    fields[KNOBS.index("eye_close")][[37, 38, 43, 44], 1] = 40  # for the fit only: lids never count as identity
    return fields / 1000


def check_knobs(knobs: Mapping[str, float]) -> np.ndarray:
    """Return knobs as an array (8,) in the order of KNOBS, absent ones 0.

    Raises:
        InputError: an unknown knob, or a value outside 0..1.
    """
    values = np.zeros(len(KNOBS))
    for name, value in knobs.items():
        if name not in KNOBS:
            raise unknown("knob", name, KNOBS)
        if not 0 <= value <= 1:
            raise InputError(f"knob {name}: expected 0..1, got {value}")
        values[KNOBS.index(name)] = value
    return values


def face_shape(
    coefficients: np.ndarray, knobs: Mapping[str, float], *, roll: float = 0.0, yaw: float = 0.0, pitch: float = 0.0,
    opening: float | None = None, parting: float | None = None,
) -> np.ndarray:
    """Return the shape (68, 2) of a face in face sides, its centre near (0, 0).

    coefficients: (up to 12,) of the modes, in standard deviations
    roll, yaw, pitch: degrees; positive roll turns clockwise in the picture, positive yaw shifts the nose to the right,
        positive pitch lowers it
    opening, parting: how far the eyes of this person stand open, and the lips at rest, face sides; by default as the
        mean face's

    >>> mouth = [face_shape([], {"mouth_open": v}) for v in (0, 1)]
    >>> bool(mouth[1][66, 1] > mouth[0][66, 1] + 0.1)
    True
    """
    model, values = shape_model(), check_knobs(knobs)
    coefficients = np.asarray(coefficients, np.float64)
    count = len(coefficients)
    flat = model.mean[:, :2] + np.einsum("m,mpk->pk", coefficients * model.spreads[:count], model.modes[:count])
    own_lids, moved = lid_gaps(model.mean).mean(), np.einsum(
        "k,kpd->pd", np.where(np.array(KNOBS) == "eye_close", 0, values), knob_fields())
    # who it is may narrow the eyes and part the lips only so far: beyond that they are a matter of expression
    lids = np.clip(lid_gaps(flat) / own_lids, 0.8, 1.25) * (own_lids if opening is None else opening) + lid_gaps(moved)
    if parting is not None:
        flat = _set_lips(flat, np.clip(flat[66, 1] - flat[62, 1], 0.75 * parting, 1.25 * parting))
    flat = set_lids(_part(flat + moved), lids * (1 - 0.94 * values[KNOBS.index("eye_close")]))
    head = np.column_stack([flat, model.mean[:, 2]])
    yaw, pitch, roll = np.radians([yaw, pitch, roll])
    turn_x = np.array([[1, 0, 0], [0, np.cos(pitch), np.sin(pitch)], [0, -np.sin(pitch), np.cos(pitch)]])
    turn_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    turn_z = np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
    return (head @ turn_x.T @ turn_y.T)[:, :2] @ turn_z.T


def _set_lips(flat, gap):
    """Return the shape (68, 2) with its inner lips `gap` apart in the middle; the lower lip goes most of the way."""
    flat, change = flat.copy(), gap - (flat[66, 1] - flat[62, 1])
    flat[LOWER_LIP] += LIP_SHARE * (0.7 * change)
    flat[UPPER_LIP] -= LIP_SHARE * (0.3 * change)
    return flat


def _part(flat, gap=0.006):
    """Return the shape (68, 2) with the inner lower lip at least `gap` below the upper one: modes may cross them."""
    flat, upper, lower = flat.copy(), [61, 62, 63], [67, 66, 65]
    short = np.maximum(gap - (flat[lower, 1] - flat[upper, 1]), 0) / 2
    flat[upper, 1] -= short
    flat[lower, 1] += short
    return flat


def lid_gaps(shape: np.ndarray) -> np.ndarray:
    """Return how far the lids of a shape (68, 2) stand apart at the four pairs of lid points, (4,)."""
    return shape[LOWER_LIDS, 1] - shape[UPPER_LIDS, 1]


def set_lids(flat: np.ndarray, gaps: np.ndarray) -> np.ndarray:
    """Return the shape (68, 2) with its lids (4 pairs) `gaps` apart; the upper lid goes most of the way."""
    flat = flat.copy()
    change = gaps - lid_gaps(flat)
    flat[UPPER_LIDS, 1] -= change * 0.8
    flat[LOWER_LIDS, 1] += change * 0.2
    return flat


def expression_of(knobs: Mapping[str, float]) -> int:
    """Return the expression (0..7, see EXPRESSIONS) whose prototype is nearest to the knobs.

    >>> EXPRESSIONS[expression_of({"smile": 0.8})]
    'happy'
    """
    return int(np.linalg.norm(check_knobs(knobs) - _prototypes(), axis=1).argmin())


@functools.cache
def _prototypes() -> np.ndarray:
    return np.stack([check_knobs(PROTOTYPES[name]) for name in EXPRESSIONS])


def draw_knobs(rng: np.random.Generator, expression: int | None = None) -> dict[str, float]:
    """Draw knobs around the prototype of an expression (0..7, or any), more or less strong."""
    name = EXPRESSIONS[rng.integers(8) if expression is None else expression]
    strength = rng.uniform(0.7, 1.05)
    values = check_knobs(PROTOTYPES[name]) * strength + np.abs(rng.normal(0, 0.05, len(KNOBS)))
    return dict(zip(KNOBS, np.clip(values, 0, 1).tolist(), strict=True))


def valence_arousal(knobs: Mapping[str, float]) -> tuple[float, float]:
    """Return valence and arousal in [-1, 1]: weighted sums of the knobs by the tables VALENCE and AROUSAL.

    >>> valence_arousal({})
    (0.0, 0.0)
    """
    check_knobs(knobs)
    sums = (sum(table.get(name, 0) * value for name, value in knobs.items()) for table in (VALENCE, AROUSAL))
    valence, arousal = (float(np.clip(total, -1, 1)) for total in sums)
    return valence, arousal
