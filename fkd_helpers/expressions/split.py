"""Parts of an expression set that share no image, and what is in a set. Built in notebook 07."""

import hashlib
import warnings

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from fkd_helpers.core.errors import InputError
from fkd_helpers.expressions.data import ExpressionSet
from fkd_helpers.faces.landmarks import EXPRESSIONS

FOLDS = 20


def contents(faces: ExpressionSet) -> pd.DataFrame:
    """Return a row an expression: its faces, and mean, least and greatest valence and arousal."""
    rows = []
    for k, name in enumerate(EXPRESSIONS):
        of_k = faces.expression == k
        row = {"expression": name, "faces": int(of_k.sum())}
        for key in ("valence", "arousal"):
            values = getattr(faces, key)[of_k]
            row |= {f"{key} {what}": float(f(values)) if of_k.any() else float("nan") for what, f in RANGE.items()}
        rows.append(row)
    return pd.DataFrame(rows)


RANGE = {"mean": np.mean, "min": np.min, "max": np.max}


def duplicates(faces: ExpressionSet) -> list[np.ndarray]:
    """Return the indices of faces whose pixels are identical, one array a group of two or more."""
    seen: dict[str, list[int]] = {}
    for i, image in enumerate(faces.images):
        seen.setdefault(hashlib.sha256(np.ascontiguousarray(image).tobytes()).hexdigest(), []).append(i)
    return [np.array(group) for group in seen.values() if len(group) > 1]


def conflicts(faces: ExpressionSet) -> tuple[list[np.ndarray], list[tuple[str, ...]]]:
    """Return the groups of identical images (indices), and names and expressions of those labelled with several."""
    same = duplicates(faces)
    different = [group for group in same if len(set(faces.expression[group])) > 1]
    return same, [tuple(f"{faces.names[i]} {EXPRESSIONS[faces.expression[i]]}" for i in group) for group in different]


def without_contempt(faces: ExpressionSet, classes: int) -> ExpressionSet:
    """Return the faces of the first 7 or of all 8 expressions; AffectNet's 7-class form has no contempt.

    Raises:
        InputError: another number of classes.
    """
    if classes not in (7, 8):
        raise InputError(f"classes: expected 7 or 8, got {classes!r}")
    return faces if classes == 8 else faces.subset(faces.expression < 7)


def split_expressions(
    faces: ExpressionSet, *, seed: int = 0, test: float = 0.2, validation: float = 0.1
) -> tuple[ExpressionSet, ExpressionSet, ExpressionSet]:
    """Split a set into training, validation and test: each expression in its share, no group on two sides.

    Shares are kept to a twentieth. With `validation` 0 that part is empty.

    Raises:
        InputError: an expression with fewer faces than parts, fewer groups than parts, or shares that leave none.
    """
    cuts = [round(FOLDS * test), round(FOLDS * validation)]
    parts = 2 + bool(validation)
    if not 0 < test < 1 or not 0 <= validation < 1 or sum(cuts) >= FOLDS:
        came = f"test {test:g}, validation {validation:g}"
        raise InputError(f"split: expected shares of together less than 1, got {came}")
    counts = np.bincount(faces.expression, minlength=len(EXPRESSIONS))
    present = [EXPRESSIONS[k] for k in np.flatnonzero((counts > 0) & (counts < parts))]
    groups = np.unique(faces.groups, return_inverse=True)[1]
    if present or groups.max(initial=-1) + 1 < parts:
        few = f"too few of {', '.join(present)}" if present else f"{groups.max(initial=-1) + 1} different faces"
        raise InputError(f"split: expected at least {parts} faces of each expression, got {len(faces)} faces, {few}")
    folds = min(FOLDS, groups.max() + 1, counts.max())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # an expression with fewer faces than folds: they go round
        parted = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
        order = [held for _, held in parted.split(groups, faces.expression, groups)]
    cuts = [max(round(share * folds), share > 0) for share in (test, validation)]
    held = np.concatenate(order[: cuts[0]]), np.concatenate([*order[cuts[0] : sum(cuts)], np.zeros(0, int)])
    rest = np.setdiff1d(np.arange(len(faces)), np.concatenate(held))
    return faces.subset(rest), faces.subset(np.sort(held[1])), faces.subset(np.sort(held[0]))
