"""FER+: small gray faces, each with the votes of ten raters. Source: Barsoum et al., 2016, arXiv 1608.01041.

A set is `votes.csv` beside sheets of 48 x 48 faces, 100 in a row, 10,000 in a sheet: `faces_0.jpg`, `faces_1.jpg` ...
"""

from pathlib import Path

import numpy as np
import pandas as pd

from fkd_helpers.core.errors import InputError
from fkd_helpers.data import FaceSet
from fkd_helpers.faces.images import read_photo

COLUMNS = ["neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt"]
PARTS = ("Training", "PublicTest", "PrivateTest")  # training, validation and test, as published
SIDE, ROW, SHEET = 48, 100, 10_000


def load_ferplus(folder: str | Path) -> FaceSet:
    """Read a folder of FER+; a face that most raters call none, or that nobody named, is left out.

    Its extras: "votes" (n, 8), the shares of the raters; "expression", the one with most votes; "part", 0 to 2, see
    PARTS. Nobody rated valence and arousal: they are 0.
    """
    folder = Path(folder)
    table = pd.read_csv(folder / "votes.csv")
    if missing := {"index", "usage", *COLUMNS, "unknown", "no_face"} - set(table):
        raise InputError(f"{folder / 'votes.csv'}: without the columns {', '.join(sorted(missing))}")
    votes = table[COLUMNS].to_numpy(np.float64)
    rated = votes.sum(1) > table[["unknown", "no_face"]].max(axis=1)
    table, votes = table[rated], votes[rated]
    sheets = [np.asarray(read_photo(folder / f"faces_{i}.jpg")) for i in range(table["index"].max() // SHEET + 1)]
    images = []
    for index in table["index"]:
        row, column = divmod(index % SHEET, ROW)
        images.append(sheets[index // SHEET][row * SIDE : (row + 1) * SIDE, column * SIDE : (column + 1) * SIDE])
    nothing = np.zeros(len(table), np.float32)
    extras = {
        "expression": votes.argmax(1), "votes": (votes / votes.sum(1, keepdims=True)).astype(np.float32),
        "part": table["usage"].map(PARTS.index).to_numpy(), "valence": nothing, "arousal": nothing,
    }  # fmt: skip
    names = tuple(f"{index}.jpg" for index in table["index"])
    problems = (f"{(~rated).sum()} faces: no face, or unknown, for most raters",) if not rated.all() else ()
    return FaceSet(images, np.full((len(table), 68, 2), np.nan), names, people=names, extras=extras, problems=problems)
