"""Label tables and image folders on disk as one set, and the shift between the labels of two data sets.

Mirror a face and its keypoints: for labels that all lie a little to the right, the mirrored ones lie a little to the
left, and a network that is shown both learns the middle. Its error on training faces is then the shift (records
`label-shift-*`). A mirror tells right from left; a shift up or down stays unseen.
"""

import io
import os
import re
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from fkd_helpers.core.errors import InputError
from fkd_helpers.core.files import read_text
from fkd_helpers.data.faceset import CLASSIC, FaceSet, person_of
from fkd_helpers.faces.boxes import box_of
from fkd_helpers.faces.images import read_photo, write_photo
from fkd_helpers.faces.landmarks import mirror_by_name

# To the right: pixels of the image, and a share of the longer side of the face's box.
SHIFTS = {"ytf": (0.45, 0.0070), "wild68": (0.69, 0.0)}
MANY = 0.01  # of the points: the tracker of the ytf labels puts a few outside of their image


def read_folder(folder: Path) -> FaceSet:
    """Read a folder in the classic layout, or with one label table beside its images."""
    problems, files, names, keypoints = [], [], [], []
    classic = {part: folder / table for part, table in CLASSIC.items() if (folder / table).exists()}
    # frames of a film belong to a person, files of other folders to the photo that they were cut from
    person = person_of if classic else photo_of
    for part, file in (classic or {"": _label_table(folder)}).items():
        in_table, labelled, titles = read_table(file, problems)
        keypoints.append(labelled)
        files += [folder / part / name for name in in_table]
        names += [f"{part}/{name}" if part else name for name in in_table]
    images = read_images(files)
    problems += [image for image in images if isinstance(image, str)]
    kept = [i for i, image in enumerate(images) if not isinstance(image, str)]
    if not kept:
        raise InputError(f"{folder}: no usable row ({problems[0] if problems else 'the table is empty'})")
    faces = FaceSet(
        images=[images[i] for i in kept],
        keypoints=np.concatenate(keypoints)[kept],
        names=tuple(names[i] for i in kept),
        people=[person(names[i]) for i in kept],
        problems=tuple(problems),
        mirror="layout" if len(titles) == 68 and titles[0] == "0" else mirror_by_name(titles),
    )
    left_out = [f"{len(problems)} rows left out, first: {problems[0]}"] if problems else []
    for remark in left_out + doubts(faces):
        warnings.warn(f"{folder}: {remark}", stacklevel=3)
    return faces


def _label_table(folder: Path) -> Path:
    """Return the one label table of a folder."""
    tables = sorted(folder.glob("*.csv"))
    labelled = [table for table in tables if len(tables) == 1 or _is_label_table(table)]
    if len(labelled) != 1:
        found = ", ".join(table.name for table in tables) or "no CSV file"
        raise InputError(f"{folder}: expected {' and '.join(CLASSIC.values())}, or one label table, found {found}")
    return labelled[0]


def _is_label_table(table: Path) -> bool:
    try:
        return bool(columns_of(read_text(table).partition("\n")[0].split(",")))
    except InputError:
        return False


def read_table(path: Path, problems: list[str]) -> tuple[list[str], np.ndarray, list[str]]:
    """Read a label table: a CSV with a row per face, the file name and then x and y of each keypoint, in pixels.

    Returns the file names, keypoints (n, k, 2) float32, NaN for a blank cell or a pair of -1, and what the header calls
    the points. Rows with text in the place of a number or with a repeated name are appended to `problems`.
    """
    try:
        table = pd.read_csv(io.StringIO(read_text(path)), header=None, dtype=str, skipinitialspace=True)
        header, table = table.iloc[0].fillna("").tolist(), table[1:]
        points = columns_of(header)
    except ValueError as error:
        raise InputError(f"{path}: not a label table ({str(error).strip()})") from None
    names, columns = table[0].fillna("").to_numpy(), np.ravel(list(points.values()))
    cells = table[columns].to_numpy()
    values = pd.to_numeric(pd.Series(cells.ravel()), errors="coerce").to_numpy(np.float32).reshape(cells.shape)
    wrong, double = ~pd.isna(cells) & ~np.isfinite(values), table[0].duplicated().to_numpy()
    for i in np.flatnonzero(wrong.any(1) | double):
        what = ": the same name as a row before"
        for column in np.flatnonzero(wrong[i])[:1]:
            what = f", column {header[columns[column]]}: expected a number, got {cells[i, column]!r}"
        problems.append(f"{path.name} row {i + 1} ({names[i]:.60}){what}")
    keypoints, good = values.reshape(-1, len(points), 2), ~(wrong.any(1) | double)
    keypoints[(keypoints == -1).all(2)] = np.nan
    return names[good].tolist(), keypoints[good], list(points)


def columns_of(header: Sequence[str]) -> dict[str, list[int]]:
    """Return the numbers of the columns of x and y of each point that a header names.

    >>> columns_of(["name", "0", "1", "2", "3"]), columns_of(["name", "age", "x_nose", "y_nose"])
    ({'0': [1, 2], '1': [3, 4]}, {'nose': [2, 3]})
    """
    count = len(header) // 2
    if list(header[1:]) == [str(i) for i in range(2 * count)] and count:
        return {str(i): [2 * i + 1, 2 * i + 2] for i in range(count)}
    points: dict[str, dict[str, int]] = {}
    for column, title in enumerate(header[1:], 1):
        if found := re.fullmatch(r"([xy])(?:_|(?=\d))(.+)", re.sub(r"(.+)_([xy])", r"\2_\1", title)):
            points.setdefault(found[2], {})[found[1]] = column
    if not points or any(len(axes) < 2 for axes in points.values()):
        came = ", ".join(header[:6]) + " ..." * (len(header) > 6)
        expected = "expected the file name, then x and y of each point as 0, 1, 2, 3 ... or NAME_x, NAME_y ..."
        raise InputError(f"{expected}, got {came}")
    return {point: [axes["x"], axes["y"]] for point, axes in points.items()}


def read_images(files: list[Path]) -> list[np.ndarray | str]:
    """Return the images of files, decoded in parallel; a line where one cannot be read."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(tqdm(pool.map(_read_or_say, files), "decoding", len(files), disable=None))


def _read_or_say(file: Path) -> np.ndarray | str:
    """Return an image, or what is wrong with its file."""
    try:
        return read_photo(file)
    except InputError as error:
        return str(error)


def doubts(faces: FaceSet) -> list[str]:
    """Return what looks wrong about the coordinates of a set, one line each."""
    points, sizes = faces.keypoints, np.array([image.shape[1::-1] for image in faces.images], np.float32)[:, None]
    known = points[~np.isnan(points).any(2)]
    if (known % 1).any() and known.min() >= 0 and known.max() <= 1:
        return ["all coordinates lie in 0..1, as if they were shares of the image; expected pixels"]
    outside = ((points < -0.5) | (points > sizes - 0.5)).any(2) | (points == 0).all(2)
    if outside.sum() <= MANY * len(known):
        return []
    first = faces.names[outside.any(1).argmax()]
    return [f"{outside.sum()} points lie outside their image or at (0, 0), first {first}; a missing point is a blank"]


def photo_of(name: str) -> str:
    """Return the photo that a crop was cut from: a number before the last underscore, else the file itself.

    >>> photo_of("helen/1234_2.jpg"), photo_of("lfpw/image_0042.jpg")
    ('helen/1234', 'lfpw/image_0042')
    """
    stem = name.rpartition(".")[0] or name
    head = stem.rpartition("_")[0]
    return head if any(letter.isdigit() for letter in head.rpartition("/")[2]) else stem


def write_classic(faces: FaceSet, folder: Path) -> Path:
    """Write a set in the classic layout, images and one CSV per folder in the names, and return its folder."""
    folder = Path(folder)
    parts = np.array([name.rpartition("/")[0] or "training" for name in faces.names])
    for part in np.unique(parts):
        (folder / part).mkdir(parents=True, exist_ok=True)
        chosen = faces[parts == part]
        names = [name.rpartition("/")[2] for name in chosen.names]
        for name, image in zip(names, chosen.images, strict=True):
            write_photo(folder / part / name, image)
        table = pd.DataFrame(chosen.keypoints.reshape(len(chosen), -1), names)
        table.to_csv(folder / CLASSIC.get(str(part), f"{part}_frames_keypoints.csv"))
    return folder


def shift_of(keypoints: np.ndarray, data: str | Path) -> np.ndarray:
    """Return how many pixels (n, 1) to the right the labels of a data set lie; 0 for a set that was not measured."""
    pixels, share = SHIFTS.get(Path(data).name, (0.0, 0.0))
    side = box_of(keypoints)[:, 2:].max(-1, keepdims=True)
    return np.float32(pixels) + np.float32(share) * side.astype(np.float32)


def centred(faces: FaceSet, data: str | Path) -> FaceSet:
    """Return the faces with their labels where the points are."""
    keypoints = faces.keypoints.copy()
    keypoints[..., 0] -= shift_of(keypoints, data)
    return replace(faces, keypoints=keypoints)


def as_labelled(predicted: np.ndarray, data: str | Path) -> np.ndarray:
    """Return predicted keypoints (n, k, 2), pixels of the image, where the labels of that data set would lie."""
    moved = np.array(predicted, np.float32)
    moved[..., 0] += shift_of(moved, data)
    return moved
