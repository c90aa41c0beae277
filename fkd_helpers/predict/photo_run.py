"""Predict a batch of photos: a bad photo is reported, and the rest go on."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from fkd_helpers.core.errors import InputError
from fkd_helpers.faces.draw import draw_faces
from fkd_helpers.faces.images import read_photo, write_photo
from fkd_helpers.predict.predictor import Face, KeypointPredictor
from fkd_helpers.train.run_files import write_table


def run_photos(
    paths: Iterable[str | Path], predictor: KeypointPredictor, *, out: Path | None = None, whole_image: str = "never"
) -> Iterator[tuple[Path, list[Face] | InputError]]:
    """Yield (path, faces) for each photo, or (path, the error) for one that cannot be read.

    out: a folder for the photos with their faces drawn on them; photos of one name from different folders get
        different names there

    Raises:
        InputError: the folder cannot be made or written to.
    """
    taken: set[str] = set()
    if out is not None:
        out = Path(out)
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{out}: no folder can be made there ({error.strerror or error})") from None
    for path in map(Path, paths):
        try:
            frame = read_photo(path)
            faces = predictor(frame, whole_image=whole_image)
        except InputError as error:
            yield path, error
            continue
        if out is not None:
            write_photo(out / free_name(path, taken), draw_faces(frame, faces))
        yield path, faces


def free_name(path: Path, taken: set[str]) -> str:
    """Return a PNG name for a photo that is not in `taken` yet, and add it.

    >>> taken = set()
    >>> [free_name(Path(p), taken) for p in ("a/me.jpg", "b/me.jpg", "me.png")]
    ['me.png', 'me_2.png', 'me_3.png']
    """
    name, count = f"{path.stem}.png", 1
    while name.casefold() in taken:  # some file systems take a.png and A.png for one
        count += 1
        name = f"{path.stem}_{count}.png"
    taken.add(name.casefold())
    return name


def write_faces(path: Path, found: Iterable[tuple[Path, list[Face]]], *, labels: Callable | None = None) -> None:
    """Write a CSV file with one row per face: photo, labels, score, then x0, y0 ... in pixels of the photo.

    labels: keypoints (n, k, 2) -> further columns, such as {"emotion": [...]}
    """
    rows = [(str(photo), face) for photo, faces in found for face in faces]
    keypoints = np.stack([face.keypoints for _, face in rows])
    labels = {**(labels(keypoints) if labels else {}), "score": [f"{face.score:.4f}" for _, face in rows]}
    write_table(path, [photo for photo, _ in rows], keypoints, labels)


def to_record(path: Path, faces: list[Face], *, read_emotion: Callable | None = None) -> dict:
    """Return what JSON holds of a photo: its path and, for each face, box, score, keypoints in pixels and emotion."""
    return {"photo": str(path), "faces": [_face(face, read_emotion) for face in faces]}


def _face(face, read_emotion):
    emotion = read_emotion(face.keypoints) if read_emotion and len(face.keypoints) == 68 else None
    return {
        "box": [round(float(v), 2) for v in face.box],
        "score": round(face.score, 4),
        **({"emotion": emotion.label, "reason": emotion.reason} if emotion else {}),
        "keypoints": [[round(float(x), 2), round(float(y), 2)] for x, y in face.keypoints],
    }
