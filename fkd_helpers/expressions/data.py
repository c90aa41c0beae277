"""Faces with an expression, valence and arousal: read a set, check it, split it.

A set on disk is `images/N.jpg` beside `annotations/N_exp.npy`, `N_val.npy`, `N_aro.npy` and `N_lnd.npy` (68 points, may
be missing), in a folder or in one zip, as AffectNet has it (Mollahosseini, Hasani and Mahoor, 2017).

In memory it is a `FaceSet` with the extras "expression" (0 to 7), "valence" and "arousal" (-1 to 1); its
`people` are groups that stay on one side of a split: the same image, or the same puppet.

FER+ (Barsoum et al., 2016, arXiv 1608.01041) is `votes.csv`, the votes of ten raters, beside sheets of 48 x 48 gray
faces, 100 in a row, 10,000 in a sheet: `faces_0.jpg`, `faces_1.jpg` ...
"""

import hashlib
import io
import re
import warnings
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from fkd_helpers import data
from fkd_helpers.core.errors import InputError
from fkd_helpers.data import FaceSet
from fkd_helpers.data.puppets import make_set
from fkd_helpers.faces.images import read_photo

FILES = re.compile(r"(?:^|[/\\])(?:images[/\\](\d+\.(?:jpe?g|png))|annotations[/\\](\d+_(?:exp|val|aro|lnd)\.npy))$")
FOLDS, TEST = 20, 0.2  # of a split; the share of its test part
VOTES = ["neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt"]  # columns of FER+
FOLDERS = {"Training": "training", "PublicTest": "validation", "PrivateTest": "test"}  # of its published split
SIDE, ROW = 48, 100  # of its sheets


def load_expressions(name: str | Path = "puppets", *, n: int = 400, seed: int = 0, classes: int = 8) -> FaceSet:
    """Load a set: a folder, a zip, its name, or n "puppets", made on the spot, with labels from their knobs.

    Damaged faces are left out, with a warning, and listed in `problems`. AffectNet with 7 classes has no contempt.
    """
    if str(name) == "puppets":
        faces = make_set(n, seed=seed)
    else:
        place = find_expressions(name)
        faces = _ferplus(place) if (place / "votes.csv").is_file() else _read(place)
    return faces if classes == 8 else faces[faces.extras["expression"] < classes]


def find_expressions(name: str | Path) -> Path:
    """Return the folder or zip of a set."""
    place = Path(name).expanduser()
    place = place if place.is_file() else data.find(name)
    archives = sorted(place.glob("*.zip")) if place.is_dir() and not (place / "images").is_dir() else []
    return archives[0] if len(archives) == 1 else place


def _read(place: Path) -> FaceSet:
    if place.is_dir():
        paths, read = map(str, place.rglob("*.*")), lambda path: Path(path).read_bytes()
    elif zipfile.is_zipfile(place):
        archive = zipfile.ZipFile(place)
        paths, read = archive.namelist(), archive.read
    else:
        raise InputError(f"{place}: cannot be read, expected a folder or a zip")
    files = {match[1] or match[2]: path for path in paths if (match := FILES.search(path))}
    names = sorted((file for file in files if not file.endswith(".npy")), key=lambda file: int(Path(file).stem))

    def face(name):
        try:
            return name, _labels(Path(name).stem, files, read), read_photo(read(files[name]))
        except (InputError, OSError, zipfile.BadZipFile) as error:
            return f"{name}: {error}"

    with ThreadPoolExecutor() as pool:  # a zip file is read under its own lock
        found = list(pool.map(face, names))
    problems = tuple(what for what in found if isinstance(what, str))
    if not (good := [what for what in found if not isinstance(what, str)]):
        raise InputError(f"{place}: no face with image, exp, val and aro in it")
    if problems:
        warnings.warn(f"{place}: {len(problems)} faces left out, first: {problems[0]}", stacklevel=3)
    names, labels, images = zip(*good, strict=True)
    rows = np.array(labels, np.float32)
    extras = {"expression": rows[:, 0].astype(int), "valence": rows[:, 1], "arousal": rows[:, 2]}
    return FaceSet(images, rows[:, 3:].reshape(-1, 68, 2), names, _digests(images), extras, problems)


def _ferplus(folder: Path) -> FaceSet:
    """Read a folder of FER+, without the faces that most raters call none or cannot name; valence and arousal are 0.

    The extra "votes" (n, 8) has the shares of the raters. The names begin with the folder of the published split.
    """
    table = pd.read_csv(folder / "votes.csv")
    if missing := {"index", "usage", *VOTES, "unknown", "no_face"} - set(table):
        raise InputError(f"{folder / 'votes.csv'}: without the columns {', '.join(sorted(missing))}")
    rated = table[VOTES].sum(axis=1) > table[["unknown", "no_face"]].max(axis=1)
    problems = () if rated.all() else (f"{(~rated).sum()} faces: no face, or unknown, for most raters",)
    table = table[rated]
    sheets = [read_photo(folder / f"faces_{i}.jpg") for i in range(table["index"].max() // ROW**2 + 1)]
    places = zip(*np.unravel_index(table["index"], (len(sheets), ROW, ROW)), strict=True)
    images = [sheets[i][SIDE * row :, SIDE * column :][:SIDE, :SIDE] for i, row, column in places]
    names = tuple(table["usage"].map(FOLDERS) + "/" + table["index"].astype(str) + ".jpg")
    votes, nothing = table[VOTES].to_numpy(np.float64), np.zeros(len(table), np.float32)
    extras = {"expression": votes.argmax(1), "valence": nothing, "arousal": nothing}
    extras["votes"] = (votes / votes.sum(1, keepdims=True)).astype(np.float32)
    return FaceSet(images, np.full((len(table), 68, 2), np.nan), names, names, extras, problems)


def _digests(images):
    return np.array([hashlib.sha256(np.ascontiguousarray(image)).hexdigest()[:16] for image in images], str)


def _labels(number: str, files: dict[str, str], read: Callable[[str], bytes]) -> np.ndarray:
    """Return expression, valence, arousal and 68 points, flat; NaN points where there are none."""

    def stored(kind, count, low, high):
        try:
            content = read(files[f"{number}_{kind}.npy"])
            values = np.load(io.BytesIO(content), allow_pickle=False).astype(np.float64).ravel()
            if len(values) == count and ((values >= low) & (values <= high)).all():
                return values
        except (KeyError, ValueError, TypeError, EOFError):  # no file, a damaged or pickled one, text that is no number
            pass
        raise InputError(f"without {kind}: expected {count} numbers from {low} to {high}")  # AffectNet's -2 means none

    labels = [stored("exp", 1, 0, 7), stored("val", 1, -1, 1), stored("aro", 1, -1, 1)]
    points = stored("lnd", 136, -np.inf, np.inf) if f"{number}_lnd.npy" in files else np.full(136, np.nan)
    return np.concatenate([*labels, points])


def split_expressions(faces: FaceSet, *, validation: float = 0.1) -> tuple[FaceSet, FaceSet, FaceSet]:
    """Split a set into training, validation and test, to a twentieth: each expression in its share, groups whole."""
    if any(name.startswith("validation/") for name in faces.names):  # split as published
        return faces.part("training"), faces.part("validation"), faces.part("test")
    parts, expression = 2 + bool(validation), faces.extras["expression"]
    groups, counts = np.unique(faces.people, return_inverse=True)[1], np.bincount(expression)
    if min([len(set(groups)), *counts[counts > 0]]) < parts:
        raise InputError(f"split: expected at least {parts} faces of each expression, got {counts.tolist()}")
    folds = min(FOLDS, groups.max() + 1, counts.max())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # an expression with fewer faces than folds: they go round
        folded = StratifiedGroupKFold(folds, shuffle=True, random_state=0).split(groups, expression, groups)
        fold_of = np.empty(len(faces), int)
        for fold, (_, held) in enumerate(folded):
            fold_of[held] = fold
    first, second = np.cumsum([max(round(x * folds), x > 0) for x in (TEST, validation)])
    return faces[fold_of >= second], faces[(first <= fold_of) & (fold_of < second)], faces[fold_of < first]
