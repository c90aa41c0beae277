"""What an expression model does on a test part, as figures and tables; all models compared."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from fkd_helpers.core import records
from fkd_helpers.data import FaceSet
from fkd_helpers.expressions.metrics import by_class
from fkd_helpers.faces.landmarks import EXPRESSIONS
from fkd_helpers.plots import expressions as plots
from fkd_helpers.plots.training import training_curves

# what others reported on an equal or easier task (seven classes); see the notebook's sources
PUBLISHED = {"accuracy": 0.482, "valence_rmse": 0.380, "valence_r": 0.620, "arousal_rmse": 0.332, "arousal_r": 0.499}
COLUMNS = {
    "accuracy": "accuracy", "macro_f1": "macro F1", "kappa": "kappa", "auc_roc": "ROC AUC",
    "calibration": "calibration error", "valence_rmse": "valence RMSE", "valence_r": "valence r",
    "valence_sign": "valence sign", "arousal_rmse": "arousal RMSE", "arousal_r": "arousal r",
}  # fmt: skip


def worst_rows(answers: np.ndarray, faces: FaceSet, *, count: int = 50) -> pd.DataFrame:
    """Return the faces whose label an answer found least likely, by place in the part: hard, or labelled wrong."""
    labels = faces.extras["expression"]
    of_label = answers[np.arange(len(answers)), labels]
    order = np.argsort(of_label, kind="stable")[:count]
    names, shares = np.array(EXPRESSIONS), answers[order, :-2]
    columns = {"face": order, "labelled": names[labels[order]], "called": names[shares.argmax(1)]}
    columns |= {"share of the label": of_label[order], "share of the answer": shares.max(1)}
    for column, name in ((-2, "valence"), (-1, "arousal")):
        columns[f"{name} off by"] = answers[order, column] - faces.extras[name][order]
    return pd.DataFrame(columns)


def compare(folder: Path | None = None) -> pd.DataFrame:
    """Return a row per model of the records (default: the course's), the best last; seeds ("NAME_s0") are averaged."""
    found = [record for record in records.find("expressions", folder=folder) if "scores" in record]
    names = pd.Series([record["name"] for record in found], name="model").str.replace(r"_s\d+$", "", regex=True)
    scores = pd.DataFrame([record["scores"] for record in found], dtype=float)[list(COLUMNS)].rename(columns=COLUMNS)
    groups = scores.groupby(names)
    means = groups.mean().assign(**{"±": groups["accuracy"].std(ddof=0)})
    means.insert(0, "classes", pd.Series([len(record["confusion"]) for record in found]).groupby(names).first())
    means.insert(1, "seeds", groups.size())
    return means.reset_index().sort_values("accuracy", ignore_index=True)


def write_report(folder: Path, answers: np.ndarray, faces: FaceSet, *, history: Sequence[Mapping] = ()) -> None:
    """Write figures (PNG), scores by class and doubtful labels (CSV) of answers (n, classes + 2); no face is shown."""
    shares, labels = answers[:, :-2], faces.extras["expression"]
    folder.mkdir(parents=True, exist_ok=True)
    by_class(shares, labels).to_csv(folder / "by_class.csv", index=False)
    worst_rows(answers, faces).to_csv(folder / "doubtful_labels.csv", index=False)
    plots.confusion_figure(shares, labels).savefig(folder / "confusion.png")
    plots.curves_figure(shares, labels).savefig(folder / "curves.png")
    plots.circumplex_figure(answers, faces).savefig(folder / "circumplex.png")
    plots.calibration_figure(shares, labels).savefig(folder / "calibration.png")
    if history:
        training_curves(history).savefig(folder / "training_curves.png")
