"""`predict`: keypoints of photos."""

import contextlib
import json
import sys
from pathlib import Path

from fkd_helpers.core.errors import InputError


def add(commands) -> None:
    """Declare what the subcommand takes."""
    parser = commands.add_parser("predict", help="find the faces and keypoints of photos")
    parser.add_argument("photos", nargs="+", metavar="PHOTO", help="photos, or folders of photos, with subfolders")
    parser.add_argument("--out", metavar="DIR", help="write the photos with faces drawn on them (default: found)")
    parser.add_argument("--json", action="store_true", help="print boxes, keypoints, emotions as JSON, a line a photo")
    parser.add_argument("--csv", metavar="FILE.csv", help="write a row a face: photo, emotion, score, x0, y0 ...")
    resumed = "for one folder of any size: a row a face; many photos at once, the same command goes on if interrupted"
    parser.add_argument("--parquet", metavar="FILE.parquet", help=resumed)
    parser.add_argument("--workers", type=int, help="photos that --parquet reads at once (default: the cores)")
    whole = parser.add_mutually_exclusive_group()
    whole.add_argument("--whole-image", action="store_true", help="where no face is found, take the image for one")
    whole.add_argument("--crops", action="store_true", help="each photo is the crop of a face: search for none")
    parser.add_argument("--model", default="small", help="a model we ship, or a path to .onnx or .safetensors")
    parser.add_argument("--backend", default="onnx", help="onnx (default) or torch")
    parser.add_argument("--scale-factor", type=float, default=1.1, help="step between searched face sizes (1.1)")
    parser.add_argument("--min-neighbors", type=int, default=3, help="hits that must agree on a face (3)")
    parser.add_argument("--min-face", type=float, default=0.05, help="smallest face, of the longer side (0.05)")
    parser.set_defaults(run=run)


def run(options) -> int:
    from functools import partial

    from fkd_helpers.emotion.rules import emotion_column, read_emotion
    from fkd_helpers.predict.haar import detect_faces, detect_tilted
    from fkd_helpers.predict.photo_run import run_photos, to_record, write_faces
    from fkd_helpers.predict.predictor import KeypointPredictor

    if options.parquet and (options.out or options.json or options.csv):
        raise InputError("--parquet: expected without --out, --json and --csv")
    rows = _rows_file(options.csv)
    find = partial(detect_faces, scale_factor=options.scale_factor, min_neighbors=options.min_neighbors,
                   min_face=options.min_face)  # fmt: skip
    predictor = KeypointPredictor(options.model, backend=options.backend, detectors=(find, detect_tilted))
    whole = "always" if options.crops else "fallback" if options.whole_image else "never"
    if options.parquet:
        return _table(options, predictor, whole)
    out = Path(options.out) if options.out else None if options.json or rows else Path("found")
    made = out is not None and not out.exists()
    photos, empty = _photos(options.photos, out)
    for complaint in empty:
        print(f"predict: {complaint}", file=sys.stderr)
    failed, written, found = len(empty), 0, []
    for path, faces in run_photos(photos, predictor, out=out, whole_image=whole):
        written += not isinstance(faces, InputError)
        if isinstance(faces, InputError) or not faces:
            failed += 1
            message = faces or f"{path}: no face found, expected at least one (--whole-image takes the photo for one)"
            print(f"predict: {message}", file=sys.stderr)
            continue
        if rows:
            found.append((path, faces))
        record = to_record(path, faces, read_emotion=read_emotion)
        if options.json:
            print(json.dumps(record))
        else:
            emotions = ", ".join(face["emotion"] for face in record["faces"] if "emotion" in face)
            print(f"{path}: {len(faces)} face{'s' * (len(faces) > 1)}{emotions and f' ({emotions})'}")
    if made and not written:
        with contextlib.suppress(OSError):
            out.rmdir()
    elif out is not None:
        print(f"pictures: {out}", file=sys.stderr if options.json else sys.stdout)
    if rows and found:
        write_faces(rows, found, labels=emotion_column)
        print(f"rows: {rows}", file=sys.stderr if options.json else sys.stdout)
    return 2 if failed else 0


def _rows_file(name: str | None) -> Path | None:
    """Return the file that --csv names, if a table can be made there."""
    path = Path(name) if name else None
    if path and path.suffix.lower() != ".csv":
        raise InputError(f"--csv: expected a file that ends in .csv, got {path.name}")
    if path and not path.parent.is_dir():
        raise InputError(f"--csv: no such folder {path.parent}")
    return path


def _table(options, predictor, whole) -> int:
    """Write the Parquet file, with the state of things in one line where there is a terminal."""
    from tqdm import tqdm

    from fkd_helpers.predict.batch import left_out_path, predict_folder

    if len(options.photos) != 1:
        raise InputError(f"--parquet: expected one folder, got {len(options.photos)} names")
    with tqdm(bar_format="{desc}", disable=None) as line:

        def show(done):
            line.set_description_str(str(done), refresh=False)
            line.update()

        done = predict_folder(
            options.photos[0], options.parquet, predictor, whole_image=whole, workers=options.workers, on_progress=show
        )
    for part in done.redone:
        print(f"predict: part {part} of an earlier run was damaged or of other photos: done again", file=sys.stderr)
    print(done)
    print(f"rows: {options.parquet}\nphotos without a row: {left_out_path(options.parquet)}")
    return 0


def _photos(names: list[str], out: Path | None) -> tuple[list[Path], list[str]]:
    """Return the photos that are named or lie in a named folder, and a line for each folder without any.

    out: pictures that an earlier run wrote to this folder are none of the photos of a folder around it
    """
    from fkd_helpers.faces.images import find_photos

    photos, empty = [], []
    for path in map(Path, names):
        if not path.is_dir():
            photos.append(path)
            continue
        own = out.resolve() if out and path.resolve() in out.resolve().parents else None
        try:
            photos += [photo for photo in find_photos(path).found if own is None or own not in photo.resolve().parents]
        except InputError as error:
            empty.append(str(error))
    return photos, empty
