"""Keypoints of all photos of a folder in one Parquet file: in bounded memory, and an interrupted run goes on.

The photos are taken in parts. A finished part is a Parquet file in a working folder beside the output and knows of what
it was made, so that a later run takes it over if it is whole; at the end the parts become one file.
"""

import contextlib
import dataclasses
import hashlib
import os
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np

from fkd_helpers.core.errors import InputError
from fkd_helpers.core.records import digest_of
from fkd_helpers.faces.images import find_photos, read_photo
from fkd_helpers.predict import face_table
from fkd_helpers.predict.predictor import KeypointPredictor

PART = 1024  # photos; a run that is killed loses at most one part
DAMAGED, NO_FACE = "damaged", "no face"


@dataclasses.dataclass
class Summary:
    """What has been done of a folder.

    photos: how many were looked at; `faces` rows came of them, `damaged` and `no_face` photos gave none
    resumed: how many of the photos an earlier run had done
    redone: parts of an earlier run that were damaged, or made of other photos or with other settings
    """

    photos: int = 0
    faces: int = 0
    damaged: int = 0
    no_face: int = 0
    resumed: int = 0
    redone: list[str] = dataclasses.field(default_factory=list)
    seconds: float = 0.0

    @property
    def per_second(self) -> float:
        """Photos a second, of those that this run did itself."""
        return (self.photos - self.resumed) / self.seconds if self.seconds else 0.0

    def __str__(self) -> str:
        """Say it in a line."""
        before = f", {self.resumed} of them before" if self.resumed else ""
        rate = f"; {self.per_second:.0f} photos/s" if self.seconds else ""
        return (
            f"{self.photos} photos{before}: {self.faces} faces, {self.no_face} photos without one, "
            f"{self.damaged} damaged{rate}"
        )

    def _count(self, problems: list[str | None], *, photos: int) -> None:
        self.photos += photos
        self.faces += problems.count(None)
        self.damaged += problems.count(DAMAGED)
        self.no_face += problems.count(NO_FACE)


def predict_folder(
    folder: str | Path,
    out: str | Path,
    predictor: KeypointPredictor | None = None,
    *,
    whole_image: str = "never",
    workers: int | None = None,
    on_progress: Callable[[Summary], object] | None = None,
) -> Summary:
    """Write the faces of all photos in a folder and its subfolders to a Parquet file, a row a face.

    out: the file; it has the columns photo (its path in the folder), face (0, 1 ... in a photo, the surest first),
        box_x, box_y, box_w, box_h, score, width, height (of the photo), and x0, y0 ... in pixels of the photo.
        Photos without a row are in the table `left_out_path(out)`: photo, problem ("damaged" or "no face"), reason
    predictor: what finds the faces of a photo; `KeypointPredictor()` if None
    whole_image: "always" where each photo is a face crop; "never" and "fallback" as in `KeypointPredictor`
    workers: threads, each with a photo of its own; as many as there are cores if None. Photos are not gathered into
        larger batches: on a processor the network takes no less time for a face (`benchmarks/batch_speed.py`)
    on_progress: called with the summary so far after each photo

    The same call goes on where a run was interrupted, and does nothing where one was finished.

    Raises:
        InputError: no such folder, no photo in it, a predictor without the detector that it needs, an output that
            cannot be written, or one that is there and is damaged or made of something else: it is never overwritten.
    """
    folder, out = Path(folder), Path(out)
    workers = (os.cpu_count() or 1) if workers is None else workers
    if workers < 1:
        raise InputError(f"workers: expected at least 1, got {workers}")
    if out.suffix != ".parquet" or not out.parent.is_dir():
        raise InputError(f"{out}: expected a file ending in .parquet, in a folder that is there")
    face_table.arrow()
    predictor = predictor or KeypointPredictor()
    # wrong settings are said here once: further on they would look like a fault of every photo
    predictor(np.zeros((32, 32), np.uint8), whole_image=whole_image)
    parts = _parts(folder, _settings(predictor, whole_image))
    if out.exists():
        return _finished(out, folder, parts)
    try:
        return _predict(parts, folder, out, predictor, whole_image, workers, on_progress)
    except OSError as error:
        raise InputError(f"{error.filename or out}: cannot be written ({error.strerror or error})") from None


def left_out_path(out: str | Path) -> Path:
    """Return where the photos without a row are listed: beside faces.parquet it is faces.left_out.csv."""
    return Path(out).with_suffix(".left_out.csv")


def _predict(parts, folder, out, predictor, whole_image, workers, on_progress) -> Summary:
    summary, started, number, all_keys = Summary(), time.perf_counter(), 0, hashlib.sha256()
    size = predictor.runner.size
    schema = face_table.part_schema(predictor.runner(np.zeros((1, 1, size, size), np.float32))[0].shape[1])
    rows_of = partial(_rows, folder, predictor, whole_image, schema)
    pool = ThreadPoolExecutor(workers)
    try:
        for number, (photos, key) in enumerate(parts, 1):
            all_keys.update(key.encode())
            path = _part_path(out, number)
            path.parent.mkdir(exist_ok=True)
            table = face_table.read_part(path, schema, key)
            if table is not None:
                summary._count(table["problem"].to_pylist(), photos=len(photos))
                summary.resumed += len(photos)
                continue
            if path.exists():
                summary.redone.append(path.name)
            rows: list[tuple] = []
            for found in pool.map(rows_of, photos):
                rows += found
                summary._count([row[-2] for row in found], photos=1)
                summary.seconds = time.perf_counter() - started
                if on_progress:
                    on_progress(summary)
            face_table.write_part(path, rows, schema, key)
    finally:
        pool.shutdown(cancel_futures=True)  # Ctrl-C waits for no photo that is not begun
    mark = {"keys": all_keys.hexdigest(), "summary": dataclasses.asdict(summary)}
    face_table.merge((_part_path(out, n) for n in range(1, number + 1)), out, left_out_path(out), schema, mark)
    _clear(out)
    summary.seconds = time.perf_counter() - started
    return summary


def _finished(out, folder, parts) -> Summary:
    """Return the summary of a finished output, if it was made of these photos and with these settings."""
    mark, keys = face_table.read_mark(out), hashlib.sha256()
    for _, key in parts:
        keys.update(key.encode())
    if mark.get("keys") != keys.hexdigest():
        raise InputError(f"{out}: made of other photos or with other settings; move it away, or name another file")
    _clear(out)
    summary = Summary(**mark["summary"])
    return dataclasses.replace(summary, resumed=summary.photos, redone=[], seconds=0.0)


def _parts(folder: Path, settings: str) -> Iterator[tuple[list[Path], str]]:
    """Yield the photos of each part with a key, which is another where a photo or the settings are others."""
    photos = iter(find_photos(folder).found)
    while part := list(islice(photos, PART)):
        yield part, digest_of([settings, [(_name(path, folder), *_stamp(path)) for path in part]])


def _settings(predictor, whole_image) -> str:
    """Return a digest of what decides about the faces of a photo; networks that are no files count as one."""
    file = predictor.runner.file
    model = hashlib.sha256(file.read_bytes()).hexdigest() if file else None
    detectors = [re.sub(r" at 0x\w+", "", repr(find)) for find in predictor.detectors]
    return digest_of([model, predictor.runner.size, predictor.looks, predictor.min_score, detectors, whole_image])


def _stamp(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
        return found.st_size, found.st_mtime_ns
    except OSError:  # reading it will say why
        return -1, -1


def _rows(folder, predictor, whole_image, schema, path) -> list[tuple]:
    """Return a row for each face of a photo, or one that says why there is none."""
    name = _name(path, folder)
    try:
        frame = read_photo(path)
        faces = predictor(frame, whole_image=whole_image)
    except InputError as error:
        return [face_table.problem_row(name, DAMAGED, str(error).removeprefix(f"{path}: "), schema)]
    return face_table.face_rows(name, frame.shape, faces) or [face_table.problem_row(name, NO_FACE, "", schema)]


def _name(path: Path, folder: Path) -> str:
    """Return the path inside the folder; bytes that are no UTF-8 are spelled out, for a table holds only text."""
    return os.fsencode(path.relative_to(folder).as_posix()).decode("utf-8", "backslashreplace")


def _part_path(out: Path, number: int) -> Path:
    return out.with_name(f"{out.name}.parts") / f"{number:06d}.parquet"


def _clear(out: Path) -> None:
    """Delete the parts and their folder."""
    work = _part_path(out, 0).parent
    for path in work.glob("*.parquet*"):
        path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        work.rmdir()
