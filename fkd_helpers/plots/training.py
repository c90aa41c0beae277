"""The curves of a training: loss, NME, pixels."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from fkd_helpers.plots import COLOURS, PREDICTED, TARGET, figure

PANELS = {"loss": ("loss",), "accuracy": ("accuracy",), "NME": ("nme",), "pixels at 224": ("mae_224", "rmse_224")}
LABELS = {"mae_224": "MAE", "rmse_224": "RMSE"}


def training_curves(history: Sequence[Mapping]) -> Figure:
    """Draw a history (rows of `training.fit`): a panel for each kind of number, the best NME marked.

    Behind the loss of an epoch lie the losses of its batches, where the rows have them.
    """
    table = pd.DataFrame(history).drop(columns="losses", errors="ignore").apply(pd.to_numeric, errors="coerce")
    table = table.replace(np.inf, np.nan).dropna(axis=1, how="all")
    panels = {title: [key for key in keys if key in table] for title, keys in PANELS.items()}
    panels = {title: keys for title, keys in panels.items() if keys}
    last = [f"{key} {table[key].iloc[-1]:.3g}" for keys in panels.values() for key in keys]
    alt = f"Training curves; after epoch {len(table)}: {', '.join(last)}"
    made, axes = figure(1, len(panels), size=3.2, alt=alt)
    for ax, (title, keys) in zip(axes[0], panels.items(), strict=False):
        for key, colour in zip(keys, (PREDICTED, COLOURS["jaw"]), strict=False):
            known = table[["epoch", key]].dropna()
            ax.plot(known["epoch"], known[key], color=colour, marker=".", markersize=4, label=LABELS.get(key))
        if title == "loss":
            for row in (row for row in history if row.get("losses")):
                places = row["epoch"] - 1 + np.arange(1, len(row["losses"]) + 1) / len(row["losses"])
                ax.plot(places, row["losses"], color=PREDICTED, alpha=0.25, linewidth=0.8, zorder=1)
        if title == "NME":
            best = table["nme"].idxmin()
            ax.plot(table["epoch"][best], table["nme"][best], "o", color=TARGET, fillstyle="none", markersize=9)
        if len(keys) > 1:
            ax.legend(frameon=False)
        ax.set(title=title, xlabel="epoch", xlim=(0, None))
        low, high = table[keys].min(axis=None), table[keys].max(axis=None)
        if low > 0 and high > 5 * low:
            ax.set_yscale("log")
            ax.yaxis.set(major_locator=LogLocator(subs=(1, 2, 5)), major_formatter="{x:g}")
            ax.yaxis.set_minor_formatter(NullFormatter())
        else:
            ax.set_ylim(bottom=0)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    return made
