"""Emotions over a file of predicted keypoints: the column "emotion", class balance, statistics of the features."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from fkd_helpers.core.errors import InputError
from fkd_helpers.core.files import read_encoded, read_text, whole_file
from fkd_helpers.core.text import bars
from fkd_helpers.data.tables import layout_of, numbers_of, read_cells, split_lines
from fkd_helpers.emotion.features import FEATURES
from fkd_helpers.emotion.rules import COLUMN, LABELS, UNKNOWN, changes, emotion_labels

REACH = 20.0  # % of the eye distance: the histogram in text goes from -20 to 20


def read_predictions(path: str | Path) -> np.ndarray:
    """Return the keypoints (n, 68, 2) of a table of predictions, NaN where a cell is blank or no number.

    The path is a CSV file, what `predict --json` printed (.json, .jsonl), or what `predict --parquet` wrote (.parquet).
    """
    path = Path(path)
    try:
        keypoints = READERS.get(path.suffix.lower(), _read_csv)(path)
    except InputError as error:
        raise error if str(error).startswith(str(path)) else InputError(f"{path}: {error}") from None
    if keypoints.shape[1:] != (68, 2):
        raise InputError(f"{path}: expected 68 keypoints per face (136 coordinates), got {keypoints.shape[1]}")
    if not len(keypoints):
        raise InputError(f"{path}: no rows, expected one per face")
    return keypoints


def _read_csv(path):
    header, *rows = read_cells(path) or [[""]]
    columns = np.array(layout_of(header).points)  # (k, 2)
    cells = [[row[column] if column < len(row) else "" for column in columns.ravel()] for row in rows]
    return numbers_of(np.array(cells, object).reshape(-1, columns.size))[0].reshape(-1, *columns.shape)


def _read_json(path):
    lines = read_text(path).split("\n")
    try:
        photos = [json.loads(line) for line in lines if line.strip()]
        faces = [np.array(face["keypoints"], np.float64) for photo in photos for face in photo["faces"]]
        return np.stack(faces) if faces else np.empty((0, 68, 2))
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"expected what predict --json prints ({error!r})") from None


def _read_parquet(path):
    try:
        table = pd.read_parquet(path)
    except ImportError:
        raise InputError("Parquet needs pyarrow, which is not here: pip install 'fkd-helpers[scale]'") from None
    except (OSError, ValueError) as error:
        raise InputError(f"cannot be read as Parquet ({str(error).splitlines()[0]})") from None
    columns = np.array(layout_of(list(table.columns)).points)
    return table.iloc[:, columns.ravel()].to_numpy(np.float64).reshape(-1, *columns.shape)


READERS = {".json": _read_json, ".jsonl": _read_json, ".parquet": _read_parquet}


def fill_emotions(path: str | Path) -> list[str]:
    """Write the emotion of each face into a CSV of predictions, in a column after the name; return the emotions.

    All other cells keep their text. A column "emotion" that is there keeps its place.
    """
    path = Path(path)
    if path.suffix.lower() in READERS:
        raise InputError(f"{path}: expected a CSV file to fill, got {path.suffix}")
    labels = emotion_labels(read_predictions(path))
    text, encoding = read_encoded(path)
    hint, lines, separator = split_lines(text)
    rows = list(csv.reader(lines, delimiter=separator))
    header, *faces = [row for row in rows if any(map(str.strip, row))]
    column, old = (header.index(COLUMN), 1) if COLUMN in header else (1, 0)
    for row, label in zip([header, *faces], [COLUMN, *labels], strict=True):
        row[column : column + old] = [label]
    with whole_file(path) as partial, partial.open("w", newline="", encoding=encoding) as file:
        file.writelines(hint)
        csv.writer(file, delimiter=separator, lineterminator="\r\n" if "\r\n" in text else "\n").writerows(rows)
    return labels


def balance(labels: Sequence[str]) -> pd.DataFrame:
    """Return how many faces have each label, and their share; unknown ones only where there are any."""
    shown = [*LABELS, UNKNOWN] if UNKNOWN in labels else LABELS
    faces = pd.Series(labels, dtype=object).value_counts().reindex(shown, fill_value=0)
    return pd.DataFrame({"faces": faces, "share": faces / max(len(labels), 1)})


def spread(keypoints: np.ndarray, labels: Sequence[str]) -> pd.DataFrame:
    """Return how each feature of faces (n, 68, 2) differs from the neutral face, in % of the eye distance.

    One row per feature: percentiles of all faces, the median of each label, and a histogram in text from -20 to 20 %.
    """
    change = pd.DataFrame(100 * changes(keypoints), columns=list(FEATURES))
    table = change.quantile([0.05, 0.5, 0.95]).set_axis(["5 %", "median", "95 %"]).T
    table = table.join(change.groupby(np.array(labels)).median().reindex(LABELS).T)
    return table.assign(**{f"-{REACH:.0f} to {REACH:.0f} %": change.apply(_text_histogram)})


def _text_histogram(values):
    counts = np.histogram(values.dropna().clip(-REACH, REACH), 17, (-REACH, REACH))[0]
    return bars(np.ceil(7 * counts / max(counts.max(), 1)) / 7)  # a bar for a single face, too


def histograms(change: np.ndarray, labels: Sequence[str], *, bins: int = 24) -> dict[str, dict]:
    """Return each feature's histogram by label for changes (n, 12): edges, and shares of each label's faces."""
    change, labels, found = np.asarray(change), np.array(labels), {}
    known = np.isfinite(change).all(1)
    if not known.any():
        raise InputError("histograms: expected at least one face with all of its points, got none")
    for name, values in zip(FEATURES, change[known].T, strict=True):
        low, high = np.percentile(values, [0.5, 99.5])
        edges = np.linspace(low, max(high, low + 0.01), bins + 1)
        counts = {k: np.histogram(np.clip(values[labels[known] == k], low, edges[-1]), edges)[0] for k in LABELS}
        found[name] = {"edges": edges, **{k: count / max(count.sum(), 1) for k, count in counts.items()}}
    return found
