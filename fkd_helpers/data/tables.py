"""Read a label table: a CSV with a row per face, the file name and then x and y of each keypoint, in pixels."""

import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from fkd_helpers.core.errors import InputError
from fkd_helpers.core.files import read_text


class Table(NamedTuple):
    """A label table as read, n faces with k points."""

    names: list[str]
    keypoints: np.ndarray  # (n, k, 2) float32, NaN = missing
    points: list[str]  # k, what the header calls them: numbers where it only counts


def read_table(path: Path, problems: list[str]) -> Table:
    """Read a label table; a blank cell and a pair of -1 are missing.

    Rows with text in the place of a number or with a repeated name are appended to `problems`.
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
    return Table(names[good].tolist(), keypoints[good], list(points))


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
