"""Count what is in Kaggle's training.csv, and time its reading: record facts-kaggle15.

    FKD_DATA_DIR=... python tools/kaggle_facts.py

The folder kaggle15 below FKD_DATA_DIR holds training.csv and split.csv (see data/README.md).
"""

import time

import numpy as np
import pandas as pd

from fkd_helpers.core import records
from fkd_helpers.faces.landmarks import POINTS_15
from fkd_helpers.kaggle15 import data as kaggle_data
from fkd_helpers.kaggle15.data import rmse
from fkd_helpers.kaggle15.tables import read_rows


def regimes(keypoints: np.ndarray) -> dict:
    """Return rows, complete rows and labels per point, up to the last complete row and after it."""
    known = ~np.isnan(keypoints[..., 0])
    complete = known.all(1)
    last = int(np.flatnonzero(complete).max()) + 1
    return {
        name: {
            "rows": len(known[part]), "complete": int(complete[part].sum()),
            "labelled": dict(zip(POINTS_15, known[part].sum(0).tolist(), strict=True)),
        }
        for name, part in {"first": slice(0, last), "rest": slice(last, None)}.items()
    }  # fmt: skip


def label_noise(images: np.ndarray, keypoints: np.ndarray) -> tuple[int, dict]:
    """Return how many images are repeated, and how far the labels of two equal images lie apart, in pixels."""
    _, first, inverse = np.unique(images.reshape(len(images), -1), axis=0, return_index=True, return_inverse=True)
    groups = pd.Series(range(len(inverse))).groupby(inverse.ravel())
    a, b = np.array([group.iloc[:2] for _, group in groups if len(group) > 1]).T
    apart = np.linalg.norm(keypoints[a] - keypoints[b], axis=-1)  # (pairs, 15), NaN where one lacks the point
    by_point = {p: float(np.nanmedian(column)) for p, column in zip(POINTS_15, apart.T, strict=True)
                if np.isfinite(column).sum() > 50}  # fmt: skip
    return len(inverse) - len(first), {
        "pairs": len(a), "over_10_pixels": int((np.nanmax(apart, 1) > 10).sum()), "median_by_point": by_point,
        "rmse_between_labels": rmse(keypoints[a], keypoints[b]), "median": float(np.nanmedian(apart)),
    }  # fmt: skip


def main() -> None:
    started, busy = time.perf_counter(), time.process_time()
    rows = read_rows(kaggle_data.find_table("kaggle15", "training"))
    parse = {"seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - busy}
    faces = kaggle_data.load_15("kaggle15")
    started = time.perf_counter()
    kaggle_data.load_15("kaggle15")
    parse["seconds_from_cache"] = time.perf_counter() - started
    repeats, noise = label_noise(rows["images"], faces.keypoints)
    draw, held_out = np.random.default_rng(0).permutation(len(faces)), faces.extras["held_out"]
    print(records.write(
        "facts", "kaggle15", rows=len(faces), complete=int(faces.complete.sum()), regimes=regimes(faces.keypoints),
        repeats=repeats, groups=len(set(faces.people.tolist())), label_noise=noise, parse=parse,
        leak={
            "random_split": float(np.isin(faces.people[draw[:1008]], faces.people[draw[1008:]]).mean()),
            "group_split": float(np.isin(faces.people[held_out], faces.people[~held_out]).mean()),
        },
    ))  # fmt: skip


if __name__ == "__main__":
    main()
