"""Labelled faces in memory: `KeypointSet`, `load`, and the two ways to split. Built in notebook 01.

The classic layout on disk is `training/` and `test/` with one CSV each: the file name, then x0, y0 ... x67, y67 in
pixels of that image. File names repeat between the two folders with other content, so a name here keeps its folder.
"""

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from fkd_helpers.core.errors import InputError, unknown
from fkd_helpers.faces.boxes import box_of

CLASSIC = {"training": "training_frames_keypoints.csv", "test": "test_frames_keypoints.csv"}
EXTRA_HELD_OUT = 0.1  # of the photos of an extra training set


@dataclass(frozen=True, eq=False)
class KeypointSet:
    """Faces with their keypoints.

    images: n uint8 arrays (h, w, 3) or (h, w), each of its own size, RGB
    keypoints: (n, k, 2) float32, pixels of the image they belong to; NaN = missing
    names: n strings, unique; "folder/file.jpg" where the set has folders
    people: (n,) strings; by default the file name up to its last underscore
    extras: further arrays of length n by name ("expression", "valence" ...)
    problems: what was left out when the set was loaded, one line each
    """

    images: Sequence[np.ndarray]
    keypoints: np.ndarray
    names: tuple[str, ...]
    people: np.ndarray = None
    extras: Mapping[str, np.ndarray] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    def __post_init__(self):
        keypoints = np.asarray(self.keypoints, np.float32)
        if keypoints.ndim != 3 or keypoints.shape[2] != 2:
            raise InputError(f"keypoints: expected (n, k, 2), got {keypoints.shape}")
        people = [person_of(name) for name in self.names] if self.people is None else self.people
        object.__setattr__(self, "keypoints", keypoints)
        object.__setattr__(self, "names", tuple(self.names))
        object.__setattr__(self, "people", np.asarray(people, dtype=str))
        lengths = {"images": len(self.images), "names": len(self.names), "people": len(self.people)}
        lengths |= {key: len(value) for key, value in self.extras.items()}
        for what, length in lengths.items():
            if length != len(keypoints):
                raise InputError(f"{what}: expected {len(keypoints)} (one a row of keypoints), got {length}")

    def __len__(self) -> int:
        return len(self.keypoints)

    def __repr__(self) -> str:
        people = len(set(self.people.tolist()))
        return f"KeypointSet({len(self)} faces, {self.keypoints.shape[1]} keypoints, {people} people)"

    @property
    def boxes(self) -> np.ndarray:
        """The tight box (n, 4) of each face: minimum and maximum of its keypoints."""
        return box_of(self.keypoints)

    @property
    def complete(self) -> np.ndarray:
        """Which faces (n,) have no missing keypoint."""
        return ~np.isnan(self.keypoints).any((1, 2))

    def subset(self, which: np.ndarray) -> "KeypointSet":
        """Return the faces at indices, or where a boolean mask (n,) is true."""
        index = np.arange(len(self))[np.asarray(which)]
        return replace(
            self,
            images=[self.images[i] for i in index],
            keypoints=self.keypoints[index],
            names=tuple(self.names[i] for i in index),
            people=self.people[index],
            extras={key: np.asarray(value)[index] for key, value in self.extras.items()},
        )

    def part(self, folder: str) -> "KeypointSet":
        """Return the faces of one folder ("training" or "test").

        Raises:
            InputError: no such folder in this set.
        """
        folders = np.array([name.rpartition("/")[0] for name in self.names])
        if not (folders != "").any():
            raise InputError(f"part {folder!r}: this set has no folders, expected names such as '{folder}/face_1.jpg'")
        if folder not in folders:
            raise unknown("part", folder, set(folders.tolist()))
        return self.subset(folders == folder)

    def table(self) -> pd.DataFrame:
        """Return the labels as a table: one row a face, columns "0" ... "2k-1" as in the classic CSV files."""
        flat = self.keypoints.reshape(len(self), -1)
        columns = [str(i) for i in range(flat.shape[1])]
        return pd.DataFrame(flat, index=pd.Index(self.names, name="name"), columns=columns)


def person_of(name: str) -> str:
    """Return the person a frame shows: its file name up to the last underscore.

    >>> person_of("training/Luis_Fonsi_21.jpg")
    'Luis_Fonsi'
    """
    file = name.rpartition("/")[2]
    stem = file.rpartition(".")[0] or file
    return stem.rpartition("_")[0] or stem


def data_dirs() -> list[Path]:
    """Return the folders in which data sets are looked for: $FKD_DATA_DIR, then `data/` of this course."""
    places = [os.environ.get("FKD_DATA_DIR"), Path(__file__).parents[2] / "data"]
    return [Path(place).expanduser() for place in places if place]


def load(
    name: str | Path | None = None, *, n: int = 400, seed: int = 0, on_error: str = "skip", progress: bool = False
) -> KeypointSet:
    """Load a data set: "puppets" (made on the spot, the default), "ytf" (the real 68-point set), a folder or a CSV.

    name: None reads $FKD_DATASET and falls back on "puppets"
    n, seed: how many puppets, and which
    on_error: "skip" leaves damaged rows out, warns, and lists them in `problems`; "raise" stops at them

    Raises:
        InputError: nothing of that name, no labels in it, or labels of another form than expected.
    """
    name = name or os.environ.get("FKD_DATASET") or "puppets"
    if str(name) == "puppets":
        from fkd_helpers.data.puppets.puppet import make_set

        return make_set(n, seed=seed)
    from fkd_helpers.data.reading import read_folder

    folder = find(name)
    return read_folder(folder, on_error=on_error, progress=progress)


def find(name: str | Path) -> Path:
    """Return the folder (or CSV file) of a data set, by path or by its name below one of `data_dirs()`.

    Raises:
        InputError: nothing there, "ytf" without both its tables, or no permission to look.
    """
    try:
        return _find_ytf() if str(name) == "ytf" else _find(name)
    except PermissionError as error:
        raise InputError(f"{error.filename}: no permission to read it") from None


def _find_ytf() -> Path:
    for place in data_dirs():
        for folder in (place / "ytf", place):
            if all((folder / table).exists() for table in CLASSIC.values()):  # a download that was cut off has none
                return folder
    places = " nor ".join(str(place) for place in data_dirs())
    raise InputError(f"data set 'ytf' is not, or not whole, in {places}: run `make data`, or set FKD_DATA_DIR")


def _find(name: str | Path) -> Path:
    path = Path(name).expanduser()
    for place in (path, *(place / path for place in data_dirs())):
        if place.is_dir() or (place.is_file() and (place.suffix == ".csv" or len(path.parts) > 1)):
            return place
    if len(path.parts) > 1 or path.suffix == ".csv":
        raise InputError(f"{name}: no such folder or CSV file")
    here = [folder.name for place in data_dirs() if place.is_dir() for folder in place.iterdir() if folder.is_dir()]
    raise unknown("data set", name, {"puppets", "ytf", *here} - {"records"})


def split(faces: KeypointSet, by: str = "person", *, seed: int = 0, held_out: float = 0.2) -> tuple:
    """Split a set in two, (training, test). Built in notebook 01.

    by: "official" = by the two folders; "person" = all frames of some people on the test side
    held_out: the share of the people on the test side

    Raises:
        InputError: another word, a set without the two folders, fewer than two people, or a share that is none.
    """
    if by == "official":
        return faces.part("training"), faces.part("test")
    if by != "person":
        raise unknown("split", by, ["official", "person"])
    people = np.unique(faces.people)
    order = np.random.default_rng(seed).permutation(len(people))
    if len(people) < 2 or not 0 < held_out < 1:
        raise InputError(f"split by person: expected 2 people or more and a share between 0 and 1 to hold out, "
                         f"got {len(people)} and {held_out:g}")  # fmt: skip
    count = min(max(round(len(people) * held_out), 1), len(people) - 1)  # neither side is empty
    held = people[order[:count]]
    is_held = np.isin(faces.people, held)
    return faces.subset(~is_held), faces.subset(is_held)


def complete_only(faces: KeypointSet, *, why: str) -> KeypointSet:
    """Return the faces without a missing keypoint; say so where some go.

    Raises:
        InputError: none is left.
    """
    keep = faces.complete
    if not keep.any():
        raise InputError(f"{why} needs faces with all keypoints, got {len(faces)} faces with missing ones")
    if not keep.all():
        warnings.warn(f"{why} needs all keypoints: {(~keep).sum()} of {len(faces)} faces left out", stacklevel=2)
    return faces.subset(keep)
