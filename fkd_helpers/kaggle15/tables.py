"""Kaggle's tables: faces with 30 coordinates and an image spelled out as 9,216 gray levels; the answer sheet."""

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from fkd_helpers.core.errors import InputError
from fkd_helpers.data import FaceSet
from fkd_helpers.faces.landmarks import POINTS_15

SIDE = 96  # pixels of an image
CORNER = 0.5  # Kaggle counts from the image's corner (a mirrored x is 96 - x), we from the middle of a pixel
COLUMNS = tuple(f"{point}_{axis}" for point in POINTS_15 for axis in "xy")  # left is the person's own
LOOKUP = ("RowId", "ImageId", "FeatureName")


def read_csv(path: str | Path, wanted: Sequence[str]) -> pd.DataFrame:
    """Read a CSV file, plain or alone in a zip, that has the wanted columns."""
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: not a table ({' '.join(str(error).split())})") from None
    if absent := [name for name in wanted if name not in table]:
        raise InputError(f"{path}: expected a column {absent[0]!r}, got {', '.join(table.columns[:3])} ...")
    return table


def load_faces(path: str | Path, *, labelled: bool = True) -> FaceSet:
    """Read a table of faces, `labelled` or of the test; `extras["id"]` is the ImageId, or the row's number from 1."""
    table = read_csv(path, ("Image", *COLUMNS) if labelled else ("Image",))
    if not len(table):
        raise InputError(f"{path}: no rows")
    try:
        points = table.reindex(columns=COLUMNS).apply(pd.to_numeric).to_numpy(np.float32)
    except ValueError as error:
        raise InputError(f"{path}: expected numbers or blanks as coordinates ({error})") from None
    images = [_pixels(str(cell), f"{path} row {i}") for i, cell in enumerate(table["Image"], 1)]
    ids = (table["ImageId"] if "ImageId" in table else table.index + 1).to_numpy()
    names = [f"{'training' if labelled else 'test'}/{identity:04d}" for identity in ids]
    return FaceSet(np.stack(images), points.reshape(-1, len(POINTS_15), 2), names, extras={"id": ids})


def _pixels(cell: str, where: str) -> np.ndarray:
    try:
        levels = np.fromstring(cell, np.int64, sep=" ").reshape(SIDE, SIDE)
        if levels.min() >= 0 and levels.max() <= 255:
            return levels.astype(np.uint8)
    except ValueError:  # text, no whole numbers, or another number of them
        pass
    raise InputError(f"{where}: expected {SIDE**2} whole numbers from 0 to 255 in Image, got {cell[:20]!r} ...")


def answers_for(lookup: pd.DataFrame, ids: np.ndarray, keypoints: np.ndarray) -> pd.DataFrame:
    """Return RowId and Location (0 to 96) of each answer asked for, by keypoints (n, 15, 2) of the images `ids`."""
    wide = pd.DataFrame(keypoints.reshape(len(ids), -1).clip(0, SIDE), columns=list(COLUMNS)).assign(ImageId=ids)
    long = wide.melt("ImageId", var_name="FeatureName", value_name="Location")
    answers = lookup[list(LOOKUP)].merge(long, on=["ImageId", "FeatureName"], how="left")
    if (unknown := answers["Location"].isna()).any():
        row_id, image, feature, _ = answers[unknown].iloc[0]
        raise InputError(f"lookup RowId {row_id}: no prediction of {feature} for an image with ImageId {image}")
    return answers[["RowId", "Location"]]


def check_submission(path: str | Path, lookup_path: str | Path) -> int:
    """Check a submission against the lookup table: its ids, each once, every location from 0 to 96; return how many."""
    sheet, wanted = read_csv(path, ("RowId", "Location")), set(read_csv(lookup_path, LOOKUP)["RowId"])
    right = pd.to_numeric(sheet["Location"], errors="coerce").between(0, SIDE)
    if not right.all():
        row, got = right.argmin() + 1, sheet["Location"][right.argmin()]
        raise InputError(f"{path} row {row}: expected a location from 0 to {SIDE}, got {got}")
    if (twice := sheet["RowId"][sheet["RowId"].duplicated()]).size:
        raise InputError(f"{path}: RowId {twice.iloc[0]} comes twice")
    seen = set(sheet["RowId"])
    for what, ids in (("are missing", wanted - seen), ("were not asked for", seen - wanted)):
        if ids:
            raise InputError(f"{path}: {len(ids)} of {len(wanted)} answers {what}, first RowId {min(ids)}")
    return len(sheet)
