"""Read a label table: file names and the coordinates of keypoints, in the order that its header names."""

import csv
import io
import re
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
TITLES = [  # x_0, x0, x; 0_x, p0x; left_eye_x; x_left_eye
    re.compile(AXIS + r"[\s_.-]*(?P<key>\d*)"),
    re.compile(r"(?P<key>.*\d)" + AXIS),
    re.compile(r"(?P<key>.+)[\s_.-]" + AXIS),
    re.compile(AXIS + r"[\s_.-](?P<key>.+)"),
]
NUMBERED = re.compile(r"^(p|pt|point|lm|landmark|kp|keypoint)?[\s_.-]*(?=\d+$)|[\s_.-]+$")  # p0 is point 0
EXPECTED = (
    "expected a column of file names, then x0, y0, x1, y1 ... (or a header that names x and y of each point, such as "
    "x_0 ... x_67, y_0 ... y_67)"
)


class Layout(NamedTuple):
    """Which column of a table holds what."""

    name: int
    person: int | None
    points: list[tuple[int, int]]  # columns of x and y of each point
    visible: list[int | None]
    keys: list[str]  # what the header calls the points


class Table(NamedTuple):
    """A label table as read, n faces with k points."""

    names: list[str]
    keypoints: np.ndarray  # (n, k, 2) float32
    people: list[str] | None  # n, where a column names them
    keys: list[str]  # k names of the points in the header; numbers where it only counts them
    remarks: list[str]  # for the user


def read_table(path: Path, problems: list[str]) -> Table:
    """Read a label table: separated by commas, semicolons or tabs, with decimal points or commas; blank = missing.

    A pair of -1 counts as missing, and a pair of 0 where a column of visibility says 0. Rows with text in the place of
    a number, with more or fewer columns than the header, or with a repeated name are appended to `problems`.
    """
    header, *rows = read_cells(path) or [[]]
    if not header:
        raise InputError(f"{path}: empty, expected a header and one row per face")
    try:
        layout, remarks = layout_of(header), []
    except InputError as error:
        if not _is_row(header):
            raise InputError(f"{path}: {error}") from None
        rows, header = [header, *rows], ["", *map(str, range(len(header) - 1))]
        layout, remarks = layout_of(header), [f"{path}: no header row, read as file name, x0, y0, x1, y1 ..."]
    if not rows:
        raise InputError(f"{path}: no rows, expected one per face")
    wrong: dict[int, str] = {}  # row number -> what is wrong with it
    seen: dict[str, int] = {}
    for number, row in enumerate(rows, 1):
        name = row[layout.name].strip().replace("\\", "/").removeprefix("./") if layout.name < len(row) else ""
        if len(row) != len(header):
            wrong[number] = f"({name:.60}): expected {len(header)} columns, got {len(row)}"
        elif name in seen:
            wrong[number] = f"({name:.60}): the same name as row {seen[name]}"
        else:
            seen[name] = number
    cells = np.array([rows[number - 1] for number in seen.values()], object).reshape(-1, len(header))
    columns = np.array(layout.points).ravel()
    values, bad = numbers_of(cells[:, columns])
    keypoints = values.reshape(len(cells), len(layout.points), 2)
    minus = (keypoints == -1).all(2)
    if minus.any():
        keypoints[minus] = np.nan
        remarks.append(f"{path}: {minus.sum()} points at (-1, -1) count as missing")
    for point, column in enumerate(layout.visible):
        if column is not None:
            hidden = numbers_of(cells[:, [column]])[0][:, 0] == 0
            keypoints[hidden & (keypoints[:, point] == 0).all(1), point] = np.nan
    good = ~bad.any(1)
    for i, (name, number) in enumerate(seen.items()):
        if not good[i]:
            column = columns[bad[i]][0]
            wrong[number] = f"({name:.60}), column {header[column]}: expected a number, got {cells[i, column]!r}"
    problems += [f"{path.name} row {number} {what}" for number, what in sorted(wrong.items())]
    people = None if layout.person is None else [cell.strip() for cell in cells[good, layout.person]]
    names = [name for name, fine in zip(seen, good, strict=True) if fine]
    return Table(names, keypoints[good].astype(np.float32), people, layout.keys, remarks)


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
    name = next((column for column, title in enumerate(titles) if title and title in NAMES), 0)
    person = next((column for column, title in enumerate(titles) if title in PEOPLE), None)
    others = {column: title for column, title in enumerate(titles) if column not in (name, person)}
    numbers = [column for column, title in others.items() if title.isdigit()]
    parsed = {column: _parse(title) for column, title in others.items() if not title.isdigit()}
    parsed = {column: found for column, found in parsed.items() if found and found[1] not in BOXES}
    bare = [column for column, (_, key) in parsed.items() if not key]
    if len(bare) == 2 and set(titles) & SIZES:  # x, y, width, height: a box
        parsed = {column: found for column, found in parsed.items() if column not in bare}
    counted = [int(titles[column]) for column in numbers]
    if numbers and not parsed and counted in (list(range(len(counted))), list(range(1, len(counted) + 1))):
        if len(numbers) % 2:
            raise InputError(f"expected an even number of coordinate columns (x0, y0, x1, y1 ...), got {len(numbers)}")
        parsed = {column: ("xy"[i % 2], str(i // 2)) for i, column in enumerate(numbers)}
    elif numbers or not parsed or _parse(titles[name]):
        raise InputError(f"read {_short(header)}; {EXPECTED}")
    columns: dict[str, dict[str, int]] = {}  # of each point, by axis
    repeats = dict.fromkeys("xyv", 0)
    for column, (axis, key) in parsed.items():
        if not key:  # x, y, x, y ...: we count
            key, repeats[axis] = str(repeats[axis]), repeats[axis] + 1
        if axis in columns.setdefault(key, {}):
            raise InputError(f"{axis} of point {key} twice in {_short(header)}; {EXPECTED}")
        columns[key][axis] = column
    for key, found in columns.items():
        if not {"x", "y"} <= set(found):
            raise InputError(f"point {key}: expected x and y, got {', '.join(found)} in {_short(header)}")
    keys = list(POINTS_15) if set(columns) == set(POINTS_15) else list(columns)
    if len({key.isdigit() for key in keys}) > 1:
        raise InputError(f"numbered and named points in {_short(header)}; {EXPECTED}")
    if keys[0].isdigit():
        keys.sort(key=int)
    points = [(columns[key]["x"], columns[key]["y"]) for key in keys]
    return Layout(name, person, points, [columns[key].get("v") for key in keys], keys)


def _parse(title: str) -> tuple[str, str] | None:
    """Return (axis, key of the point) of a column's title; the axis is "x", "y" or "v" for visibility.

    >>> [_parse(title) for title in ("x_0", "p12y", "left eye.x", "visibility", "score")]
    [('x', '0'), ('y', '12'), ('x', 'left eye'), ('v', ''), None]
    """
    found = next((match for pattern in TITLES if (match := pattern.fullmatch(title))), None)
    return (found["axis"][0], NUMBERED.sub("", found["key"])) if found else None


def _is_row(row: list[str]) -> bool:
    """Tell whether a first row holds a file name and pairs of numbers already."""
    bad = numbers_of(np.array([row], object))[1][0]
    return row[0].strip().lower() not in NAMES and len(row) > 2 and len(row) % 2 == 1 and bad[0] and not bad[1:].any()


def numbers_of(cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return cells (n, m) of text as numbers, NaN for a missing one, and which of them are neither (n, m)."""
    values = pd.to_numeric(cells.ravel(), errors="coerce").astype(np.float64).reshape(cells.shape)
    left = np.isnan(values)
    text = pd.Series(cells[left], dtype=str).str.strip().str.lower()
    values[left] = pd.to_numeric(text.str.replace(",", "."), errors="coerce")  # decimal commas
    bad = np.abs(values) > 1e30  # infinity too
    bad[left] |= np.isnan(values[left]) & ~text.isin(MISSING).to_numpy()
    return values, bad


def _short(titles: list[str]) -> str:
    return ", ".join(titles[:6]) + (f" ... {titles[-1]}" if len(titles) > 6 else "")
