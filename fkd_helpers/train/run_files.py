"""What a run leaves for people and programs: numbers of each epoch, and predictions. Built in notebook 02."""

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from fkd_helpers.core.errors import InputError
from fkd_helpers.core.files import whole_file
from fkd_helpers.core.records import plain

METRICS, PREDICTIONS, HISTORY = "metrics.json", "test_predictions.csv", "history.csv"


def short(history: Iterable[Mapping]) -> list[dict]:
    """Return a history without the losses of its batches."""
    return [{key: value for key, value in row.items() if key != "losses"} for row in history]


def write_metrics(folder: str | Path, history: Iterable[Mapping], **facts) -> Path:
    """Write `metrics.json`: facts, and under "epochs" one row an epoch, without the losses of batches.

    A row of a keypoint run has epoch, loss (mean of the batches), nme, mae_224 and rmse_224 (see `metrics.summary`;
    pixels of the image at 224 x 224) of the watched part, rate, seconds.
    """
    path = Path(folder) / METRICS
    with whole_file(path) as partial:
        partial.write_text(json.dumps(plain({**facts, "epochs": short(history)}), indent=1) + "\n", encoding="utf-8")
    return path


def read_metrics(folder: str | Path) -> dict:
    """Read what `write_metrics` wrote.

    Raises:
        InputError: no such file in the folder, or not that.
    """
    path = Path(folder) / METRICS
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {**found, "epochs": [dict(row) for row in found["epochs"]]}
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not the numbers of a run ({error})") from None


def write_history(folder: str | Path, history: Sequence[Mapping]) -> Path:
    """Write `history.csv`: the same rows for a spreadsheet."""
    keys = list(dict.fromkeys(key for row in short(history) for key in row))
    path = Path(folder) / HISTORY
    with whole_file(path) as partial, partial.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, keys, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(history)
    return path


def write_predictions(
    folder: str | Path, names: Sequence[str], predicted: np.ndarray, labels: Mapping[str, Sequence] | None = None
) -> Path:
    """Write `test_predictions.csv`: the `write_table` of a run, in pixels of the original images."""
    path = Path(folder) / PREDICTIONS
    write_table(path, names, predicted, labels)
    return path


def write_table(
    path: str | Path, names: Sequence[str], predicted: np.ndarray, labels: Mapping[str, Sequence] | None = None
) -> None:
    """Write a CSV file with one row a face: the name of its image, its labels, then x0, y0 ... in pixels.

    predicted: (n, k, 2)
    labels: further columns of n values by name, such as "emotion"
    """
    path, labels = Path(path), dict(labels or {})
    for what, values in {"predicted": predicted, **labels}.items():
        if len(values) != len(names):
            raise InputError(f"{what}: expected {len(names)} (one a name), got {len(values)}")
    columns = [f"{axis}{i}" for i in range(predicted.shape[1]) for axis in "xy"]
    with whole_file(path) as partial, partial.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["name", *labels, *columns])
        for i, (name, points) in enumerate(zip(names, predicted, strict=True)):
            row = [f"{value:.2f}" for value in points.ravel()]
            writer.writerow([name, *(values[i] for values in labels.values()), *row])
