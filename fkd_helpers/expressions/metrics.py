"""Scores of answers about expressions, valence and arousal. Alpha is ours: the usual package of it is under the GPL."""

import numpy as np
import pandas as pd
import torch
from sklearn import metrics
from torchmetrics.functional.classification import multiclass_calibration_error
from torchmetrics.functional.regression import concordance_corrcoef

from fkd_helpers.core.errors import InputError
from fkd_helpers.data import FaceSet
from fkd_helpers.faces.landmarks import EXPRESSIONS


def class_scores(shares: np.ndarray, expression: np.ndarray) -> dict[str, float]:
    """Score shares (n, classes) that sum to 1 against expressions (n,) int.

    alpha is Krippendorff's, with answer and label as two raters; top2 counts the two likeliest classes; macro_f1,
    auc_roc and auc_pr are means over the classes with faces; calibration is the expected error in 10 bins.
    """
    shares, expression = np.asarray(shares, np.float64), np.asarray(expression)
    if not len(shares) or expression.shape != shares.shape[:1] or expression.max() >= shares.shape[1]:
        raise InputError(f"expected shares (n, classes) beside (n,), got {shares.shape} and {expression.shape}")
    classes, answer, rows = shares.shape[1], shares.argmax(1), by_class(shares, expression)
    error = multiclass_calibration_error(torch.tensor(shares), torch.tensor(expression), num_classes=classes, n_bins=10)
    found = {
        "accuracy": metrics.accuracy_score(expression, answer),
        "macro_f1": rows["f1"][rows["faces"] > 0].mean(),
        "kappa": metrics.cohen_kappa_score(expression, answer) if len(set(expression)) > 1 else np.nan,
        "alpha": krippendorff_alpha(np.stack([expression, answer])),
        "top2": metrics.top_k_accuracy_score(expression, shares, k=2, labels=range(classes)),
        "auc_roc": rows["auc_roc"].mean(),
        "auc_pr": rows["auc_pr"].mean(),
        "calibration": error,
        "log_loss": metrics.log_loss(np.eye(classes)[expression], shares / shares.sum(1, keepdims=True)),
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


def by_class(shares: np.ndarray, expression: np.ndarray) -> pd.DataFrame:
    """Return a row per class: expression, precision, recall, f1, faces, auc_roc, auc_pr (NaN where it has no faces)."""
    classes, answer = range(shares.shape[1]), shares.argmax(1)
    scores = metrics.precision_recall_fscore_support(expression, answer, labels=classes, zero_division=0)
    table = pd.DataFrame(dict(zip(("precision", "recall", "f1", "faces"), scores, strict=True)))
    table.insert(0, "expression", EXPRESSIONS[: len(classes)])
    table[["auc_roc", "auc_pr"]] = np.nan
    for k in classes:
        of_k = expression == k
        if 0 < of_k.sum() < len(of_k):
            table.loc[k, "auc_roc"] = metrics.roc_auc_score(of_k, shares[:, k])
            table.loc[k, "auc_pr"] = metrics.average_precision_score(of_k, shares[:, k])
    return table
