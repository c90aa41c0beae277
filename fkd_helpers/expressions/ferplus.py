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
FOLDERS = {"Training": "training", "PublicTest": "validation", "PrivateTest": "test"}  # of the published split
SIDE, ROW = 48, 100


def load_ferplus(folder: Path) -> FaceSet:
    """Read a folder of FER+, without the faces that most raters call none or cannot name; valence and arousal are 0.

    The extra "votes" (n, 8) has the shares of the raters. The names begin with the folder of the published split.
    """
    table = pd.read_csv(folder / "votes.csv")
    if missing := {"index", "usage", *COLUMNS, "unknown", "no_face"} - set(table):
        raise InputError(f"{folder / 'votes.csv'}: without the columns {', '.join(sorted(missing))}")
    rated = table[COLUMNS].sum(axis=1) > table[["unknown", "no_face"]].max(axis=1)
    problems = () if rated.all() else (f"{(~rated).sum()} faces: no face, or unknown, for most raters",)
    table = table[rated]
    sheets = [read_photo(folder / f"faces_{i}.jpg") for i in range(table["index"].max() // ROW**2 + 1)]
    places = zip(*np.unravel_index(table["index"], (len(sheets), ROW, ROW)), strict=True)
    images = [sheets[i][SIDE * row :, SIDE * column :][:SIDE, :SIDE] for i, row, column in places]
    names = tuple(table["usage"].map(FOLDERS) + "/" + table["index"].astype(str) + ".jpg")
    votes, nothing = table[COLUMNS].to_numpy(np.float64), np.zeros(len(table), np.float32)
    extras = {"expression": votes.argmax(1), "valence": nothing, "arousal": nothing}
    extras["votes"] = (votes / votes.sum(1, keepdims=True)).astype(np.float32)
    return FaceSet(images, np.full((len(table), 68, 2), np.nan), names, names, extras, problems)
