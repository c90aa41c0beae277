"""Kaggle's faces in memory: load, hold faces out, strategies for missing points, batches, scores."""

import json
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from fkd_helpers import data
from fkd_helpers.core.config import Kaggle15Config
from fkd_helpers.core.errors import InputError, unknown
from fkd_helpers.core.files import cached
from fkd_helpers.data import FaceSet
from fkd_helpers.faces.landmarks import POINTS_15
from fkd_helpers.kaggle15.duplicates import near_duplicates
from fkd_helpers.kaggle15.puppets import puppet_tables
from fkd_helpers.kaggle15.tables import CORNER, SIDE, read_rows
from fkd_helpers.train.augment import NONE, Augment
from fkd_helpers.train.batches import Batches, FaceBatches

CACHE_VERSION = 2
HELD_OUT = 1 / 7  # of the groups, where no split.csv says which


def find_table(folder: str | Path, name: str) -> Path:
    """Return the CSV or zip of a table ("training", "test", "IdLookupTable") in a folder, or in that of a data set."""
    folder = puppet_tables() if str(folder) == "puppets" else data.find(folder)
    for file in (folder / f"{name}.csv", folder / f"{name}.zip"):
        if file.exists():
            return file
    raise InputError(f"{folder}: expected {name}.csv or {name}.zip in it, found neither")


def load_faces(path: str | Path, *, on_error: str = "raise", labelled: bool = True) -> FaceSet:
    """Read a table of faces by `read_rows`, once: later calls read the user's cache.

    Args:
        on_error: "raise" stops at a damaged row, "skip" leaves damaged rows out and lists them in `problems`.
    """
    if on_error not in ("raise", "skip"):
        raise unknown("on_error", on_error, ["raise", "skip"])
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path}: no such file")
    stat = path.stat()
    key = json.dumps([CACHE_VERSION, str(path.resolve()), stat.st_size, stat.st_mtime_ns, labelled])
    held = cached("kaggle", key, lambda: read_rows(path, labelled=labelled))
    problems = tuple(str(held["problems"][0]).splitlines())
    if problems and on_error == "raise":
        raise InputError(problems[0])
    names = tuple(f"{'training' if labelled else 'test'}/{identity:04d}" for identity in held["id"])
    return FaceSet(held["images"], held["keypoints"], names, extras={"id": held["id"]}, problems=problems)


def load_15(name: str | Path = "kaggle15", *, on_error: str = "skip") -> FaceSet:
    """Load the labelled faces of a folder with Kaggle's `training.csv`; damaged rows are left out with a warning.

    `people` are groups of near-duplicates. `extras["held_out"]` (n,) bool says which faces are not learned from: by
    `split.csv` (row, near_dup_group, heldout) where the folder has one, else a seventh of the groups.
    """
    path = find_table(name, "training")
    faces = load_faces(path, on_error=on_error)
    if faces.problems:
        warnings.warn(f"{path}: {len(faces.problems)} rows left out, first: {faces.problems[0]}", stacklevel=2)
    split = path.parent / "split.csv"
    if split.exists():
        try:
            table = pd.read_csv(split).set_index("row").loc[faces.extras["id"] - 1, ["near_dup_group", "heldout"]]
            groups, held_out = table.to_numpy(int).T
        except (OSError, ValueError, KeyError) as error:
            reason = " ".join(str(error).split())[:100]
            raise InputError(f"{split}: expected row, near_dup_group, heldout for every row ({reason})") from None
    else:
        groups = near_duplicates(faces.images)
        order = np.random.default_rng(0).permutation(np.unique(groups))
        held_out = np.isin(groups, order[: max(round(len(order) * HELD_OUT), 1)])
    return replace(faces, people=groups.astype(str), extras={"held_out": held_out > 0})


def halves(faces: FaceSet) -> tuple[FaceSet, FaceSet]:
    """Return the faces to learn from, and those that are held out."""
    return faces[~faces.extras["held_out"]], faces[faces.extras["held_out"]]


def prepared(faces: FaceSet, missing: str) -> FaceSet:
    """Return faces to learn from by a strategy for missing points.

    Args:
        missing: "mask" = as they are, "drop" = complete faces only, "fill" = the mean of the point in place of a blank.
    """
    if missing == "drop":
        return faces[faces.complete]
    if missing == "fill":
        mean = np.ma.masked_invalid(faces.keypoints).mean(0).filled(np.nan)
        return replace(faces, keypoints=np.where(np.isnan(faces.keypoints), mean, faces.keypoints))
    return faces


class ImageBatches(FaceBatches):
    """Batches of whole images (b, 1, size, size) and keypoints (b, 15, 2) in their pixels."""

    def __init__(self, faces: FaceSet, *, options: Augment = NONE, size: int = SIDE, batch_size: int = 64, **rest):
        Batches.__init__(self, len(faces), batch_size=batch_size, **rest)
        self.crops, self.keypoints = np.stack(list(faces.images)), faces.keypoints - CORNER
        self.options, self.size, self.share, self.mirror = options, size, 1.0, faces.mirror

    def to_images(self, keypoints: np.ndarray) -> np.ndarray:
        """Return keypoints (n, k, 2) of the plain windows, in order, as Kaggle counts pixels."""
        return (keypoints + 0.5) * (self.crops.shape[-1] / self.size) - 0.5 + CORNER


def training_parts(faces: FaceSet, config: Kaggle15Config, size: int = SIDE) -> tuple[FaceSet, FaceSet, ImageBatches]:
    """Return the faces to learn from, those held out, and batches; refuse a set from which nothing can be learned.

    Every strategy for missing points takes the same number of steps: with "drop" the complete faces come more than once
    per epoch.
    """
    different = len(np.unique(faces.people))
    if different < 2:
        raise InputError(f"expected 2 different pictures or more, got {different} in {len(faces)} rows")
    known, held_out = halves(faces)
    for what, part in (("to learn from", known), ("held out", held_out)):
        if np.isnan(part.keypoints).all():
            raise InputError(f"expected labels among the faces {what}, got none in {len(part)} rows")
    learned = prepared(known, config.missing)
    if not len(learned):
        raise InputError(f"missing 'drop': expected complete faces to learn from, got none in {len(known)} rows")
    shared = dict(batch_size=config.batch_size, seed=config.seed, steps=max(len(known) // config.batch_size, 1))
    return learned, held_out, ImageBatches(learned, options=Augment().scaled(config.augment), size=size, **shared)


def rmse(predicted: np.ndarray, target: np.ndarray) -> float:
    """Return the root of the mean squared error of all coordinates whose target is not missing; NaN if none is.

    >>> rmse(np.array([[[1.0, 2.0]]]), np.array([[[4.0, np.nan]]]))
    3.0
    """
    error = (predicted - target)[~np.isnan(target)].astype(np.float64)
    return float(np.sqrt(np.mean(error**2))) if error.size else float("nan")


def scores_15(predicted: np.ndarray, faces: FaceSet) -> dict:
    """Score predictions (n, 15, 2) by RMSE in pixels of 96 x 96: of all, of the complete faces, of each point."""
    complete = faces.complete
    return {
        "rmse": rmse(predicted, faces.keypoints),
        "rmse_complete": rmse(predicted[complete], faces.keypoints[complete]),
        "by_point": {name: rmse(predicted[:, i], faces.keypoints[:, i]) for i, name in enumerate(POINTS_15)},
        "faces": len(faces),
        "complete": int(complete.sum()),
    }
