"""Face shapes: a statistical model of 68 points, expression knobs, head pose, and the labels that follow from knobs.

Shapes are measured in face sides: 1 is the longer side of the box of the mean face, seen from the front. x goes right,
y down, z towards the camera. The model is fitted by `tools/fit_shape_model.py`.
"""

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fkd_helpers.core.errors import InputError, unknown
from fkd_helpers.faces.landmarks import EXPRESSIONS, MIRROR, SHAPE_MODEL

UPPER_LIDS, LOWER_LIDS = np.array([37, 38, 43, 44]), np.array([41, 40, 47, 46])
UPPER_LIP, LOWER_LIP = np.array([49, 50, 51, 52, 53, 61, 62, 63]), np.array([59, 58, 57, 56, 55, 67, 66, 65])
LIP_SHARE = np.array([0.4, 1, 1, 1, 0.4, 1, 1, 1])[:, None] * [0, 1]  # towards the corners lips move less

# What a knob at 1 does: point -> (right, down) in thousandths of a face side. Points of the image's left half stand for
# both halves, but in `smirk`, which is one-sided.
MOVES = json.loads((Path(__file__).parents[2] / "assets" / "knobs.json").read_text(encoding="utf-8"))
KNOBS = tuple(MOVES)

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
    for field, (name, moves) in zip(fields, MOVES.items(), strict=True):
        field[[int(point) for point in moves]] = list(moves.values()) or np.zeros((0, 2))
        if name != "smirk":
            other = np.flatnonzero((field == 0).all(1))
            field[other] = field[MIRROR[other]] * [-1, 1]
    fields[KNOBS.index("eye_close")][[37, 38, 43, 44], 1] = 40  # for the fit only: lids never count as identity
    return fields / 1000


def check_knobs(knobs: Mapping[str, float]) -> np.ndarray:
    """Return knobs as an array (8,) in the order of KNOBS, absent ones 0."""
    values = np.zeros(len(KNOBS))
    for name, value in knobs.items():
        if name not in KNOBS:
            raise unknown("knob", name, KNOBS)
        if not 0 <= value <= 1:
            raise InputError(f"knob {name}: expected 0..1, got {value}")
        values[KNOBS.index(name)] = value
    return values


def face_shape(
    coefficients: np.ndarray,
    knobs: Mapping[str, float],
    *,
    roll: float = 0.0,
    yaw: float = 0.0,
    pitch: float = 0.0,
    opening: float | None = None,
    parting: float | None = None,
) -> np.ndarray:
    """Return the shape (68, 2) of a face in face sides, its centre near (0, 0).

    Args:
        coefficients: (up to 12,) of the modes, in standard deviations.
        roll, yaw, pitch: Degrees; positive roll turns clockwise in the picture, positive yaw shifts the nose to the
            right, positive pitch lowers it.
        opening, parting: How far the eyes of this person stand open, and the lips at rest, face sides; None = as the
            mean face's.

    >>> mouth = [face_shape([], {"mouth_open": v}) for v in (0, 1)]
    >>> bool(mouth[1][66, 1] > mouth[0][66, 1] + 0.1)
    True
    """
    model, values = shape_model(), check_knobs(knobs)
    coefficients = np.asarray(coefficients, np.float64)
    count = len(coefficients)
    flat = model.mean[:, :2] + np.einsum("m,mpk->pk", coefficients * model.spreads[:count], model.modes[:count])
    own_lids = lid_gaps(model.mean).mean()
    moved = np.einsum("k,kpd->pd", np.where(np.array(KNOBS) == "eye_close", 0, values), knob_fields())
    # who it is may narrow the eyes and part the lips only so far: beyond that they are a matter of expression
    lids = np.clip(lid_gaps(flat) / own_lids, 0.8, 1.25) * (own_lids if opening is None else opening) + lid_gaps(moved)
    if parting is not None:
        flat = _set_lips(flat, np.clip(flat[66, 1] - flat[62, 1], 0.75 * parting, 1.25 * parting))
    flat = _set_lids(_part(flat + moved), lids * (1 - 0.94 * values[KNOBS.index("eye_close")]))
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


def _set_lids(flat, gaps):
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
