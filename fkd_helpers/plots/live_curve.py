"""A curve that grows while a network learns: a callback for `training.fit` and what calls it. Built in notebook 02."""

import base64
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from io import BytesIO

from fkd_helpers.plots.training import training_curves

LINES = 10  # of text, where there is no notebook


class LiveCurve:
    """Show the curves of a training while it runs: `fit(..., callbacks=[LiveCurve(epochs=20)])`.

    In a notebook one figure is redrawn in place after each epoch (less often where drawing would take as long as
    learning; the last epoch is always drawn). Elsewhere about ten lines of text tell the same.

    epochs: how many there will be; None = unknown, then each epoch has its line
    history: rows of the epochs before, of a run that is continued: `checkpoints.history_of(folder)`
    say: where the text goes

    A figure that changes cannot be compared by nbval: tag the cell `nbval-ignore-output`.
    """

    def __init__(
        self, *, epochs: int | None = None, history: Sequence[Mapping] = (), say: Callable[[str], None] = print
    ):
        self.epochs, self.say = epochs, say
        self.history = list(history)
        self._handle, self._next = None, 0.0

    def __call__(self, row: Mapping) -> None:
        """Take the row of an epoch that is finished."""
        self.history.append(row)
        last = row["epoch"] == self.epochs
        if not in_notebook():
            if (
                last
                or not self.epochs
                or row["epoch"] * LINES // self.epochs > (row["epoch"] - 1) * LINES // self.epochs
            ):
                self.say(self._line(row))
        elif last or time.perf_counter() >= self._next:
            self.draw()

    def draw(self) -> None:
        """Draw all rows so far into the one figure."""
        from IPython.display import display

        started = time.perf_counter()
        made, stream = training_curves(self.history, epochs=self.epochs), BytesIO()
        made.savefig(stream, format="png", dpi=80)
        picture = {"image/png": base64.b64encode(stream.getvalue()).decode(), "text/plain": made.get_label()}
        words = {"image/png": {"alt": made.get_label()}}
        if self._handle is None:
            self._handle = display(picture, metadata=words, raw=True, display_id=True)
        else:
            self._handle.update(picture, metadata=words, raw=True)
        now = time.perf_counter()
        self._next = now + (now - started)

    def _line(self, row) -> str:
        numbers = [f"{name} {row[key]:.4f}" for key, name in (("loss", "loss"), ("nme", "NME")) if key in row]
        return f"epoch {row['epoch']}{f'/{self.epochs}' if self.epochs else ''}  {'  '.join(numbers)}"


def in_notebook() -> bool:
    """Return whether this runs in a Jupyter kernel, where a picture can be shown and changed."""
    ipython = sys.modules.get("IPython")
    return hasattr(ipython and ipython.get_ipython(), "kernel")
