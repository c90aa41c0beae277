"""Text tables as other programs write them: UTF-16 of PowerShell, semicolons, decimal commas and marks of Excel."""

from pathlib import Path

import numpy as np
import pandas as pd

from fkd_helpers.core.errors import InputError

MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}  # byte order marks
NO_TEXT = {  # the first bytes of what is often given in the place of a text table
    b"PK\x03\x04": "a ZIP file or an Excel workbook; save it as CSV",
    b"\xd0\xcf\x11\xe0": "an Excel workbook; save it as CSV",
    b"PAR1": "a Parquet file, whose name should end in .parquet",
    b"\x1f\x8b": "a compressed file; unpack it",
}


def encoding_of(path: str | Path) -> str:
    """Return the encoding that the first bytes of a text file tell, UTF-8 where they tell none."""
    with Path(path).open("rb") as file:
        start = file.read(4)
    for first, kind in NO_TEXT.items():
        if start.startswith(first):
            raise InputError(f"{path}: expected a text table, got {kind}")
    for mark, encoding in MARKS.items():
        if start.startswith(mark):
            return encoding
    if b"\0" in start:  # UTF-16 without a mark
        return "utf-16-le" if start[1:2] == b"\0" else "utf-16-be"
    return "utf-8"


def separator_of(header: str) -> str:
    r"""Return what separates the columns of a header line: a comma, a semicolon or a tab.

    >>> separator_of("name;x0;y0"), separator_of("name\tx0\ty0"), separator_of("name,x0,y0")
    (';', '\t', ',')
    """
    return max(",;\t", key=header.count)


def numbers(cells: pd.DataFrame) -> np.ndarray:
    """Return a table's cells as float64, NaN where one is no number; "1,5" is 1.5.

    >>> numbers(pd.DataFrame({"x0": ["1,5", "n/a"], "y0": [2.0, 3.0]})).tolist()
    [[1.5, 2.0], [nan, 3.0]]
    """

    def column(values: pd.Series) -> pd.Series:
        if values.dtype.kind not in "fiu":
            values = values.map(lambda cell: cell.replace(",", ".") if isinstance(cell, str) else cell)
        return pd.to_numeric(values, errors="coerce")

    return cells.apply(column).to_numpy(np.float64)
