"""The subcommand `expressions`: check a set, train, evaluate, predict."""

from pathlib import Path

import pandas as pd

from fkd_helpers.core.config import ExpressionsConfig
from fkd_helpers.expressions.crops import face_crops, mean_over_mirror
from fkd_helpers.expressions.data import load_expressions, split_expressions
from fkd_helpers.expressions.metrics import all_scores, write_report
from fkd_helpers.expressions.reader import ExpressionReader
from fkd_helpers.expressions.task import ExpressionsTask
from fkd_helpers.faces.images import read_photo
from fkd_helpers.faces.landmarks import EXPRESSIONS
from fkd_helpers.predict import KeypointPredictor
from fkd_helpers.train.command import chosen_run, say
from fkd_helpers.train.run import run

_digits = "{:.3f}".format


def check(data: str = "puppets") -> int:
    """Say what is in a set: counts, ranges, and the faces that are damaged and left out.

    Args:
        data: folder, zip or name of a set
    """
    faces = load_expressions(data)
    scales = pd.DataFrame({key: faces.extras[key] for key in ("valence", "arousal")})
    expression = pd.Categorical.from_codes(faces.extras["expression"], EXPRESSIONS)
    table = scales.groupby(expression, observed=False).agg(["count", "mean", "min", "max"])
    print(f"{table.to_string(float_format=_digits)}\n{len(faces)} faces")
    print("".join(f"  left out: {problem}\n" for problem in faces.problems), end="")
    return 0


def train(*, config: str = "expressions_head", out: Path | None = None, **fields: ExpressionsConfig) -> int:
    """Train on expressions, valence and arousal; run again, it resumes where it stopped.

    Args:
        config: a YAML file, or the name of one of ours
        out: folder of what the run writes (runs/NAME)
    """
    settings, folder = chosen_run("expressions", config, out, fields)
    scores = run(ExpressionsTask(settings), settings, folder, say=say)
    print(f"{pd.Series(scores).to_string(float_format=_digits)}\nweights, record and report in {folder}")
    return 0


def evaluate(*, model: str = "expressions", data: str = "puppets", out: Path = Path("runs/expressions-report")) -> int:
    """Score a model on the test part of a set, and write the report.

    Args:
        model: the one that ships (expressions), or an .onnx file
        data: folder, zip or name of a set
        out: folder of the report
    """
    reader = ExpressionReader(model)
    test = split_expressions(load_expressions(data, classes=reader.classes))[2]
    answers = mean_over_mirror(reader.run, face_crops(test, reader.size), size=reader.size)
    write_report(out, answers, test)
    print(f"{pd.Series(all_scores(answers, test)).to_string(float_format=_digits)}\nreport: {out}")
    return 0


def predict(photo: str, *, model: str = "expressions") -> int:
    """Print what the faces of a photo show.

    Args:
        photo: a photo
        model: the one that ships (expressions), or an .onnx file
    """
    frame = read_photo(photo)
    faces = KeypointPredictor()(frame, whole_image="fallback")
    readings = ExpressionReader(model)(frame, [face.keypoints for face in faces])
    for i, (face, read) in enumerate(zip(faces, readings, strict=True), 1):
        likely = ", ".join(f"{name} {share:.0%}" for name, share in read.likely())
        affect = f"valence {read.valence:+.2f}, arousal {read.arousal:+.2f}"
        print(f"face {i} at {face.box.round().astype(int).tolist()}: {likely}; {affect}")
    return 0
