"""Emotions over a file of predicted keypoints: the column "emotion", class balance, statistics of the features."""

import csv
import io
import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from fkd_helpers.core.errors import InputError
from fkd_helpers.core.files import whole_file
from fkd_helpers.core.tables import encoding_of, numbers, separator_of
from fkd_helpers.emotion.features import FEATURES
from fkd_helpers.emotion.rules import COLUMN, LABELS, UNKNOWN, changes, emotion_labels

LAYOUTS = [f"{axis}{i}" for i in range(68) for axis in "xy"], [str(i) for i in range(136)]  # ours, the classic one
BINS, REACH = 17, 20.0  # bars of the histogram in text, from -20 % to 20 % of the eye distance
BARS = "▁▂▃▄▅▆▇█"


def read_predictions(path: str | Path) -> np.ndarray:
    """Return the keypoints (n, 68, 2) of a table of predictions, NaN where a cell is blank or no number.

    Args:
        path: CSV of `train`, `predict --csv` or a classic one, with commas, semicolons or tabs; what `predict --json`
            printed (.json, .jsonl); what `predict --parquet` wrote (.parquet)
    """
    read, expected = READERS.get(Path(path).suffix.lower(), (_read_csv, "a table of predictions"))
    try:
        table = read(path)
    except InputError:
        raise
    except ImportError:
        raise InputError("Parquet needs pyarrow, which is not here: pip install 'fkd-helpers[scale]'") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None
    except (ValueError, KeyError, TypeError) as error:
        reason = (str(error).strip() or repr(error)).splitlines()[0]
        raise InputError(f"{path}: expected {expected} ({reason})") from None
    found = [name for name in table.columns if re.fullmatch(r"[xy]?\d+", name)]
    layout = next((names for names in LAYOUTS if set(names) == set(found)), None)
    if layout is None:
        wanted = "136 coordinate columns (x0, y0 ... x67, y67, or 0 ... 135)"
        raise InputError(f"{path}: expected {wanted}, got {len(found)} among {', '.join(table.columns[:4])} ...")
    if not len(table):
        raise InputError(f"{path}: no rows, expected one per face")
    return numbers(table[layout]).reshape(-1, 68, 2)  # in the order of the names, whatever that of the columns


def _read_csv(path) -> pd.DataFrame:
    encoding = encoding_of(path)
    with open(path, encoding=encoding, errors="replace") as file:
        separator = separator_of(file.readline())
    # index_col: a comma too many at the end of each row does not shift the columns
    return pd.read_csv(path, sep=separator, encoding=encoding, encoding_errors="replace", index_col=False)


def _read_json(path) -> pd.DataFrame:
    photos = [json.loads(line) for line in _text(path).split("\n") if line.strip()]
    points = [np.reshape(face["keypoints"], 136) for photo in photos for face in photo["faces"]]
    return pd.DataFrame(points, columns=LAYOUTS[0])


def _read_parquet(path) -> pd.DataFrame:
    return pd.read_parquet(path, page_checksum_verification=True)


def _text(path) -> str:
    with open(path, encoding=encoding_of(path), errors="surrogateescape", newline="") as file:
        return file.read()


READERS = {
    ".json": (_read_json, "what predict --json prints"),
    ".jsonl": (_read_json, "what predict --json prints"),
    ".parquet": (_read_parquet, "a whole Parquet file"),
}


def fill_emotions(path: str | Path) -> list[str]:
    """Write the emotion of each face into a CSV of predictions, in a column after the name; return the emotions.

    All other cells keep their text. A column "emotion" that is there keeps its place.
    """
    path = Path(path)
    if path.suffix.lower() in READERS:
        raise InputError(f"{path}: expected a CSV file to fill, got {path.suffix}")
    labels = emotion_labels(read_predictions(path))
    text, encoding = _text(path), encoding_of(path)
    first = text.partition("\n")[0]
    separator, end = separator_of(first), "\r\n" if first.endswith("\r") else "\n"
    header, *rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    faces = [row for row in rows if len(row) > 1]  # the others are blank lines
    column, old = (header.index(COLUMN), 1) if COLUMN in header else (1, 0)
    for row, label in zip([header, *faces], [COLUMN, *labels], strict=True):
        row[column : column + old] = [label]
    with whole_file(path) as partial:
        with partial.open("w", newline="", encoding=encoding, errors="surrogateescape") as file:
            csv.writer(file, delimiter=separator, lineterminator=end).writerows([header, *rows])
    return labels


def balance(labels: Sequence[str]) -> pd.DataFrame:
    """Return how many faces have each label, and their share; unknown ones only where there are any.

    >>> balance(["neutral", "positive", "neutral", "neutral"])["faces"].tolist()
    [0, 3, 1]
    """
    shown = [*LABELS, UNKNOWN] if UNKNOWN in labels else LABELS
    faces = pd.Series(labels, dtype=object).value_counts().reindex(shown, fill_value=0)
    return pd.DataFrame({"faces": faces, "share": faces / max(len(labels), 1)})


def spread(keypoints: np.ndarray, labels: Sequence[str]) -> pd.DataFrame:
    """Return how each feature of faces (n, 68, 2) differs from the neutral face, in % of the eye distance.

    One row per feature: 5th percentile, median and 95th of all faces, the median of each label, and a histogram in
    text from -20 to 20 %, where what lies beyond is counted at its end.
    """
    change = pd.DataFrame(100 * changes(keypoints), columns=list(FEATURES))
    table = change.quantile([0.05, 0.5, 0.95]).set_axis(["5 %", "median", "95 %"]).T
    table = table.join(change.groupby(np.array(labels)).median().reindex(LABELS).T)
    return table.assign(**{f"-{REACH:.0f} to {REACH:.0f} %": change.apply(_text_histogram)})


def _text_histogram(values: pd.Series) -> str:
    bars = np.histogram(values.dropna().clip(-REACH, REACH), BINS, (-REACH, REACH))[0]
    return "".join(BARS[v] for v in np.ceil(bars / max(bars.max(), 1) * (len(BARS) - 1)).astype(int))


def histograms(change: np.ndarray, labels: Sequence[str], *, bins: int = 24) -> dict[str, dict]:
    """Return each feature's histogram by label for changes (n, 12): edges, and shares of each label's faces."""
    change, labels = np.asarray(change), np.array(labels)
    known = np.isfinite(change).all(1)
    if not known.any():
        raise InputError("histograms: expected at least one face with all of its points, got none")
    found = {}
    for name, values in zip(FEATURES, change[known].T, strict=True):
        low, high = np.percentile(values, [0.5, 99.5])
        edges = np.linspace(low, max(high, low + 0.01), bins + 1)
        groups = {label: np.clip(values[labels[known] == label], edges[0], edges[-1]) for label in LABELS}
        shares = {label: np.histogram(group, edges)[0] / max(len(group), 1) for label, group in groups.items()}
        found[name] = {"edges": edges, **shares}
    return found
