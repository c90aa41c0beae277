"""What is said of the real expression set, and of models together: records from run folders, and the model we ship.

    FKD_DATA_DIR=... python tools/expression_records.py facts
    FKD_DATA_DIR=... python tools/expression_records.py raters
    FKD_DATA_DIR=... python tools/expression_records.py together --runs RUN,RUN ... --name NAME
    python tools/expression_records.py export --runs RUN

`together` gives the mean of the runs' answers on the test part: weights are equal, nothing is fitted on that part.
"""

import time
import types
from pathlib import Path

import numpy as np
import pandas as pd
import skimage.data

from fkd_helpers import data
from fkd_helpers.core import records
from fkd_helpers.core.options import run_script
from fkd_helpers.expressions.data import duplicates, load_expressions, split_expressions
from fkd_helpers.expressions.metrics import krippendorff_alpha
from fkd_helpers.expressions.model import ExpressionNet, export_expressions
from fkd_helpers.expressions.reader import ExpressionReader
from fkd_helpers.expressions.task import facts_of
from fkd_helpers.faces.landmarks import EXPRESSIONS
from fkd_helpers.nets import load_weights
from fkd_helpers.predict import KeypointPredictor
from fkd_helpers.predict.runtime import WEIGHTS


def facts(options) -> None:
    """Write the record of what a check of the set finds."""
    faces = load_expressions(options.data)
    expression, same, parts = faces.extras["expression"], duplicates(faces), split_expressions(faces)
    points = np.stack([faces.extras["valence"], faces.extras["arousal"]], 1)
    means = np.stack([points[expression == k].mean(0) for k in range(8)])
    right = np.linalg.norm(points[:, None] - means, axis=2).argmin(1) == expression
    records.write(
        "faces8", options.data, folder=options.out, faces=len(faces), pairs=len(same), damaged=len(faces.problems),
        conflicts=sum(len(set(expression[group])) > 1 for group in same),
        landmarks_outside=((faces.keypoints < 0) | (faces.keypoints > 223)).any((1, 2)).mean(),
        class_from_scales=right.mean(), test_faces=len(parts[2]),
        class_from_scales_by_class={name: right[expression == k].mean() for k, name in enumerate(EXPRESSIONS)},
        test_positive={key: (parts[2].extras[key] > 0).mean() for key in ("valence", "arousal")},
        parts=dict(zip(("training", "validation", "test"), map(len, parts), strict=True)),
    )  # fmt: skip


def raters(options) -> None:
    """Write the record of how far the ten raters of each face of FER+ agree; `votes.csv` has their votes."""
    columns = ["neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt"]
    table = pd.read_csv(data.find("ferplus") / "votes.csv")
    votes = table[columns].to_numpy()
    unrated = votes.sum(1) < 2  # by most raters no face, or unknown
    votes, first = votes[~unrated], votes[~unrated].max(1, keepdims=True)
    ratings = np.full((votes.sum(1).max(), len(votes)), np.nan)
    for i, row in enumerate(votes):
        ratings[: row.sum(), i] = np.repeat(np.arange(8), row)
    clear = (votes == first).sum(1) == 1  # one expression has more votes than any other
    others = votes[:, None] - np.eye(8, dtype=int)  # the votes of the other raters, for a vote for each expression
    leads = others == others.max(2, keepdims=True)
    agrees = leads[:, range(8), range(8)] / leads.sum(2)  # a tie of the others counts in parts
    pairs = (votes * (votes - 1)).sum() / (votes.sum(1) * (votes.sum(1) - 1)).sum()
    rates = (votes * agrees).sum(0) / votes.sum(0)
    majority = np.bincount(votes[clear].argmax(1), minlength=8) / clear.sum()
    records.write(
        "raters", "ferplus", folder=options.out, faces=len(votes), left_out=int(unrated.sum()), votes=int(votes.sum()),
        with_majority_of_others=(votes * agrees).sum() / votes.sum(), pairs_agree=pairs, ties=1 - clear.mean(),
        alpha=krippendorff_alpha(ratings), by_expression=dict(zip(EXPRESSIONS, rates, strict=True)),
        majority=dict(zip(EXPRESSIONS, majority, strict=True)),
    )  # fmt: skip


def together(options) -> None:
    """Write the record of the mean of several runs' answers."""
    test = split_expressions(load_expressions(options.data))[2]
    runs = [np.load(folder / "answers.npz") for folder in options.runs]
    assert all(run["names"].tolist() == list(test.names) for run in runs), "runs of another test part"
    answers = np.mean([run["answers"] for run in runs], 0)
    if options.classes == 7:  # the same answers, asked about seven expressions alone
        kept = test.extras["expression"] < 7
        answers, test = answers[kept], test[kept]
        shares = answers[:, :7] / answers[:, :7].sum(1, keepdims=True)
        answers = np.concatenate([shares, answers[:, 8:]], 1)
    facts = facts_of(answers, test) | {"runs": [folder.name for folder in options.runs]}
    path = records.write("expressions", options.name, folder=options.out, **facts)
    print({key: records.read(path)["scores"][key] for key in ("accuracy", "valence_rmse", "arousal_rmse")})


def export(options) -> None:
    """Write the weights of a run of a backbone as the model that ships."""
    folder = options.runs[0]
    config = records.read(folder / f"expressions-{folder.name}.json")["config"]
    net = load_weights(ExpressionNet(config["net"], classes=config["classes"]), folder / f"{config['net']}.safetensors")
    path = export_expressions(net, WEIGHTS / "expressions.onnx", size=config["size"])
    size, ms = path.stat().st_size, milliseconds(path)
    records.write("readingspeed", "expressions", folder=options.out, bytes=size, ms_a_face=ms, threads=1)


def milliseconds(path: Path, times: int = 100) -> float:
    """Return the median processor time of one face on one thread, its crop included."""
    reader, frame, spent = ExpressionReader(path), skimage.data.astronaut(), []
    points = KeypointPredictor()(frame)[0].keypoints
    for _ in range(times):
        begun = time.process_time()
        reader(frame, [points])
        spent.append(1000 * (time.process_time() - begun))
    return float(np.median(spent))


def main(what: str, *, runs: str = "", data: str = "affectnet", name: str = "together", classes: int = 8,
         out: Path | None = None) -> None:  # fmt: skip
    """Write one of the records: facts, raters, together, export.

    Args:
        runs: folders of runs, with commas between
        name: of the record of several runs together
        classes: 8, or 7: the same answers, asked about seven expressions alone
        out: folder of the records (data/records)
    """
    folders = [Path(folder) for folder in runs.split(",")]
    options = types.SimpleNamespace(runs=folders, data=data, name=name, classes=classes, out=out)
    {"facts": facts, "raters": raters, "together": together, "export": export}[what](options)


if __name__ == "__main__":
    run_script(main)
