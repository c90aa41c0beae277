"""Train and score a 68-keypoint network: run config in, weights and a record out. Built in notebook 02."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from fkd_helpers import records
from fkd_helpers.config import RunConfig
from fkd_helpers.data import EXTRA_HELD_OUT, KeypointSet, complete_only, load, split
from fkd_helpers.errors import InputError
from fkd_helpers.losses import loss_named
from fkd_helpers.metrics import REGIONS, nme, summary
from fkd_helpers.models import build, count_weights, export_onnx, load_weights, save_weights
from fkd_helpers.training import fit, predict_batches, write_history
from fkd_helpers.transforms import Augment, FaceBatches


def strength(factor: float) -> Augment:
    """Return the tuned augmentation, made weaker or stronger."""
    return Augment(**{key: value * factor for key, value in vars(Augment()).items()})


def joined(first: KeypointSet, second: KeypointSet) -> KeypointSet:
    """Return the faces of both sets in one."""
    return KeypointSet(
        images=[*first.images, *second.images],
        keypoints=np.concatenate([first.keypoints, second.keypoints]),
        names=first.names + second.names,
        people=np.concatenate([first.people, second.people]),
    )


class MixedBatches(FaceBatches):
    """Faces of two labellings: the jaw of the extra ones is cropped by, but not learned from.

    People draw the jaw's points at other places than the tracker that labelled the video frames did.
    """

    def __init__(self, faces: KeypointSet, extra: KeypointSet, **options):
        super().__init__(joined(faces, extra), **options)
        self.keypoints[len(faces) :, list(REGIONS["jaw"])] = np.nan


def train(config: RunConfig, folder: str | Path, *, say: Callable[[str], None] = print) -> dict:
    """Train the network of a config, resuming what `folder` holds, and leave weights, curves and scores there.

    Returns:
        the scores of the part that was held out, on crops of the true box
    """
    folder = Path(folder)
    bar = sys.stderr.isatty()
    parts = split(load(config.data, progress=bar), config.split)
    training, held_out = (complete_only(part, why="training") for part in parts)
    options = dict(batch_size=config.batch_size, options=strength(config.augment), seed=config.seed)
    if config.extra_data:
        try:
            extra, _ = split(load(config.extra_data, progress=bar), "person", held_out=EXTRA_HELD_OUT)
        except InputError as error:
            raise InputError(f"extra_data: {error}; without it: --extra-data ''") from None
        batches = MixedBatches(training, complete_only(extra, why="training"), **options)
    else:
        batches = FaceBatches(training, **options)
    watched = FaceBatches(held_out, batch_size=128).without_augmentation()
    torch.manual_seed(config.seed)  # the first weights are drawn
    model = build(config.net)
    if config.start:
        load_weights(model, config.start)
    started, epochs_before = time.perf_counter(), None

    def metrics(model):
        return {"nme": float(nme(*predict_batches(model, watched)).mean())}

    def report(row):
        nonlocal epochs_before
        epochs_before = row["epoch"] - 1 if epochs_before is None else epochs_before
        spent = (time.perf_counter() - started) / (row["epoch"] - epochs_before)
        left = spent * (config.epochs - row["epoch"])
        numbers = f"loss {row['loss']:.4f}  NME {row['nme']:.4f}"
        say(f"epoch {row['epoch']}/{config.epochs}  {numbers}  {left / 60:.0f} min left")

    model, history = fit(
        model, batches, loss_named(config.loss), config=config, metrics=metrics, callbacks=[report], folder=folder
    )
    model.cpu()
    scores = summary(*predict_batches(model, watched), people=held_out.people)
    save_weights(model, folder / f"{config.net}.safetensors", net=config.net, run=config.name, data=config.data)
    export_onnx(model, folder / f"{config.net}.onnx")
    write_history(history, folder / "history.csv")
    records.write(
        "training", config.name, folder=folder, config=config, weights=count_weights(model), scores=scores,
        seconds_an_epoch=(time.perf_counter() - started) / max(config.epochs - (epochs_before or 0), 1),
        training_faces=len(batches.crops), data_digest=records.digest(training), history=history,
    )  # fmt: skip
    return scores
