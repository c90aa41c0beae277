"""Figures of answers about expressions: confusion matrix, curves, calibration."""

import numpy as np
from matplotlib.figure import Figure
from sklearn import metrics
from sklearn.calibration import CalibrationDisplay

from fkd_helpers.faces.landmarks import EXPRESSIONS
from fkd_helpers.plots import OKABE_ITO, PREDICTED, figure

HUES = ("orange", "blue", "yellow", "sky blue", "green", "vermilion", "purple")
COLOURS = ("#999999", *(OKABE_ITO[name] for name in HUES))  # of the eight expressions, neutral first


def confusion_figure(shares: np.ndarray, expression: np.ndarray) -> Figure:
    """Draw which share of the faces of an expression (row) was called which (column)."""
    names = EXPRESSIONS[: shares.shape[1]]
    made, axes = figure(size=4.4, alt="")
    display = metrics.ConfusionMatrixDisplay.from_predictions(
        expression, shares.argmax(1), labels=range(len(names)), display_labels=names, normalize="true", cmap="Blues",
        values_format=".0%", xticks_rotation=45, colorbar=False, im_kw={"vmin": 0, "vmax": 1},
        text_kw={"fontsize": 8}, ax=axes[0, 0],
    )  # fmt: skip
    axes[0, 0].set(xlabel="predicted", ylabel="labelled")
    rates = display.confusion_matrix
    right = ", ".join(f"{name} {rate:.0%}" for name, rate in zip(names, np.diag(rates), strict=True))
    mistakes = rates - np.diag(np.diag(rates))
    row, column = np.unravel_index(mistakes.argmax(), rates.shape)
    worst = f"{names[row]} called {names[column]}, {mistakes.max():.0%}"
    made.set_label(f"Confusion matrix; right: {right}; most often mistaken: {worst}")
    return made


def curves_figure(shares: np.ndarray, expression: np.ndarray) -> Figure:
    """Draw the ROC and the precision-recall curve of each expression against the rest, with their areas."""
    made, axes = figure(1, 2, size=3.6, alt="")
    made.set_size_inches(9.6, 3.2)
    areas = []
    for k, name in enumerate(EXPRESSIONS[: shares.shape[1]]):
        of_k = np.asarray(expression) == k
        if 0 < of_k.sum() < len(of_k):
            roc = metrics.RocCurveDisplay.from_predictions(of_k, shares[:, k], ax=axes[0, 0])
            recall = metrics.PrecisionRecallDisplay.from_predictions(of_k, shares[:, k], ax=axes[0, 1])
            for display, area in ((roc, roc.roc_auc), (recall, recall.average_precision)):
                display.line_.set(color=COLOURS[k], label=f"{name} {area:.2f}")
            areas.append(f"{name} {roc.roc_auc:.2f} and {recall.average_precision:.2f}")
    axes[0, 0].plot([0, 1], [0, 1], ":", color="#BBBBBB")
    axes[0, 0].set(xlabel="false positive rate", ylabel="true positive rate", title="ROC, area under the curve")
    axes[0, 1].set(xlabel="recall", ylabel="precision", title="precision and recall, average precision")
    for ax in axes[0]:
        ax.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    made.set_label("ROC and precision-recall curves; areas: " + ", ".join(areas))
    return made


def calibration_figure(shares: np.ndarray, expression: np.ndarray, *, bins: int = 10) -> Figure:
    """Draw how often answers are right against their confidence; on the diagonal the two agree."""
    confidence, right = np.max(shares, 1), np.argmax(shares, 1) == expression
    alt = f"Calibration: mean confidence {confidence.mean():.0%}, right {right.mean():.0%}"
    made, axes = figure(size=3.4, alt=alt)
    CalibrationDisplay.from_predictions(
        right, confidence, n_bins=bins, pos_label=True, ax=axes[0, 0], color=PREDICTED, name="answers"
    )
    axes[0, 0].set(xlim=(0, 1.03), ylim=(0, 1.06), xlabel="confidence", ylabel="share of right answers")
    return made
