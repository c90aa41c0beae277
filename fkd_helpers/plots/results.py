"""Figures and a table of evaluation records."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from fkd_helpers.evaluate import FAILED
from fkd_helpers.faces.landmarks import PREDICTED, TARGET
from fkd_helpers.plots import figure

PERCENT = PercentFormatter(1, decimals=0)


def robustness_curves(record: Mapping, *, columns: int = 3) -> Figure:
    """Draw for each kind of change which share of faces fails (NME above 0.10), with the true box and without."""
    curves = record["curves"]
    limits = [(kind, breaking_point(curve["points"])) for kind, curve in curves.items()]
    tenth = [f"{kind} at {limit:.3g}" if np.isfinite(limit) else f"{kind} never" for kind, limit in limits]
    alt = f"Share of faces with an NME above {FAILED:.2f} as photos get worse; a tenth of them: {', '.join(tenth)}"
    made, axes = figure(math.ceil(len(curves) / columns), min(columns, len(curves)), size=2.4, alt=alt)
    for ax, (kind, curve) in zip(axes.ravel(), curves.items(), strict=False):
        points = pd.DataFrame(curve["points"])
        for key, name, colour in (("failures", "true box", TARGET), ("photo_failures", "photo in", PREDICTED)):
            if key in points:
                ax.plot(points["strength"], points[key], color=colour, marker="o", markersize=3, label=name)
        if points["strength"][0] > 0:  # "so many times": equal steps for equal factors
            ax.set_xscale("log", base=2)
            ax.set_xticks(points["strength"], [f"{strength:g}" for strength in points["strength"]])
        ax.set_title(kind, fontsize=10)
        ax.set_xlabel(curve["unit"], fontsize=8)
        ax.set_ylim(0, 1.02)
        ax.yaxis.set_major_formatter(PERCENT)
    for ax in axes.ravel()[len(curves) :]:
        ax.set_axis_off()
    made.supylabel(f"faces with NME above {FAILED:.2f}", fontsize=9)
    made.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=2, frameon=False)
    return made


def breaking_point(points: Sequence[Mapping], *, share: float = 0.1) -> float:
    """Return the strength, between two that were measured, at which `share` of the faces fail; infinity if never."""
    strengths, failures = (np.array([point[key] for point in points], float) for key in ("strength", "failures"))
    if not (failures >= share).any():
        return float("inf")
    i = int((failures >= share).argmax())
    return float(np.interp(share, failures[max(i - 1, 0) : i + 1], strengths[max(i - 1, 0) : i + 1]))


def robustness_table(record: Mapping) -> pd.DataFrame:
    """Return for each kind of change the NME without it and at its strongest, and where a tenth of the faces fail."""
    rows = {}
    for kind, curve in record["curves"].items():
        first, last, limit = curve["points"][0], curve["points"][-1], breaking_point(curve["points"])
        rows[kind] = {"unit": curve["unit"], "NME unchanged": first["nme"], "a tenth fail at": limit}
        rows[kind] |= {"strongest": last["strength"], "NME there": last["nme"]}
    return pd.DataFrame.from_dict(rows, orient="index")
