"""Train and score a 68-keypoint network: run config in, weights and a record out. Built in notebook 02."""

import dataclasses
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from fkd_helpers import records
from fkd_helpers.boxes import CROP_SIZE
from fkd_helpers.classic import ClassicBatches
from fkd_helpers.config import RunConfig
from fkd_helpers.data import EXTRA_HELD_OUT, KeypointSet, complete_only, load, split
from fkd_helpers.errors import InputError
from fkd_helpers.labelling import as_labelled, centred
from fkd_helpers.losses import loss_named
from fkd_helpers.metrics import REGIONS, nme, summary
from fkd_helpers.models import (
    INPUT_SIZES,
    build,
    count_weights,
    export_onnx,
    keypoints_from,
    load_weights,
    save_weights,
)
from fkd_helpers.training import fit, predict_batches, write_history
from fkd_helpers.transforms import Augment, FaceBatches


def strength(factor: float) -> Augment:
    """Return the tuned augmentation, made weaker or stronger; half of the faces are mirrored unless it is off."""
    changes = {key: value * factor for key, value in vars(Augment()).items()}
    return Augment(**changes | {"flip": Augment.flip if factor else 0.0})


def parts(faces: KeypointSet, how: str) -> tuple[KeypointSet, dict[str, KeypointSet]]:
    """Split a set for a run: the training faces, and the parts that it is scored on; the first is watched.

    "official": the set's own folders, {"test": ...}. "person": a fifth of the people held out; one training then gives
    two scores, {"unseen": all frames of people it never saw, "seen": other frames, in "test", of people it did see}.
    """
    if how == "official":
        training, test = split(faces, "official")
        return training, {"test": test}
    known, unseen = split(faces, "person")
    training, seen = split(known, "official")
    return training, {"unseen": unseen, "seen": seen}


def joined(first: KeypointSet, second: KeypointSet) -> KeypointSet:
    """Return the faces of both sets in one."""
    return KeypointSet(
        images=[*first.images, *second.images],
        keypoints=np.concatenate([first.keypoints, second.keypoints]),
        names=first.names + second.names,
        people=np.concatenate([first.people, second.people]),
    )


class MixedBatches(FaceBatches):
    """Faces of two labellings: the jaw of the extra ones is cropped by, and learned from only if told so.

    People draw the jaw's points at other places than the tracker that labelled the video frames did.
    """

    def __init__(self, faces: KeypointSet, extra: KeypointSet, *, jaw: bool = False, **options):
        super().__init__(joined(faces, extra), **options)
        if not jaw:
            self.keypoints[len(faces) :, list(REGIONS["jaw"])] = np.nan


def batches_for(config: RunConfig, training: KeypointSet, extra: KeypointSet | None = None):
    """Return the training batches of a config, seen its way: faces by the crop rule, or whole frames."""
    shared = dict(batch_size=config.batch_size, seed=config.seed)
    if config.view == "frame":
        if extra is not None:
            raise InputError("extra_data: expected view 'face' with an extra set, got 'frame'")
        return ClassicBatches(training, **shared)
    shared |= dict(options=strength(config.augment), size=INPUT_SIZES.get(config.net, CROP_SIZE))
    if extra is None:
        return FaceBatches(training, **shared)
    return MixedBatches(training, complete_only(extra, why="training"), jaw=config.extra_use == "all", **shared)


def _plain_batches(config, faces):
    """Return the batches of a part for scoring: seen the same way, in order, not augmented."""
    return batches_for(dataclasses.replace(config, batch_size=64), faces).without_augmentation()


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


@dataclass(frozen=True)
class Learned:
    """What came of a run: the network, one row an epoch, and for each held-out part its predictions and scores."""

    model: nn.Module
    history: list[dict]
    parts: dict[str, KeypointSet]
    predicted: dict[str, np.ndarray]  # (n, 68, 2), pixels of each part's own images, where its labels would lie
    scores: dict[str, dict[str, float]]
    facts: dict  # weights, training faces, digest of the training data


def learn(config: RunConfig, folder: str | Path, *, say: Callable[[str], None] = print) -> Learned:
    """Train the network of a config, resuming what `folder` holds, and score it on the parts that were held out.

    Raises:
        InputError: data, network or loss that is not there, or a checkpoint of another run in the folder.
        TrainingStopped: the loss is not finite any more.
    """
    bar = sys.stderr.isatty()
    loss = loss_for(config)
    torch.manual_seed(config.seed)  # the first weights are drawn
    model = build(config.net)
    if config.start:
        load_weights(model, config.start)
    training, held_out = parts(load(config.data, progress=bar), config.split)
    training = complete_only(training, why="training")
    held_out = {key: complete_only(part, why="scoring") for key, part in held_out.items()}
    extra = None
    if config.extra_data:
        try:
            extra, rest = split(load(config.extra_data, progress=bar), "person", held_out=EXTRA_HELD_OUT)
        except InputError as error:
            raise InputError(f"extra_data: {error}; without it: --extra-data ''") from None
        held_out["extra"] = complete_only(rest, why="scoring")
    # a part is scored against its labels as given; what is learned, and watched, is where the points are
    sources = {part: config.extra_data if part == "extra" else config.data for part in held_out}
    beside = config.labels == "centred"
    training = centred(training, config.data) if beside else training
    extra = centred(extra, config.extra_data) if beside and extra else extra
    batches = batches_for(config, training, extra if config.extra_use != "none" else None)
    watched = {
        key: _plain_batches(config, centred(part, sources[key]) if beside else part) for key, part in held_out.items()
    }
    first = next(iter(watched))
    started, epochs_before = time.perf_counter(), None

    def metrics(model):
        return {"nme": float(nme(*predict_batches(model, watched[first])).mean())}

    def report(row):
        nonlocal epochs_before
        epochs_before = row["epoch"] - 1 if epochs_before is None else epochs_before
        spent = (time.perf_counter() - started) / (row["epoch"] - epochs_before)
        left = spent * (config.epochs - row["epoch"])
        numbers = f"loss {row['loss']:.4f}  NME {row['nme']:.4f}"
        say(f"epoch {row['epoch']}/{config.epochs}  {numbers}  {left / 60:.0f} min left")

    model, history = fit(model, batches, loss, config=config, metrics=metrics, callbacks=[report], folder=folder)
    model.cpu()
    predicted, scores = {}, {}
    for key, part in held_out.items():
        predicted[key] = watched[key].to_images(predict_batches(model, watched[key])[0])
        if beside:
            predicted[key] = as_labelled(predicted[key], sources[key])
        sizes = np.array([image.shape[1::-1] for image in part.images])
        scores[key] = summary(predicted[key], part.keypoints, sizes=sizes, people=part.people)
    facts = {
        "weights": count_weights(model), "training_faces": batches.faces, "data_digest": records.digest(training)
    }  # fmt: skip
    return Learned(model, history, held_out, predicted, scores, facts)


def train(config: RunConfig, folder: str | Path, *, say: Callable[[str], None] = print) -> dict:
    """Train the network of a config, resuming what `folder` holds, and leave weights, curves and scores there.

    Returns:
        the scores of the part that was held out (of unseen people, if split by person), on crops of the true box
    """
    folder = Path(folder)
    run = learn(config, folder, say=say)
    save_weights(run.model, folder / f"{config.net}.safetensors", net=config.net, run=config.name, data=config.data)
    export_onnx(run.model, folder / f"{config.net}.onnx", size=INPUT_SIZES[config.net])
    write_history(run.history, folder / "history.csv")
    scores = next(iter(run.scores.values()))
    history = [{key: value for key, value in row.items() if key != "losses"} for row in run.history]
    records.write(
        "training", config.name, folder=folder, config=config, scores=scores, scores_by_part=run.scores,
        seconds_an_epoch=float(np.mean([row["seconds"] for row in run.history])), history=history, **run.facts,
    )  # fmt: skip
    return scores
