"""The subcommand `kaggle`: train on 15 points, and write a submission."""

from pathlib import Path

from fkd_helpers.core.config import Kaggle15Config, TrainOptions
from fkd_helpers.core.files import whole_file
from fkd_helpers.kaggle15 import submission
from fkd_helpers.kaggle15.data import find_table, load_faces
from fkd_helpers.kaggle15.tables import CORNER, read_lookup
from fkd_helpers.plots import faces
from fkd_helpers.train.command import chosen_run, say, trained

SHOWN = 24  # faces in the picture of predictions


def train(*, arguments: list[str], shared: TrainOptions, fields: Kaggle15Config) -> int:
    """Train on 15 keypoints, some of them missing; run again, it goes on where it stopped."""
    chosen = chosen_run(arguments, "kaggle15", shared, fields)
    if chosen is None:
        return 0
    settings, folder = chosen
    if settings.net == "keras_cnn":
        from fkd_helpers.kaggle15.keras_net import train_keras as train_15  # keras is an extra, and slow to import
    else:
        from fkd_helpers.kaggle15.task import train_15
    scores = trained(lambda: train_15(settings, folder, say=say), folder)
    complete = f"{scores['rmse_complete']:.3f} on the {scores['complete']} complete ones"
    print(f"RMSE {scores['rmse']:.3f} on {scores['faces']} held-out faces, {complete}; weights and record in {folder}")
    return 0


def predict(
    *, weights: str, framework: str = "", data: str = "puppets", out: Path = Path("runs/submission"),
    mirror: bool = False, on_error: str = "raise",
) -> int:  # fmt: skip
    """Predict a test table with trained weights; write submission.csv and a picture of the predictions.

    Args:
        weights: of PyTorch (.safetensors) or Keras (.keras)
        framework: torch or keras: refuse weights of the other one
        data: folder with test.csv and IdLookupTable.csv
        out: folder of the submission
        mirror: take the mean with the predictions on the mirrored images
        on_error: raise, or skip damaged rows
    """
    predictor = submission.load_predictor(weights, framework=framework, mirror=mirror)
    sheet, rows = find_table(data, "IdLookupTable"), find_table(data, "test")
    rows = load_faces(rows, on_error=on_error, labelled=False)
    print("".join(f"left out: {problem}\n" for problem in rows.problems), end="")
    keypoints = predictor(rows.images)
    answers = submission.answers_for(read_lookup(sheet), rows.extras["id"], keypoints)
    out.mkdir(parents=True, exist_ok=True)
    path = submission.write_submission(out / "submission.csv", answers)
    count = submission.check_submission(path, sheet)
    made = faces(rows.images[:SHOWN], keypoints[:SHOWN] - CORNER, alt=f"{SHOWN} test faces with their predictions")
    with whole_file(out / "predictions.png") as partial:
        made.savefig(partial, format="png", dpi=100)
    print(f"{count} answers about {len(rows.images)} images: {path}; a picture: {out / 'predictions.png'}")
    return 0
