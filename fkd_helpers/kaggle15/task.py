"""Kaggle's 15 points: faces with missing labels in memory, batches, scores, and the task of training on them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from torch import nn

from fkd_helpers import data, nets
from fkd_helpers.core import records
from fkd_helpers.core.config import Kaggle15Config
from fkd_helpers.core.errors import InputError
from fkd_helpers.data import FaceSet
from fkd_helpers.faces.landmarks import FROM_68, POINTS_15
from fkd_helpers.kaggle15.puppets import puppet_tables
from fkd_helpers.kaggle15.tables import CORNER, SIDE, load_faces
from fkd_helpers.train.augment import NONE, Augment
from fkd_helpers.train.batches import Batches, FaceBatches
from fkd_helpers.train.keypoints import loss_for
from fkd_helpers.train.loop import predict_batches
from fkd_helpers.train.run import Task, predictions_table

SHIPPED = Path(__file__).parents[1] / "weights" / "small.safetensors"  # for 68 points
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


def rmse(predicted: np.ndarray, target: np.ndarray) -> float:
    """Return the RMSE of points (n, k, 2) over all coordinates whose target is not missing (NaN); NaN if all are."""
    error = (predicted - target)[~np.isnan(target)].astype(np.float64)
    return float(np.sqrt(np.mean(error**2))) if error.size else float("nan")


def scores_15(predicted: np.ndarray, faces: FaceSet) -> dict:
    """Score predictions (n, 15, 2) by RMSE in pixels of 96 x 96: of all, of the complete faces, of each point."""
    points, whole = faces.keypoints, faces.complete
    scores = {"rmse": rmse(predicted, points), "rmse_complete": rmse(predicted[whole], points[whole])}
    scores["by_point"] = {name: rmse(predicted[:, i], points[:, i]) for i, name in enumerate(POINTS_15)}
    return scores | {"faces": len(faces), "complete": int(whole.sum())}


def predict_15(model: nn.Module, images: np.ndarray, *, size: int = SIDE) -> np.ndarray:
    """Return keypoints (n, 15, 2), pixels as Kaggle counts them, of images (n, 96, 96) uint8."""
    faces = FaceSet(images, np.full((len(images), len(POINTS_15), 2), np.nan), [""] * len(images))
    batches = ImageBatches(faces, size=size, batch_size=256).without_augmentation()
    return batches.to_images(predict_batches(model, batches)[0])


class Kaggle15Task(Task):
    """Kaggle's 15 points, of which labels may be missing: a masked loss, scored on the faces that are held out."""

    kind, watch, shown = "kaggle15", "rmse", {"RMSE": "rmse"}

    def __init__(self, config: Kaggle15Config):
        torch.manual_seed(config.seed)
        self.model = nets.build(config.net, keypoints=len(POINTS_15))
        if config.start:
            start = SHIPPED if config.start == "shipped" else config.start
            nets.load_weights(self.model, start, points=FROM_68).train()
        self.config, self.loss, self.size = config, loss_for(config), nets.INPUT_SIZES[config.net]
        self.faces = load_15(config.data)
        known, self.held_out = halves(self.faces)
        self.learned = prepared(known, config.missing)
        if not len(self.learned) or not len(self.held_out):
            came = f"got {len(self.learned)} with missing {config.missing!r} and {len(self.held_out)}"
            raise InputError(f"expected faces to learn from and others to hold out, {came} in {len(self.faces)} rows")
        self.batches = ImageBatches(
            self.learned, options=Augment().scaled(config.augment), size=self.size, batch_size=config.batch_size,
            seed=config.seed, steps=max(len(known) // config.batch_size, 1),  # as many for each strategy
        )  # fmt: skip
        complete = self.learned.complete.sum()
        self.notes = [f"{len(self.learned)} faces to learn from ({complete} complete), {len(self.held_out)} held out"]

    def score(self, model: nn.Module) -> dict[str, float]:
        """Return the RMSE of the held-out faces, and of the complete ones."""
        scores = scores_15(predict_15(model, self.held_out.images, size=self.size), self.held_out)
        return {key: scores[key] for key in ("rmse", "rmse_complete")}

    def finish(self, model: nn.Module) -> tuple[pd.DataFrame, dict]:
        """Predict and score the held-out faces."""
        predicted = predict_15(model, self.held_out.images, size=self.size)
        facts = {"framework": "torch", "training_faces": len(self.learned), "data_digest": records.digest(self.faces)}
        facts |= {"scores": scores_15(predicted, self.held_out), "steps": len(self.batches) * self.config.epochs}
        return predictions_table(self.held_out.names, predicted), facts
