"""Figures on expressions: what each feature measures, how labels differ in it, who is taken for whom."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from fkd_helpers.emotion.features import (
    CORNERS,
    FEATURES,
    LIP_MIDDLE,
    LOWER_INNER,
    LOWER_OUTER,
    UPPER_INNER,
    UPPER_OUTER,
)
from fkd_helpers.emotion.rules import LABELS
from fkd_helpers.faces.boxes import box_of
from fkd_helpers.plots.figures import OKABE_ITO, figure

HUES = {"negative": OKABE_ITO["vermilion"], "neutral": OKABE_ITO["black"], "positive": OKABE_ITO["blue"]}
EYES = range(36, 48)
# Each feature as the distances, between the middles of two groups of points, that it is made from.
MEASURED: dict[str, list[tuple[Sequence[int], Sequence[int]]]] = {
    "corner_lift": [(CORNERS, LIP_MIDDLE)],
    "mouth_width": [((48,), (54,))],
    "mouth_opening": [(UPPER_INNER, LOWER_INNER)],
    "lip_height": [(UPPER_OUTER, UPPER_INNER), (LOWER_INNER, LOWER_OUTER)],
    "brow_height": [(range(17, 27), EYES)],
    "inner_brows": [((21,), (22,))],
    "eye_opening": [((37, 38), (40, 41)), ((43, 44), (46, 47))],
    "brow_slant": [((17,), (21,)), ((22,), (26,))],
    "nose_width": [((31,), (35,))],
    "upper_lip": [((33,), UPPER_OUTER)],
    "lopsided": [((48,), (54,))],
    "corner_drop": [(EYES, CORNERS)],
}
STROKES = (
    range(17), range(17, 22), range(22, 27), range(27, 31), range(31, 36), (*range(36, 42), 36), (*range(42, 48), 42),
    (*range(48, 60), 48), (*range(60, 68), 60),
)  # fmt: skip


def draw_face(axes, keypoints: np.ndarray, *, colour: str = "black", label: str = "") -> None:
    """Draw the outlines of a face (68, 2)."""
    for i, stroke in enumerate(STROKES):
        axes.plot(*keypoints[list(stroke)].T, color=colour, linewidth=1.5, label=label if i == 0 else None)


def draw_feature(axes, keypoints: np.ndarray, name: str) -> None:
    """Draw what a feature measures on a face (68, 2): the points it takes, and lines between their middles."""
    for pair in MEASURED[name]:
        middles = np.stack([keypoints[list(group)].mean(0) for group in pair])
        for group in pair:
            axes.scatter(*keypoints[list(group)].T, s=9, c=OKABE_ITO["yellow"], linewidths=0, zorder=3)
        axes.plot(*middles.T, color=OKABE_ITO["sky blue"], linewidth=2.5)


def feature_sketches(image: np.ndarray, keypoints: np.ndarray, *, columns: int = 6, size: float = 1.7) -> Figure:
    """Show each of FEATURES on a face (68, 2) in its image."""
    rows = -(-len(FEATURES) // columns)
    alt = "The same face twelve times; on each a line shows what one feature measures: " + "; ".join(
        f"{name}, {text[0]}" for name, text in FEATURES.items()
    )
    made, axes = figure(rows, columns, size=size, alt=alt)
    x, y, w, h = box_of(keypoints)
    for ax, name in zip(axes.ravel(), FEATURES, strict=False):
        ax.imshow(image, cmap="gray", vmin=0, vmax=255)
        draw_feature(ax, keypoints, name)
        ax.set(xlim=(x, x + w), ylim=(y + 0.95 * h, y - 0.05 * h))
        ax.set_title(name, fontsize=8)
    for ax in axes.ravel():
        ax.set_axis_off()
    return made


def average_faces(mean_faces: Mapping[str, np.ndarray], *, size: float = 2.6) -> Figure:
    """Show faces (68, 2) by label beside one another, each over the neutral one in gray."""
    made, axes = figure(1, len(mean_faces), size=size, alt="Average faces in outline: " + ", ".join(mean_faces))
    for ax, (label, face) in zip(axes[0], mean_faces.items(), strict=True):
        if "neutral" in mean_faces:
            draw_face(ax, np.asarray(mean_faces["neutral"]), colour="#BBBBBB")
        draw_face(ax, np.asarray(face), colour=HUES.get(label, "black"))
        ax.set(aspect="equal", title=label)
        ax.invert_yaxis()
        ax.set_axis_off()
    return made


def feature_histograms(
    histograms: Mapping[str, Mapping], names: Sequence[str] | None = None, *, columns: int = 4
) -> Figure:
    """Show how features are spread by label, from `emotion_table.histograms` or the record of the rules."""
    names = list(names or histograms)
    rows, columns = -(-len(names) // columns), min(columns, len(names))
    alt = f"Histograms of {', '.join(names)}, one line for each of negative, neutral and positive"
    made, axes = figure(rows, columns, size=2.4, alt=alt)
    for ax, name in zip(axes.ravel(), names, strict=False):
        edges = 100 * np.asarray(histograms[name]["edges"])
        for label in LABELS:
            ax.stairs(100 * np.asarray(histograms[name][label]), edges, color=HUES[label], label=label, linewidth=1.5)
        ax.axvline(0, color="#BBBBBB", linewidth=1, zorder=0)
        ax.set_title(name, fontsize=9)
    for ax in axes.ravel()[len(names) :]:
        ax.set_axis_off()
    made.supxlabel("change from the neutral face, % of the eye distance", fontsize=9)
    made.supylabel("% of the faces of that label", fontsize=9)
    made.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=3, frameon=False)
    return made


def confusion(tables: Mapping[str, np.ndarray], labels: Sequence[str] = LABELS) -> Figure:
    """Show confusion matrices (k, k) by title: rows are what was labelled, as shares of their row."""
    alt = "Confusion matrices, rows what was labelled, columns what was said: " + ", ".join(tables)
    made, axes = figure(1, len(tables), size=3.0, alt=alt)
    for ax, (title, table) in zip(axes[0], tables.items(), strict=True):
        shares = np.asarray(table, np.float64)
        shares = shares / np.maximum(shares.sum(1, keepdims=True), 1)
        ax.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for (row, column), share in np.ndenumerate(shares):
            colour = "white" if share > 0.55 else "black"
            ax.text(column, row, f"{share:.0%}", ha="center", va="center", color=colour)
        ax.set_xticks(range(len(labels)), labels, fontsize=8)
        ax.set_yticks(range(len(labels)), labels, fontsize=8, rotation=90, va="center")
        ax.set(title=title, xlabel="said", ylabel="labelled")
    return made
