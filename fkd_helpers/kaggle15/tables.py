"""Kaggle's tables of faces, read fast and strictly. Built in notebook 06.

A row is 30 coordinates, blank where missing, and an image of 96 x 96 gray levels written out as 9,216 numbers. The
numbers of one image are read in a few array operations; 7,049 rows are 65 million numbers.
"""

import csv
import io
import math
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fkd_helpers.core.errors import InputError, unknown
from fkd_helpers.faces.landmarks import POINTS_15 as POINTS

SIDE = 96  # pixels of an image
PIXELS = SIDE * SIDE
COLUMNS = tuple(f"{point}_{axis}" for point in POINTS for axis in "xy")  # left is the person's own
LOOKUP = ("RowId", "ImageId", "FeatureName", "Location")


@dataclass(frozen=True)
class Rows:
    """Rows of a table, those that are whole.

    images: (n, 96, 96) uint8; keypoints: (n, 15, 2) float32 pixels, NaN = missing
    ids: (n,) the row's ImageId, or where there is no such column its number in the file, from 1
    problems: what was left out, one line each
    """

    images: np.ndarray
    keypoints: np.ndarray
    ids: np.ndarray
    problems: tuple[str, ...] = ()


def pixels_of(cell: bytes) -> np.ndarray:
    """Return the gray levels (96, 96) uint8 that an Image cell spells out.

    Raises:
        InputError: not 9,216 whole numbers from 0 to 255.

    >>> pixels_of(b"7 255 10 " * 3072)[0, :4]
    array([  7, 255,  10,   7], dtype=uint8)
    """
    text = np.frombuffer(b"   " + cell + b" ", np.uint8)
    number = text - np.uint8(48)  # of a digit; any other character is above 9, since bytes wrap around
    digit = number < 10
    if np.count_nonzero(digit) + np.count_nonzero(text == 32) != len(text):
        odd = next(word for word in cell.split() if not word.isdigit())
        raise InputError(f"expected whole numbers from 0 to 255, got {odd[:20].decode('ascii', 'replace')!r}")
    last = np.flatnonzero(digit[:-1] > digit[1:])  # where a number ends
    if len(last) != PIXELS:
        raise InputError(f"expected {PIXELS} pixels, got {len(last)}")
    tens = digit[last - 1]
    hundreds = tens & digit[last - 2]
    value = number[last].astype(np.uint16)
    value += 10 * number[last - 1] * tens
    value += 100 * number[last - 2].astype(np.uint16) * hundreds
    if (hundreds & digit[last - 3]).any() or value.max() > 255:
        high = next(word for word in cell.split() if len(word) > 3 or int(word) > 255)
        raise InputError(f"expected gray levels up to 255, got {high[:20].decode()}")
    return value.astype(np.uint8).reshape(SIDE, SIDE)


def read_rows(path: str | Path, *, on_error: str = "raise", labelled: bool = True) -> Rows:
    """Read a table of faces: plain, or inside a zip (also one of zips, as Kaggle packs it).

    labelled: the 30 coordinate columns are expected; if not, they may be absent
    on_error: "raise" stops at the first damaged row, "skip" leaves damaged rows out and lists them in `problems`

    Raises:
        InputError: no such file, empty, no Image column, a coordinate column missing, or a damaged row; row (from 1,
            the header not counted) and column are named.
    """
    if on_error not in ("raise", "skip"):
        raise unknown("on_error", on_error, ["raise", "skip"])
    path = Path(path)
    header, lines = _lines(path)
    columns = _columns(path, header, labelled)
    width = len(header)
    image_at, id_at = header.index("Image"), header.index("ImageId") if "ImageId" in header else None
    images, keypoints, ids, problems, seen = [], [], [], [], set()
    for number, line in enumerate(lines, 1):
        try:
            cells = line.rstrip(b"\r").split(b",")
            if len(cells) != width:
                raise InputError(f"expected {width} columns, got {len(cells)}")
            image = _named("Image", pixels_of, cells[image_at].strip(b'" '))
            points = [math.nan if at is None else _named(name, _coordinate, cells[at]) for name, at in columns]
            identity = number if id_at is None else _named("ImageId", _whole, cells[id_at])
            if identity in seen:
                raise InputError(f"column ImageId: {identity} comes twice")
        except InputError as error:
            problems.append(f"{path.name} row {number}: {error}")
            if on_error == "raise":
                raise InputError(problems[0]) from None
            continue
        seen.add(identity)
        images.append(image)
        keypoints.append(points)
        ids.append(identity)
    if not images:
        raise InputError(f"{path}: no usable row ({problems[0] if problems else 'only a header'})")
    points = np.array(keypoints, np.float32).reshape(-1, len(POINTS), 2)
    return Rows(np.stack(images), points, np.array(ids), tuple(problems))


def _named(column, function, cell):
    try:
        return function(cell)
    except InputError as error:
        raise InputError(f"column {column}: {error}") from None


def _coordinate(cell: bytes) -> float:
    try:
        value = float(cell) if cell.strip() else math.nan
    except ValueError:
        raise InputError(f"expected a number, got {cell[:20].decode('utf-8', 'replace')!r}") from None
    if not (math.isnan(value) or 0 <= value <= SIDE):
        raise InputError(f"expected 0 to {SIDE} pixels, got {value:g}")
    return value


def _whole(cell: bytes) -> int:
    try:
        return int(cell)
    except ValueError:
        raise InputError(f"expected a whole number, got {cell[:20].decode('utf-8', 'replace')!r}") from None


def _columns(path, header, labelled) -> list[tuple[str, int | None]]:
    """Return where each coordinate stands in a header, in our order; None where it may be absent and is."""
    if "Image" not in header:
        raise InputError(f"{path}: expected a column 'Image', got {', '.join(header[:5])}{' ...' * (len(header) > 5)}")
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise InputError(f"{path}: column {twice[0]!r} comes twice")
    absent = [name for name in COLUMNS if name not in header]
    if absent and labelled:
        other = [name for name in header if name not in (*COLUMNS, "Image", "ImageId")]
        came = f", got {other[0]!r}" if other else ""
        raise InputError(f"{path}: expected a column {absent[0]!r}{came} ({len(absent)} of 30 are missing)")
    return [(name, header.index(name) if name in header else None) for name in COLUMNS]


def _lines(path: Path) -> tuple[list[str], Iterator[bytes]]:
    """Return the header of a table and the lines below it that are not blank."""
    content = content_of(path)
    head, _, body = content.removeprefix(b"\xef\xbb\xbf").partition(b"\n")
    if not head.strip():
        raise InputError(f"{path}: empty, expected a header and one row a face")
    header = [name.strip().strip('"') for name in head.decode("utf-8", "replace").strip().split(",")]
    return header, (line for line in body.split(b"\n") if line.strip())


def content_of(path: Path) -> bytes:
    """Return the bytes of a table, unpacked if it is a zip: of the one CSV in it, by its own name if there are more.

    Raises:
        InputError: no such file, not readable, or no such table in the zip.
    """
    try:
        content = path.read_bytes()
        while content[:4] == b"PK\x03\x04":
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                names = [name for name in archive.namelist() if name.endswith((".csv", ".zip"))]
                wanted = [name for name in names if Path(name).stem == path.stem]
                if len(wanted or names) != 1:
                    found = ", ".join(names) or "none"
                    raise InputError(f"{path}: expected one table {path.stem}.csv in the zip, found {found}")
                content = archive.read((wanted or names)[0])
        return content
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except zipfile.BadZipFile as error:
        raise InputError(f"{path}: not a whole zip ({error})") from None


def read_lookup(path: str | Path) -> list[tuple[int, int, int]]:
    """Read `IdLookupTable.csv`: (row id, image id, index of the coordinate in COLUMNS) for each answer asked for.

    Raises:
        InputError: no such file, other columns, a row id twice, an unknown feature, or text for a number.
    """
    path = Path(path)
    text = io.StringIO(content_of(path).decode("utf-8-sig", "replace"))
    table = csv.DictReader(text)
    absent = [name for name in LOOKUP[:3] if name not in (table.fieldnames or [])]
    if absent:
        raise InputError(f"{path}: expected a column {absent[0]!r}, got {', '.join(table.fieldnames or []) or 'none'}")
    index = {name: i for i, name in enumerate(COLUMNS)}
    rows, seen = [], set()
    for number, row in enumerate(table, 1):
        where = f"{path.name} row {number}"
        try:
            row_id, image_id = int(row["RowId"]), int(row["ImageId"])
        except (TypeError, ValueError):
            raise InputError(f"{where}: expected whole numbers, got {row['RowId']!r}, {row['ImageId']!r}") from None
        if row["FeatureName"] not in index:
            raise InputError(f"{where}, column FeatureName: {unknown('feature', row['FeatureName'], COLUMNS)}")
        if row_id in seen:
            raise InputError(f"{where}: RowId {row_id} comes twice")
        seen.add(row_id)
        rows.append((row_id, image_id, index[row["FeatureName"]]))
    if not rows:
        raise InputError(f"{path}: no rows, expected one an answer")
    return rows
