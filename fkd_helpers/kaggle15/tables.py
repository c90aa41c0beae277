"""Read Kaggle's tables of faces.

A row has 30 coordinates, blank where missing, and an image of 96 x 96 gray levels written out as 9,216 numbers.
"""

import csv
import io
import itertools
import math
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from fkd_helpers.core.errors import InputError, unknown
from fkd_helpers.core.files import decoded
from fkd_helpers.faces.landmarks import POINTS_15

SIDE = 96  # pixels of an image
PIXELS = SIDE * SIDE
CORNER = 0.5  # Kaggle counts from the image's corner (a mirrored x is 96 - x), we from the middle of a pixel
COLUMNS = tuple(f"{point}_{axis}" for point in POINTS_15 for axis in "xy")  # left is the person's own
LOOKUP = ("RowId", "ImageId", "FeatureName", "Location")


def pixels_of(cell: str) -> np.ndarray:
    """Return the gray levels (96, 96) uint8 that an Image cell spells out.

    >>> pixels_of("7 255 10 " * 3072)[0, :4]
    array([  7, 255,  10,   7], dtype=uint8)
    """
    try:
        levels = np.fromstring(cell, np.int64, sep=" ")
    except ValueError:  # text
        levels = np.zeros(0)
    if len(levels) == PIXELS and levels.min() >= 0 and levels.max() <= 255:
        return levels.astype(np.uint8).reshape(SIDE, SIDE)
    numbers = cell.split()
    odd = [number for number in numbers if not re.fullmatch("[0-9]{1,3}", number)]
    if not odd and len(numbers) != PIXELS:
        raise InputError(f"expected {PIXELS} pixels, got {len(numbers)}")
    raise InputError(f"expected whole numbers from 0 to 255, got {(odd or [str(levels.max())])[0][:20]!r}")


def read_rows(path: Path, *, labelled: bool = True) -> dict[str, np.ndarray]:
    """Read a table of faces: plain, or inside a zip (also one of zips, as Kaggle packs it).

    Args:
        labelled: The 30 coordinate columns are expected; if not, they may be absent.

    Returns:
        images (n, 96, 96) uint8; keypoints (n, 15, 2) float32, NaN = missing; id (n,), the ImageId or, without such a
        column, the number of the row, from 1; problems (1,), what was left out as lines of one text
    """
    rows = read_cells(path)
    header = next(rows)
    _check_header(path, header, ("Image", *COLUMNS) if labelled else ("Image",))
    found, problems = {}, []
    for number, cells in enumerate(rows, 1):
        try:
            if len(cells) != len(header):
                raise InputError(f"expected {len(header)} columns, got {len(cells)}")
            row = dict(zip(header, cells, strict=True))
            identity = number_in(row, "ImageId") if "ImageId" in row else number
            if identity in found:
                raise InputError(f"column ImageId: {identity} comes twice")
            points = [_coordinate(row, name) for name in COLUMNS]
            try:
                found[identity] = pixels_of(row["Image"]), points
            except InputError as error:
                raise InputError(f"column Image: {error}") from None
        except InputError as error:
            problems.append(f"{path.name} row {number}: {error}")
    if not found:
        raise InputError(f"{path}: no usable row ({problems[0] if problems else 'only a header'})")
    images, points = zip(*found.values(), strict=True)
    keypoints = np.array(points, np.float32).reshape(-1, len(POINTS_15), 2)
    lines = np.array(["\n".join(problems)])
    return {"images": np.stack(images), "keypoints": keypoints, "id": np.array(list(found)), "problems": lines}


def _check_header(path: Path, header: list[str], wanted: tuple[str, ...]) -> None:
    if repeated := [name for name in header if header.count(name) > 1]:
        raise InputError(f"{path}: column {repeated[0]!r} comes twice")
    if absent := [name for name in wanted if name not in header]:
        others = [name for name in header if name not in (*COLUMNS, *LOOKUP, "Image")]
        got = ", ".join(others[:3] or header[:5])
        raise InputError(f"{path}: expected a column {absent[0]!r} ({len(absent)} are missing), got {got}")


def _coordinate(row: dict[str, str], column: str) -> float:
    cell = row.get(column, "")
    try:
        value = float(cell.replace(",", ".") or "nan")  # Excel's decimal comma
    except ValueError:
        raise InputError(f"column {column}: expected a number, got {cell[:20]!r}") from None
    if not (math.isnan(value) or 0 <= value <= SIDE):
        raise InputError(f"column {column}: expected 0 to {SIDE} pixels, got {value:g}")
    return value


def number_in(row: dict[str, str], column: str) -> int:
    """Return the whole number in a column of a row."""
    try:
        return int(row.get(column, ""))
    except ValueError:
        raise InputError(f"column {column}: expected a whole number, got {row.get(column, '')[:20]!r}") from None


def read_cells(path: Path) -> Iterator[list[str]]:
    """Yield the header of a table, then its rows; a separator is a comma, a semicolon or a tab."""
    content = content_of(path)
    _, encoding = decoded(content, path)
    stream = io.TextIOWrapper(io.BytesIO(content), encoding, newline="")  # a line at a time: the real file is large
    header = next((line for line in stream if line.strip() and not line.startswith("sep=")), "")
    if not header:
        raise InputError(f"{path}: empty, expected a header and one row per face")
    rows = csv.reader(itertools.chain([header], stream), delimiter=max(",;\t", key=header.count))
    try:
        for row in rows:
            cells = [cell.strip() for cell in row]
            if any(cells):
                yield cells
    except csv.Error as error:
        raise InputError(f"{path} line {rows.line_num}: not a table ({error})") from None


def content_of(path: Path) -> bytes:
    """Return the bytes of a table, unpacked if it is a zip: of the one CSV in it, or of the one with its own name."""
    try:
        content = path.read_bytes()
        while content[:4] == b"PK\x03\x04":
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                names = [name for name in archive.namelist() if name.endswith((".csv", ".zip"))]
                names = [name for name in names if Path(name).stem == path.stem] or names
                if len(names) != 1:
                    found = ", ".join(names) or "none"
                    raise InputError(f"{path}: expected one table {path.stem}.csv in the zip, found {found}")
                content = archive.read(names[0])
        return content
    except OSError as error:
        raise InputError(f"{path}: {'no such file' if not path.exists() else error.strerror}") from None
    except zipfile.BadZipFile as error:
        raise InputError(f"{path}: not a whole zip ({error})") from None


def read_lookup(path: str | Path) -> list[tuple[int, int, int]]:
    """Read `IdLookupTable.csv`: (row id, image id, index of the coordinate in COLUMNS) of each answer asked for."""
    path = Path(path)
    rows = read_cells(path)
    header = next(rows)
    _check_header(path, header, LOOKUP[:3])
    found = {}
    for number, cells in enumerate(rows, 1):
        row = dict(zip(header, cells, strict=False))
        try:
            row_id, image_id, feature = number_in(row, "RowId"), number_in(row, "ImageId"), row.get("FeatureName", "")
            if feature not in COLUMNS:
                raise InputError(f"column FeatureName: {unknown('feature', feature, COLUMNS)}")
            if row_id in found:
                raise InputError(f"RowId {row_id} comes twice")
        except InputError as error:
            raise InputError(f"{path.name} row {number}: {error}") from None
        found[row_id] = (row_id, image_id, COLUMNS.index(feature))
    if not found:
        raise InputError(f"{path}: no rows, expected one per answer")
    return list(found.values())
