"""Photos and folders of photos to drawn pictures, JSON Lines, a CSV table, or a Parquet dataset of any size."""

import contextlib
import csv as csv_format
import itertools
import json as json_format
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from tqdm import tqdm

from fkd_helpers.core.errors import InputError
from fkd_helpers.core.records import digest_of
from fkd_helpers.faces.draw import draw_faces
from fkd_helpers.faces.images import find_photos, read_photo, software_of, write_photo
from fkd_helpers.predict import tables
from fkd_helpers.predict.detector import FINEST
from fkd_helpers.predict.predictor import Face, KeypointPredictor
from fkd_helpers.predict.tables import DAMAGED, NO_FACE, Summary, left_out_path

SOFTWARE = "fkd_helpers predict"  # noted in the pictures that we draw
FILMS = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v")


def predict_photos(
    photos: Iterable[str | Path], predictor: KeypointPredictor, *, whole_image: str = "never",
    workers: int | None = None, out: Path | None = None, read_emotion: Callable | None = None,
) -> Iterator[dict]:  # fmt: skip
    """Return a record of each photo, in order.

    It has photo, width, height and faces: box, score, emotion, reason, keypoints, and the expected errors of these. A
    photo without a face stops no other; its record has a `problem` (DAMAGED or NO_FACE) and a `reason`.

    Args:
        whole_image: see `KeypointPredictor`
        workers: threads, each with a photo of its own (larger batches are no faster on a processor); None: the cores
        out: a folder for the photos with their faces drawn on them; other files there are not overwritten
        read_emotion: keypoints (68, 2) -> what has a `label` and a `reason`
    """
    workers = (os.cpu_count() or 1) if workers is None else workers
    if workers < 1:
        raise InputError(f"workers: expected at least 1, got {workers}")

    def look(photo: Path, picture: Path | None) -> dict:
        record = {"photo": tables.spelled(photo), "width": 0, "height": 0, "faces": []}
        try:
            frame = read_photo(photo)
            faces = predictor(frame, whole_image=whole_image)
        except InputError as error:
            reason = str(error).removeprefix(f"{photo}: ")
            if photo.suffix.lower() in FILMS and photo.is_file():
                reason = f"a film, expected a photo: python -m fkd_helpers live --source {photo}"
            return record | {"problem": DAMAGED, "reason": reason}
        if picture:
            picture.parent.mkdir(parents=True, exist_ok=True)  # none is left where no photo can be read
            write_photo(picture, draw_faces(frame, faces), software=SOFTWARE)
        height, width = frame.shape[:2]
        record |= {"width": width, "height": height, "faces": [plain_face(face, read_emotion) for face in faces]}
        if faces:
            return record
        small = f"--max-side {max(width, height)} --min-face 0.005 looks for small ones, "
        small = small if max(width, height) > FINEST else ""
        reason = f"expected at least one ({small}--whole-image takes the photo for one)"
        return record | {"problem": NO_FACE, "reason": reason}

    photos, taken = list(map(Path, photos)), set()
    pictures = [_free_path(photo, out, taken) if out else None for photo in photos]
    return _in_threads(look, workers, photos, pictures)


def _in_threads(function: Callable, workers: int, *arguments: Iterable) -> Iterator:
    pool = ThreadPoolExecutor(workers)
    try:
        yield from pool.map(function, *arguments)
    finally:
        pool.shutdown(cancel_futures=True)  # Ctrl-C waits for no photo that is not begun


def plain_face(face: Face, read_emotion: Callable | None = None) -> dict:
    """Return a face as plain values, as JSON holds them."""
    emotion = read_emotion(face.keypoints) if read_emotion and len(face.keypoints) == 68 else None
    return {
        "box": face.box.astype(float).round(3).tolist(),
        "score": round(face.score, 4),
        **({"emotion": emotion.label, "reason": emotion.reason} if emotion else {}),
        "keypoints": face.keypoints.astype(float).round(3).tolist(),
        "errors": None if face.errors is None or np.isnan(face.errors).any() else face.errors.round(4).tolist(),
    }


def _free_path(photo: Path, folder: Path, taken: set[str]) -> Path:
    """Return a path for a drawn photo that overwrites no photo, and no other picture of this run."""
    for number in itertools.count(1):
        path = folder / f"{photo.stem}{'' if number == 1 else f'_{number}'}.png"
        if path.name.casefold() not in taken and (not path.exists() or software_of(path) == SOFTWARE):
            taken.add(path.name.casefold())  # some file systems take a.png and A.png for one
            return path


def photos_in(folder: str | Path) -> list[Path]:
    """Return the photos of a folder and its subfolders, sorted; warn of what is left out, such as our own pictures."""
    photos, left_out = find_photos(folder)
    found = [path for path in photos if path.suffix.lower() != ".png" or software_of(path) != SOFTWARE]
    if drawn := len(photos) - len(found):
        warnings.warn(f"{folder}: left out {drawn} pictures that predict drew", stacklevel=2)
    if left_out:
        warnings.warn(f"{folder}: {left_out}", stacklevel=2)
    if not found:
        raise InputError(f"{folder}: no photo in this folder but pictures that predict drew")
    return found


def predict_paths(
    paths: Sequence[str | Path], predictor: KeypointPredictor | None = None, *, out: str | Path | None = None,
    csv: str | Path | None = None, json: bool = False, parquet: str | Path | None = None, **options,
) -> int:  # fmt: skip
    """Predict photos and folders of photos, print what was found in each, and return how many gave nothing.

    Args:
        out: a folder for the photos with faces drawn on them; `found` if there is no other output
        csv: a file for a table of one row per face, written as photos are done
        json: print a line of JSON per photo
        parquet: a dataset for the photos of one folder, see `predict_folder`
        options: whole_image, workers, read_emotion of `predict_photos`
    """
    if parquet:
        if out or csv or json or len(paths) != 1:
            raise InputError(f"--parquet: expected one folder without --out, --json and --csv, got {len(paths)} names")
        done = predict_folder(paths[0], parquet, predictor, **options)
        print(f"{done}\nrows: {parquet}\nphotos without a row: {left_out_path(parquet)}")
        return 0
    csv = csv and Path(csv)
    if csv and (csv.suffix.lower() != ".csv" or not csv.parent.is_dir()):
        raise InputError(f"{csv}: expected a name ending in .csv, in a folder that is there")
    predictor, photos, failed = predictor or KeypointPredictor(), [], 0
    for path in paths:
        try:
            photos += photos_in(path) if Path(path).is_dir() else [path]
        except InputError as error:
            failed += 1
            print(f"predict: {error}", file=sys.stderr)
    out = Path(out) if out else (None if csv or json else Path("found"))
    if out and out.is_file():
        raise InputError(f"{out}: a file, expected a folder for pictures")
    records = predict_photos(photos, predictor, out=out, **options)
    with csv.open("w", newline="", encoding="utf-8", buffering=1) if csv else contextlib.nullcontext() as file:
        table = csv and csv_format.writer(file)  # line by line
        if csv:
            table.writerow(_columns(predictor, options.get("read_emotion")))
        for record in records:
            faces = record["faces"]
            if csv:
                table.writerows(tables.table_rows(record))
            if not faces:
                failed += 1
                missing = "no face found, " if record["problem"] == NO_FACE else ""
                print(f"predict: {record['photo']}: {missing}{record['reason']}", file=sys.stderr)
            elif json:
                print(json_format.dumps(record))
            else:
                emotions = ", ".join(face["emotion"] for face in faces if "emotion" in face)
                plural, emotions = "s" * (len(faces) > 1), emotions and f" ({emotions})"
                print(f"{record['photo']}: {len(faces)} face{plural}{emotions}")
    notes = sys.stderr if json else sys.stdout
    if out and out.is_dir():
        print(f"pictures: {out}", file=notes)
    if csv:
        print(f"rows: {csv}", file=notes)
    return failed


def predict_folder(
    folder: str | Path, out: str | Path, predictor: KeypointPredictor | None = None, **options
) -> Summary:
    """Write the faces of all photos in a folder and its subfolders to a Parquet dataset, a row per face.

    Its columns are those of `tables.table_columns`, with the path in the folder as `photo`, all in pixels of the photo.
    Photos without a row are listed in `left_out_path(out)`. The same call goes on where a run was interrupted.

    Args:
        out: name of the dataset, ending in .parquet; one of other photos or settings is never overwritten
        options: whole_image, workers, read_emotion of `predict_photos`
    """
    folder, predictor = Path(folder), predictor or KeypointPredictor()
    predictor(np.zeros((32, 32), np.uint8), whole_image=options.get("whole_image", "never"))
    predict_photos([], predictor, **options)  # wrong settings are said here once, and not of every photo
    columns = _columns(predictor, options.get("read_emotion"))
    detector = re.sub(r" at 0x\w+", "", repr(predictor.detector))
    network = str(predictor.runner.file), predictor.runner.facts, predictor.passes, predictor.min_score
    source = digest_of([str(folder.resolve()), network, detector, list(columns), options.get("whole_image")])
    photos = [(tables.spelled(path.relative_to(folder).as_posix()), path) for path in photos_in(folder)]

    def predict(part: Sequence[Path]) -> Iterable[dict]:
        return tqdm(predict_photos(part, predictor, **options), total=len(part), unit=" photos", disable=None)

    return tables.write_dataset(Path(out), photos, predict, columns, source=source)


def _columns(predictor: KeypointPredictor, read_emotion: Callable | None) -> dict[str, str]:
    points = predictor.at_boxes(np.zeros((9, 9), np.uint8), np.array([[0, 0, 8, 8]]))[0].shape[1]
    return tables.table_columns(points, emotion=read_emotion is not None and points == 68)
