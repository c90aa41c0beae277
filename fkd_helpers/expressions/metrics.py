"""Scores of answers about expressions, valence and arousal, and what is shown of them.

Krippendorff's alpha is ours: the usual package of it is under the GPL.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn import metrics
from torchmetrics.functional.classification import multiclass_calibration_error
from torchmetrics.functional.regression import concordance_corrcoef

from fkd_helpers.core import records
from fkd_helpers.data import FaceSet
from fkd_helpers.faces.landmarks import EXPRESSIONS
from fkd_helpers.plots import expressions as plots
from fkd_helpers.plots.training import training_curves

COLUMNS = {
    "accuracy": "accuracy", "macro_f1": "macro F1", "kappa": "kappa", "auc_roc": "ROC AUC",
    "calibration": "calibration error", "valence_rmse": "valence RMSE", "valence_r": "valence r",
    "valence_sign": "valence sign", "arousal_rmse": "arousal RMSE", "arousal_r": "arousal r",
}  # fmt: skip


def class_scores(shares: np.ndarray, expression: np.ndarray) -> dict[str, float]:
    """Score shares (n, classes) that sum to 1 against expressions (n,) int.

    alpha is Krippendorff's, with answer and label as two raters; top2 counts the two likeliest classes; macro_f1,
    auc_roc and auc_pr are means over the classes with faces; calibration is the expected error in 10 bins.
    """
    shares, expression = np.asarray(shares, np.float64), np.asarray(expression)
    classes, answer, here = shares.shape[1], shares.argmax(1), np.unique(expression)
    of_class = np.eye(classes)[expression]
    error = multiclass_calibration_error(torch.tensor(shares), torch.tensor(expression), num_classes=classes, n_bins=10)
    found = {
        "accuracy": metrics.accuracy_score(expression, answer),
        "macro_f1": metrics.f1_score(expression, answer, labels=here, average="macro", zero_division=0),
        "kappa": metrics.cohen_kappa_score(expression, answer),
        "alpha": krippendorff_alpha(np.stack([expression, answer])),
        "top2": metrics.top_k_accuracy_score(expression, shares, k=2, labels=range(classes)),
        "auc_roc": metrics.roc_auc_score(of_class[:, here], shares[:, here]),
        "auc_pr": metrics.average_precision_score(of_class[:, here], shares[:, here]),
        "calibration": error,
        "log_loss": metrics.log_loss(of_class, shares / shares.sum(1, keepdims=True)),
    }
    return {key: float(value) for key, value in found.items()}


def scale_scores(predicted: np.ndarray, target: np.ndarray, prefix: str = "") -> dict[str, float]:
    """Score values (n,) in -1..1; where all are equal, r2, r and ccc are NaN. Source: Nicolaou and others, 2011."""
    predicted, target = (np.asarray(values, np.float64) for values in (predicted, target))
    found = {
        "rmse": metrics.root_mean_squared_error(target, predicted),
        "mae": metrics.mean_absolute_error(target, predicted),
        "sign": np.mean(np.sign(predicted) == np.sign(target)),
        **dict.fromkeys(("r2", "r", "ccc"), np.nan),
    }
    if np.ptp(target) > 0 and np.ptp(predicted) > 0:
        found |= {"r2": metrics.r2_score(target, predicted), "r": np.corrcoef(predicted, target)[0, 1]}
        found["ccc"] = concordance_corrcoef(torch.from_numpy(predicted), torch.from_numpy(target))
    return {prefix + key: float(value) for key, value in found.items()}


def all_scores(answers: np.ndarray, faces: FaceSet) -> dict[str, float]:
    """Score answers (n, classes + 2), shares then valence and arousal, against the labels of a set."""
    scores = class_scores(answers[:, :-2], faces.extras["expression"])
    for column, name in ((-2, "valence"), (-1, "arousal")):
        scores |= scale_scores(answers[:, column], faces.extras[name], f"{name}_")
    return scores


def krippendorff_alpha(ratings: np.ndarray) -> float:
    """Return Krippendorff's alpha of classes (raters, units), NaN = not rated: 1 = full agreement, 0 = chance.

    NaN where no unit has two ratings or all are equal. Source: Computing Krippendorff's Alpha-Reliability, 2011.

    >>> round(krippendorff_alpha([[0, 1, 0, 0, 0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]]), 3)  # its example A
    0.095
    """
    ratings = np.asarray(ratings, np.float64)
    counts = (ratings[..., None] == np.unique(ratings[~np.isnan(ratings)])).sum(0)  # units x values
    counts = counts[counts.sum(1) > 1]
    weighed = counts / (counts.sum(1, keepdims=True) - 1)
    agreed, totals = np.sum(weighed * (counts - 1)), counts.sum(0)
    by_chance, total = (totals * (totals - 1)).sum(), totals.sum()
    expected = total * (total - 1) - by_chance
    return float(1 - (total - 1) * (total - agreed) / expected) if expected else np.nan


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
    return groups.mean().assign(seeds=groups.size()).reset_index().sort_values("accuracy", ignore_index=True)


def write_report(folder: Path, answers: np.ndarray, faces: FaceSet, *, history: Sequence[Mapping] = ()) -> None:
    """Write figures (PNG) and doubtful labels (CSV) of answers (n, classes + 2) into a folder; no face is shown."""
    shares, labels = answers[:, :-2], faces.extras["expression"]
    folder.mkdir(parents=True, exist_ok=True)
    worst_rows(answers, faces).to_csv(folder / "doubtful_labels.csv", index=False)
    plots.confusion_figure(shares, labels).savefig(folder / "confusion.png")
    plots.curves_figure(shares, labels).savefig(folder / "curves.png")
    plots.calibration_figure(shares, labels).savefig(folder / "calibration.png")
    if history:
        training_curves(history).savefig(folder / "training_curves.png")
