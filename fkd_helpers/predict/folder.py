"""Photos and folders of photos to drawn pictures, JSON Lines, a CSV table, or a Parquet dataset of any size."""

import contextlib
import csv as csv_format
import json as json_format
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from tqdm import tqdm

from fkd_helpers.core.errors import InputError
from fkd_helpers.core.files import free_path
from fkd_helpers.core.records import digest_of
from fkd_helpers.faces.draw import draw_faces
from fkd_helpers.faces.images import find_photos, read_photo, write_photo
from fkd_helpers.predict import tables
from fkd_helpers.predict.predictor import Face, KeypointPredictor
from fkd_helpers.predict.tables import DAMAGED, NO_FACE, Summary, left_out_path

FILMS = (".mp4", ".mov", ".avi", ".mkv", ".webm")
HINT = "no face found (--min-face 0.005 looks for small ones, --crops takes the photo for one)"


def predict_photos(
    photos: Iterable[str | Path], predictor: KeypointPredictor, *, whole_image: str = "never", out: Path | None = None,
    read_emotion: Callable | None = None,
) -> Iterator[dict]:  # fmt: skip
    """Yield a record of each photo, in order; each processor core predicts a photo of its own.

    It has photo, width, height and faces: box, score, emotion, reason, keypoints, and the expected errors of these. A
    photo without a face stops no other; its record has a `problem` (DAMAGED or NO_FACE) and a `reason`.

    Args:
        whole_image: see `KeypointPredictor`
        out: a folder for the photos with their faces drawn on them; nothing there is overwritten
        read_emotion: keypoints (68, 2) -> what has a `label` and a `reason`
    """

    def look(photo: Path, picture: Path | None) -> dict:
        record = {"photo": tables.spelled(photo), "width": 0, "height": 0, "faces": []}
        try:
            frame = read_photo(photo)
            faces = predictor(frame, whole_image=whole_image)
        except InputError as error:
            film = " (for a film: live --source FILM)" * (photo.suffix.lower() in FILMS)
            return record | {"problem": DAMAGED, "reason": str(error).removeprefix(f"{photo}: ") + film}
        if picture:
            picture.parent.mkdir(parents=True, exist_ok=True)
            write_photo(picture, draw_faces(frame, faces))
        height, width = frame.shape[:2]
        record |= {"width": width, "height": height, "faces": [plain_face(face, read_emotion) for face in faces]}
        return record if faces else record | {"problem": NO_FACE, "reason": HINT}

    photos, pictures = list(map(Path, photos)), []
    for photo in photos if out else ():
        pictures.append(free_path(out / f"{photo.stem}.png", taken=pictures))
    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        yield from pool.map(look, photos, pictures or [None] * len(photos))
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
        options: whole_image, read_emotion of `predict_photos`
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
    out = Path(out) if out else (None if csv or json else Path("found"))
    predictor, photos, failed = predictor or KeypointPredictor(), [], 0
    for path in paths:
        try:
            photos += find_photos(path, skip=out) if Path(path).is_dir() else [path]
        except InputError as error:
            failed += 1
            print(f"predict: {error}", file=sys.stderr)
    with csv.open("w", newline="", encoding="utf-8", buffering=1) if csv else contextlib.nullcontext() as file:
        table = csv and csv_format.writer(file)  # line by line
        if csv:
            table.writerow(_columns(predictor, options.get("read_emotion")))
        for record in predict_photos(photos, predictor, out=out, **options):
            if csv:
                table.writerows(tables.table_rows(record))
            if not record["faces"]:
                failed += 1
                print(f"predict: {record['photo']}: {record['reason']}", file=sys.stderr)
            elif json:
                print(json_format.dumps(record))
            else:
                emotions = ", ".join(face["emotion"] for face in record["faces"] if "emotion" in face)
                plural = "s" * (len(record["faces"]) > 1)
                print(f"{record['photo']}: {len(record['faces'])} face{plural}{emotions and f' ({emotions})'}")
    for what, where in (("pictures", out), ("rows", csv)):
        if where and where.exists():
            print(f"{what}: {where}", file=sys.stderr if json else sys.stdout)
    return failed


def predict_folder(
    folder: str | Path, out: str | Path, predictor: KeypointPredictor | None = None, **options
) -> Summary:
    """Write the faces of all photos in a folder and its subfolders to a Parquet dataset, a row per face.

    Its columns are those of `tables.table_columns`, with the path in the folder as `photo`, all in pixels of the photo.
    Photos without a row are listed in `left_out_path(out)`. The same call resumes where a run was interrupted.

    Args:
        out: name of the dataset, ending in .parquet; one of other photos or settings is never overwritten
        options: whole_image, read_emotion of `predict_photos`
    """
    folder, predictor = Path(folder), predictor or KeypointPredictor()
    predictor(np.zeros((32, 32), np.uint8), whole_image=options.get("whole_image", "never"))  # wrong settings, once
    columns = _columns(predictor, options.get("read_emotion"))
    detector = re.sub(r" at 0x\w+", "", repr(predictor.detector))
    network = str(predictor.runner.file), predictor.runner.facts, predictor.min_score
    source = digest_of([str(folder.resolve()), network, detector, list(columns), options.get("whole_image")])
    photos = [(tables.spelled(path.relative_to(folder).as_posix()), path) for path in find_photos(folder)]

    def predict(part: Sequence[Path]) -> Iterable[dict]:
        return tqdm(predict_photos(part, predictor, **options), total=len(part), unit=" photos", disable=None)

    return tables.write_dataset(Path(out), photos, predict, columns, source=source)


def _columns(predictor: KeypointPredictor, read_emotion: Callable | None) -> dict[str, str]:
    points = predictor.at_boxes(np.zeros((9, 9), np.uint8), np.array([[0, 0, 8, 8]]))[0].shape[1]
    return tables.table_columns(points, emotion=read_emotion is not None and points == 68)
