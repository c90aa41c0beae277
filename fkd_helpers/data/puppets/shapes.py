"""Face shapes: a statistical model of 68 points, expression knobs, head pose, and the labels that follow from knobs.

Shapes are measured in face sides: 1 is the longer side of the box of the mean face, seen from the front. x goes right,
y down, z towards the camera. The asset names the faces that the model was fitted to.
"""

import functools
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from fkd_helpers.core.errors import InputError, unknown
from fkd_helpers.faces.landmarks import EXPRESSIONS, MIRROR, SHAPE_MODEL

UPPER_LIDS, LOWER_LIDS = [37, 38, 43, 44], [41, 40, 47, 46]
UPPER_LIP, LOWER_LIP = [49, 50, 51, 52, 53, 61, 62, 63], [59, 58, 57, 56, 55, 67, 66, 65]
LIP_SHARE = np.array([0.4, 1, 1, 1, 0.4, 1, 1, 1])  # towards the corners lips move less
LEAST_GAP = 0.006  # of the inner lips, face sides: modes may cross them

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


@functools.cache
def shape_model() -> dict[str, np.ndarray]:
    """Return the shape model: a face is mean (68, 3) + the sum of coefficient x spreads (m,) x modes (m, 68, 2)."""
    with np.load(SHAPE_MODEL) as file:
        return {key: file[key].astype(np.float64) for key in ("mean", "modes", "spreads")}


@functools.cache
def knob_fields() -> np.ndarray:
    """Return what each of the KNOBS moves at full strength: (8, 68, 2), face sides."""
    fields = np.zeros((len(KNOBS), 68, 2))
    for field, (name, moves) in zip(fields, MOVES.items(), strict=True):
        field[[int(point) for point in moves]] = list(moves.values()) or np.zeros((0, 2))
        if name != "smirk":
            other = np.flatnonzero((field == 0).all(1))
            field[other] = field[MIRROR[other]] * [-1, 1]
    return fields / 1000


def check_knobs(knobs: Mapping[str, float]) -> np.ndarray:
    """Return knobs as an array (8,) in the order of KNOBS, absent ones 0."""
    for name, value in knobs.items():
        if name not in KNOBS:
            raise unknown("knob", name, KNOBS)
        if not 0 <= value <= 1:
            raise InputError(f"knob {name}: expected 0..1, got {value}")
    return np.array([knobs.get(name, 0) for name in KNOBS], np.float64)


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

    `coefficients` (up to 12,) are those of the modes, in standard deviations. Positive roll turns clockwise, positive
    yaw shifts the nose to the right, positive pitch lowers it, all in degrees. `opening` and `parting` are how far the
    eyes stand open, and the lips at rest, in face sides; None = as the mean face's.
    """
    model, values = shape_model(), check_knobs(knobs)
    mean, weights = model["mean"], np.asarray(coefficients) * model["spreads"][: len(coefficients)]
    flat = mean[:, :2] + np.einsum("m,mpk->pk", weights, model["modes"][: len(weights)])
    moved = np.einsum("k,kpd->pd", values, knob_fields())
    # who it is may narrow the eyes and part the lips only so far: beyond that they are a matter of expression
    own_lids = lid_gaps(mean).mean()
    lids = np.clip(lid_gaps(flat) / own_lids, 0.8, 1.25) * (own_lids if opening is None else opening) + lid_gaps(moved)
    if parting is not None:
        gap = flat[66, 1] - flat[62, 1]
        change = np.clip(gap, 0.75 * parting, 1.25 * parting) - gap
        _move_apart(flat, UPPER_LIP, LOWER_LIP, LIP_SHARE * (0.3 * change), LIP_SHARE * (0.7 * change))
    flat += moved
    short = np.maximum(LEAST_GAP - (flat[[67, 66, 65], 1] - flat[[61, 62, 63], 1]), 0) / 2
    _move_apart(flat, [61, 62, 63], [67, 66, 65], short, short)
    change = lids * (1 - 0.94 * values[KNOBS.index("eye_close")]) - lid_gaps(flat)
    _move_apart(flat, UPPER_LIDS, LOWER_LIDS, change * 0.8, change * 0.2)
    yaw, pitch, roll = np.radians([yaw, pitch, roll])
    turn_x = np.array([[1, 0, 0], [0, np.cos(pitch), np.sin(pitch)], [0, -np.sin(pitch), np.cos(pitch)]])
    turn_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    turn_z = np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
    return (np.column_stack([flat, mean[:, 2]]) @ turn_x.T @ turn_y.T)[:, :2] @ turn_z.T


def _move_apart(flat, upper, lower, up, down):
    flat[upper, 1] -= up
    flat[lower, 1] += down


def lid_gaps(shape: np.ndarray) -> np.ndarray:
    """Return how far the lids of a shape (68, 2) stand apart at the four pairs of lid points, (4,)."""
    return shape[LOWER_LIDS, 1] - shape[UPPER_LIDS, 1]


def expression_of(knobs: Mapping[str, float]) -> int:
    """Return the expression (0..7, see EXPRESSIONS) whose prototype is nearest to the knobs."""
    prototypes = np.stack([check_knobs(PROTOTYPES[name]) for name in EXPRESSIONS])
    return int(np.linalg.norm(check_knobs(knobs) - prototypes, axis=1).argmin())


def draw_knobs(rng: np.random.Generator, expression: int | None = None) -> dict[str, float]:
    """Draw knobs around the prototype of an expression (0..7, or any), more or less strong."""
    name = EXPRESSIONS[rng.integers(8) if expression is None else expression]
    strength = rng.uniform(0.7, 1.05)
    values = check_knobs(PROTOTYPES[name]) * strength + np.abs(rng.normal(0, 0.05, len(KNOBS)))
    return dict(zip(KNOBS, np.clip(values, 0, 1).tolist(), strict=True))


def valence_arousal(knobs: Mapping[str, float]) -> tuple[float, float]:
    """Return valence and arousal in [-1, 1]: weighted sums of the knobs by the tables VALENCE and AROUSAL."""
    sums = (sum(table.get(name, 0) * value for name, value in knobs.items()) for table in (VALENCE, AROUSAL))
    return tuple(float(np.clip(total, -1, 1)) for total in sums)
