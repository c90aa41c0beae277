"""Scores of answers about expressions, valence and arousal.

Sign agreement and Krippendorff's alpha are ours: no library here has the first, and the usual package of the second is
under the GPL.
"""

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

    alpha is Krippendorff's, with answer and label as two raters; top2 counts the two likeliest classes; auc_roc and
    auc_pr are means over the classes, each against the rest; calibration is the expected calibration error in 10 bins.
    Classes without a face are left out of means over classes.
    """
    shares, expression = np.asarray(shares, np.float64), np.asarray(expression)
    if shares.ndim != 2 or expression.shape != shares.shape[:1] or not len(shares):
        raise InputError(f"shares: expected (n, classes) beside (n,), got {shares.shape} and {expression.shape}")
    classes, present = shares.shape[1], np.unique(expression)
    if not 0 <= present[0] <= present[-1] < classes:
        raise InputError(f"expressions: expected 0 to {classes - 1} as in the answers, got {present.tolist()}")
    answer, rows, pair = (
        shares.argmax(1),
        by_class(shares, expression),
        (torch.tensor(shares), torch.tensor(expression)),
    )
    found = {
        "accuracy": metrics.accuracy_score(expression, answer),
        "macro_f1": rows["f1"][rows["faces"] > 0].mean(),
        "kappa": metrics.cohen_kappa_score(expression, answer) if len(present) > 1 else np.nan,
        "alpha": krippendorff_alpha(np.stack([expression, answer])),
        "top2": metrics.top_k_accuracy_score(expression, shares, k=2, labels=range(classes)),
        "auc_roc": rows["auc_roc"].mean(),
        "auc_pr": rows["auc_pr"].mean(),
        "calibration": multiclass_calibration_error(*pair, num_classes=classes, n_bins=10),
        "log_loss": metrics.log_loss(np.eye(classes)[expression], shares / shares.sum(1, keepdims=True)),
    }
    return {key: float(value) for key, value in found.items()}


def scale_scores(predicted: np.ndarray, target: np.ndarray, prefix: str = "") -> dict[str, float]:
    """Score values (n,) in -1..1; where all of them are equal, r2, r and ccc (concordance) are NaN.

    "sign" is the share of values whose sign is that of the target. Source: Nicolaou, Gunes and Pantic, 2011.
    """
    predicted, target = (np.asarray(values, np.float64) for values in (predicted, target))
    if predicted.shape != target.shape or predicted.ndim != 1 or not len(target):
        raise InputError(f"values: expected two of (n,), got {predicted.shape} and {target.shape}")
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


def krippendorff_alpha(ratings: np.ndarray, *, level: str = "nominal") -> float:
    """Return Krippendorff's alpha of ratings (raters, units), NaN = not rated: 1 = full agreement, 0 = chance.

    NaN where no unit has two ratings or all ratings are equal. Source: Krippendorff, Computing Krippendorff's
    Alpha-Reliability, 2011, by coincidences.

    Args:
        level: "nominal" = two values differ or not; "interval" = they differ by the square of their distance.

    >>> round(krippendorff_alpha([[0, 1, 0, 0, 0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]]), 3)  # its example A
    0.095
    """
    if level not in ("nominal", "interval"):
        raise InputError(f"level: expected 'nominal' or 'interval', got {level!r}")
    ratings = np.asarray(ratings, np.float64)
    values = np.unique(ratings[~np.isnan(ratings)])
    counts = (ratings[..., None] == values).sum(0)  # units x values
    counts = counts[counts.sum(1) > 1]
    weighed = counts / (counts.sum(1, keepdims=True) - 1)
    together = weighed.T @ counts - np.diag(weighed.sum(0))
    totals = together.sum(1)
    apart = (values[:, None] != values) if level == "nominal" else np.square(values[:, None] - values)
    expected = (np.outer(totals, totals) - np.diag(totals)) * apart
    return float(1 - (totals.sum() - 1) * (together * apart).sum() / expected.sum()) if expected.sum() else np.nan


def by_class(shares: np.ndarray, expression: np.ndarray) -> pd.DataFrame:
    """Return a row per class: expression, precision, recall, f1, faces, auc_roc, auc_pr (NaN where it has no faces)."""
    names = EXPRESSIONS[: shares.shape[1]]
    report = metrics.classification_report(
        expression, shares.argmax(1), labels=range(len(names)), target_names=names, output_dict=True, zero_division=0
    )
    table = pd.DataFrame([{"expression": name, **report[name]} for name in names])
    table = table.rename(columns={"f1-score": "f1", "support": "faces"}).astype({"faces": int})
    one_hot = np.eye(len(names), dtype=int)[expression]
    varied = one_hot.any(0) & ~one_hot.all(0)
    for key, score in {"auc_roc": metrics.roc_auc_score, "auc_pr": metrics.average_precision_score}.items():
        table[key] = np.nan
        if varied.any():
            table.loc[varied, key] = score(one_hot[:, varied], shares[:, varied], average=None)
    return table
