"""Faces with an expression, valence and arousal: reading them, damage named. Built in notebook 07.

A set on disk is `images/N.jpg` beside `annotations/N_exp.npy`, `N_val.npy`, `N_aro.npy` and `N_lnd.npy` (68 points, may
be missing), in a folder or in one zip. A label may be stored as a number or as text. Source of the form: AffectNet,
Mollahosseini, Hasani and Mahoor, 2017.
"""

import hashlib
import io
import re
import warnings
import zipfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from fkd_helpers.core.errors import InputError, unknown
from fkd_helpers.data import data_dirs
from fkd_helpers.faces.images import read_photo
from fkd_helpers.faces.landmarks import EXPRESSIONS

KINDS = ("exp", "val", "aro", "lnd")
FILES = re.compile(r"(?:^|[/\\])(?:images[/\\](\d+\.(?:jpe?g|png))|annotations[/\\](\d+_(?:exp|val|aro|lnd)\.npy))$")
NO_VALUE = -2.0  # AffectNet's mark of a face without valence and arousal


@dataclass(frozen=True, eq=False)
class ExpressionSet:
    """Faces with what they show.

    images: n uint8 arrays (h, w, 3), RGB; each is a photo of one face
    expression: (n,) int, see `shapes.EXPRESSIONS`
    valence, arousal: (n,) float32, -1..1
    landmarks: (n, 68, 2) float32 in pixels, as labelled; NaN where there are none, some outside the image
    names: n strings, unique
    groups: (n,) strings; faces of one group (the same image, or the same puppet) stay on one side of a split
    left_out: what is wrong -> names of the faces that were left out for it
    """

    images: Sequence[np.ndarray]
    expression: np.ndarray
    valence: np.ndarray
    arousal: np.ndarray
    landmarks: np.ndarray
    names: tuple[str, ...]
    groups: np.ndarray
    left_out: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        return f"ExpressionSet({len(self)} faces, {len(np.unique(self.expression))} expressions)"

    def subset(self, which: np.ndarray) -> "ExpressionSet":
        """Return the faces at indices, or where a boolean mask (n,) is true."""
        index = np.arange(len(self))[np.asarray(which)]
        arrays = {key: getattr(self, key)[index] for key in ("expression", "valence", "arousal", "landmarks", "groups")}
        names = tuple(self.names[i] for i in index)
        return replace(self, images=[self.images[i] for i in index], names=names, **arrays)

    __getitem__ = subset


def load_expressions(
    name: str | Path | None = None, *, n: int = 400, seed: int = 0, on_error: str = "skip"
) -> ExpressionSet:
    """Load a set: "puppets" (made on the spot, labels from their knobs, the default), a folder, a zip, or its name.

    n, seed: how many puppets, and which
    on_error: "skip" leaves damaged faces out, warns, and lists them in `left_out`; "raise" stops at the first kind

    Raises:
        InputError: nothing of that name, no faces in it, or damage with "raise".
    """
    if on_error not in ("skip", "raise"):
        raise unknown("on_error", on_error, ["raise", "skip"])
    if str(name or "puppets") == "puppets":
        from fkd_helpers.data.puppets import make_set

        faces = make_set(n, seed=seed)
        values = {key: np.asarray(faces.extras[key], np.float32) for key in ("valence", "arousal")}
        expression = np.asarray(faces.extras["expression"], int)
        return ExpressionSet(
            faces.images, expression, **values, landmarks=faces.keypoints, names=faces.names, groups=faces.people
        )
    place = find_expressions(name)
    try:
        files, read = _opened(place)
    except (OSError, zipfile.BadZipFile) as error:
        raise InputError(f"{place}: cannot be read ({error})") from None
    found = _read(files, read, place)
    if found.left_out:
        words = "; ".join(f"{len(names)} {what} ({', '.join(names[:3])})" for what, names in found.left_out.items())
        if on_error == "raise":
            raise InputError(f"{place}: {words}")
        warnings.warn(f"{place.name}: left out: {words}", stacklevel=2)
    if not len(found):
        raise InputError(f"{place}: no face with image, exp, val and aro in it")
    return found


def find_expressions(name: str | Path) -> Path:
    """Return the folder or zip of a set, by path or by its name below a data folder ($FKD_DATA_DIR, `data/`).

    Raises:
        InputError: nothing there.
    """
    path = Path(name).expanduser()
    for place in (path, *(folder / path for folder in data_dirs())):
        if place.is_dir():
            archives = sorted(place.glob("*.zip"))
            return archives[0] if len(archives) == 1 and not (place / "images").is_dir() else place
        if place.is_file():
            if place.suffix != ".zip":
                raise InputError(f"{place}: expected a folder or a zip with images/ and annotations/")
            return place
    here = [folder.name for place in data_dirs() if place.is_dir() for folder in place.iterdir() if folder.is_dir()]
    raise unknown("data set", name, {"puppets", *here} - {"records"})


def _opened(place: Path) -> tuple[dict[str, str], Callable[[str], bytes]]:
    """Return {"N.jpg" or "N_exp.npy": where it is} and a function from there to its bytes."""
    if place.is_dir():
        paths = [str(path) for path in place.rglob("*") if path.is_file()]
        return _by_name(paths), lambda path: Path(path).read_bytes()
    archive = zipfile.ZipFile(place)
    return _by_name(archive.namelist()), archive.read


def _by_name(paths):
    return {m[1] or m[2]: path for path in paths if (m := FILES.search(path))}


def _read(files, read, place) -> ExpressionSet:
    photos = {file.partition(".")[0]: file for file in files if not file.endswith(".npy")}
    labelled = {file.partition("_")[0] for file in files if file.endswith(".npy")}
    left_out: dict[str, list[str]] = {}
    rows = []
    for number in sorted(photos.keys() | labelled, key=int):
        try:
            if number not in photos:
                raise InputError("without an image")
            rows.append((photos[number], _labels(number, files, read)))
        except InputError as error:
            left_out.setdefault(str(error), []).append(photos.get(number, number))
    with ThreadPoolExecutor() as pool:  # a zip file is read under its own lock
        decoded = list(pool.map(lambda row: _decoded(read, files[row[0]]), rows))
    good = []
    for (file, labels), pixels in zip(rows, decoded, strict=True):
        if pixels is None:
            left_out.setdefault("with a damaged image", []).append(file)
        else:
            good.append((file, labels, *pixels))
    names, labels, images, digests = zip(*good, strict=True) if good else ((),) * 4
    numbers = np.array([label[:3] for label in labels], np.float32).reshape(-1, 3)
    return ExpressionSet(
        images, numbers[:, 0].astype(int), numbers[:, 1], numbers[:, 2],
        np.array([label[3] for label in labels], np.float32).reshape(-1, 68, 2), names, np.array(digests, str),
        {what: tuple(names) for what, names in left_out.items()},
    )  # fmt: skip


def _labels(number, files, read):
    """Return expression, valence, arousal and landmarks (68, 2) of a face.

    Raises:
        InputError: the kind of what is wrong, in words that follow a count.
    """
    arrays = {}
    for kind in KINDS:
        if f"{number}_{kind}.npy" in files:
            arrays[kind] = _array(read, files[f"{number}_{kind}.npy"], kind)
        elif kind != "lnd":
            raise InputError(f"without {kind}")
    expression, valence, arousal = (_number(arrays[kind], kind) for kind in KINDS[:3])
    if expression not in range(len(EXPRESSIONS)):
        raise InputError(f"with exp outside 0 to {len(EXPRESSIONS) - 1}")
    if NO_VALUE in (valence, arousal):
        raise InputError("marked as without valence and arousal (-2)")
    for kind, value in (("val", valence), ("aro", arousal)):
        if not -1 <= value <= 1:
            raise InputError(f"with {kind} outside -1 to 1")
    landmarks = np.full((68, 2), np.nan)
    if "lnd" in arrays:
        try:
            landmarks = arrays["lnd"].astype(np.float64).reshape(68, 2)
        except (ValueError, TypeError):
            raise InputError("with lnd that is not 68 points") from None
    return expression, valence, arousal, landmarks


def _array(read, path, kind):
    try:
        return np.load(io.BytesIO(read(path)), allow_pickle=False)
    except ValueError as error:  # numpy's one type for a pickle and for a file that is none of its own
        pickled = "pickle" in str(error).lower()
        raise InputError(f"with {kind} that is {'pickled: refused' if pickled else 'damaged'}") from None
    except (OSError, EOFError, zipfile.BadZipFile, SyntaxError):
        raise InputError(f"with {kind} that is damaged") from None


def _number(array, kind):
    try:
        value = float(array.item())
    except (ValueError, TypeError):
        raise InputError(f"with {kind} that is not one number") from None
    if not np.isfinite(value):
        raise InputError(f"with {kind} that is not finite")
    return value


def _decoded(read, path):
    """Return the pixels (h, w, 3) and a digest of them, or None where the file is no whole image."""
    try:
        image = read_photo(read(path))
    except (OSError, zipfile.BadZipFile, InputError):
        return None
    return image, hashlib.sha256(image.tobytes()).hexdigest()[:16]
