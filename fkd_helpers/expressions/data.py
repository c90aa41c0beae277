"""Faces with an expression, valence and arousal: read a set, check it, split it.

A set on disk is `images/N.jpg` beside `annotations/N_exp.npy`, `N_val.npy`, `N_aro.npy` and `N_lnd.npy` (68 points, may
be missing), in a folder or in one zip. A label may be stored as a number or as text. Source of the form: AffectNet,
Mollahosseini, Hasani and Mahoor, 2017.

In memory it is a `FaceSet` with the extras "expression" (0 to 7, see `EXPRESSIONS`), "valence" and "arousal" (-1 to 1);
its `people` are groups that stay on one side of a split: the same image, or the same puppet.
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
from fkd_helpers.core.errors import InputError, unknown
from fkd_helpers.data import FaceSet
from fkd_helpers.data.puppets import make_set
from fkd_helpers.faces.images import read_photo
from fkd_helpers.faces.landmarks import EXPRESSIONS

LIMITS = {"exp": (0, len(EXPRESSIONS) - 1), "val": (-1, 1), "aro": (-1, 1)}
FILES = re.compile(r"(?:^|[/\\])(?:images[/\\](\d+\.(?:jpe?g|png))|annotations[/\\](\d+_(?:exp|val|aro|lnd)\.npy))$")
NO_VALUE = -2.0  # AffectNet's mark of a face without valence and arousal
NO_LANDMARKS = np.full((68, 2), np.nan)
FOLDS = 20


def load_expressions(name: str | Path | None = None, *, n: int = 400, seed: int = 0, on_error: str = "skip") -> FaceSet:
    """Load a set: "puppets" (made on the spot, labels from their knobs, the default), a folder, a zip, or its name.

    Args:
        n, seed: How many puppets, and which.
        on_error: "skip" leaves damaged faces out, warns, and lists them in `problems`; "raise" stops at them.
    """
    if on_error not in ("skip", "raise"):
        raise unknown("on_error", on_error, ["raise", "skip"])
    if str(name or "puppets") == "puppets":
        return make_set(n, seed=seed)
    place = find_expressions(name)
    try:
        faces = _read(*_files(place))
    except (OSError, zipfile.BadZipFile) as error:
        raise InputError(f"{place}: cannot be read ({error})") from None
    if faces.problems:
        kinds = damage(faces).items()
        summary = "; ".join(f"{len(names)} {what} ({', '.join(names[:3])})" for what, names in kinds)
        if on_error == "raise":
            raise InputError(f"{place}: {summary}")
        warnings.warn(f"{place.name}: left out: {summary}", stacklevel=2)
    if not len(faces):
        raise InputError(f"{place}: no face with image, exp, val and aro in it")
    return faces


def find_expressions(name: str | Path) -> Path:
    """Return the folder or zip of a set, by path or by its name below a data folder."""
    place = Path(name).expanduser()
    place = place if place.is_file() else data.find(name)
    archives = sorted(place.glob("*.zip")) if place.is_dir() and not (place / "images").is_dir() else []
    if place.is_file() and place.suffix != ".zip":
        raise InputError(f"{place}: expected a folder or a zip with images/ and annotations/")
    return archives[0] if len(archives) == 1 else place


def damage(faces: FaceSet) -> dict[str, list[str]]:
    """Return what is wrong with faces that were left out, and the names of those."""
    kinds: dict[str, list[str]] = {}
    for line in faces.problems:
        name, _, what = line.partition(": ")
        kinds.setdefault(what, []).append(name)
    return kinds


def _files(place: Path) -> tuple[dict[str, str], Callable[[str], bytes]]:
    """Return {"N.jpg" or "N_exp.npy": its path} and a function from such a path to its bytes."""
    if place.is_dir():
        paths, read = map(str, place.rglob("*.*")), lambda path: Path(path).read_bytes()
    else:
        archive = zipfile.ZipFile(place)
        paths, read = archive.namelist(), archive.read
    return {m[1] or m[2]: path for path in paths if (m := FILES.search(path))}, read


def _read(files: dict[str, str], read: Callable[[str], bytes]) -> FaceSet:
    photos = {file.partition(".")[0]: file for file in files if not file.endswith(".npy")}
    numbers = sorted(photos.keys() | {file.partition("_")[0] for file in files if file.endswith(".npy")}, key=int)

    def face(number):
        try:
            if number not in photos:
                raise InputError("without an image")
            return _labels(number, files, read), read_photo(read(files[photos[number]]))
        except (OSError, zipfile.BadZipFile):
            return "with a damaged image"
        except InputError as error:
            return str(error) if str(error).startswith(("with", "marked")) else "with a damaged image"

    with ThreadPoolExecutor() as pool:  # a zip file is read under its own lock
        found = dict(zip((photos.get(number, number) for number in numbers), pool.map(face, numbers), strict=True))
    problems = tuple(f"{name}: {what}" for name, what in found.items() if isinstance(what, str))
    good = {name: what for name, what in found.items() if not isinstance(what, str)}
    images = [image for _, image in good.values()]
    rows = np.array([label for label, _ in good.values()], np.float32).reshape(-1, 3 + 2 * 68)
    extras = {"expression": rows[:, 0].astype(int), "valence": rows[:, 1], "arousal": rows[:, 2]}
    return FaceSet(images, rows[:, 3:].reshape(-1, 68, 2), tuple(good), _digests(images), extras, problems)


def _digests(images) -> np.ndarray:
    return np.array([hashlib.sha256(np.ascontiguousarray(image)).hexdigest()[:16] for image in images], str)


def _labels(number: str, files: dict[str, str], read: Callable[[str], bytes]) -> np.ndarray:
    """Return expression, valence, arousal and 68 points, flat; an error says what is wrong, to follow a count."""

    def stored(kind):
        try:
            return np.load(io.BytesIO(read(files[f"{number}_{kind}.npy"])), allow_pickle=False)
        except KeyError:
            raise InputError(f"without {kind}") from None
        except (ValueError, OSError, EOFError, zipfile.BadZipFile, SyntaxError):  # ValueError: also a pickled one
            raise InputError(f"with {kind} that is damaged or pickled") from None

    values = []
    for kind, (low, high) in LIMITS.items():
        array = stored(kind)
        if array.size != 1:
            raise InputError(f"with {kind} of {array.size} values (votes?), expected one")
        try:
            values.append(float(array.item()))
        except (ValueError, TypeError):
            raise InputError(f"with {kind} that is not a number") from None
        if kind != "exp" and values[-1] == NO_VALUE:
            raise InputError("marked as without valence and arousal (-2)")
        if not low <= values[-1] <= high or (kind == "exp" and values[-1] % 1):
            raise InputError(f"with {kind} outside {low} to {high}")
    landmarks = stored("lnd") if f"{number}_lnd.npy" in files else NO_LANDMARKS
    try:
        return np.concatenate([values, landmarks.astype(np.float64).reshape(2 * 68)])
    except (ValueError, TypeError):
        raise InputError("with lnd that is not 68 points") from None


def contents(faces: FaceSet) -> pd.DataFrame:
    """Return a row per expression: its faces, and mean, least and greatest valence and arousal."""
    table = pd.DataFrame({key: faces.extras[key] for key in ("expression", "valence", "arousal")})
    groups = table.groupby("expression").agg(["mean", "min", "max"]).reindex(range(len(EXPRESSIONS)))
    groups.columns = [" ".join(pair) for pair in groups.columns]
    groups.insert(0, "faces", table["expression"].value_counts().reindex(groups.index, fill_value=0))
    groups.insert(0, "expression", EXPRESSIONS)
    return groups.reset_index(drop=True)


def conflicts(faces: FaceSet) -> tuple[list[np.ndarray], list[tuple[str, ...]]]:
    """Return groups of identical images (indices), and names with expressions of those labelled with several."""
    digests, labels = _digests(faces.images), faces.extras["expression"]
    same = [group for group in pd.Series(digests).groupby(digests, sort=False).indices.values() if len(group) > 1]
    different = [group for group in same if len(set(labels[group])) > 1]
    return same, [tuple(f"{faces.names[i]} {EXPRESSIONS[labels[i]]}" for i in group) for group in different]


def without_contempt(faces: FaceSet, classes: int) -> FaceSet:
    """Return the faces of the first 7 or of all 8 expressions; AffectNet's 7-class form has no contempt."""
    if classes not in (7, 8):
        raise InputError(f"classes: expected 7 or 8, got {classes!r}")
    return faces if classes == 8 else faces[faces.extras["expression"] < 7]


def split_expressions(
    faces: FaceSet, *, seed: int = 0, test: float = 0.2, validation: float = 0.1
) -> tuple[FaceSet, FaceSet, FaceSet]:
    """Split a set into training, validation and test: each expression in its share, no group on two sides.

    Shares are kept to a twentieth. With `validation` 0 that part is empty.
    """
    parts = 2 + bool(validation)
    if not 0 < test < 1 or not 0 <= validation < 1 or round(FOLDS * test) + round(FOLDS * validation) >= FOLDS:
        raise InputError(f"split: expected shares of less than 1, got test {test:g}, validation {validation:g}")
    expression, groups = faces.extras["expression"], np.unique(faces.people, return_inverse=True)[1]
    counts, different = np.bincount(expression, minlength=len(EXPRESSIONS)), len(np.unique(groups))
    rare = [EXPRESSIONS[k] for k in np.flatnonzero((counts > 0) & (counts < parts))]
    if rare or different < parts:
        few = f"too few of {', '.join(rare)}" if rare else f"{different} different faces"
        raise InputError(f"split: expected at least {parts} faces of each expression, got {len(faces)} faces, {few}")
    folds = min(FOLDS, different, counts.max())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # an expression with fewer faces than folds: they go round
        folded = StratifiedGroupKFold(folds, shuffle=True, random_state=seed).split(groups, expression, groups)
        fold_of = np.empty(len(faces), int)
        for fold, (_, held) in enumerate(folded):
            fold_of[held] = fold
    first, second = np.cumsum([max(round(x * folds), x > 0) for x in (test, validation)])
    return faces[fold_of >= second], faces[(first <= fold_of) & (fold_of < second)], faces[fold_of < first]
