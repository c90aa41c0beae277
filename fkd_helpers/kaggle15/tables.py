"""Read Kaggle's tables: 30 coordinates per face, blank where missing, and an image spelled out as 9,216 gray levels."""

import csv
import io
import itertools
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from fkd_helpers.core.errors import InputError, unknown
from fkd_helpers.core.files import decoded
from fkd_helpers.faces.landmarks import POINTS_15

SIDE = 96  # pixels of an image
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
    except ValueError:  # text, or no whole numbers
        levels = np.zeros(0)
    if levels.size == SIDE**2 and levels.min() >= 0 and levels.max() <= 255:
        return levels.astype(np.uint8).reshape(SIDE, SIDE)
    got = f"{levels.size} from {levels.min()} to {levels.max()}" if levels.size else repr(cell[:20])
    raise InputError(f"column Image: expected {SIDE**2} whole numbers from 0 to 255, got {got}")


def read_rows(path: Path, *, labelled: bool = True) -> dict[str, np.ndarray]:
    """Read a table of faces: plain, or inside a zip (also one of zips, as Kaggle packs it).

    Args:
        labelled: The 30 coordinate columns are expected; if not, they may be absent.

    Returns:
        images (n, 96, 96) uint8; keypoints (n, 15, 2) float32, NaN = missing; id (n,), the ImageId or, without such a
        column, the number of the row, from 1; problems (1,), what was left out as lines of one text
    """
    found, problems = {}, []
    for number, row in enumerate(rows_of(path, ("Image", *COLUMNS) if labelled else ("Image",)), 1):
        try:
            if None in row or None in row.values():
                raise InputError(f"{'more' if None in row else 'fewer'} columns than the header")
            identity = number_in(row, "ImageId", int) if "ImageId" in row else number
            if identity in found:
                raise InputError(f"column ImageId: {identity} comes twice")
            found[identity] = pixels_of(row["Image"]), [_coordinate(row, name) for name in COLUMNS]
        except InputError as error:
            problems.append(f"{path.name} row {number}: {error}")
    if not found:
        raise InputError(f"{path}: no usable row ({problems[0] if problems else 'only a header'})")
    images, points = zip(*found.values(), strict=True)
    keypoints = np.array(points, np.float32).reshape(-1, len(POINTS_15), 2)
    lines = np.array(["\n".join(problems)])
    return {"images": np.stack(images), "keypoints": keypoints, "id": np.array(list(found)), "problems": lines}


def _coordinate(row: dict[str, str], column: str) -> float:
    value = number_in(row, column) if row.get(column) else np.nan
    if value < 0 or value > SIDE:
        raise InputError(f"column {column}: expected 0 to {SIDE} pixels, got {value:g}")
    return value


def number_in(row: dict[str, str], column: str, kind: type = float) -> float:
    """Return the number in a column of a row, decimal commas read as points; `kind` int = a whole number."""
    try:
        return kind(row[column].replace(",", "."))
    except (ValueError, AttributeError):
        wanted = "a whole number" if kind is int else "a number"
        raise InputError(f"column {column}: expected {wanted}, got {str(row[column] or '')[:20]!r}") from None


def rows_of(path: Path, wanted: Sequence[str]) -> Iterator[dict[str, str]]:
    """Yield the rows of a table with the wanted columns; a separator is a comma, a semicolon or a tab.

    As of `csv.DictReader`: a row with more cells than the header has them under the key None, one with fewer has None
    as their values.
    """
    content = _content_of(path)
    _, encoding = decoded(content, path)
    lines = io.TextIOWrapper(io.BytesIO(content), encoding, newline="")  # a line at a time: the real file is large
    header = next((line for line in lines if line.strip() and not line.startswith("sep=")), "")
    if not header:
        raise InputError(f"{path}: empty, expected a header and rows")
    separator = max(",;\t", key=header.count)
    rows = csv.DictReader(itertools.chain([header], lines), delimiter=separator, skipinitialspace=True)
    rows.fieldnames = names = [name.strip() for name in rows.fieldnames]
    if repeated := [name for name in names if names.count(name) > 1]:
        raise InputError(f"{path}: column {repeated[0]!r} comes twice")
    if absent := [name for name in wanted if name not in names]:
        got = ", ".join([name for name in names if name not in wanted][:3] or names[:3])
        raise InputError(f"{path}: expected a column {absent[0]!r} ({len(absent)} missing), got {got}")
    try:
        yield from rows
    except csv.Error as error:
        raise InputError(f"{path} line {rows.line_num}: not a table ({error})") from None


def _content_of(path: Path) -> bytes:
    """Return the bytes of a table, unpacked if it is a zip: of the one file in it, or of the one with its own name."""
    try:
        content = path.read_bytes()
        while content[:4] == b"PK\x03\x04":
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                names = archive.namelist()
                names = [name for name in names if Path(name).stem == path.stem] or names
                if len(names) != 1:
                    raise InputError(f"{path}: expected one table {path.stem}.csv in the zip, found {', '.join(names)}")
                content = archive.read(names[0])
        return content
    except OSError as error:
        raise InputError(f"{path}: {'no such file' if not path.exists() else error.strerror}") from None
    except zipfile.BadZipFile as error:
        raise InputError(f"{path}: not a whole zip ({error})") from None


def read_lookup(path: str | Path) -> list[tuple[int, int, int]]:
    """Read `IdLookupTable.csv`: (row id, image id, index of the coordinate in COLUMNS) of each answer asked for."""
    found = {}
    for number, row in enumerate(rows_of(Path(path), LOOKUP[:3]), 1):
        try:
            row_id, image_id, feature = number_in(row, "RowId", int), number_in(row, "ImageId", int), row["FeatureName"]
            if feature not in COLUMNS:
                raise InputError(f"column FeatureName: {unknown('feature', feature, COLUMNS)}")
            if row_id in found:
                raise InputError(f"RowId {row_id} comes twice")
        except InputError as error:
            raise InputError(f"{path} row {number}: {error}") from None
        found[row_id] = (row_id, image_id, COLUMNS.index(feature))
    if not found:
        raise InputError(f"{path}: no rows, expected one per answer")
    return list(found.values())
