"""`evaluate`: score a model."""

from pathlib import Path


def add(commands) -> None:
    """Declare what the subcommand takes."""
    parser = commands.add_parser("evaluate", help="score a model from photo to keypoints, and write the record")
    parser.add_argument("--data", default="ytf", help="data set (ytf)")
    parser.add_argument("--part", default="test", help="test (default), training, held-out (of an extra set), or all")
    parser.add_argument("--model", default="small", help="a model we ship, or a path")
    parser.add_argument("--out", metavar="DIR", help="where the record goes (default: data/records)")
    parser.set_defaults(run=run)


def run(options) -> int:
    from fkd_helpers.evaluation import evaluate

    evaluate(options.data, None if options.part == "all" else options.part, model=options.model,
             folder=Path(options.out) if options.out else None)  # fmt: skip
    return 0
