"""The subcommand `kaggle`: train on 15 points, and write a submission."""

from pathlib import Path

from fkd_helpers.core.config import Kaggle15Config, TrainOptions
from fkd_helpers.kaggle15.data import find_table
from fkd_helpers.kaggle15.tables import LOOKUP, answers_for, check_submission, load_faces, read_csv
from fkd_helpers.train.command import chosen_run, say
from fkd_helpers.train.run import run, write_csv


def train(*, arguments: list[str], shared: TrainOptions, fields: Kaggle15Config) -> int:
    """Train on 15 keypoints, some of them missing; run again, it goes on where it stopped."""
    chosen = chosen_run(arguments, "kaggle15", shared, fields)
    if chosen is None:
        return 0
    settings, folder = chosen
    if settings.net == "keras_cnn":
        from fkd_helpers.kaggle15.keras_net import train_keras  # keras is an extra, and slow to import

        scores = train_keras(settings, folder, say=say)
    else:
        from fkd_helpers.kaggle15.task import Kaggle15Task  # slow to import, and Keras does without it

        scores = run(Kaggle15Task(settings), settings, folder, say=say)
    complete = f"{scores['rmse_complete']:.3f} on the {scores['complete']} complete ones"
    print(f"RMSE {scores['rmse']:.3f} on {scores['faces']} held-out faces, {complete}; weights and record in {folder}")
    return 0


def predict(*, weights: str, data: str = "puppets", out: Path = Path("runs/submission")) -> int:
    """Predict a test table with trained weights; write submission.csv.

    Args:
        weights: of PyTorch (.safetensors) or Keras (.keras)
        data: folder with test.csv and IdLookupTable.csv
        out: folder of the submission
    """
    if weights.endswith(".keras"):
        from fkd_helpers.kaggle15.keras_net import predictor
    else:
        from fkd_helpers.kaggle15.task import predictor
    predict_images, sheet = predictor(weights), find_table(data, "IdLookupTable")
    faces = load_faces(find_table(data, "test"), labelled=False)
    answers = answers_for(read_csv(sheet, LOOKUP), faces.extras["id"], predict_images(faces.images))
    out.mkdir(parents=True, exist_ok=True)
    write_csv(out / "submission.csv", answers, float_format="%.4f")
    count = check_submission(out / "submission.csv", sheet)
    print(f"{count} answers about {len(faces)} images: {out / 'submission.csv'}")
    return 0
