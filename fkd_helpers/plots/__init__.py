"""Figures with alt text: every function returns a `Figure` whose label is its alt text; the notebook shows it."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from fkd_helpers.faces.landmarks import COLOURS, OKABE_ITO, PREDICTED, REGIONS, TARGET


def figure(rows: int = 1, columns: int = 1, *, size: float = 2.2, alt: str) -> tuple[Figure, np.ndarray]:
    """Return a figure with its alt text set, and its axes, an array (rows, columns), each of `size` inches."""
    made = Figure(figsize=(columns * size, rows * size), layout="constrained", label=alt)
    return made, made.subplots(rows, columns, squeeze=False)


def draw_keypoints(axes, keypoints: np.ndarray, *, colour: str | None = None, size: float = 4) -> None:
    """Draw keypoints (k, 2) as dots of `size` square points: 68 in their regions' colours, or all in one colour."""
    if colour is None and len(keypoints) == 68:
        for region, points in REGIONS.items():
            axes.scatter(*keypoints[list(points)].T, s=size, c=COLOURS[region], linewidths=0)
    else:
        axes.scatter(*np.asarray(keypoints).T, s=size, c=colour or PREDICTED, linewidths=0)


def faces(
    images: Sequence[np.ndarray],
    keypoints: np.ndarray | None = None,
    *,
    titles: Sequence[str] | None = None,
    columns: int = 6,
    size: float = 1.6,
    alt: str,
) -> Figure:
    """Return a figure of images, (h, w) or (h, w, 3) uint8, in a grid, each with its keypoints (k, 2) where given."""
    rows = math.ceil(len(images) / columns)
    made, axes = figure(rows, min(columns, len(images)), size=size, alt=alt)
    for i, ax in enumerate(axes.ravel()):
        ax.set_axis_off()
        if i < len(images):
            ax.imshow(images[i], cmap="gray", vmin=0, vmax=255)
            ax.autoscale(False)  # keypoints outside the picture do not shrink it
            if keypoints is not None:
                draw_keypoints(ax, keypoints[i])
            if titles is not None:
                ax.set_title(titles[i], fontsize=8)
    return made


def draw_box(axes, box: np.ndarray, *, colour: str = "white") -> None:
    """Draw the outline of a box (x, y, w, h)."""
    axes.add_patch(Rectangle(box[:2], box[2], box[3], fill=False, edgecolor=colour, linewidth=1.5))
