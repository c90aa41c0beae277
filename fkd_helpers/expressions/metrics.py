"""How good answers about expressions are: classes, valence and arousal. Built in notebook 07.

Accuracy, F1, kappa, curves and correlations come from scikit-learn and torchmetrics. Sign agreement and Krippendorff's
alpha are ours: neither library has the first, and the usual package of the second is under the GPL.
"""

import numpy as np
import torch
from sklearn import metrics
from torchmetrics.functional.classification import multiclass_calibration_error
from torchmetrics.functional.regression import concordance_corrcoef

from fkd_helpers.core.errors import InputError
from fkd_helpers.faces.landmarks import EXPRESSIONS


def class_scores(shares: np.ndarray, expression: np.ndarray) -> dict[str, float]:
    """Return the scores of shares (n, classes) that sum to 1, against expressions (n,) int.

    accuracy; macro_f1; kappa (Cohen's); alpha (Krippendorff's, nominal, answer and label as two raters); top2 = the
    label is among the two likeliest; auc_roc, auc_pr = mean over the classes, each against the rest; calibration =
    expected calibration error in 10 bins; log_loss

    Classes without a face are left out of means over classes.

    Raises:
        InputError: shapes that do not fit together.
    """
    shares, expression = np.asarray(shares, np.float64), np.asarray(expression)
    if shares.ndim != 2 or expression.shape != shares.shape[:1] or not len(shares):
        raise InputError(f"shares: expected (n, classes) beside (n,), got {shares.shape} and {expression.shape}")
    answer, classes = shares.argmax(1), shares.shape[1]
    present = np.unique(expression)
    ranked = np.argsort(-shares, 1)[:, :2]
    of_class = [(expression == k, shares[:, k]) for k in present if 0 < (expression == k).sum() < len(expression)]
    confidence = multiclass_calibration_error(
        torch.from_numpy(shares), torch.from_numpy(expression.astype(int)), num_classes=classes, n_bins=10
    )
    return {
        "accuracy": float(metrics.accuracy_score(expression, answer)),
        "macro_f1": float(metrics.f1_score(expression, answer, labels=present, average="macro", zero_division=0)),
        "kappa": float(metrics.cohen_kappa_score(expression, answer)) if len(present) > 1 else float("nan"),
        "alpha": krippendorff_alpha(np.stack([expression, answer])),
        "top2": float((ranked == expression[:, None]).any(1).mean()),
        "auc_roc": _mean(metrics.roc_auc_score(*pair) for pair in of_class),
        "auc_pr": _mean(metrics.average_precision_score(*pair) for pair in of_class),
        "calibration": float(confidence),
        "log_loss": float(-np.log(shares[np.arange(len(shares)), expression].clip(1e-12)).mean()),
    }


def _mean(values) -> float:
    values = list(values)
    return float(np.mean(values)) if values else float("nan")


def scale_scores(predicted: np.ndarray, target: np.ndarray, prefix: str = "") -> dict[str, float]:
    """Return rmse, mae, r2, r (Pearson), sign (agreement) and ccc (concordance) of values (n,) in -1..1.

    Where all values are equal, r2, r and ccc are NaN.
    """
    predicted, target = (np.asarray(v, np.float64) for v in (predicted, target))
    if predicted.shape != target.shape or predicted.ndim != 1 or not len(target):
        raise InputError(f"values: expected two of (n,), got {predicted.shape} and {target.shape}")
    varied = len(target) > 1 and np.ptp(target) > 0 and np.ptp(predicted) > 0
    found = {
        "rmse": metrics.root_mean_squared_error(target, predicted),
        "mae": metrics.mean_absolute_error(target, predicted),
        "r2": metrics.r2_score(target, predicted) if varied else np.nan,
        "r": np.corrcoef(predicted, target)[0, 1] if varied else np.nan,
        "sign": sign_agreement(predicted, target),
        "ccc": concordance_corrcoef(torch.from_numpy(predicted), torch.from_numpy(target)) if varied else np.nan,
    }
    return {prefix + key: float(value) for key, value in found.items()}


def all_scores(answers: np.ndarray, faces) -> dict[str, float]:
    """Return every score of answers (n, classes + 2), shares then valence and arousal, on an `ExpressionSet`."""
    answers = np.asarray(answers)
    return (
        class_scores(answers[:, :-2], faces.expression)
        | scale_scores(answers[:, -2], faces.valence, "valence_")
        | scale_scores(answers[:, -1], faces.arousal, "arousal_")
    )


def sign_agreement(predicted: np.ndarray, target: np.ndarray) -> float:
    """Return the share of values (n,) whose sign is that of the target. Source: Nicolaou, Gunes and Pantic, 2011.

    >>> sign_agreement([0.5, -0.2, 0.1], [0.1, -0.9, -0.3])
    0.6666666666666666
    """
    return float(np.mean(np.sign(predicted) == np.sign(target)))


def krippendorff_alpha(ratings: np.ndarray, *, level: str = "nominal") -> float:
    """Return Krippendorff's alpha of ratings (raters, units); NaN = not rated. 1 = full agreement, 0 = by chance.

    level: "nominal" = two values differ or not; "interval" = by the square of their distance

    NaN where no unit has two ratings or all ratings are equal. Source: Krippendorff, Computing Krippendorff's
    Alpha-Reliability, 2011, by coincidences.

    >>> round(krippendorff_alpha([[0, 1, 0, 0, 0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]]), 3)  # its example A
    0.095

    Raises:
        InputError: another level.
    """
    if level not in ("nominal", "interval"):
        raise InputError(f"level: expected 'nominal' or 'interval', got {level!r}")
    ratings = np.asarray(ratings, np.float64)
    values = np.unique(ratings[~np.isnan(ratings)])
    counts = (ratings[..., None] == values).sum(0)  # units x values
    rated = counts.sum(1)
    counts, rated = counts[rated > 1], rated[rated > 1]
    together = (counts.T / (rated - 1)) @ counts - np.diag((counts / (rated - 1)[:, None]).sum(0))
    totals = together.sum(1)
    apart = (values[:, None] != values) if level == "nominal" else np.square(values[:, None] - values)
    expected = (np.outer(totals, totals) - np.diag(totals)) * apart
    if not expected.sum():
        return float("nan")
    return float(1 - (totals.sum() - 1) * (together * apart).sum() / expected.sum())


def by_class(shares: np.ndarray, expression: np.ndarray) -> list[dict]:
    """Return a row a class: expression, precision, recall, f1, faces, auc_roc, auc_pr (NaN where it has no faces)."""
    answer, classes = np.asarray(shares).argmax(1), np.shape(shares)[1]
    table = metrics.precision_recall_fscore_support(expression, answer, labels=range(classes), zero_division=0)
    rows = []
    for k, (precision, recall, f1, faces) in enumerate(zip(*table, strict=True)):
        of_k = np.asarray(expression) == k
        both = 0 < of_k.sum() < len(of_k)
        auc_roc = metrics.roc_auc_score(of_k, shares[:, k]) if both else np.nan
        auc_pr = metrics.average_precision_score(of_k, shares[:, k]) if both else np.nan
        rows.append({
            "expression": EXPRESSIONS[k], "precision": float(precision), "recall": float(recall), "f1": float(f1),
            "faces": int(faces), "auc_roc": float(auc_roc), "auc_pr": float(auc_pr),
        })  # fmt: skip
    return rows


def confusion(shares: np.ndarray, expression: np.ndarray) -> np.ndarray:
    """Return how often (classes, classes) a face of the row's expression was called the column's."""
    return metrics.confusion_matrix(expression, np.asarray(shares).argmax(1), labels=range(np.shape(shares)[1]))
