"""Emotions over a file of predicted keypoints: the column "emotion", class balance, how the features are spread."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from fkd_helpers.core.errors import InputError
from fkd_helpers.core.files import whole_file
from fkd_helpers.emotion.features import FEATURES
from fkd_helpers.emotion.rules import COLUMN, LABELS, UNKNOWN, changes, emotion_labels
from fkd_helpers.predict.face_table import arrow
from fkd_helpers.train.tables import BARS

BINS, REACH = 17, 0.2  # histogram bars, from -20 % to 20 % of the eye distance


def read_predictions(path: str | Path) -> tuple[pd.DataFrame, np.ndarray]:
    """Read a table of predictions: the name, further columns if any, then x0, y0 ... x67, y67 (or 0 ... 135).

    path: a CSV file (of `train`, `predict --csv`, or a classic one), what `predict --json` printed (.json, .jsonl), or
        the file of `predict --parquet` (.parquet)

    Returns:
        the whole table, and keypoints (n, 68, 2); what is blank or no number becomes NaN

    Raises:
        InputError: no such file, not a table, no rows, or another number of coordinates than 136.
    """
    try:
        table = READERS.get(Path(path).suffix.lower(), pd.read_csv)(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a table of predictions ({str(error).strip()})") from None
    columns = [name for name in table.columns if re.fullmatch(r"[xy]?\d+", str(name))]
    if len(columns) != 136:
        raise InputError(f"{path}: expected 136 coordinate columns (x0, y0 ... x67, y67), got {len(columns)}")
    if not len(table):
        raise InputError(f"{path}: no rows, expected one a face")
    numbers = table[columns].apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
    return table, numbers.reshape(-1, 68, 2)


def _of_json(path: str | Path) -> pd.DataFrame:
    """Read what `predict --json` printed, a line a photo: one row a face, as in a CSV file."""
    columns = [f"{axis}{i}" for i in range(68) for axis in "xy"]
    rows = []
    try:
        for line in Path(path).read_text(encoding="utf-8").splitlines():
            photo = json.loads(line)
            for face in photo["faces"]:
                points = np.array(face["keypoints"], np.float64).reshape(136)
                rows.append({"name": photo["photo"], **dict(zip(columns, points, strict=True))})
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not what predict --json prints ({error})") from None
    return pd.DataFrame(rows, columns=["name", *columns])


def _of_parquet(path: str | Path) -> pd.DataFrame:
    pa = arrow()
    try:
        with Path(path).open("rb") as file:
            return pa.parquet.read_table(file, page_checksum_verification=True).to_pandas()
    except (pa.ArrowException, OSError) as error:
        if getattr(error, "errno", None):  # of the file, not of what is in it
            raise
        raise InputError(f"{path}: not a whole Parquet file ({str(error).splitlines()[0]})") from None


READERS = {".json": _of_json, ".jsonl": _of_json, ".parquet": _of_parquet}


def fill_emotions(path: str | Path) -> list[str]:
    """Write the emotion of each face into a table of predictions, as its column after the name; return them.

    Raises:
        InputError: not a CSV file; see also `read_predictions`.
    """
    if Path(path).suffix.lower() in READERS:
        raise InputError(f"{path}: expected a CSV file to fill, got {Path(path).suffix}")
    table, keypoints = read_predictions(path)
    labels = emotion_labels(keypoints)
    table = table.drop(columns=COLUMN, errors="ignore")
    column = pd.Series(labels, index=table.index, name=COLUMN)
    table = pd.concat([table.iloc[:, :1], column, table.iloc[:, 1:]], axis=1)
    with whole_file(Path(path)) as partial:
        table.to_csv(partial, index=False)
    return labels


def balance(labels: list[str]) -> pd.DataFrame:
    """Return how many faces have each label, and their share; unknown ones only where there are any.

    >>> balance(["neutral", "positive", "neutral", "neutral"])["faces"].tolist()
    [0, 3, 1]
    """
    counts = {label: labels.count(label) for label in (*LABELS, UNKNOWN)}
    if not counts[UNKNOWN]:
        del counts[UNKNOWN]
    faces = pd.Series(counts, name="faces")
    return pd.DataFrame({"faces": faces, "share": faces / max(len(labels), 1)})


def spread(keypoints: np.ndarray, labels: list[str]) -> pd.DataFrame:
    """Return how each feature of faces (n, 68, 2) differs from the neutral face, in % of the eye distance.

    One row a feature: the 5th percentile, median and 95th of all faces, the median of each label, and a histogram in
    text from -20 to 20 %, where what lies beyond is counted at its end.
    """
    change, labels = 100 * changes(keypoints), np.array(labels)
    rows = {}
    for name, values in zip(FEATURES, change.T, strict=True):
        known = values[np.isfinite(values)]
        low, median, high = np.percentile(known, [5, 50, 95]) if len(known) else [np.nan] * 3
        row = {"5 %": low, "median": median, "95 %": high}
        for label in LABELS:
            here = values[(labels == label) & np.isfinite(values)]
            row[label] = np.median(here) if len(here) else np.nan
        ends = np.linspace(-100 * REACH, 100 * REACH, BINS + 1)
        bars = np.histogram(np.clip(known, ends[0], ends[-1]), ends)[0]
        drawn = "".join(BARS[v] for v in np.ceil(bars / max(bars.max(), 1) * (len(BARS) - 1)).astype(int))
        rows[name] = row | {"-20 to 20 %": drawn}
    return pd.DataFrame.from_dict(rows, orient="index")


def histograms(change: np.ndarray, labels: Sequence[str], *, bins: int = 24) -> dict[str, dict]:
    """Return each feature's histogram by label for changes (n, 12): edges, and shares of each label's faces."""
    change, labels = np.asarray(change), np.array(labels)
    known = np.isfinite(change).all(1)
    change, labels = change[known], labels[known]
    if not len(change):
        raise InputError("histograms: expected at least one face with all of its points, got none")
    found = {}
    for name, values in zip(FEATURES, change.T, strict=True):
        low, high = np.percentile(values, [0.5, 99.5])
        edges = np.linspace(low, max(high, low + 0.01), bins + 1)
        found[name] = {"edges": edges}
        for label in LABELS:
            here = np.clip(values[labels == label], edges[0], edges[-1])
            found[name][label] = np.histogram(here, edges)[0] / max(len(here), 1)
    return found
