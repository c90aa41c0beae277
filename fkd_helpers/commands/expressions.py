"""`expressions`: eight expressions, valence and arousal: check a set, train, evaluate, compare, predict."""

from functools import partial
from pathlib import Path

from fkd_helpers.commands.configured import add_training_options, to_train
from fkd_helpers.core.errors import InputError


def add(commands) -> None:
    """Declare what the subcommand takes."""
    parser = commands.add_parser("expressions", help="8 expressions, valence and arousal: check, train, compare")
    actions = parser.add_subparsers(dest="action", required=True, metavar="check|train|evaluate|compare|predict")
    check = actions.add_parser("check", help="what is in a set: counts, ranges, damage, duplicates")
    check.add_argument("data", nargs="?", default="puppets", help="folder, zip or name of a set (puppets)")
    check.set_defaults(run=run_check)
    train = actions.add_parser("train", help="train; run again, it goes on where it stopped")
    add_training_options(train, config="expressions_head", task="expressions")
    train.add_argument("--fast", action="store_true", help="two batches only: does everything run?")
    train.set_defaults(run=run_train)
    evaluate = actions.add_parser("evaluate", help="score a model on the test part of a set, and write the report")
    evaluate.add_argument("--model", default="expressions", help="the one we ship (expressions), or an .onnx file")
    evaluate.add_argument("--data", default="puppets", help="folder, zip or name of a set (puppets)")
    evaluate.add_argument("--out", metavar="DIR", default="runs/expressions-report", help="(runs/expressions-report)")
    evaluate.set_defaults(run=run_evaluate)
    compare = actions.add_parser("compare", help="all models in one table, from their records")
    compare.add_argument("--records", metavar="DIR", help="folder of records (default: those of the course)")
    compare.add_argument("--seeds", action="store_true", help="a row a seed")
    compare.set_defaults(run=run_compare)
    predict = actions.add_parser("predict", help="what the faces of a photo show")
    predict.add_argument("photo", help="a photo")
    predict.add_argument("--model", default="expressions", help="the one we ship (expressions), or an .onnx file")
    predict.set_defaults(run=run_predict)


def run_check(options) -> int:
    from fkd_helpers.expressions.data import conflicts, contents, damage, load_expressions

    faces = load_expressions(options.data)
    print(contents(faces).to_string(index=False, float_format="{:.2f}".format))
    same, different = conflicts(faces)
    print(f"{len(faces)} faces; {len(same)} groups of identical images, {len(different)} of them with two expressions")
    for names in different:
        print(f"  same image, other expression: {', '.join(names)}")
    for what, names in damage(faces).items():
        print(f"  left out: {len(names)} {what}: {', '.join(names[:5])}{' ...' * (len(names) > 5)}")
    return 0


def run_train(options) -> int:
    ready = to_train(options)
    if ready is None:
        return 0
    config, folder = ready
    from fkd_helpers.expressions.task import train
    from fkd_helpers.train.loop import TrainingStopped

    try:
        scores = train(config, folder, fast=options.fast, say=partial(print, flush=True))
    except TrainingStopped as error:
        raise InputError(str(error)) from None
    _say(scores)
    print(f"weights, record and report.html in {folder}")
    return 0


def run_evaluate(options) -> int:
    from fkd_helpers.expressions.data import load_expressions
    from fkd_helpers.expressions.metrics import all_scores
    from fkd_helpers.expressions.reader import ExpressionReader
    from fkd_helpers.expressions.report import write_report
    from fkd_helpers.expressions.task import held_out_answers

    reader = ExpressionReader(options.model)
    answers, test = held_out_answers(reader, load_expressions(options.data))
    path = write_report(options.out, answers, test, title=f"{options.model} on {options.data}")
    _say(all_scores(answers, test))
    print(f"report: {path}")
    return 0


def _say(scores) -> None:
    print(f"accuracy {scores['accuracy']:.3f}, macro F1 {scores['macro_f1']:.3f}, kappa {scores['kappa']:.3f}")
    for key in ("valence", "arousal"):
        print(f"{key}: RMSE {scores[f'{key}_rmse']:.3f}, r {scores[f'{key}_r']:.3f}, "
              f"sign {scores[f'{key}_sign']:.1%}, CCC {scores[f'{key}_ccc']:.3f}")  # fmt: skip


def run_compare(options) -> int:
    import pandas as pd

    from fkd_helpers.expressions.report import compare, published_row
    from fkd_helpers.train.tables import markdown

    table = compare(Path(options.records) if options.records else None, seeds=options.seeds)
    if not len(table):
        raise InputError("no record of an expression run: `expressions train` writes one")
    print(markdown(pd.concat([table, published_row()], ignore_index=True), digits=3))
    return 0


def run_predict(options) -> int:
    from fkd_helpers.expressions.reader import ExpressionReader
    from fkd_helpers.faces.images import read_photo
    from fkd_helpers.predict import KeypointPredictor

    frame = read_photo(options.photo)
    faces = KeypointPredictor()(frame, whole_image="fallback")
    if not faces:
        print("no face found")
        return 0
    reader = ExpressionReader(options.model)
    for i, (face, read) in enumerate(zip(faces, reader(frame, [face.keypoints for face in faces]), strict=True), 1):
        likely = ", ".join(f"{name} {share:.0%}" for name, share in read.likely())
        print(f"face {i} at {face.box.round().astype(int).tolist()}: {likely}; valence {read.valence:+.2f}, "
              f"arousal {read.arousal:+.2f}")  # fmt: skip
    return 0
