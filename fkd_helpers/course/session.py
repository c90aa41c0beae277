"""The first line of every notebook: versions, device, data set, and figures that carry their alt text."""

import base64
import os
import random

import matplotlib as mpl
import numpy as np
import torch
from IPython import get_ipython
from IPython.core.pylabtools import print_figure
from matplotlib.figure import Figure

from fkd_helpers import data
from fkd_helpers.core import records
from fkd_helpers.core.errors import InputError
from fkd_helpers.faces.landmarks import OKABE_ITO

LARGE_PNG = 50_000  # bytes
STYLE = {
    "figure.dpi": 120,
    "savefig.dpi": 120,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": mpl.cycler(color=OKABE_ITO.values()),
    "image.cmap": "gray",
    "axes.titlesize": "medium",
    "legend.frameon": False,
}


def setup(*, seed: int = 0, dataset: str | None = None) -> None:
    """Prepare a notebook: seed the global generators, leave one core free, choose the data set, style the figures.

    dataset: what `data.load()` returns from now on; None: $FKD_DATASET, or "puppets"
    """
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 (for a learner's own cells; the package is handed its generators)
    torch.manual_seed(seed)
    if "OMP_NUM_THREADS" not in os.environ:
        # a thread whose core somebody else has, JupyterLab's page perhaps, holds all the others up at every step
        torch.set_num_threads(min(torch.get_num_threads(), max(1, (os.cpu_count() or 1) - 1)))
    if dataset is not None:
        if dataset != "puppets":
            data.find(dataset)
        os.environ["FKD_DATASET"] = dataset
    device = f"cuda ({torch.cuda.get_device_name()})" if torch.cuda.is_available() else f"cpu ({os.cpu_count()} cores)"
    device = "mps" if torch.backends.mps.is_available() else device
    print(", ".join(f"{name} {number}" for name, number in records.versions().items()))
    print(f"device: {device}; data set: {os.environ.get('FKD_DATASET') or 'puppets'}; seed: {seed}")
    try:
        data.find("ytf")
        print("the real 68-point set is here: fkd.setup(dataset='ytf') switches to it")
    except InputError:
        print("the real 68-point set is not here (`make data` fetches it); puppets stand in for it")
    print("fkd.check() tests the installation, fkd.progress() lists the solved exercises")
    describe_figures()


def describe_figures() -> None:
    """Set the course's figure style, and let Jupyter store a figure's label as the picture's alt text."""
    mpl.rcParams.update(STYLE)
    if (shell := get_ipython()) is not None:
        shell.run_line_magic("matplotlib", "inline")
        shell.display_formatter.formatters["image/png"].pop(Figure, None)
        shell.display_formatter.mimebundle_formatter.for_type(Figure, picture)


def picture(figure):
    """Return a figure as PNG, or as JPEG where that is much smaller (photos), with its alt text."""
    kind, content = "image/png", print_figure(figure, "png")
    if len(content) > LARGE_PNG:
        compressed = {"quality": 75, "subsampling": 0, "optimize": True}
        kind, content = "image/jpeg", print_figure(figure, "jpeg", pil_kwargs=compressed)
    alt_text = figure.get_label() or "a figure without description"
    return {kind: base64.b64encode(content).decode()}, {kind: {"alt": alt_text}}
