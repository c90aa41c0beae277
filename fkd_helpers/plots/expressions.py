"""Answers about expressions as figures: confusion, curves, the circumplex, calibration. Built in notebook 07."""

import numpy as np
from matplotlib.figure import Figure
from sklearn import metrics

from fkd_helpers.faces.landmarks import EXPRESSIONS
from fkd_helpers.plots import OKABE_ITO, PREDICTED, TARGET, figure

# Okabe and Ito's colours and one gray, one an expression
NAMES = ("orange", "blue", "yellow", "sky blue", "green", "vermilion", "purple")
HUES = ("#999999", *(OKABE_ITO[name] for name in NAMES))  # of the eight, neutral first


def confusion_figure(shares: np.ndarray, expression: np.ndarray) -> Figure:
    """Draw how often (in % of a row) a face of the row's expression was called the column's."""
    counts = metrics.confusion_matrix(expression, np.asarray(shares).argmax(1), labels=range(np.shape(shares)[1]))
    rates = 100 * counts / np.maximum(counts.sum(1, keepdims=True), 1)
    names = EXPRESSIONS[: len(counts)]
    aside = rates - np.diag(np.diag(rates))
    row, column = np.unravel_index(aside.argmax(), aside.shape)
    right = ", ".join(f"{name} {rate:.0f} %" for name, rate in zip(names, np.diag(rates), strict=True))
    alt = f"Confusion matrix; right: {right}; most often mistaken: {names[row]} called {names[column]}"
    made, axes = figure(size=4.4, alt=f"{alt}, {aside.max():.0f} %")
    ax = axes[0, 0]
    ax.imshow(rates, cmap="Blues", vmin=0, vmax=100)
    for i, j in np.ndindex(rates.shape):
        ax.text(j, i, f"{rates[i, j]:.0f}", ha="center", va="center", fontsize=8,
                color="white" if rates[i, j] > 55 else "black")  # fmt: skip
    ax.set_xticks(range(len(names)), names, rotation=45, ha="right")
    ax.set_yticks(range(len(names)), names)
    ax.set(xlabel="called", ylabel="labelled", title="% of the labelled faces")
    return made


def curves_figure(shares: np.ndarray, expression: np.ndarray) -> Figure:
    """Draw the ROC and the precision-recall curve of each expression against the rest, with the area in the legend."""
    made, axes = figure(1, 2, size=3.6, alt="")
    made.set_size_inches(9.6, 3.2)
    words = []
    for k in range(np.shape(shares)[1]):
        of_k = np.asarray(expression) == k
        if not 0 < of_k.sum() < len(of_k):
            continue
        false, true, _ = metrics.roc_curve(of_k, shares[:, k])
        precision, recall, _ = metrics.precision_recall_curve(of_k, shares[:, k])
        area, average = metrics.roc_auc_score(of_k, shares[:, k]), metrics.average_precision_score(of_k, shares[:, k])
        axes[0, 0].plot(false, true, color=HUES[k], label=f"{EXPRESSIONS[k]} {area:.2f}")
        axes[0, 1].plot(recall, precision, color=HUES[k], label=f"{EXPRESSIONS[k]} {average:.2f}")
        words.append(f"{EXPRESSIONS[k]} {area:.2f} and {average:.2f}")
    axes[0, 0].plot([0, 1], [0, 1], ":", color="#BBBBBB")
    axes[0, 0].set(xlabel="false alarms", ylabel="found", title="ROC, area under it")
    axes[0, 1].set(xlabel="recall", ylabel="precision", title="precision and recall, average precision")
    for ax in axes.ravel():
        ax.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    made.set_label("ROC and precision-recall curves; areas: " + ", ".join(words))
    return made


def circumplex_figure(answers: np.ndarray, faces) -> Figure:
    """Draw valence (right) and arousal (up): labels and answers (n, classes + 2), coloured by the label's expression.

    The circle is Russell's circumplex model of affect, 1980.
    """
    labels = np.stack([faces.valence, faces.arousal], 1)
    words = [f"{name}: r {np.corrcoef(answers[:, i - 2], labels[:, i])[0, 1]:.2f}" for i, name in enumerate(SCALES)]
    made, axes = figure(1, 2, size=3.6, alt=f"Valence and arousal of {len(labels)} faces as labelled and as answered; "
                        + ", ".join(words))  # fmt: skip
    turn = np.linspace(0, 2 * np.pi, 100)
    for ax, points, title in ((axes[0, 0], labels, "labels"), (axes[0, 1], answers[:, -2:], "answers")):
        ax.plot(np.cos(turn), np.sin(turn), color="#BBBBBB", linewidth=1)
        ax.axhline(0, color="#DDDDDD", linewidth=1, zorder=0)
        ax.axvline(0, color="#DDDDDD", linewidth=1, zorder=0)
        for k in np.unique(faces.expression):
            of_k = faces.expression == k
            ax.scatter(*points[of_k].T, s=7, c=HUES[k], linewidths=0, label=EXPRESSIONS[k])
        ax.set(xlim=(-1.05, 1.05), ylim=(-1.05, 1.05), aspect="equal", xlabel="valence", ylabel="arousal", title=title)
    made.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False, fontsize=8,
                markerscale=2)  # fmt: skip
    return made


SCALES = ("valence", "arousal")


def calibration_figure(shares: np.ndarray, expression: np.ndarray, *, bins: int = 10) -> Figure:
    """Draw how often answers are right against how sure they are; on the diagonal the two agree."""
    sure, right = np.max(shares, 1), np.argmax(shares, 1) == expression
    place = np.minimum((sure * bins).astype(int), bins - 1)
    full = [b for b in range(bins) if (place == b).any()]
    points = np.array([(sure[place == b].mean(), right[place == b].mean()) for b in full])
    alt = f"Calibration: mean certainty {sure.mean():.0%}, right {right.mean():.0%}"
    made, axes = figure(size=3.4, alt=alt)
    ax = axes[0, 0]
    ax.plot([0, 1], [0, 1], ":", color="#BBBBBB")
    ax.plot(*points.T, color=PREDICTED)
    ax.scatter(*points.T, s=[200 * (place == b).mean() + 8 for b in full], color=PREDICTED)
    ax.set(xlim=(0, 1.03), ylim=(0, 1.06), xlabel="how sure", ylabel="how often right")
    return made


def history_figure(history) -> Figure:
    """Draw the loss and, where a part was watched, the accuracy of each epoch."""
    epochs = [row["epoch"] for row in history]
    watched = "accuracy" in history[-1]
    last = f"loss {history[-1]['loss']:.2f}" + (f", accuracy {history[-1]['accuracy']:.2f}" if watched else "")
    made, axes = figure(1, 2 if watched else 1, size=2.8, alt=f"Training over {len(epochs)} epochs; at the end {last}")
    axes[0, 0].plot(epochs, [row["loss"] for row in history], color=PREDICTED)
    axes[0, 0].set(xlabel="epoch", ylabel="training loss")
    if watched:
        axes[0, 1].plot(epochs, [row["accuracy"] for row in history], color=TARGET)
        axes[0, 1].set(xlabel="epoch", ylabel="accuracy on validation faces", ylim=(0, None))
    return made
