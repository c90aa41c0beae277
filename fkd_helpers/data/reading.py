"""Label tables and image folders from disk into one set. `data.load` is the way in."""

import csv
import warnings
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from fkd_helpers.core.errors import InputError
from fkd_helpers.data.faceset import CLASSIC, FaceSet, person_of
from fkd_helpers.data.image_cache import read_images
from fkd_helpers.faces.images import write_photo


def read_folder(path: Path, *, on_error: str = "skip", progress: bool = False) -> FaceSet:
    """Read a classic folder, a folder with one label table, or a label table (CSV) beside its images."""
    if on_error not in ("skip", "raise"):
        raise InputError(f"on_error: expected 'skip' or 'raise', got {on_error!r}")
    problems: list[str] = []
    files, names, rows = [], [], []
    tables = _tables(Path(path))
    for table, folder, prefix in tables:
        for name, row in zip(*read_table(table, problems), strict=True):
            files.append(folder / name)
            names.append(prefix + name)
            rows.append(row)
    if len({row.shape for row in rows}) > 1:
        raise InputError(f"{path}: its tables have different numbers of keypoints, expected one number")
    images = read_images(files, problems, progress=progress)
    kept = [i for i, image in enumerate(images) if image is not None]
    if problems and on_error == "raise":
        raise InputError("; ".join(problems[:3]) + (f"; and {len(problems) - 3} more" if len(problems) > 3 else ""))
    if not kept:
        raise InputError(f"{path}: no usable row ({problems[0] if problems else 'the table is empty'})")
    if problems:
        warnings.warn(f"{path}: {len(problems)} rows left out, first: {problems[0]}", stacklevel=3)
    # frames of a video belong to a person, files of other folders to the photo that they were cut from
    person = person_of if any(table.name in CLASSIC.values() for table, *_ in tables) else photo_of
    return FaceSet(
        images=[images[i] for i in kept],
        keypoints=np.stack([rows[i] for i in kept]),
        names=tuple(names[i] for i in kept),
        people=[person(names[i]) for i in kept],
        problems=tuple(problems),
    )


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
    try:
        if not path.exists():
            raise InputError(f"{path}: no such folder or CSV file")
        if path.is_file():
            own = [path.parent / folder for folder, table in CLASSIC.items() if table == path.name]
            return [(path, next(filter(Path.is_dir, own), path.parent), "")]
        others = sorted(file for file in path.iterdir() if file.suffix == ".csv")
    except PermissionError as error:
        raise InputError(f"{error.filename}: no permission to read it") from None
    classic = {folder: path / table for folder, table in CLASSIC.items() if path / table in others}
    if classic:
        return [(table, path / folder, f"{folder}/") for folder, table in classic.items()]
    labelled = others if len(others) == 1 else [table for table in others if _is_label_table(table)]
    if len(labelled) != 1:
        found = ", ".join(table.name for table in others) or "no CSV file"
        raise InputError(f"{path}: expected {' and '.join(CLASSIC.values())}, or one label table, found {found}")
    return [(labelled[0], path, "")]


def _is_label_table(table: Path) -> bool:
    """Tell whether a CSV's header is that of coordinates: 0, 1, 2 ... after the first column."""
    try:
        with table.open(encoding="utf-8", errors="replace") as lines:
            header = lines.readline().strip().split(",")
    except OSError:
        return False
    return header[1:] == [str(i) for i in range(len(header) - 1)] and len(header) > 2


def read_table(path: Path, problems: list[str]) -> tuple[list[str], np.ndarray]:
    """Read a label table: the file name, then x0, y0, x1, y1 ...; blank = missing.

    problems: rows with text in the place of a number, with more or fewer columns than the header, or with a repeated
        name are appended here and left out

    Returns:
        names (n), keypoints (n, k, 2) float32

    Raises:
        InputError: empty, not a CSV, an odd number of coordinates, or a classic table without 136 of them.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            header, *rows = [line for line in csv.reader(stream, strict=True) if any(map(str.strip, line))] or [[]]
    except (csv.Error, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a label table ({error})") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    width = len(header) - 1
    if not header:
        raise InputError(f"{path}: empty, expected a header and one row a face")
    if path.name in CLASSIC.values() and width != 136:
        raise InputError(f"{path}: expected 136 coordinate columns (68 keypoints), got {width}")
    if width < 2 or width % 2:
        raise InputError(f"{path}: expected an even number of coordinate columns (x, y ...), got {width}")
    if not rows:
        raise InputError(f"{path}: no rows, expected one a face")
    seen: dict[str, int] = {}
    values = []
    for row, (name, *cells) in enumerate(rows, 1):
        name = name.strip()
        numbers = [_number(cell) for cell in cells]
        where = f"{path.name} row {row} ({name})"
        if len(cells) != width:
            problems.append(f"{where}: expected {width} coordinates, got {len(cells)}")
        elif None in numbers:
            column = numbers.index(None)
            problems.append(f"{where}, column {header[column + 1]}: expected a number, got {cells[column]!r}")
        elif name in seen:
            problems.append(f"{where}: the same name as row {seen[name]}")
        else:
            seen[name] = row
            values.append(numbers)
    return list(seen), np.array(values, np.float32).reshape(len(seen), width // 2, 2)


def _number(cell: str) -> float | None:
    """Return the number in a cell, NaN for a blank one, None for anything else."""
    try:
        value = float(cell) if cell.strip() else np.nan
    except ValueError:
        return None
    return None if abs(value) > 1e30 else value  # infinity too


def write_classic(faces: FaceSet, folder: Path, *, parts: Iterable[str] | None = None) -> Path:
    """Write a set in the classic layout (images, and one CSV a part) and return the folder.

    parts: n folder names, by default the folder in each face's own name, else "training"
    """
    folder = Path(folder)
    if parts is None:
        parts = [name.rpartition("/")[0] or "training" for name in faces.names]
    parts = np.array(list(parts))
    for part in np.unique(parts):
        (folder / part).mkdir(parents=True, exist_ok=True)
        chosen = faces[parts == part]
        table = chosen.table()
        table.index = pd.Index([name.rpartition("/")[2] for name in chosen.names])
        for name, image in zip(table.index, chosen.images, strict=True):
            write_photo(folder / part / name, image)
        table.to_csv(folder / CLASSIC.get(str(part), f"{part}_frames_keypoints.csv"))
    return folder
