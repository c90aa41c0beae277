"""Read a label table: file names and the coordinates of keypoints, in the order that its header names."""

import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from fkd_helpers.core.errors import InputError
from fkd_helpers.core.files import read_text
from fkd_helpers.faces.landmarks import POINTS_15

NAMES = {"", "name", "file", "filename", "file_name", "image", "image_name", "image_path", "image_id", "path", "photo"}
PEOPLE = {"person", "person_id", "people", "subject", "subject_id", "identity", "group"}
BOXES = {"box", "bbox", "rect", "face", "min", "max"}  # "x_min", "box_y": no points
SIZES = {"w", "h", "width", "height"}  # beside a lone "x" and "y": a box
MISSING = {"", "nan", "na", "n/a", "null", "none"}
AXIS = r"(?P<axis>x|y|v|vis|visible|visibility)"
TITLES = [  # x_0, x0, 0_x, p0x, left_eye_x, x_left_eye, x
    re.compile(AXIS + r"[\s_.-]*(?P<key>\d*)"),
    re.compile(r"(?P<key>.*\d)" + AXIS),
    re.compile(r"(?P<key>.+)[\s_.-]" + AXIS),
    re.compile(AXIS + r"[\s_.-](?P<key>.+)"),
]
NUMBERED = re.compile(r"^(p|pt|point|lm|landmark|kp|keypoint)?[\s_.-]*(?=\d+$)|[\s_.-]+$")
EXPECTED = (
    "expected a column of file names, then x0, y0, x1, y1 ... (or a header that names x and y of each point, such as "
    "x_0 ... x_67, y_0 ... y_67)"
)


class Layout(NamedTuple):
    """Which column of a table holds what; `points` are pairs of columns (x, y), `keys` their names in the header."""

    name: int
    person: int | None
    points: list[tuple[int, int]]
    visible: list[int | None]
    keys: list[str]


@dataclass(frozen=True)
class Table:
    """A label table as read: n names, keypoints (n, k, 2) float32, people (n,) where a column names them.

    keys: names of the k points in the header, () where they are numbered; remarks: lines for the user
    """

    names: list[str]
    keypoints: np.ndarray
    people: list[str] | None
    keys: tuple[str, ...]
    remarks: list[str]


def read_table(path: Path, problems: list[str]) -> Table:
    """Read a label table: separated by commas, semicolons or tabs, with decimal points or commas; blank = missing.

    A pair of -1 counts as missing, and a pair of 0 where a column of visibility says 0. Rows with text in the place of
    a number, with more or fewer columns than the header, or with a repeated name are appended to `problems`.
    """
    header, *rows = read_cells(path) or [[]]
    if not header:
        raise InputError(f"{path}: empty, expected a header and one row per face")
    remarks = []
    try:
        layout = layout_of(header)
    except InputError as error:
        layout = _layout_without_header(header)
        if layout is None:
            raise InputError(f"{path}: {error}") from None
        rows.insert(0, header)
        remarks.append(f"{path}: no header row, read as file name, x0, y0, x1, y1 ...")
    if not rows:
        raise InputError(f"{path}: no rows, expected one per face")
    columns = np.array(layout.points).ravel().tolist()
    good, seen = [], {}
    for number, row in enumerate(rows, 1):
        name = _name(row[layout.name]) if layout.name < len(row) else ""
        where = f"{path.name} row {number} ({name:.60})"
        if len(row) != len(header):
            problems.append(f"{where}: expected {len(header)} columns, got {len(row)}")
        elif name in seen:
            problems.append(f"{where}: the same name as row {seen[name]}")
        else:
            seen[name] = number
            good.append((where, name, row))
    cells = np.array([[row[column] for column in columns] for _, _, row in good], object).reshape(-1, len(columns))
    values, bad = numbers_of(cells)
    keypoints = values.reshape(len(good), len(layout.points), 2)
    _mark_missing(keypoints, [row for _, _, row in good], layout, path, remarks)
    for i in np.flatnonzero(bad.any(1)):
        column = int(np.flatnonzero(bad[i])[0])
        title = columns[column] + 1 if header in rows else header[columns[column]]
        problems.append(f"{good[i][0]}, column {title}: expected a number, got {cells[i, column]!r}")
    kept = np.flatnonzero(~bad.any(1))
    people = None if layout.person is None else [good[i][2][layout.person].strip() for i in kept]
    keys = () if all(key.isdigit() for key in layout.keys) else tuple(layout.keys)
    return Table([good[i][1] for i in kept], keypoints[kept].astype(np.float32), people, keys, remarks)


def read_cells(path: Path) -> list[list[str]]:
    """Return the rows of a table as text, blank lines left out; the header decides about the separator."""
    _, lines, separator = split_lines(read_text(path))
    try:
        return [row for row in csv.reader(lines, delimiter=separator, strict=True) if any(map(str.strip, row))]
    except csv.Error as error:
        raise InputError(f"{path}: not a label table ({error})") from None


def split_lines(text: str) -> tuple[list[str], list[str], str]:
    r"""Return Excel's hint "sep=;" if there is one, the lines of a table after it, and their separator.

    >>> split_lines("name;x0;y0\na;1,5;2\n")
    ([], ['name;x0;y0\n', 'a;1,5;2\n'], ';')
    """
    lines = list(io.StringIO(text, newline=""))
    hints = 1 if lines and re.fullmatch(r"sep=.\s*", lines[0]) else 0
    header = next((line for line in lines[hints:] if line.strip()), "")
    return lines[:hints], lines[hints:], max(",;\t", key=header.count)


def layout_of(header: list[str]) -> Layout:
    """Return what the columns of a header hold.

    >>> layout_of(["file", "x_0", "x_1", "y_0", "y_1"]).points
    [(1, 3), (2, 4)]
    """
    titles = [title.strip().lower() for title in header]
    named = {title: column for column, title in reversed(list(enumerate(titles)))}
    name = next((named[title] for title in titles if title and title in NAMES), 0)
    person = next((named[title] for title in titles if title in PEOPLE), None)
    others = [column for column in range(len(titles)) if column not in (name, person)]
    numbers = [column for column in others if titles[column].isdigit()]
    parsed = {column: _parse(titles[column]) for column in others if column not in numbers}
    parsed = {column: found for column, found in parsed.items() if found and found[1] not in BOXES}
    bare = [column for column, (_, key) in parsed.items() if not key]
    if len(bare) == 2 and set(titles) & SIZES:  # x, y, width, height: a box
        parsed = {column: found for column, found in parsed.items() if column not in bare}
    if numbers and not any(axis in "xy" for axis, _ in parsed.values()):
        return _numbered(titles, name, person, numbers)
    if numbers or _parse(titles[name]) or not parsed:
        raise InputError(f"read {_short(header)}; {EXPECTED}")
    columns: dict[str, dict[str, int]] = {}
    repeats: dict[str, int] = {}
    for column, (axis, key) in parsed.items():
        if not key:  # x, y, x, y ...: numbered by us
            key = str(repeats.get(axis, 0))
            repeats[axis] = int(key) + 1
        if axis in columns.setdefault(key, {}):
            raise InputError(f"{axis} of point {key} twice in {_short(header)}; {EXPECTED}")
        columns[key][axis] = column
    keys = list(columns)
    if lone := [key for key in keys if not {"x", "y"} <= set(columns[key])]:
        raise InputError(f"point {lone[0]}: expected x and y, got {', '.join(columns[lone[0]])} in {_short(header)}")
    if len({key.isdigit() for key in keys}) > 1:
        raise InputError(f"numbered and named points in {_short(header)}; {EXPECTED}")
    if keys[0].isdigit():
        keys.sort(key=int)
    elif set(keys) == set(POINTS_15):
        keys = list(POINTS_15)
    points = [(columns[key]["x"], columns[key]["y"]) for key in keys]
    return Layout(name, person, points, [columns[key].get("v") for key in keys], keys)


def _parse(title: str) -> tuple[str, str] | None:
    """Return (axis, key of the point) of a column's title; the axis is "x", "y" or "v" for visibility.

    >>> [_parse(title) for title in ("x_0", "p12y", "left eye.x", "visibility", "score")]
    [('x', '0'), ('y', '12'), ('x', 'left eye'), ('v', ''), None]
    """
    found = next((match for pattern in TITLES if (match := pattern.fullmatch(title))), None)
    return (found["axis"][0], NUMBERED.sub("", found["key"])) if found else None


def _numbered(titles, name, person, columns) -> Layout:
    """Return the layout of the classic header: the name, then 0, 1, 2 ... for x0, y0, x1 ..."""
    start = int(titles[columns[0]])
    if start > 1 or [int(titles[column]) for column in columns] != list(range(start, start + len(columns))):
        raise InputError(f"read {_short(titles)}; {EXPECTED}")
    if len(columns) % 2:
        raise InputError(f"expected an even number of coordinate columns (x0, y0, x1, y1 ...), got {len(columns)}")
    points = list(zip(columns[::2], columns[1::2], strict=True))
    return Layout(name, person, points, [None] * len(points), [str(i) for i in range(len(points))])


def _layout_without_header(row: list[str]) -> Layout | None:
    """Return the classic layout where a first row holds a name and numbers already."""
    _, bad = numbers_of(np.array([row], object))
    if row[0].strip().lower() in NAMES or len(row) < 3 or len(row) % 2 == 0 or not bad[0, 0] or bad[0, 1:].any():
        return None
    return _numbered(["", *map(str, range(len(row) - 1))], 0, None, list(range(1, len(row))))


def numbers_of(cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return cells (n, m) of text as numbers, NaN for a missing one, and which of them are neither (n, m)."""
    values = pd.to_numeric(cells.ravel(), errors="coerce").astype(np.float64).reshape(cells.shape)
    left = np.isnan(values)
    text = pd.Series(cells[left], dtype=str).str.strip().str.lower()
    values[left] = pd.to_numeric(text.str.replace(",", "."), errors="coerce")  # decimal commas
    bad = np.abs(values) > 1e30  # infinity too
    bad[left] |= np.isnan(values[left]) & ~text.isin(MISSING).to_numpy()
    return values, bad


def _mark_missing(keypoints, rows, layout, path, remarks) -> None:
    """Set points that are given as (-1, -1), or as (0, 0) with a visibility of 0, to NaN, in place."""
    minus = (keypoints == -1).all(2)
    if minus.any():
        keypoints[minus] = np.nan
        remarks.append(f"{path}: {minus.sum()} points at (-1, -1) count as missing")
    for point, column in enumerate(layout.visible):
        if column is not None:
            shown, _ = numbers_of(np.array([[row[column]] for row in rows], object).reshape(-1, 1))
            keypoints[(shown[:, 0] == 0) & (keypoints[:, point] == 0).all(1), point] = np.nan


def _name(cell: str) -> str:
    return cell.strip().replace("\\", "/").removeprefix("./")


def _short(titles: list[str]) -> str:
    return ", ".join(titles[:6]) + (f" ... {titles[-1]}" if len(titles) > 6 else "")
