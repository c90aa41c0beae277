"""Predict a batch of photos: a bad photo is reported, and the rest go on."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from fkd_helpers.errors import InputError
from fkd_helpers.photos import read_photo, write_photo
from fkd_helpers.predict import Face, KeypointPredictor, draw_faces


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


def to_record(path: Path, faces: list[Face]) -> dict:
    """Return what JSON holds of a photo: its path and, for each face, box, score and keypoints in pixels."""
    return {
        "photo": str(path),
        "faces": [
            {
                "box": [round(float(v), 2) for v in face.box],
                "score": round(face.score, 4),
                "keypoints": [[round(float(x), 2), round(float(y), 2)] for x, y in face.keypoints],
            }
            for face in faces
        ],
    }
