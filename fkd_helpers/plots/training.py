"""The curves of a training: loss, accuracy, NME, pixels."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from fkd_helpers.plots import COLOURS, PREDICTED, figure

PANELS = {"loss": ("loss",), "accuracy": ("accuracy",), "NME": ("nme",), "pixels at 224": ("mae_224", "rmse_224")}


def training_curves(history: Sequence[Mapping]) -> Figure:
    """Draw a history (rows of `training.fit`): a panel for each kind of number."""
    table = pd.DataFrame(history).drop(columns="losses", errors="ignore").apply(pd.to_numeric, errors="coerce")
    table = table.replace(np.inf, np.nan).dropna(axis=1, how="all").set_index("epoch")
    panels = {title: [key for key in keys if key in table] for title, keys in PANELS.items()}
    panels = {title: keys for title, keys in panels.items() if keys}
    last = [f"{key} {table[key].iloc[-1]:.3g}" for keys in panels.values() for key in keys]
    made, axes = figure(1, len(panels), size=3.2, alt=f"Training curves; after epoch {len(table)}: {', '.join(last)}")
    for ax, (title, keys) in zip(axes[0], panels.items(), strict=True):
        for key, colour in zip(keys, (PREDICTED, COLOURS["jaw"]), strict=False):
            ax.plot(table[key].dropna(), color=colour, marker=".", label=key)
        ax.set(title=title, xlabel="epoch", xlim=(0, None), ylim=(0, None))
        if len(keys) > 1:
            ax.legend(frameon=False)
    return made
