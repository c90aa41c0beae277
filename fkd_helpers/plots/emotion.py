"""Drawings on emotions: the outlines of a face, and what each feature measures on it."""

import numpy as np

from fkd_helpers.emotion.features import WAYS
from fkd_helpers.faces.landmarks import OKABE_ITO

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
