"""The subcommand `kaggle`: train on 15 points, and write a submission."""

from pathlib import Path

from fkd_helpers import nets
from fkd_helpers.core.config import Kaggle15Config
from fkd_helpers.core.errors import InputError
from fkd_helpers.kaggle15.tables import LOOKUP, answers_for, check_submission, load_faces, read_csv
from fkd_helpers.kaggle15.task import Kaggle15Task, find_table, predict_15
from fkd_helpers.train.command import chosen_run, say
from fkd_helpers.train.run import run, write_csv


def train(*, config: str = "keypoints15", out: Path | None = None, **fields: Kaggle15Config) -> int:
    """Train on 15 keypoints, some of them missing; run again, it resumes where it stopped.

    Args:
        config: a YAML file, or the name of one of ours
        out: folder of what the run writes (runs/NAME)
    """
    settings, folder = chosen_run("kaggle15", config, out, fields)
    scores = run(Kaggle15Task(settings), settings, folder, say=say)
    complete = f"{scores['rmse_complete']:.3f} on the {scores['complete']} complete ones"
    print(f"RMSE {scores['rmse']:.3f} on {scores['faces']} held-out faces, {complete}; weights and record in {folder}")
    return 0


def predict(*, weights: str, data: str = "puppets", out: Path = Path("runs/submission")) -> int:
    """Predict a test table with trained weights; write submission.csv.

    Args:
        weights: a .safetensors file of a training
        data: folder with test.csv and IdLookupTable.csv
        out: folder of the submission
    """
    model, sheet = nets.load(weights), find_table(data, "IdLookupTable")
    if (points := model.facts["keypoints"]) != "15":
        raise InputError(f"{weights}: expected a network for 15 points, got {model.facts['net']!r} for {points}")
    faces = load_faces(find_table(data, "test"), labelled=False)
    predicted = predict_15(model, faces.images, size=int(model.facts["size"]))
    answers = answers_for(read_csv(sheet, LOOKUP), faces.extras["id"], predicted)
    out.mkdir(parents=True, exist_ok=True)
    write_csv(out / "submission.csv", answers, float_format="%.4f")
    count = check_submission(out / "submission.csv", sheet)
    print(f"{count} answers about {len(faces)} images: {out / 'submission.csv'}")
    return 0
