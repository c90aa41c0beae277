"""The curves of a training: loss, NME, pixels."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from fkd_helpers.core.files import whole_file
from fkd_helpers.plots import COLOURS, PREDICTED, TARGET, figure

PANELS = {"loss": ("loss",), "accuracy": ("accuracy",), "NME": ("nme",), "pixels at 224": ("mae_224", "rmse_224")}
LABELS = {"mae_224": "MAE", "rmse_224": "RMSE"}


def training_curves(history: Sequence[Mapping], *, epochs: int | None = None, size: float = 2.8) -> Figure:
    """Draw a history (rows of `training.fit`, or the "epochs" of `metrics.json`): a panel for each kind of number.

    Behind the loss of an epoch lie the losses of its batches, where the rows have them; the best NME is marked.

    epochs: how many the run will have, for the width of the panels
    """
    panels = {title: keys for title, keys in PANELS.items() if any(_numbers(history, key)[1].size for key in keys)}
    made, axes = figure(1, max(len(panels), 1), size=size, alt=_words(history, epochs))
    for ax, (title, keys) in zip(axes[0], panels.items(), strict=False):
        for key, colour in zip(keys, (PREDICTED, COLOURS["jaw"]), strict=False):
            ax.plot(*_numbers(history, key), color=colour, marker=".", markersize=4, label=LABELS.get(key))
        if title == "loss":
            _batch_losses(ax, history)
        if title == "NME":
            when, values = _numbers(history, "nme")
            ax.plot(when[values.argmin()], values.min(), "o", color=TARGET, fillstyle="none", markersize=9)
        if len(keys) > 1:
            ax.legend(frameon=False)
        ax.set(title=title, xlabel="epoch")
        ax.set_xlim(0, epochs)
        _scaled(ax, np.concatenate([_numbers(history, key)[1] for key in keys]))
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    return made


def _numbers(history, key) -> tuple[np.ndarray, np.ndarray]:
    """Return the epochs that have a number of that name, and the numbers."""
    pairs = [(row["epoch"], float(row[key])) for row in history if key in row]
    pairs = [pair for pair in pairs if np.isfinite(pair[1])]
    return np.array([epoch for epoch, _ in pairs], float), np.array([value for _, value in pairs], float)


def _scaled(ax, values) -> None:
    """Take a logarithmic axis for numbers that span more than a factor of five."""
    if values.min() > 0 and values.max() > 5 * values.min():
        ax.set_yscale("log")
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.yaxis.set_minor_formatter(NullFormatter())
        ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    else:
        ax.set_ylim(bottom=0)


def _batch_losses(ax, history) -> None:
    for row in history:
        losses = row.get("losses", ())
        places = row["epoch"] - 1 + (np.arange(len(losses)) + 1) / max(len(losses), 1)
        ax.plot(places, losses, color=PREDICTED, alpha=0.25, linewidth=0.8, zorder=1)


def _words(history, epochs) -> str:
    if not history:
        return "Training curves; no epoch is finished yet"
    last = history[-1]
    parts = [f"loss {float(last['loss']):.3g}"] if "loss" in last else []
    parts += [f"NME {float(last['nme']):.3g}"] if "nme" in last else []
    of = f" of {epochs}" if epochs else ""
    return f"Training curves over the epochs; after epoch {last['epoch']}{of}: {', '.join(parts)}"


def save_curves(folder: Path, *, epochs: int) -> None:
    """Draw the epochs that a run has behind it into `training_curves.png`, if there are any."""
    if (folder / "metrics.json").exists():
        history = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["epochs"]
        with whole_file(folder / "training_curves.png") as partial:
            curves = training_curves(history, epochs=epochs, size=3.6)
            curves.savefig(partial, format="png", dpi=100)
