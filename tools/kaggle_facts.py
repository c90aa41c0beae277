"""Count what is in Kaggle's training.csv, and time its reading: record facts-kaggle15.

    FKD_DATA_DIR=... python tools/kaggle_facts.py

The folder kaggle15 below FKD_DATA_DIR holds training.csv and split.csv (see data/README.md).
"""

import time

import numpy as np
import pandas as pd

from fkd_helpers.core import records
from fkd_helpers.faces.landmarks import POINTS_15
from fkd_helpers.kaggle15 import load_15, rmse


def label_noise(images: np.ndarray, keypoints: np.ndarray) -> tuple[int, dict]:
    """Return how many images are repeated, and how far the labels of two equal images lie apart, in pixels."""
    _, first, inverse = np.unique(images.reshape(len(images), -1), axis=0, return_index=True, return_inverse=True)
    groups = pd.Series(range(len(inverse))).groupby(inverse.ravel())
    a, b = np.array([group.iloc[:2] for _, group in groups if len(group) > 1]).T
    apart = np.linalg.norm(keypoints[a] - keypoints[b], axis=-1)  # (pairs, 15), NaN where one lacks the point
    common = np.isfinite(apart).sum(0) > 50
    return len(inverse) - len(first), {
        "pairs": len(a), "over_10_pixels": (np.nanmax(apart, 1) > 10).sum(), "median": np.nanmedian(apart),
        "median_by_point": dict(zip(np.array(POINTS_15)[common], np.nanmedian(apart[:, common], 0), strict=True)),
        "rmse_between_labels": rmse(keypoints[a], keypoints[b]),
    }  # fmt: skip


def main() -> None:
    started, busy = time.perf_counter(), time.process_time()
    faces = load_15("kaggle15")
    parse = {"seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - busy}
    known, people, held_out = ~np.isnan(faces.keypoints[..., 0]), faces.people, faces.extras["held_out"]
    last = np.flatnonzero(faces.complete).max() + 1  # up to the last complete row nearly all have all points, then four
    repeats, noise = label_noise(faces.images, faces.keypoints)
    draw = np.random.default_rng(0).permutation(len(faces))
    print(records.write(
        "facts", "kaggle15", rows=len(faces), complete=faces.complete.sum(), repeats=repeats, groups=len(set(people)),
        label_noise=noise, parse=parse,
        regimes={
            name: {"rows": len(part), "complete": part.all(1).sum(),
                   "labelled": dict(zip(POINTS_15, part.sum(0), strict=True))}
            for name, part in {"first": known[:last], "rest": known[last:]}.items()
        },
        leak={
            "random_split": np.isin(people[draw[:1008]], people[draw[1008:]]).mean(),
            "group_split": np.isin(people[held_out], people[~held_out]).mean(),
        },
    ))  # fmt: skip


if __name__ == "__main__":
    main()
