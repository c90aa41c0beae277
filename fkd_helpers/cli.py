"""The command line, `python -m fkd_helpers SUBCOMMAND`: one table of functions; their parameters are the options.

What is slow to import waits inside the functions, and a function of another room until its subcommand is chosen.
"""

import importlib
import sys
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

from fkd_helpers.core.config import KeypointsConfig
from fkd_helpers.core.errors import InputError, unknown
from fkd_helpers.core.options import Parser, add_options


def predict(
    photos: list[str], *, out: Path | None = None, json: bool = False, csv: Path | None = None,
    parquet: Path | None = None, crops: bool = False, model: str = "small", detector: str = "ours",
    min_face: float | None = None,
) -> int:  # fmt: skip
    """Find the faces and keypoints of photos.

    Args:
        photos: photos, or folders of photos with their subfolders
        out: write the photos with faces drawn on them into this folder (found, if there is no other output)
        json: print boxes, keypoints and emotions as JSON, one line per photo
        csv: write one row per face: photo, face, size, box, score, emotion, x0, y0 ...
        parquet: the same for one folder of any size; the same command resumes if it was interrupted
        crops: each photo is the crop of a face: search for none
        model: a model that ships, or a path to .onnx or .safetensors
        detector: ours, which finds faces of any tilt, or haar, OpenCV's cascade
        min_face: smallest face, as a share of the longer side (0.01; of the cascade 0.05)
    """
    from fkd_helpers import predict as prediction
    from fkd_helpers.emotion.rules import read_emotion

    if detector not in prediction.DETECTORS:
        raise unknown("--detector", detector, prediction.DETECTORS)
    detect = partial(prediction.DETECTORS[detector], **{} if min_face is None else {"min_face": min_face})
    how = "always" if crops else "never"
    outputs = {"out": out, "csv": csv, "json": json, "parquet": parquet}
    predictor = prediction.KeypointPredictor(model, detector=detect)
    failed = prediction.predict_paths(photos, predictor, **outputs, whole_image=how, read_emotion=read_emotion)
    return 2 if failed else 0


def train(*, config: str = "keypoints68", out: Path | None = None, **fields: KeypointsConfig) -> None:
    """Train a keypoint network; run again, it resumes where it stopped.

    Args:
        config: a YAML file, or the name of one of ours
        out: folder of what the run writes (runs/NAME)
    """
    from fkd_helpers.plots.training import training_curves
    from fkd_helpers.train.checkpoint import history_of
    from fkd_helpers.train.command import chosen_run, say
    from fkd_helpers.train.distributed import started_as
    from fkd_helpers.train.keypoints import KeypointsTask
    from fkd_helpers.train.run import run

    settings, folder = chosen_run("keypoints", config, out, fields)
    try:
        scores = run(KeypointsTask(settings), settings, folder, say=say)
    finally:
        if started_as()[0] == 0 and (history := history_of(folder)):
            training_curves(history).savefig(folder / "training_curves.png")
    print(f"NME {scores['nme']:.4f} on {scores['faces']} held-out faces; weights and record in {folder}")


def evaluate(
    *, data: str = "ytf", part: str = "test", model: str = "small", detector: str = "ours", out: Path | None = None,
    robustness: bool = False,
) -> None:  # fmt: skip
    """Score a model from photo to keypoints and with the true box given, and write the record.

    Args:
        data: ytf, puppets, or a folder
        part: test, training, held-out (of an extra set), or all
        model: a model that ships, or a path
        detector: ours, or haar
        out: folder of the records (data/records)
        robustness: also score photos that are turned, shrunk, blurred and so on, into a second record (takes minutes)
    """
    from fkd_helpers.evaluate import evaluate_model, measure_robustness

    which = None if part == "all" else part
    evaluate_model(data, which, model=model, detector=detector, folder=out)
    if robustness:
        measure_robustness(data, which, model=model, detector=detector, folder=out)


def fetch(*, out: Path | None = None) -> None:
    """Download the real 68-point set; every file is checked by its digest.

    Args:
        out: folder of the set (ytf in $FKD_DATA_DIR or in data/)
    """
    from fkd_helpers.data.download import fetch as fetch_set

    fetch_set(out)


COMMANDS: dict[str, tuple[str, Callable | str | dict]] = {
    "check": ("what is installed and present, and what to do where something is missing", "course.installation:check"),
    "predict": ("find the faces and keypoints of photos", predict),
    "live": ("follow faces and emotions in a camera, a film or the puppet", "live.command:run"),
    "train": ("train a keypoint network", train),
    "experiments": ("run a grid of trainings", "train.command:experiments"),
    "evaluate": ("score a model from photo to keypoints", evaluate),
    "emotions": ("report the emotions of predicted keypoints", "emotion.table:report"),
    "fetch": ("download the real 68-point set", fetch),
    "kaggle": ("15 keypoints with missing labels", {
        "train": ("train on the 15 points", "kaggle15.command:train"),
        "predict": ("weights and test.csv to submission.csv", "kaggle15.command:predict"),
    }),
    "expressions": ("eight expressions, valence and arousal", {
        "check": ("what is in a set: counts, ranges, damage", "expressions.command:check"),
        "train": ("train an expression network", "expressions.command:train"),
        "evaluate": ("score a model on the test part of a set", "expressions.command:evaluate"),
        "predict": ("what the faces of a photo show", "expressions.command:predict"),
    }),
    "export": ("write a network in other formats, and compare each", "export.formats:export"),
    "serve": ("answer photos over HTTP", "serve.endpoint:serve"),
}  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """Run one subcommand; return the exit code: 0, 1 where `check` found a fault, 2 for bad input, 130 interrupted."""
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = Parser("python -m fkd_helpers", description="Facial keypoints, hands on.")
    _declare(parser, COMMANDS, arguments)
    given = vars(parser.parse_args(arguments))
    command, function = given.pop("command"), given.pop("function")
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_: print(f"warning: {message}", file=sys.stderr)
            code = function(**given)
        sys.stdout.flush()
        return code if type(code) is int else int(code is False)
    except InputError as error:
        print(f"{command}: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        if error.strerror is None:
            raise
        print(f"{command}: {error.filename or 'the disk'}: {error.strerror}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"{command}: interrupted; what was finished is kept", file=sys.stderr)
        return 130


def _declare(parser: Parser, table: dict, arguments: list[str]) -> None:
    """Declare the subcommands of a table, and the options of the one that is chosen: the others are not imported."""
    key = {"dest": "command", "metavar": "SUBCOMMAND"} if table is COMMANDS else {"metavar": "|".join(table)}
    commands = parser.add_subparsers(required=True, **key)
    for name, (text, target) in table.items():
        chosen = name in arguments[:1]
        command = commands.add_parser(name, help=text)
        if isinstance(target, dict):
            _declare(command, target, arguments[1:] if chosen else [])
        elif chosen:
            if isinstance(target, str):
                module, _, function = target.partition(":")
                target = getattr(importlib.import_module(f"fkd_helpers.{module}"), function)
            command.description = (target.__doc__ or "").partition("Args:")[0].strip()
            add_options(command, target)
            command.set_defaults(function=target)
