"""Emotions over a file of predicted keypoints: class balance, statistics of the features."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from fkd_helpers.core.errors import InputError
from fkd_helpers.emotion.features import FEATURES
from fkd_helpers.emotion.rules import LABELS, UNKNOWN, changes

COORDINATES = [f"{axis}{i}" for i in range(68) for axis in "xy"]


def read_predictions(path: str | Path) -> np.ndarray:
    """Return the keypoints (n, 68, 2) that `predict` or `train` wrote as CSV or Parquet; NaN for no number."""
    try:
        table = (pd.read_parquet if Path(path).suffix.lower() == ".parquet" else pd.read_csv)(path)
    except (OSError, ImportError, ValueError) as error:
        raise InputError(f"{path}: not a table of predictions ({str(error).splitlines()[0]})") from None
    if missing := [column for column in COORDINATES if column not in table]:
        raise InputError(f"{path}: expected 68 keypoints per face, in columns x0, y0 ... y67, got no {missing[0]}")
    if not len(table):
        raise InputError(f"{path}: no rows, expected one per face")
    return table[COORDINATES].apply(pd.to_numeric, errors="coerce").to_numpy(np.float64).reshape(-1, 68, 2)


def balance(labels: Sequence[str]) -> pd.DataFrame:
    """Return how many faces have each label, and their share; unknown ones only where there are any."""
    shown = [*LABELS, UNKNOWN] if UNKNOWN in labels else LABELS
    faces = pd.Series(labels, dtype=object).value_counts().reindex(shown, fill_value=0)
    return pd.DataFrame({"faces": faces, "share": faces / max(len(labels), 1)})


def spread(keypoints: np.ndarray, labels: Sequence[str]) -> pd.DataFrame:
    """Return how each feature differs from the neutral face, % of the eye distance: percentiles, medians by label."""
    change = pd.DataFrame(100 * changes(keypoints), columns=list(FEATURES))
    table = change.quantile([0.05, 0.5, 0.95]).set_axis(["5 %", "median", "95 %"]).T
    return table.join(change.groupby(np.array(labels)).median().reindex(LABELS).T)


def histograms(change: np.ndarray, labels: Sequence[str], *, bins: int = 24) -> dict[str, dict]:
    """Return each feature's histogram by label for changes (n, 12): edges, and shares of each label's faces."""
    known = np.isfinite(change).all(1)
    if not known.any():
        raise InputError("histograms: expected at least one face with all of its points, got none")
    labels, found = np.array(labels)[known], {}
    for name, values in zip(FEATURES, np.asarray(change)[known].T, strict=True):
        low, high = np.percentile(values, [0.5, 99.5])
        edges = np.linspace(low, max(high, low + 0.01), bins + 1)
        counts = {label: np.histogram(values[labels == label].clip(*edges[[0, -1]]), edges)[0] for label in LABELS}
        found[name] = {"edges": edges, **{label: count / max(count.sum(), 1) for label, count in counts.items()}}
    return found
