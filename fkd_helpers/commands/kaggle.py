"""`kaggle`: train on Kaggle's 15 points, predict, write a submission."""

import dataclasses
from functools import partial
from pathlib import Path

from fkd_helpers.config import RunConfig, as_yaml, load_config
from fkd_helpers.errors import InputError


def add(commands) -> None:
    """Declare what the subcommand takes."""
    parser = commands.add_parser("kaggle", help="15 keypoints with missing labels: train, predict, submit")
    actions = parser.add_subparsers(dest="action", required=True, metavar="train|predict")
    train = actions.add_parser("train", help="train; run again, it goes on where it stopped")
    train.add_argument("--config", default="keypoints15", help="YAML file, or the name of one of ours (keypoints15)")
    train.add_argument("--out", metavar="DIR", help="checkpoints, weights and record (default: runs/NAME)")
    train.add_argument("--print-config", action="store_true", help="print the whole configuration and stop")
    for field in dataclasses.fields(RunConfig):
        train.add_argument(f"--{field.name.replace('_', '-')}", type=field.type)
    train.set_defaults(run=run_train)


def run_train(options) -> int:
    chosen = {field.name: getattr(options, field.name) for field in dataclasses.fields(RunConfig)}
    config = load_config(options.config, **{key: value for key, value in chosen.items() if value is not None})
    if options.print_config:
        print(as_yaml(config), end="")
        return 0
    from fkd_helpers.kaggle_runs import train_15
    from fkd_helpers.training import TrainingStopped

    folder = Path(options.out or Path("runs") / config.name)
    try:
        scores = train_15(config, folder, say=partial(print, flush=True))
    except TrainingStopped as error:
        raise InputError(f"{error}; the last good checkpoint is in {folder}") from None
    print(f"RMSE {scores['rmse']:.3f} on {scores['faces']} held-out faces, {scores['rmse_complete']:.3f} on the "
          f"{scores['complete']} complete ones; weights and record in {folder}")  # fmt: skip
    return 0
