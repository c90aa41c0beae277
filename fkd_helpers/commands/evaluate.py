"""`evaluate`: score a model."""

from pathlib import Path

from fkd_helpers.core.errors import InputError

WORDS = """\
The record holds the scores from photo to keypoints and with the true box given, each with the answers moved to where
the labels of the set lie (see fkd_helpers/data/labels.py) and as given ("raw"); 95 % intervals by drawing people;
the error by head turn, tilt, sharpness, light and size; the cumulative error curve; the worst faces by their place in
the part. --robustness writes a second record: the error as the photos are turned, shrunk, blurred and so on.
"""


def add(commands) -> None:
    """Declare what the subcommand takes."""
    parser = commands.add_parser(
        "evaluate", help="score a model from photo to keypoints, and write the record", description=WORDS
    )
    parser.add_argument("--data", default="ytf", help="data set: ytf (default), puppets, a folder or a CSV")
    parser.add_argument("--part", default="test", help="test (default), training, held-out (of an extra set), or all")
    parser.add_argument("--model", default="small", help="a model we ship, or a path")
    parser.add_argument("--out", metavar="DIR", help="where the records go (default: data/records)")
    parser.add_argument("--robustness", action="store_true", help="also score changed photos (takes minutes)")
    parser.add_argument("--seed", type=int, default=0, help="of the noise and of what hides a face (0)")
    parser.set_defaults(run=run)


def run(options) -> int:
    from fkd_helpers import evaluate

    if options.seed < 0:
        raise InputError(f"--seed: expected 0 or more, got {options.seed}")
    part = None if options.part == "all" else options.part
    folder = Path(options.out) if options.out else None
    evaluate.evaluate_model(options.data, part, model=options.model, folder=folder)
    if options.robustness:
        evaluate.measure_robustness(options.data, part, model=options.model, folder=folder, seed=options.seed)
    return 0
