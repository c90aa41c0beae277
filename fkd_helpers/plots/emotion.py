"""Figures on emotions: what each feature measures, how labels differ in it, which labels are confused."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from fkd_helpers.emotion.features import WAYS
from fkd_helpers.emotion.rules import LABELS
from fkd_helpers.faces.landmarks import OKABE_ITO
from fkd_helpers.plots import figure

HUES = {"negative": OKABE_ITO["vermilion"], "neutral": OKABE_ITO["black"], "positive": OKABE_ITO["blue"]}
STROKES = [[*range(low, high)] for low, high in ((0, 17), (17, 22), (22, 27), (27, 31), (31, 36))]
STROKES += [[*range(low, high), low] for low, high in ((36, 42), (42, 48), (48, 60), (60, 68))]  # closed


def draw_face(axes, keypoints: np.ndarray, *, colour: str = "black", label: str | None = None) -> None:
    """Draw the outlines of a face (68, 2)."""
    for stroke in STROKES:
        axes.plot(*keypoints[stroke].T, color=colour, linewidth=1.5, label=label if stroke is STROKES[0] else None)


def draw_feature(axes, keypoints: np.ndarray, name: str) -> None:
    """Draw what a feature measures on a face (68, 2): the points it takes, and lines between their middles."""
    for pair in WAYS[name]:
        for group in pair:
            axes.scatter(*keypoints[list(group)].T, s=9, c=OKABE_ITO["yellow"], linewidths=0, zorder=3)
        middles = np.stack([keypoints[list(group)].mean(0) for group in pair])
        axes.plot(*middles.T, color=OKABE_ITO["sky blue"], linewidth=2.5)


def feature_histograms(histograms: Mapping[str, Mapping], names: Sequence[str] | None = None) -> Figure:
    """Show how features are spread by label, from `emotion.table.histograms` or the record of the rules."""
    names = list(names or histograms)
    columns = min(4, len(names))
    alt = f"Histograms of {', '.join(names)}, one line for each of {', '.join(LABELS)}"
    made, axes = figure(math.ceil(len(names) / columns), columns, size=2.6, alt=alt)
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
