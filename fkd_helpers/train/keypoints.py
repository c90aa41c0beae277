"""Train and score a 68-keypoint network: run config in, weights and a record out. Built in notebook 02."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from fkd_helpers.core import records
from fkd_helpers.core.config import RunConfig
from fkd_helpers.core.errors import InputError
from fkd_helpers.data import FaceSet
from fkd_helpers.nets import (
    INPUT_SIZES,
    build,
    count_weights,
    export_onnx,
    keypoints_from,
    load_weights,
    measured_facts,
    save_weights,
)
from fkd_helpers.nets.losses import loss_named
from fkd_helpers.train.checkpoint import CHECKPOINT, history_of
from fkd_helpers.train.distributed import processes
from fkd_helpers.train.loggers import check_log, logged
from fkd_helpers.train.loop import TrainingStopped, fit
from fkd_helpers.train.run_data import batches_for, data_for, parts
from fkd_helpers.train.run_files import short, write_history, write_metrics, write_predictions

__all__ = ["batches_for", "learn", "loss_for", "network_for", "parts", "train"]
IMAGENET = "imagenet"


def loss_for(config: RunConfig) -> Callable:
    """Return the loss of a config, for what any network answers; errors are divided by its unit first.

    Raises:
        InputError: an unknown loss, or the heatmap loss with another unit than 1; on use: without heatmaps.
    """
    loss = loss_named(config.loss)
    if config.loss != "heatmap":
        return lambda output, target: loss(keypoints_from(output) / config.unit, target / config.unit)
    if config.unit != 1:
        raise InputError(f"unit: expected 1 with the heatmap loss, got {config.unit:g}")

    def heatmap(output, target):
        if output.ndim != 4:
            raise InputError(f"loss 'heatmap': expected a network that answers with heatmaps, {config.net!r} has none")
        return loss(output, target)

    return heatmap


def network_for(config: RunConfig, *, continued: bool = False) -> nn.Module:
    """Return the network of a config with its first weights: random by seed, of a file, or ImageNet's.

    continued: a checkpoint will bring the weights, so ImageNet's are not fetched

    Raises:
        InputError: an unknown network, no such file, weights of another network, or none of ImageNet's for it.
    """
    torch.manual_seed(config.seed)  # the first weights are drawn
    model = build(config.net)
    if config.start != IMAGENET:
        return load_weights(model, config.start) if config.start else model
    if not hasattr(model, "pretrained"):
        wanted = "expected a network on a known backbone, such as 'resnet18'"
        raise InputError(f"start: {IMAGENET!r}: {wanted}, got {config.net!r}")
    return model if continued else build(config.net, pretrained=True)


@dataclass(frozen=True)
class Learned:
    """What came of a run: the network, one row an epoch, and for each held-out part its predictions and scores."""

    model: nn.Module
    history: list[dict]
    parts: dict[str, FaceSet]
    predicted: dict[str, np.ndarray]  # (n, 68, 2), pixels of each part's own images, where its labels would lie
    scores: dict[str, dict[str, float]]
    facts: dict  # weights, training faces, digest of the training data, the watched part, where it started


def learn(
    config: RunConfig,
    folder: str | Path,
    *,
    say: Callable[[str], None] = print,
    callbacks: Sequence[Callable[[dict], None]] = (),
) -> Learned:
    """Train the network of a config, resuming what `folder` holds, and score it on the parts that were held out.

    callbacks: called with each epoch's row (see `training.fit`); a notebook passes `live_curve.LiveCurve()`

    Raises:
        InputError: data, network or loss that is not there, a checkpoint of another run in the folder, or too little
            memory.
        TrainingStopped: the loss is not finite any more.
    """
    try:
        return _learn(config, Path(folder), say, callbacks)
    except KeyboardInterrupt:
        if done := len(history_of(folder)):
            say(f"interrupted: epoch {done} of {config.epochs} is kept; the same run in the same folder goes on there")
        raise


def _learn(config, folder, say, callbacks):
    loss = loss_for(config)
    check_log(config)
    model = network_for(config, continued=(folder / CHECKPOINT).exists())
    data = data_for(config)
    watched = data.held_out[data.watched]
    if data.watched != "validation" and (config.patience or config.schedule == "plateau"):
        say(f"note: {data.watched!r} decides on this run and scores it too; validation 0.1 keeps the two apart")
    with logged(config, folder) as to_logger:
        model, history = fit(
            model, data.batches, loss, config=config, metrics=watched.numbers, watch="nme",
            callbacks=[_progress(config, say), *to_logger, *callbacks], folder=folder,
        )  # fmt: skip
    if len(history) < config.epochs:
        say(f"stopped early: the NME of {data.watched!r} has not got better for {config.patience} epochs")
    model.cpu()
    model.facts |= measured_facts(model, watched.batches(0), mirror=watched.faces.mirror)  # they go into its files
    answers = {key: part.scored(model) for key, part in data.held_out.items()}
    facts = {
        "weights": count_weights(model), "training_faces": data.batches.faces,
        "data_digest": records.digest(data.training), "watched": data.watched, "processes": processes()[1],
    }  # fmt: skip
    facts |= {"imagenet": model.pretrained} if config.start == IMAGENET else {}
    return Learned(
        model, history, {key: part.faces for key, part in data.held_out.items()},
        {key: predicted for key, (predicted, _) in answers.items()},
        {key: scores for key, (_, scores) in answers.items()}, facts,
    )  # fmt: skip


def _progress(config, say):
    """Return a callback that says each epoch's numbers and the time left."""
    started, before = time.perf_counter(), None

    def report(row):
        nonlocal before
        before = row["epoch"] - 1 if before is None else before
        spent = (time.perf_counter() - started) / (row["epoch"] - before)
        left = spent * (config.epochs - row["epoch"])
        numbers = f"loss {row['loss']:.4f}  NME {row['nme']:.4f}"
        say(f"epoch {row['epoch']}/{config.epochs}  {numbers}  {left / 60:.0f} min left")

    return report


def train(
    config: RunConfig,
    folder: str | Path,
    *,
    say: Callable[[str], None] = print,
    callbacks: Sequence[Callable[[dict], None]] = (),
    labels: Callable[[np.ndarray], Mapping[str, Sequence]] | None = None,
) -> dict:
    """Train the network of a config, resuming what `folder` holds, and leave all that came of it there.

    The folder then has `last.pt` (the checkpoint), NET.safetensors and NET.onnx (the final weights),
    `best.safetensors` (of the best epoch on the watched part), `metrics.json` and `history.csv` (numbers of each
    epoch), `test_predictions.csv` (of the first held-out part), and the record `training-NAME.json`; one of a run that
    failed or was interrupted says so.

    labels: predicted keypoints (n, 68, 2) -> further columns of `test_predictions.csv`, such as {"emotion": ...}

    Returns:
        the scores of the part that was held out (of unseen people, if split by person), on crops of the true box
    """
    folder = Path(folder)
    rows = history_of(folder)

    def keep(row):
        rows.append(row)
        write_metrics(folder, rows, run=config.name)

    try:
        run = learn(config, folder, say=say, callbacks=[keep, *callbacks])
    except (TrainingStopped, KeyboardInterrupt) as error:
        why = {"failed": str(error)} if isinstance(error, TrainingStopped) else {"interrupted": True}
        if (rows or "failed" in why) and processes()[0] == 0:
            records.write("training", config.name, folder=folder, config=config, history=short(rows), **why)
        raise
    first = next(iter(run.scores))
    if processes()[0]:  # one of several that train together writes
        return run.scores[first]
    save_weights(run.model, folder / f"{config.net}.safetensors", net=config.net, run=config.name, data=config.data)
    export_onnx(run.model, folder / f"{config.net}.onnx", size=INPUT_SIZES[config.net])
    write_metrics(folder, run.history, run=config.name, watched=run.facts["watched"])
    write_history(folder, run.history)
    predicted = run.predicted[first]
    write_predictions(folder, run.parts[first].names, predicted, labels(predicted) if labels else None)
    best = min(run.history, key=lambda row: row["nme"])["epoch"]
    records.write(
        "training", config.name, folder=folder, config=config, scores=run.scores[first], scores_by_part=run.scores,
        seconds_an_epoch=float(np.mean([row["seconds"] for row in run.history])), best_epoch=best,
        history=short(run.history), **run.facts,
    )  # fmt: skip
    return run.scores[first]
