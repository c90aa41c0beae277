"""The subcommand `expressions`: check a set, train, evaluate, compare, predict."""

from pathlib import Path

import pandas as pd

from fkd_helpers.core.config import ExpressionsConfig, TrainOptions
from fkd_helpers.core.errors import InputError
from fkd_helpers.expressions import report, task
from fkd_helpers.expressions.data import conflicts, contents, damage, load_expressions
from fkd_helpers.expressions.metrics import all_scores
from fkd_helpers.expressions.reader import ExpressionReader
from fkd_helpers.faces.images import read_photo
from fkd_helpers.predict import KeypointPredictor
from fkd_helpers.train.command import chosen_run, say
from fkd_helpers.train.tables import markdown


def check(data: str = "puppets") -> int:
    """Say what is in a set: counts, ranges, damage, duplicates.

    Args:
        data: folder, zip or name of a set
    """
    faces = load_expressions(data)
    print(contents(faces).to_string(index=False, float_format="{:.2f}".format))
    same, different = conflicts(faces)
    print(f"{len(faces)} faces; {len(same)} groups of identical images, {len(different)} of them with two expressions")
    for names in different:
        print(f"  same image, other expression: {', '.join(names)}")
    for what, names in damage(faces).items():
        print(f"  left out: {len(names)} {what}: {', '.join(names[:5])}{' ...' * (len(names) > 5)}")
    return 0


def train(*, arguments: list[str], shared: TrainOptions, fields: ExpressionsConfig, fast: bool = False) -> int:
    """Train on expressions, valence and arousal; run again, it goes on where it stopped.

    Args:
        fast: two batches only: does everything run?
    """
    chosen = chosen_run(arguments, "expressions", shared, fields)
    if chosen is None:
        return 0
    settings, folder = chosen
    print_scores(task.train(settings, folder, fast=fast, say=say))
    print(f"weights, record and report.html in {folder}")
    return 0


def evaluate(*, model: str = "expressions", data: str = "puppets", out: Path = Path("runs/expressions-report")) -> int:
    """Score a model on the test part of a set, and write the report.

    Args:
        model: the one that ships (expressions), or an .onnx file
        data: folder, zip or name of a set
        out: folder of the report
    """
    predictions, test = task.held_out_answers(ExpressionReader(model), load_expressions(data))
    path = report.write_report(out, predictions, test, title=f"{model} on {data}")
    print_scores(all_scores(predictions, test))
    print(f"report: {path}")
    return 0


def print_scores(scores: dict) -> None:
    """Print accuracy, F1 and kappa, and the scores of valence and arousal."""
    print(f"accuracy {scores['accuracy']:.3f}, macro F1 {scores['macro_f1']:.3f}, kappa {scores['kappa']:.3f}")
    for key in ("valence", "arousal"):
        rmse, r, sign, ccc = (scores[f"{key}_{name}"] for name in ("rmse", "r", "sign", "ccc"))
        print(f"{key}: RMSE {rmse:.3f}, r {r:.3f}, sign {sign:.1%}, CCC {ccc:.3f}")


def compare(*, records: Path | None = None, seeds: bool = False) -> int:
    """Compare all models in one table, from their records.

    Args:
        records: folder of records (those of the course)
        seeds: one row per seed
    """
    table = report.compare(records, seeds=seeds)
    if not len(table):
        raise InputError("no record of an expression run: `expressions train` writes one")
    print(markdown(pd.concat([table, report.published_row()], ignore_index=True), digits=3))
    return 0


def predict(photo: str, *, model: str = "expressions") -> int:
    """Print what the faces of a photo show.

    Args:
        photo: a photo
        model: the one that ships (expressions), or an .onnx file
    """
    frame = read_photo(photo)
    faces = KeypointPredictor()(frame, whole_image="fallback")
    if not faces:
        print("no face found")
        return 0
    readings = ExpressionReader(model)(frame, [face.keypoints for face in faces])
    for i, (face, read) in enumerate(zip(faces, readings, strict=True), 1):
        likely = ", ".join(f"{name} {share:.0%}" for name, share in read.likely())
        affect = f"valence {read.valence:+.2f}, arousal {read.arousal:+.2f}"
        print(f"face {i} at {face.box.round().astype(int).tolist()}: {likely}; {affect}")
    return 0
