"""Kaggle's faces in memory: load, hold faces out, strategies for missing points, batches, scores."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from fkd_helpers import data
from fkd_helpers.core.config import Kaggle15Config
from fkd_helpers.core.errors import InputError
from fkd_helpers.data import FaceSet
from fkd_helpers.faces.landmarks import POINTS_15
from fkd_helpers.kaggle15.puppets import puppet_tables
from fkd_helpers.kaggle15.tables import CORNER, SIDE, load_faces
from fkd_helpers.train.augment import NONE, Augment
from fkd_helpers.train.batches import Batches, FaceBatches

SMALL, ALIKE = 24, 0.98  # images whose copies of 24 pixels correlate above 0.98 count as the same picture


def find_table(folder: str | Path, name: str) -> Path:
    """Return the CSV or zip of a table ("training", "test", "IdLookupTable") in a folder, or in that of a data set."""
    folder = puppet_tables() if str(folder) == "puppets" else data.find(folder)
    for file in (folder / f"{name}.csv", folder / f"{name}.zip"):
        if file.exists():
            return file
    raise InputError(f"{folder}: expected {name}.csv or {name}.zip in it, found neither")


def load_15(name: str | Path = "kaggle15") -> FaceSet:
    """Load the labelled faces of a folder with Kaggle's `training.csv`; `people` are groups of near-duplicates.

    `extras["held_out"]` (n,) bool says which faces are not learned from: by `split.csv` (row, near_dup_group, heldout)
    where the folder has one, else a seventh of the groups.
    """
    path = find_table(name, "training")
    faces, split = load_faces(path), path.parent / "split.csv"
    if split.exists():
        table = pd.read_csv(split).sort_values("row")
        groups, held_out = table["near_dup_group"].to_numpy(), table["heldout"].to_numpy(bool)
    else:
        groups = near_duplicates(faces.images)
        order = np.random.default_rng([0, 17]).permutation(np.unique(groups))
        held_out = np.isin(groups, order[: len(order) // 7])
    return replace(faces, people=groups.astype(str), extras={"held_out": held_out})


def near_duplicates(images: np.ndarray) -> np.ndarray:
    """Return for each image (n, 96, 96) the index of the first image of its near-duplicate group, (n,) int."""
    n, step = len(images), images.shape[-1] // SMALL
    small = images.reshape(n, SMALL, step, SMALL, step).mean((2, 4), dtype=np.float32).reshape(n, -1)
    alike = np.corrcoef(small, dtype=np.float32) > ALIKE
    groups = connected_components(csr_array(alike), directed=False)[1]
    return np.unique(groups, return_index=True)[1][groups]


def halves(faces: FaceSet) -> tuple[FaceSet, FaceSet]:
    """Return the faces to learn from, and those that are held out."""
    return faces[~faces.extras["held_out"]], faces[faces.extras["held_out"]]


def prepared(faces: FaceSet, missing: str) -> FaceSet:
    """Return faces as they are ("mask"), the complete ones ("drop"), or with the point's mean for a blank ("fill")."""
    if missing == "fill":
        mean = np.ma.masked_invalid(faces.keypoints).mean(0).filled(np.nan)
        return replace(faces, keypoints=np.where(np.isnan(faces.keypoints), mean, faces.keypoints))
    return faces[faces.complete] if missing == "drop" else faces


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
    """Return the faces to learn from, those held out, and batches: as many steps for each strategy."""
    known, held_out = halves(faces)
    learned = prepared(known, config.missing)
    if not len(learned) or not len(held_out):
        came = f"got {len(learned)} with missing {config.missing!r} and {len(held_out)} in {len(faces)} rows"
        raise InputError(f"expected faces to learn from and others to hold out, {came}")
    shared = dict(batch_size=config.batch_size, seed=config.seed, steps=max(len(known) // config.batch_size, 1))
    return learned, held_out, ImageBatches(learned, options=Augment().scaled(config.augment), size=size, **shared)


def rmse(predicted: np.ndarray, target: np.ndarray) -> float:
    """Return the root of the mean squared error of all coordinates whose target is not missing; NaN if none is."""
    error = (predicted - target)[~np.isnan(target)].astype(np.float64)
    return float(np.sqrt(np.mean(error**2))) if error.size else float("nan")


def scores_15(predicted: np.ndarray, faces: FaceSet) -> dict:
    """Score predictions (n, 15, 2) by RMSE in pixels of 96 x 96: of all, of the complete faces, of each point."""
    points, whole = faces.keypoints, faces.complete
    scores = {"rmse": rmse(predicted, points), "rmse_complete": rmse(predicted[whole], points[whole])}
    scores["by_point"] = {name: rmse(predicted[:, i], points[:, i]) for i, name in enumerate(POINTS_15)}
    return scores | {"faces": len(faces), "complete": int(whole.sum())}
