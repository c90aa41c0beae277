"""`train`: train a keypoint network."""

from functools import partial

from fkd_helpers.commands.configured import add_training_options, to_train
from fkd_helpers.core.errors import InputError


def add(commands) -> None:
    """Declare what the subcommand takes."""
    parser = commands.add_parser("train", help="train a keypoint network; run again, it goes on where it stopped")
    add_training_options(parser, config="keypoints68", task="keypoints")
    parser.set_defaults(run=run)


def run(options) -> int:
    ready = to_train(options)
    if ready is None:
        return 0
    config, folder = ready
    from fkd_helpers.emotion.rules import emotion_column
    from fkd_helpers.plots.training import save_curves
    from fkd_helpers.train.distributed import started_as
    from fkd_helpers.train.keypoints import KeypointsTask
    from fkd_helpers.train.loop import TrainingStopped
    from fkd_helpers.train.run import run as run_task

    try:
        say = partial(print, flush=True)  # a log file shows it at once
        scores = run_task(KeypointsTask(config, labels=emotion_column), config, folder, say=say)
    except TrainingStopped as error:
        raise InputError(f"{error}; the record is in {folder}") from None
    finally:
        if started_as()[0] == 0:
            save_curves(folder, epochs=config.epochs)
    print(f"NME {scores['nme']:.4f} on {scores['faces']} held-out faces; weights and record in {folder}")
    return 0
