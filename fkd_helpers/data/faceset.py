"""Labelled faces in memory: `FaceSet`, and the two ways to split it.

The classic layout on disk is `training/` and `test/` with one CSV each: the file name, then x0, y0 ... x67, y67 in
pixels of that image. File names repeat between the two folders with other content, so a name here keeps its folder.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from fkd_helpers.core.errors import InputError, unknown
from fkd_helpers.faces.boxes import box_of
from fkd_helpers.faces.landmarks import MIRROR, MIRROR_15

CLASSIC = {"training": "training_frames_keypoints.csv", "test": "test_frames_keypoints.csv"}
LAYOUT_MIRRORS = {68: MIRROR, 15: MIRROR_15}
EXTRA_HELD_OUT = 0.1  # of the photos of an extra training set


@dataclass(frozen=True, eq=False)
class FaceSet:
    """Faces with their keypoints; `faces[mask]`, `faces[indices]` and `faces[start:stop]` are sets as well.

    `people` are by default the file names up to their last underscore. `mirror` (k,) is the order of the keypoints in a
    mirrored image: point i there is point `mirror[i]` here. None = not known, such faces are never mirrored; "layout" =
    that of the course's 68 or 15 points, None for other numbers.
    """

    images: Sequence[np.ndarray]  # n uint8 arrays (h, w, 3) or (h, w), each of its own size, RGB
    keypoints: np.ndarray  # (n, k, 2) float32, pixels of the image they belong to; NaN = missing
    names: tuple[str, ...]  # n, unique; "folder/file.jpg" where the set has folders
    people: np.ndarray = None  # (n,) strings; faces of one person stay on one side of a split
    extras: Mapping[str, np.ndarray] = field(default_factory=dict)  # further arrays (n,): "expression", "valence" ...
    problems: tuple[str, ...] = ()  # what was left out when the set was loaded, one line each
    mirror: np.ndarray | str | None = "layout"

    def __post_init__(self):
        keypoints, names = np.asarray(self.keypoints, np.float32), tuple(self.names)
        if keypoints.ndim != 3 or keypoints.shape[2] != 2:
            raise InputError(f"keypoints: expected (n, k, 2), got {keypoints.shape}")
        people = np.asarray([person_of(name) for name in names] if self.people is None else self.people, dtype=str)
        mirror = _mirror_order(self.mirror, keypoints.shape[1])
        vars(self).update(keypoints=keypoints, names=names, people=people, mirror=mirror)  # the class is frozen
        for what, values in {"images": self.images, "names": names, "people": people, **self.extras}.items():
            if len(values) != len(keypoints):
                raise InputError(f"{what}: expected {len(keypoints)} (one per row of keypoints), got {len(values)}")

    def __len__(self) -> int:
        return len(self.keypoints)

    def __repr__(self) -> str:
        people = len(set(self.people.tolist()))
        return f"FaceSet({len(self)} faces, {self.keypoints.shape[1]} keypoints, {people} people)"

    def __getitem__(self, which: np.ndarray | slice | int) -> "FaceSet":
        """Return the faces at indices, in a slice, or where a boolean mask (n,) is true."""
        index = np.atleast_1d(np.arange(len(self))[which if isinstance(which, slice) else np.asarray(which)])
        whole = isinstance(self.images, np.ndarray)
        images = self.images[index] if whole else [self.images[i] for i in index]
        names, extras = [self.names[i] for i in index], {key: np.asarray(v)[index] for key, v in self.extras.items()}
        chosen = {"images": images, "names": names, "extras": extras, "people": self.people[index]}
        return replace(self, keypoints=self.keypoints[index], **chosen)

    @property
    def boxes(self) -> np.ndarray:
        """The tight box (n, 4) of each face: minimum and maximum of its keypoints."""
        return box_of(self.keypoints)

    @property
    def complete(self) -> np.ndarray:
        """Which faces (n,) have no missing keypoint."""
        return ~np.isnan(self.keypoints).any((1, 2))

    def part(self, folder: str) -> "FaceSet":
        """Return the faces of one folder ("training" or "test")."""
        folders = np.array([name.rpartition("/")[0] for name in self.names])
        if not (folders != "").any():
            raise InputError(f"part {folder!r}: this set has no folders, expected names such as '{folder}/face_1.jpg'")
        if folder not in folders:
            raise unknown("part", folder, set(folders.tolist()))
        return self[folders == folder]


def _mirror_order(mirror, count: int) -> np.ndarray | None:
    if isinstance(mirror, str) and mirror == "layout":
        return LAYOUT_MIRRORS.get(count)
    if mirror is None:
        return None
    order, indices = np.asarray(mirror), list(range(count))
    if sorted(order.ravel().tolist()) != indices or order[order].tolist() != indices:
        raise InputError(f"mirror: expected each of 0 to {count - 1} once, in pairs that swap, got {order.tolist()}")
    return order


def person_of(name: str) -> str:
    """Return the person that a frame shows: its file name up to the last underscore.

    >>> person_of("training/Luis_Fonsi_21.jpg")
    'Luis_Fonsi'
    """
    file = name.rpartition("/")[2]
    stem = file.rpartition(".")[0] or file
    return stem.rpartition("_")[0] or stem


def split(faces: FaceSet, by: str = "person", *, seed: int = 0, held_out: float = 0.2) -> tuple[FaceSet, FaceSet]:
    """Split a set into training and test part: "official" by the two folders, or by "person".

    By person, all frames of a share `held_out` of the people are test frames.
    """
    if by == "official":
        return faces.part("training"), faces.part("test")
    if by != "person":
        raise unknown("split", by, ["official", "person"])
    people = np.unique(faces.people)
    order = np.random.default_rng(seed).permutation(len(people))
    if len(people) < 2 or not 0 < held_out < 1:
        got = f"{len(people)} and {held_out:g}"
        raise InputError(f"split by person: expected 2 people or more and a share between 0 and 1, got {got}")
    count = min(max(round(len(people) * held_out), 1), len(people) - 1)  # neither side is empty
    is_held = np.isin(faces.people, people[order[:count]])
    return faces[~is_held], faces[is_held]


def complete_only(faces: FaceSet, *, why: str) -> FaceSet:
    """Return the faces without a missing keypoint; warn how many are left out, raise if none is left."""
    keep = faces.complete
    if not keep.any():
        raise InputError(f"{why} needs faces with all keypoints, got {len(faces)} faces with missing ones")
    if not keep.all():
        warnings.warn(f"{why} needs all keypoints: {(~keep).sum()} of {len(faces)} faces left out", stacklevel=2)
    return faces[keep]
