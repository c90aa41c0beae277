"""The command line, `python -m fkd_helpers SUBCOMMAND`: it parses and calls."""

import argparse
import contextlib
import dataclasses
import errno
import json
import sys
import warnings
from pathlib import Path

from fkd_helpers.config import RunConfig, as_yaml, load_config
from fkd_helpers.errors import InputError, unknown
from fkd_helpers.files import whole_file

DISK = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.ENOTDIR, errno.EEXIST)  # for the user to mend
PHOTOS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif")


def main(arguments: list[str] | None = None) -> int:
    """Run one subcommand; return the exit code: 0, 2 for bad input, 130 when interrupted."""
    options = _parser().parse_args(arguments)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_: print(f"warning: {message}", file=sys.stderr)
            return options.run(options) or 0
    except InputError as error:
        print(f"{options.command}: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        if error.errno not in DISK:
            raise
        print(f"{options.command}: {error.filename or 'the disk'}: {error.strerror}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        goes_on = ", the same command goes on" if options.command in ("train", "fetch", "experiments") else ""
        print(f"{options.command}: interrupted; what was finished is kept{goes_on}", file=sys.stderr)
        return 130


class _Parser(argparse.ArgumentParser):
    def error(self, message):  # one line; argparse would print its whole usage first
        self.exit(2, f"{self.prog}: {message} (see --help)\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser("python -m fkd_helpers", description="Facial keypoints, hands on.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="SUBCOMMAND")

    predict = commands.add_parser("predict", help="find the faces and keypoints of photos")
    predict.add_argument("photos", nargs="+", metavar="PHOTO", help="photos, or folders of photos")
    predict.add_argument("--out", metavar="DIR", help="write the photos with faces drawn on them (default: found)")
    predict.add_argument("--json", action="store_true", help="print boxes and keypoints as JSON, a line a photo")
    predict.add_argument("--whole-image", action="store_true", help="where no face is found, take the image for one")
    predict.add_argument("--model", default="small", help="a model we ship, or a path to .onnx or .safetensors")
    predict.add_argument("--backend", default="onnx", help="onnx (default) or torch")
    predict.add_argument("--scale-factor", type=float, default=1.1, help="step between searched face sizes (1.1)")
    predict.add_argument("--min-neighbors", type=int, default=3, help="hits that must agree on a face (3)")
    predict.add_argument("--min-face", type=float, default=0.05, help="smallest face, of the longer side (0.05)")
    predict.set_defaults(run=_predict)

    train = commands.add_parser("train", help="train a keypoint network; run again, it goes on where it stopped")
    train.add_argument("--config", default="keypoints68", help="YAML file, or the name of one of ours (keypoints68)")
    train.add_argument("--out", metavar="DIR", help="checkpoints, weights and record (default: runs/NAME)")
    train.add_argument("--print-config", action="store_true", help="print the whole configuration and stop")
    for field in dataclasses.fields(RunConfig):
        default = f"{field.type.__name__}, {field.default!r} where the config does not say"
        train.add_argument(f"--{field.name.replace('_', '-')}", type=field.type, help=default)
    train.set_defaults(run=_train)

    experiments = commands.add_parser("experiments", help="run a grid of trainings; run again, it goes on")
    experiments.add_argument("--grid", default="small", help="small (default) or published, the fifteen runs")
    experiments.add_argument("--data", help="data set (puppets)", default="puppets")
    experiments.add_argument("--rows", metavar="N,N-N", help="only these rows of the grid, such as 1,3-5")
    experiments.add_argument("--max-epochs", type=int, metavar="N", help="stop each run there; more another time")
    experiments.add_argument("--seeds", type=int, default=1, metavar="N", help="run each with this many seeds (1)")
    experiments.add_argument("--out", metavar="DIR", help="records, table, checkpoints (default: runs/GRID-DATA)")
    experiments.set_defaults(run=_experiments)

    evaluate = commands.add_parser("evaluate", help="score a model from photo to keypoints, and write the record")
    evaluate.add_argument("--data", default="ytf", help="data set (ytf)")
    evaluate.add_argument("--part", default="test", help="test (default), training, held-out (of an extra set), or all")
    evaluate.add_argument("--model", default="small", help="a model we ship, or a path")
    evaluate.add_argument("--out", metavar="DIR", help="where the record goes (default: data/records)")
    evaluate.set_defaults(run=_evaluate)

    fetch = commands.add_parser("fetch", help="download the real 68-point set; continued, every file checked")
    fetch.add_argument("--out", metavar="DIR", help="default: ytf in $FKD_DATA_DIR or in data/")
    fetch.set_defaults(run=_fetch)

    benchmark = commands.add_parser("benchmark", help="measure speed here, beside the naive way")
    benchmark.add_argument("--rounds", type=int, default=15, help="rounds that each median is taken over (15)")
    benchmark.add_argument("--out", metavar="DIR", help="where the record goes (default: printed only)")
    benchmark.set_defaults(run=_benchmark)
    return parser


def _predict(options) -> int:
    from functools import partial

    from fkd_helpers.detect import detect_faces, detect_tilted
    from fkd_helpers.photo_run import run_photos, to_record
    from fkd_helpers.predict import KeypointPredictor

    find = partial(detect_faces, scale_factor=options.scale_factor, min_neighbors=options.min_neighbors,
                   min_face=options.min_face)  # fmt: skip
    predictor = KeypointPredictor(options.model, backend=options.backend, detectors=(find, detect_tilted))
    out = Path(options.out) if options.out else None if options.json else Path("found")
    whole = "fallback" if options.whole_image else "never"
    made = out is not None and not out.exists()
    photos, empty = _photos(options.photos)
    for complaint in empty:
        print(f"predict: {complaint}", file=sys.stderr)
    failed, written = len(empty), 0
    for path, faces in run_photos(photos, predictor, out=out, whole_image=whole):
        written += not isinstance(faces, InputError)
        if isinstance(faces, InputError) or not faces:
            failed += 1
            message = faces or f"{path}: no face found, expected at least one (--whole-image takes the photo for one)"
            print(f"predict: {message}", file=sys.stderr)
        elif options.json:
            print(json.dumps(to_record(path, faces)))
        else:
            print(f"{path}: {len(faces)} face{'s' * (len(faces) > 1)}")
    if made and not written:
        with contextlib.suppress(OSError):
            out.rmdir()
    elif out is not None:
        print(f"pictures: {out}", file=sys.stderr if options.json else sys.stdout)
    return 2 if failed else 0


def _photos(names: list[str]) -> tuple[list[Path], list[str]]:
    """Return the photos that are named or lie in a named folder, and a line for each folder without any."""
    photos, empty = [], []
    for path in map(Path, names):
        if not path.is_dir():
            photos.append(path)
            continue
        try:
            inside = sorted(file for file in path.iterdir() if file.suffix.lower() in PHOTOS)
        except OSError as error:
            empty.append(f"{path}: cannot be read ({error.strerror})")
            continue
        photos += inside
        if not inside:
            empty.append(f"{path}: no photo in this folder, expected files ending in {', '.join(PHOTOS)}")
    return photos, empty


def _train(options) -> int:
    chosen = {field.name: getattr(options, field.name) for field in dataclasses.fields(RunConfig)}
    config = load_config(options.config, **{key: value for key, value in chosen.items() if value is not None})
    if options.print_config:
        print(as_yaml(config), end="")
        return 0
    from fkd_helpers.keypoint_runs import train
    from fkd_helpers.training import TrainingStopped

    folder = Path(options.out or Path("runs") / config.name)
    try:
        scores = train(config, folder)
    except TrainingStopped as error:
        raise InputError(str(error)) from None
    print(f"NME {scores['nme']:.4f} on {scores['faces']} held-out faces; weights and record in {folder}")
    return 0


def _experiments(options) -> int:
    from fkd_helpers.experiments import GRIDS, run_grid
    from fkd_helpers.tables import markdown, table

    if options.grid not in GRIDS:
        raise unknown("grid", options.grid, GRIDS)
    for key in ("max_epochs", "seeds"):
        if (getattr(options, key) or 1) < 1 or getattr(options, key) == 0:
            raise InputError(f"--{key.replace('_', '-')}: expected at least 1, got {getattr(options, key)}")
    rows = _rows(options.rows, len(GRIDS[options.grid]()))
    configs = [GRIDS[options.grid](options.data, seed=seed)[row] for seed in range(options.seeds) for row in rows]
    folder = Path(options.out or Path("runs") / f"{options.grid}-{Path(options.data).name}")
    found = run_grid(configs, folder, max_epochs=options.max_epochs)
    text = markdown(table(found))
    with whole_file(folder / "table.md") as partial:
        partial.write_text(text + "\n", encoding="utf-8")
    print(text)
    print(f"records and table: {folder}")
    return 2 if any("failed" in record for record in found) else 0


def _rows(text: str | None, count: int) -> list[int]:
    """Return the row indices that a text such as "1,3-5" names, counted from 1; all without one."""
    if text is None:
        return list(range(count))
    try:
        ends = [[int(end) for end in part.split("-")] for part in text.split(",")]
        rows = [row for first, *last in ends for row in range(first, (last or [first])[0] + 1)]
    except ValueError:
        rows = []
    if not rows or min(rows) < 1 or max(rows) > count:
        raise InputError(f"--rows: expected numbers from 1 to {count} such as 1,3-5, got {text!r}")
    return [row - 1 for row in dict.fromkeys(rows)]


def _evaluate(options) -> int:
    from fkd_helpers.evaluation import evaluate

    evaluate(options.data, None if options.part == "all" else options.part, model=options.model,
             folder=Path(options.out) if options.out else None)  # fmt: skip
    return 0


def _fetch(options) -> int:
    from fkd_helpers.download import fetch

    fetch(options.out)
    return 0


def _benchmark(options) -> int:
    from fkd_helpers.benchmark import run

    if options.rounds < 1:
        raise InputError(f"--rounds: expected at least 1, got {options.rounds}")
    run(rounds=options.rounds, folder=Path(options.out) if options.out else None)
    return 0
