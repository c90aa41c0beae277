"""One training run: a task and a config in; weights, numbers, predictions and a record out."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn

from fkd_helpers.core import records
from fkd_helpers.core.config import TrainConfig
from fkd_helpers.core.files import whole_file
from fkd_helpers.nets import count_weights, save_weights
from fkd_helpers.train.batches import Batches
from fkd_helpers.train.distributed import processes, started_as
from fkd_helpers.train.loop import fit
from fkd_helpers.train.schedules import epochs_since_best


class Task(ABC):
    """What a run needs to know of its task; made from a config, with data and network loaded."""

    model: nn.Module
    batches: Batches
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]  # mean over the targets that are not missing
    kind = "training"  # of the record that a run leaves
    watch: str  # the number of an epoch, smaller is better, that decides on the best epoch and an early stop
    shown: Mapping[str, str]  # what is printed after each epoch: its key in the row
    notes: Sequence[str] = ()  # lines that are said before the training
    header: Mapping[str, object] = {}  # facts that go into the weights file, beside network, run and data

    @abstractmethod
    def score(self, model: nn.Module) -> dict[str, float]:
        """Return the numbers of an epoch; all processes that train together call it."""

    @abstractmethod
    def finish(self, model: nn.Module) -> tuple[pd.DataFrame, dict]:
        """Return predictions, one row per held-out face, and facts for the record, among them "scores"."""

    def write(self, run: "Run", folder: Path) -> None:  # noqa: B027  most tasks have none
        """Write further files, after the weights."""


@dataclass(frozen=True)
class Run:
    """What came of a training: the network, one row per epoch, predictions, scores, and further facts."""

    model: nn.Module
    history: list[dict]
    predictions: pd.DataFrame
    scores: dict[str, float]
    facts: dict


def learn(
    task: Task, config: TrainConfig, folder: str | Path | None = None, *, say: Callable[[str], None] = print
) -> Run:
    """Train the network of a task, resuming from the checkpoint in `folder`, and score it; write checkpoints only."""
    say = (lambda line: None) if started_as()[0] else say  # the first of several processes speaks
    for note in task.notes:
        say(note)
    options = dict(metrics=task.score, watch=task.watch, callbacks=[_progress(task, config, say)], folder=folder)
    model, history = fit(task.model, task.batches, task.loss, config=config, **options)
    if len(history) < config.epochs:
        say(f"stopped early: {task.watch} has not got better for {config.patience} epochs")
    predictions, facts = task.finish(model.cpu())
    facts = {"weights": count_weights(model), "processes": processes()[1]} | facts
    return Run(model, history, predictions, facts["scores"], facts)


def run(task: Task, config: TrainConfig, folder: str | Path, *, say: Callable[[str], None] = print) -> dict:
    """Run `learn` and leave everything in the folder; return the scores.

    The folder then has the checkpoint, final and best weights, `history.csv` (the numbers of each epoch), predictions,
    what the task adds, and the record.
    """
    folder, done = Path(folder), learn(task, config, folder, say=say)
    if processes()[0]:  # the first of several processes writes
        return done.scores
    header = {"net": config.net, "run": config.name, "data": config.data} | task.header
    save_weights(done.model, folder / f"{config.net}.safetensors", **header)
    history = pd.DataFrame(short(done.history))
    write_csv(folder / "history.csv", history)
    write_csv(folder / "test_predictions.csv", done.predictions, float_format="%.2f")
    task.write(done, folder)
    best = len(history) - epochs_since_best([row.get(task.watch, np.nan) for row in done.history])
    facts = {"config": config, "history": short(done.history), "seconds_an_epoch": history["seconds"].mean()}
    records.write(task.kind, config.name, folder=folder, **facts, **done.facts, best_epoch=best)
    return done.scores


def _progress(task: Task, config: TrainConfig, say: Callable[[str], None]) -> Callable[[dict], None]:
    """Return a callback that prints each epoch's numbers and the time left."""
    started, rows = time.perf_counter(), []

    def report(row):
        rows.append(row)
        left = (time.perf_counter() - started) / len(rows) * (config.epochs - row["epoch"])
        numbers = "".join(f"  {name} {row[key]:.4f}" for name, key in task.shown.items() if key in row)
        say(f"epoch {row['epoch']}/{config.epochs}  loss {row['loss']:.4f}{numbers}  {left / 60:.0f} min left")

    return report


def short(history: Iterable[Mapping]) -> list[dict]:
    """Return a history without the losses of its batches."""
    return [{key: value for key, value in row.items() if key != "losses"} for row in history]


def predictions_table(names: Sequence[str], predicted: np.ndarray) -> pd.DataFrame:
    """Return one row per face: its name, then x0, y0 ... of predicted keypoints (n, k, 2)."""
    table = pd.DataFrame(predicted.reshape(len(predicted), -1))
    table.columns = [f"{axis}{i}" for i in range(predicted.shape[1]) for axis in "xy"]
    table.insert(0, "name", names)
    return table


def write_csv(path: Path, table: pd.DataFrame, **options) -> None:
    """Write a table as a CSV file, whole or not at all."""
    with whole_file(path) as partial:
        table.to_csv(partial, index=False, **options)
