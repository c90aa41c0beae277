"""`kaggle`: train on Kaggle's 15 points, predict, write a submission."""

from functools import partial
from pathlib import Path

from fkd_helpers.commands.configured import add_training_options, to_train
from fkd_helpers.core.errors import InputError
from fkd_helpers.core.files import whole_file

SHOWN = 24  # faces in the picture of predictions


def add(commands) -> None:
    """Declare what the subcommand takes."""
    parser = commands.add_parser("kaggle", help="15 keypoints with missing labels: train, predict, submit")
    actions = parser.add_subparsers(dest="action", required=True, metavar="train|predict")
    train = actions.add_parser("train", help="train; run again, it goes on where it stopped")
    add_training_options(train, config="keypoints15", task="kaggle15")
    train.set_defaults(run=run_train)
    predict = actions.add_parser("predict", help="weights and test.csv -> submission.csv and a picture of predictions")
    predict.add_argument("--weights", required=True, metavar="FILE", help="of PyTorch (.safetensors) or Keras (.keras)")
    predict.add_argument("--framework", choices=("torch", "keras"), default="", help="refuse weights of the other one")
    predict.add_argument("--data", default="puppets", help="folder with test.csv and IdLookupTable.csv (puppets)")
    predict.add_argument("--out", metavar="DIR", default="runs/submission", help="(runs/submission)")
    predict.add_argument("--mirror", action="store_true", help="take the mean with the mirrored images' answers")
    predict.add_argument("--on-error", choices=("raise", "skip"), default="raise", help="damaged rows (raise)")
    predict.set_defaults(run=run_predict)


def run_train(options) -> int:
    ready = to_train(options)
    if ready is None:
        return 0
    config, folder = ready
    from fkd_helpers.train.loop import TrainingStopped

    if config.net == "keras_cnn":
        from fkd_helpers.kaggle15.keras_net import train_keras as train
    else:
        from fkd_helpers.kaggle15.task import train_15 as train

    try:
        scores = train(config, folder, say=partial(print, flush=True))
    except TrainingStopped as error:
        raise InputError(f"{error}; the last good checkpoint is in {folder}") from None
    print(f"RMSE {scores['rmse']:.3f} on {scores['faces']} held-out faces, {scores['rmse_complete']:.3f} on the "
          f"{scores['complete']} complete ones; weights and record in {folder}")  # fmt: skip
    return 0


def run_predict(options) -> int:
    from fkd_helpers.kaggle15 import submission
    from fkd_helpers.kaggle15.data import find_table, load_faces
    from fkd_helpers.kaggle15.tables import CORNER, read_lookup
    from fkd_helpers.plots import faces

    predictor = submission.load_predictor(options.weights, framework=options.framework, mirror=options.mirror)
    sheet = find_table(options.data, "IdLookupTable")
    lookup = read_lookup(sheet)
    rows = load_faces(find_table(options.data, "test"), on_error=options.on_error, labelled=False)
    for problem in rows.problems:
        print(f"left out: {problem}")
    keypoints = predictor(rows.images)
    answers = submission.answers_for(lookup, rows.extras["id"], keypoints)
    folder = Path(options.out)
    folder.mkdir(parents=True, exist_ok=True)
    path = submission.write_submission(folder / "submission.csv", answers)
    count = submission.check_submission(path, sheet)
    made = faces(rows.images[:SHOWN], keypoints[:SHOWN] - CORNER, alt=f"{SHOWN} test faces with their predictions")
    with whole_file(folder / "predictions.png") as partial:
        made.savefig(partial, format="png", dpi=100)
    print(f"{count} answers about {len(rows.images)} images: {path}; a picture: {folder / 'predictions.png'}")
    return 0
