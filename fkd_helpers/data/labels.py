"""Label tables and image folders on disk as one set, and the shift between the labels of two data sets.

Mirror a face and its keypoints: for labels that all lie a little to the right, the mirrored ones lie a little to the
left, and a network that is shown both learns the middle. Its error on training faces is then the shift (records
label-shift-*). A mirror tells right from left; a shift up or down stays unseen.
"""

import json
import os
import warnings
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from fkd_helpers.core.errors import InputError
from fkd_helpers.core.files import cached, read_text
from fkd_helpers.data.faceset import CLASSIC, FaceSet, person_of
from fkd_helpers.data.tables import Table, layout_of, read_cells, read_table
from fkd_helpers.faces.boxes import box_of
from fkd_helpers.faces.images import read_photo, write_photo
from fkd_helpers.faces.landmarks import mirror_by_name

# To the right: pixels of the image, and a share of the longer side of the face's box.
SHIFTS = {"ytf": (0.45, 0.0070), "wild68": (0.69, 0.0)}


def read_folder(path: Path) -> FaceSet:
    """Read a classic folder, a folder with one label table, or a label table beside its images."""
    problems, files, names, people, points = [], [], [], [], []
    tables = _tables(Path(path))
    # frames of a film belong to a person, files of other folders to the photo that they were cut from
    person = person_of if any(file.name in CLASSIC.values() for file, *_ in tables) else photo_of
    for file, folder, prefix in tables:
        table = read_table(file, problems)
        points.append(table.keypoints)
        files += [folder / name for name in table.names]
        names += [prefix + name for name in table.names]
        said = table.people or [""] * len(table.names)
        people += [who or person(prefix + name) for who, name in zip(said, table.names, strict=True)]
    images = read_images(files)
    problems += [image for image in images if isinstance(image, str)]
    kept = [i for i, image in enumerate(images) if not isinstance(image, str)]
    if not kept:
        raise InputError(f"{path}: no usable row ({problems[0] if problems else 'the table is empty'})")
    faces = FaceSet(
        images=[images[i] for i in kept],
        keypoints=np.concatenate(points)[kept],
        names=tuple(names[i] for i in kept),
        people=[people[i] for i in kept],
        problems=tuple(problems),
        mirror=mirror_of(tables[0][0].parent, table),
    )
    left_out = [f"{len(problems)} rows left out, first: {problems[0]}"] if problems else []
    for remark in left_out + doubts(faces):
        warnings.warn(f"{path}: {remark}", stacklevel=3)
    return faces


def read_images(files: list[Path]) -> list[np.ndarray | str]:
    """Return the images of files, a line where one cannot be read.

    Files are decoded in parallel, and once: later calls map the pixels from the cache into memory.
    """

    def make() -> dict:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            found = list(tqdm(pool.map(_read_or_say, files), "decoding", len(files), disable=None))
        images = [np.empty((0, 0, 0), np.uint8) if isinstance(image, str) else image for image in found]
        shapes = np.array([image.shape for image in images])
        return {"pixels": np.concatenate([image.ravel() for image in images]), "shapes": shapes}

    if not files:
        return []
    stamps = [(str(file), file.exists() and [file.stat().st_size, file.stat().st_mtime_ns]) for file in files]
    held = cached("images", json.dumps(stamps), make)
    pixels, shapes = (np.asarray(held[name]) for name in ("pixels", "shapes"))
    parts = zip(files, np.split(pixels, shapes.prod(1).cumsum()[:-1]), shapes, strict=True)
    # what could not be read then may be now: a permission, say, may have been given since
    return [part.reshape(shape) if part.size else _read_or_say(file) for file, part, shape in parts]


def _read_or_say(file: Path) -> np.ndarray | str:
    """Return an image, or what is wrong with its file."""
    try:
        return read_photo(file)
    except InputError as error:
        return str(error)


def doubts(faces: FaceSet) -> list[str]:
    """Return what looks wrong about the coordinates of a set, one line each."""
    points, sizes = faces.keypoints, np.array([image.shape[1::-1] for image in faces.images], np.float32)[:, None]
    known = ~np.isnan(points).any(2)
    if not known.any():
        return ["no keypoint has a label"]
    if points[known].min() >= 0 and points[known].max() <= 1 and (points[known] % 1).any():
        return ["all coordinates lie in 0..1, as if they were shares of the image; expected pixels"]
    lines, outside = [], known & ((points < -0.5) | (points > sizes - 0.5)).any(2)
    if len(lost := np.flatnonzero(outside.sum(1) > known.sum(1) / 2)):
        lines.append(f"most points of {len(lost)} faces lie outside their image, first {faces.names[lost[0]]}")
    if (zeros := (points == 0).all(2).sum()) > 2:
        lines.append(f"{zeros} points lie at (0, 0): leave cells blank where that stands for missing")
    return lines


def mirror_of(folder: Path, table: Table) -> np.ndarray | str | None:
    """Return the mirror order of a folder's points: of `mirror.txt`, of "left" and "right" in names, or a layout's.

    The file holds the order ("1 0 2": points 0 and 1 swap), or "none".
    """
    count, file = table.keypoints.shape[1], folder / "mirror.txt"
    if not file.exists():
        return "layout" if count == 68 and table.keys[0].isdigit() else mirror_by_name(table.keys)
    words = read_text(file).replace(",", " ").split()
    try:
        order = None if words == ["none"] else [int(word) for word in words]
        return FaceSet([], np.empty((0, count, 2)), (), mirror=order).mirror
    except ValueError as error:
        raise InputError(f"{file}: expected the order of {count} points in a mirror ({error})") from None


def photo_of(name: str) -> str:
    """Return the photo that a crop was cut from: a number before the last underscore, else the file itself.

    >>> photo_of("helen/1234_2.jpg"), photo_of("lfpw/image_0042.jpg")
    ('helen/1234', 'lfpw/image_0042')
    """
    stem = name.rpartition(".")[0] or name
    head = stem.rpartition("_")[0]
    return head if any(letter.isdigit() for letter in head.rpartition("/")[2]) else stem


def _tables(path: Path) -> list[tuple[Path, Path, str]]:
    """Return (table, folder of its images, prefix of its names) for a path."""
    if path.is_file():
        own = [path.parent / folder for folder, table in CLASSIC.items() if table == path.name]
        return [(path, next(filter(Path.is_dir, own), path.parent), "")]
    classic = [(path / table, path / folder, f"{folder}/") for folder, table in CLASSIC.items()]
    if classic := [entry for entry in classic if entry[0].exists()]:
        return classic
    tables = sorted(file for file in path.iterdir() if file.suffix.lower() in (".csv", ".tsv"))
    labelled = tables if len(tables) == 1 else [table for table in tables if _is_label_table(table)]
    if len(labelled) != 1:
        found = ", ".join(table.name for table in tables) or "no CSV file"
        raise InputError(f"{path}: expected {' and '.join(CLASSIC.values())}, or one label table, found {found}")
    return [(labelled[0], path, "")]


def _is_label_table(table: Path) -> bool:
    try:
        return bool(layout_of(read_cells(table)[0].tolist()))
    except InputError:
        return False


def write_classic(faces: FaceSet, folder: Path, *, parts: Iterable[str] | None = None) -> Path:
    """Write a set in the classic layout (images, and one CSV per part) and return the folder.

    `parts` are n folder names; by default the folder in each face's own name, else "training".
    """
    folder = Path(folder)
    parts = np.array(list(parts or (name.rpartition("/")[0] or "training" for name in faces.names)))
    for part in np.unique(parts):
        (folder / part).mkdir(parents=True, exist_ok=True)
        chosen = faces[parts == part]
        table = chosen.table()
        table.index = pd.Index([name.rpartition("/")[2] for name in chosen.names])
        for name, image in zip(table.index, chosen.images, strict=True):
            write_photo(folder / part / name, image)
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
