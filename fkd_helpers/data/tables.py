"""Read a label table: file names and the coordinates of keypoints, in the order that its header names."""

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
MISSING = {"", "nan", "na", "n/a", "null", "none"}
TITLES = (  # x_0, x0, x_left_eye; 0_x, p0x, left_eye_x
    re.compile(r"(?P<axis>[xy])[\s_.-]*(?P<key>\d+|(?<=[\s_.-]).+)"),
    re.compile(r"(?P<key>.*\d|.+[\s_.-])(?P<axis>[xy])"),
)
NUMBERED = re.compile(r"^(p|pt|point|lm|landmark|kp|keypoint)?[\s_.-]*(?=\d+$)")  # p0 is point 0
EXPECTED = (
    "expected a column of file names, then x0, y0, x1, y1 ... (or a header that names x and y of each point, such as "
    "x_0 ... x_67, y_0 ... y_67)"
)


class Layout(NamedTuple):
    """Which column of a table holds what."""

    name: int
    person: int | None
    points: list[tuple[int, int]]  # columns of x and y of each point
    keys: list[str]  # what the header calls the points


class Table(NamedTuple):
    """A label table as read, n faces with k points."""

    names: list[str]
    keypoints: np.ndarray  # (n, k, 2) float32
    people: list[str] | None  # n, where a column names them
    keys: list[str]  # k names of the points in the header; numbers where it only counts them


def read_table(path: Path, problems: list[str]) -> Table:
    """Read a label table: separated by commas, semicolons or tabs, with decimal points or commas; blank = missing.

    A pair of -1 counts as missing. Rows with text in the place of a number or with a repeated name are appended to
    `problems`.
    """
    header, *rows = read_cells(path)
    try:
        layout = layout_of(header.tolist())
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    cells = np.array(rows, object).reshape(-1, len(header))
    names = pd.Series(cells[:, layout.name], dtype=str).str.strip().str.replace("\\", "/").str.removeprefix("./")
    columns = np.ravel(layout.points)
    values, bad = numbers_of(cells[:, columns])
    good = ~(bad.any(1) | names.duplicated().to_numpy())
    for i in np.flatnonzero(~good):
        what = ": the same name as a row before"
        if bad[i].any():
            column = columns[bad[i]][0]
            what = f", column {header[column]}: expected a number, got {cells[i, column]!r}"
        problems.append(f"{path.name} row {i + 1} ({names[i]:.60}){what}")
    keypoints = values.reshape(-1, len(layout.points), 2)
    keypoints[(keypoints == -1).all(2)] = np.nan
    people = None if layout.person is None else [cell.strip() for cell in cells[good, layout.person]]
    return Table(names[good].tolist(), keypoints[good].astype(np.float32), people, layout.keys)


def read_cells(path: Path) -> np.ndarray:
    """Return the cells (n, m) of a table as text, header first; the header decides about the separator."""
    text = re.sub(r"\A(sep=.)?\s*\n", "", read_text(path))  # Excel's hint
    separator = max(",;\t", key=text.partition("\n")[0].count)
    try:
        return pd.read_csv(io.StringIO(text), sep=separator, header=None, dtype=str, keep_default_na=False).to_numpy()
    except ValueError as error:
        raise InputError(f"{path}: not a label table ({str(error).strip()})") from None


def layout_of(header: list[str]) -> Layout:
    """Return what the columns of a header hold; where points have numbers, those with names are left out."""
    titles = [title.strip().lower() for title in header]
    name = next((column for column, title in enumerate(titles) if title and title in NAMES), 0)
    person = next((column for column, title in enumerate(titles) if title in PEOPLE), None)
    numbers = [column for column, title in enumerate(titles) if title.isdigit() and column != name]
    if [int(titles[column]) for column in numbers] in ([*range(len(numbers))], [*range(1, len(numbers) + 1)]):
        for i, column in enumerate(numbers):
            titles[column] = f"{'xy'[i % 2]}{i // 2}"
    points: dict[str, dict[str, list[int]]] = {}  # columns by point and axis
    for column, title in enumerate(titles):
        if column != person and (parsed := _parse(title)):
            points.setdefault(parsed[1], {}).setdefault(parsed[0], []).append(column)
    points = {key: axes for key, axes in points.items() if key.isdigit()} or points
    short = ", ".join(header[:6]) + (f" ... {header[-1]}" if len(header) > 6 else "")
    if not points or _parse(titles[name]):
        raise InputError(f"read {short}; {EXPECTED}")
    for key, axes in points.items():
        if [len(axes.get(axis, ())) for axis in "xy"] != [1, 1]:
            came = ", ".join(axis for axis, columns in sorted(axes.items()) for _ in columns)
            raise InputError(f"point {key}: expected x and y, got {came} in {short}")
    keys = list(POINTS_15) if set(points) == set(POINTS_15) else list(points)
    if keys[0].isdigit():
        keys.sort(key=int)
    return Layout(name, person, [(points[key]["x"][0], points[key]["y"][0]) for key in keys], keys)


def _parse(title: str) -> tuple[str, str] | None:
    """Return (axis, key of the point) of a column's title.

    >>> [_parse(title) for title in ("x_0", "p12y", "left eye.x", "score")]
    [('x', '0'), ('y', '12'), ('x', 'left eye'), None]
    """
    found = next((match for pattern in TITLES if (match := pattern.fullmatch(title))), None)
    return (found["axis"], NUMBERED.sub("", found["key"].rstrip(" _.-"))) if found else None


def numbers_of(cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return cells (n, m) of text as numbers, NaN for a missing one, and which of them are neither (n, m)."""
    texts = pd.Series(cells.ravel(), dtype=str)
    values = pd.to_numeric(texts, errors="coerce").astype(np.float64)
    rest = texts[values.isna()].str.strip().str.lower()
    values.update(pd.to_numeric(rest.str.replace(",", "."), errors="coerce"))
    bad = (values.isna() & ~rest.isin(MISSING).reindex(texts.index, fill_value=False)) | (values.abs() > 1e30)
    return values.to_numpy(copy=True).reshape(cells.shape), bad.to_numpy().reshape(cells.shape)
