"""Emotions over a file of predicted keypoints."""

from pathlib import Path

import numpy as np
import pandas as pd

from fkd_helpers.core.errors import InputError
from fkd_helpers.emotion.rules import LABELS, UNKNOWN, emotion_labels

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


def report(*, predictions: str) -> None:
    """Report how many of the predicted faces look negative, neutral and positive.

    Args:
        predictions: a file that train or predict wrote: CSV or Parquet
    """
    labels = pd.Series(emotion_labels(read_predictions(predictions)))
    counts = labels.value_counts().reindex([*LABELS, UNKNOWN], fill_value=0)
    table = pd.DataFrame({"faces": counts, "share": counts / len(labels)})
    print(f"{predictions}: {len(labels)} face{'s' * (len(labels) != 1)}")
    print(table.to_string(formatters={"share": "{:.1%}".format}))
