"""Kaggle's faces in memory: loading with a cache, near-duplicates, held-out rows, batches. Built in notebook 06."""

import contextlib
import copy
import json
import os
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from fkd_helpers import data
from fkd_helpers.core.errors import InputError
from fkd_helpers.core.files import cache_file, whole_file
from fkd_helpers.data import FaceSet
from fkd_helpers.kaggle15.tables import SIDE, Rows, read_rows
from fkd_helpers.train.batches import NONE, Augment, FaceBatches, augment
from fkd_helpers.train.distributed import shard

CACHE_VERSION = 1
CACHED = 4  # tables that stay in the cache; the one that was not used for longest goes first
ALIKE = 0.98  # correlation of two images above which they count as the same picture
CORNER = 0.5  # Kaggle counts from the image's corner (a mirrored x is 96 - x), we from the middle of a pixel
HELD_OUT = 1 / 7  # of the groups, where no split.csv says which


def table_in(folder: str | Path, name: str) -> Path:
    """Return the file of a table ("training", "test", "IdLookupTable") in a folder of Kaggle's: a CSV or a zip.

    folder: a path or the name of a data set; "puppets" = the stand-ins, written to the user's cache folder once

    Raises:
        InputError: no such data set, or neither in it.
    """
    if str(folder) == "puppets":
        from fkd_helpers.kaggle15.puppets import puppet_tables

        folder = puppet_tables()
    folder = data.find(folder)
    for file in (folder / f"{name}.csv", folder / f"{name}.zip", *sorted(folder.glob("*.zip"))):
        if file.exists():
            return file
    raise InputError(f"{folder}: expected {name}.csv or {name}.zip in it, found neither")


def load_rows(path: str | Path, *, on_error: str = "raise", labelled: bool = True) -> Rows:
    """Read a table of faces like `kaggle_csv.read_rows`, but once: later calls read the user's cache folder.

    Raises:
        InputError: as `read_rows`.
    """
    path = Path(path)
    try:
        stat = path.stat()
    except OSError:
        return read_rows(path, on_error=on_error, labelled=labelled)
    key = json.dumps([CACHE_VERSION, str(path.resolve()), stat.st_size, stat.st_mtime_ns, labelled])
    cache = cache_file("kaggle", key, ".npz")
    try:
        with np.load(cache) as held:
            rows = Rows(held["images"], held["keypoints"], held["ids"])
        with contextlib.suppress(OSError):
            os.utime(cache)
        return rows
    except Exception:  # none yet, or a damaged one, of which zip and NumPy say so in many ways
        rows = read_rows(path, on_error=on_error, labelled=labelled)
    if not rows.problems:  # what was left out is told every time
        _store(cache, rows)
    return rows


def _store(cache: Path, rows: Rows) -> None:
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(cache, shared=True) as partial, partial.open("wb") as stream:
            np.savez(stream, images=rows.images, keypoints=rows.keypoints, ids=rows.ids)
        held = sorted(cache.parent.glob("*.npz"), key=lambda file: file.stat().st_mtime)
        for old in held[:-CACHED]:
            old.unlink(missing_ok=True)
    except OSError as error:
        warnings.warn(f"no cache in {cache.parent} ({error.strerror}): the table is read again next time", stacklevel=3)


def load_15(name: str | Path = "kaggle15", *, on_error: str = "skip") -> FaceSet:
    """Load the labelled faces of a folder with Kaggle's `training.csv`.

    `people` says which near-duplicate group a face belongs to, `extras["held_out"]` (n,) bool which faces are not
    learned from: by `split.csv` (row, near_dup_group, heldout) where the folder has one, else a seventh of the groups,
    found by `near_duplicates`.

    on_error: "skip" leaves damaged rows out, warns, and lists them in `problems`; "raise" stops at the first

    Raises:
        InputError: nothing there, or a table of another form.
    """
    path = table_in(name, "training")
    rows = load_rows(path, on_error=on_error)
    if rows.problems:
        warnings.warn(f"{path}: {len(rows.problems)} rows left out, first: {rows.problems[0]}", stacklevel=2)
    split = path.parent / "split.csv"
    if split.exists():
        groups, held_out = _read_split(split, rows.ids - 1)
    else:
        groups = near_duplicates(rows.images)
        order = np.random.default_rng(0).permutation(np.unique(groups))
        held_out = np.isin(groups, order[: max(round(len(order) * HELD_OUT), 1)])
    names = tuple(f"training/{number:04d}" for number in rows.ids)
    return FaceSet(rows.images, rows.keypoints, names, groups, {"held_out": held_out}, rows.problems)


def _read_split(path: Path, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    try:
        table = pd.read_csv(path).set_index("row")
        found = table.loc[wanted, ["near_dup_group", "heldout"]].to_numpy(int)
    except (OSError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())[:100]
        raise InputError(f"{path}: expected row, near_dup_group, heldout for every row ({reason})") from None
    return found[:, 0], found[:, 1] > 0


def near_duplicates(images: np.ndarray, *, alike: float = ALIKE, side: int = 24) -> np.ndarray:
    """Return for each image (n, 96, 96) the number of the first image of its near-duplicate group, (n,) int.

    Two images are alike whose copies of `side` pixels correlate above `alike`; a group is what such pairs connect.
    """
    step = images.shape[-1] // side
    small = images.reshape(len(images), side, step, side, step).mean((2, 4), dtype=np.float32).reshape(len(images), -1)
    small -= small.mean(1, keepdims=True)
    small /= np.linalg.norm(small, axis=1, keepdims=True) + 1e-6
    group = np.arange(len(images))
    for start in range(0, len(images), 1024):  # a square of all pairs would be large
        for i, j in zip(*np.nonzero(small[start : start + 1024] @ small.T > alike), strict=True):
            a, b = group[start + i], group[j]
            if a != b:
                group[group == max(a, b)] = min(a, b)
    return group


def halves(faces: FaceSet) -> tuple[FaceSet, FaceSet]:
    """Return the faces to learn from, and those that are held out."""
    held_out = faces.extras["held_out"]
    return faces[~held_out], faces[held_out]


def prepared(faces: FaceSet, missing: str) -> FaceSet:
    """Return faces to learn from by a strategy for missing points.

    missing: "mask" = as they are, "drop" = only complete faces, "fill" = the mean of the point in the place of a blank
    """
    if missing == "drop":
        return faces[faces.complete]
    if missing == "fill":
        mean = np.nanmean(faces.keypoints, 0)
        return replace(faces, keypoints=np.where(np.isnan(faces.keypoints), mean, faces.keypoints))
    return faces


class ImageBatches(FaceBatches):
    """Batches of whole images for `training.fit`, each through its own window; see `transforms.FaceBatches`.

    As many steps as `faces` faces give make an epoch, be there fewer: then they come more than once.
    """

    def __init__(
        self,
        faces: FaceSet,
        *,
        batch_size: int = 64,
        options: Augment = NONE,
        size: int = SIDE,
        seed: int = 0,
        steps: int | None = None,
    ):
        self.crops, self.keypoints = np.stack(list(faces.images)), faces.keypoints - CORNER
        self.batch_size, self.options, self.size = min(batch_size, len(faces)), options, size
        self.seed, self.shuffle, self.steps = seed, True, steps

    def __len__(self) -> int:
        return self.steps if self.shuffle and self.steps else super().__len__()

    def __call__(self, epoch: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        rng = np.random.default_rng([self.seed, epoch])
        n, size = len(self.crops), self.batch_size
        rounds = -(-len(self) * size // n) if self.shuffle else 1
        order = np.concatenate([rng.permutation(n) for _ in range(rounds)]) if self.shuffle else np.arange(n)
        for i in range(len(self)):
            which = order[i * size : (i + 1) * size]
            images, keypoints = augment(
                self.crops[which], self.keypoints[which], options=self.options, size=self.size, share=1.0, rng=rng,
                own=shard(len(which), *self.shard),
            )  # fmt: skip
            yield torch.from_numpy(images)[:, None] / 255, torch.from_numpy(keypoints)

    def to_images(self, keypoints: np.ndarray) -> np.ndarray:
        """Return keypoints (n, k, 2) of the plain windows, in order, as Kaggle counts pixels."""
        return (keypoints + 0.5) * (self.crops.shape[-1] / self.size) - 0.5 + CORNER

    def without_augmentation(self) -> "ImageBatches":
        """Return the same faces in order, as they are."""
        plain = copy.copy(self)
        plain.options, plain.shuffle = NONE, False
        return plain
