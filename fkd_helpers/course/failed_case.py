"""The picture of a case that an answer failed: the arrays that went in, and the one that came out."""

import numpy as np
from matplotlib.figure import Figure

from fkd_helpers import plots


def case_figure(arrays: dict[str, np.ndarray]) -> Figure | None:
    """Show named pictures and points, points on the picture before them; None if there is nothing to see."""
    panels: list[dict[str, np.ndarray]] = []
    for name, array in arrays.items():
        if _is_points(array) and panels and not _is_points(next(iter(panels[-1].values()))):
            panels[-1][name] = array
        elif array.dtype.kind in "buif" and (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))):
            panels.append({name: array})
    if not panels:
        return None
    made, axes = plots.figure(1, len(panels), size=2.6, alt=f"The case that fails: {', '.join(arrays)}")
    for ax, panel in zip(axes[0], panels, strict=True):
        ax.set(title=", ".join(panel), aspect="equal")
        ax.yaxis.set_inverted(True)
        for array in panel.values():
            if _is_points(array):
                plots.draw_keypoints(ax, array)
            else:
                ax.imshow(np.clip(array, 0, 255).astype(np.uint8) if array.ndim == 3 else array, cmap="gray")
    return made


def _is_points(array):
    return array.ndim == 2 and array.shape[1] == 2 and len(array) > 2
