"""The picture of a case that an answer failed: the arrays that went in, and the one that came out."""

import numpy as np
from matplotlib.figure import Figure

from fkd_helpers import plots


def case_figure(arrays: dict[str, np.ndarray]) -> Figure | None:
    """Show named arrays, points on the picture before them; None if there is nothing to see."""
    panels: list[list[tuple[str, np.ndarray]]] = []
    for name, array in arrays.items():
        if _is_points(array) and panels and _is_picture(panels[-1][0][1]):
            panels[-1].append((name, array))
        elif array.dtype.kind in "buif" and (array.ndim in (2, 3) or array.size > 4):
            panels.append([(name, array)])
    if not panels:
        return None
    made, axes = plots.figure(1, len(panels), size=2.6, alt=f"The case that fails: {', '.join(arrays)}")
    for ax, panel in zip(axes[0], panels, strict=True):
        ax.set_title(", ".join(name for name, _ in panel))
        for _, array in panel:
            _draw(ax, array)
    return made


def _is_points(array):
    return array.ndim == 2 and array.shape[1] == 2 and len(array) > 2


def _is_picture(array):
    return (array.ndim == 3 and array.shape[2] in (3, 4)) or (array.ndim == 2 and array.dtype == np.uint8)


def _draw(ax, array):
    if _is_picture(array):
        ax.imshow(np.clip(array, 0, 255).astype(np.uint8), cmap="gray", vmin=0, vmax=255)
    elif _is_points(array):
        plots.draw_keypoints(ax, array)
        ax.set(aspect="equal", ylim=sorted(ax.get_ylim(), reverse=True))
    elif array.ndim == 2:
        ax.imshow(array)
    else:  # numbers in a row, or the first number of each row over time
        ax.plot(array.reshape(len(array), -1)[:, 0], ".")
