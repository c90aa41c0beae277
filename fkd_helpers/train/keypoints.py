"""The task of keypoints: 68, or any number of one's own."""

import dataclasses
import itertools
import json
import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn

from fkd_helpers import data
from fkd_helpers.core import records
from fkd_helpers.core.config import KeypointsConfig
from fkd_helpers.core.errors import InputError, unknown
from fkd_helpers.data import FaceSet
from fkd_helpers.faces.boxes import CROP_SIZE
from fkd_helpers.faces.landmarks import REGIONS
from fkd_helpers.faces.metrics import nme, pixel_errors, summary
from fkd_helpers.nets import INPUT_SIZES, NETS, build, export_onnx, keypoints_from, load_weights, measure_min_score
from fkd_helpers.nets.losses import loss_named
from fkd_helpers.train.augment import Augment
from fkd_helpers.train.batches import Batches, FaceBatches, FrameBatches
from fkd_helpers.train.loop import predict_batches
from fkd_helpers.train.run import Run, predictions_table

IMAGENET = "imagenet"
SAMPLE = 100  # training faces that are scored after each epoch, not augmented


def loss_for(config: KeypointsConfig) -> Callable:
    """Return the loss of a config, for keypoints or heatmaps; errors are divided by its unit first."""
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


def network_for(config: KeypointsConfig, keypoints: int = 68) -> nn.Module:
    """Return the network of a config with its first weights: random by seed, of a file, or ImageNet's."""
    torch.manual_seed(config.seed)  # the first weights are drawn
    model = build(config.net, keypoints=keypoints)
    if config.start != IMAGENET:
        return load_weights(model, config.start).train() if config.start else model
    if not hasattr(model, "pretrained"):
        wanted = "expected a network on a known backbone, such as 'resnet18'"
        raise InputError(f"start: {IMAGENET!r}: {wanted}, got {config.net!r}")
    return build(config.net, keypoints=keypoints, pretrained=True)


def held_out_sets(faces: FaceSet, how: str) -> tuple[FaceSet, dict[str, FaceSet]]:
    """Split a set into training faces and named sets to score on; the first one is watched.

    "official": the set's own folders, {"test": ...}. "person": {"unseen": all frames of a fifth of the people, "seen":
    other frames, in "test", of the training people}; a set without these folders has only "unseen".
    """
    if how == "official":
        training, test = data.split(faces, "official")
        return training, {"test": test}
    known, unseen = data.split(faces, "person")
    if not has_folders(faces):
        return known, {"unseen": unseen}
    training, seen = data.split(known, "official")
    return training, {"unseen": unseen, "seen": seen}


def has_folders(faces: FaceSet) -> bool:
    """Return whether the names of a set say which faces are for training and which for the test."""
    return {"training", "test"} <= {name.rpartition("/")[0] for name in faces.names}


def joined(first: FaceSet, second: FaceSet) -> FaceSet:
    """Return the faces of both sets in one."""
    arrays = {key: np.concatenate([getattr(first, key), getattr(second, key)]) for key in ("keypoints", "people")}
    images, names = [*first.images, *second.images], first.names + second.names
    return dataclasses.replace(first, images=images, names=names, extras={}, **arrays)


@dataclass(frozen=True)
class HeldOut:
    """Faces that a run does not learn from: as labelled, and as batches whose targets are where the points are."""

    faces: FaceSet
    targets: np.ndarray  # (n, k, 2), pixels of the images
    batches: Batches
    source: str  # the data set

    def predict(self, model: nn.Module) -> np.ndarray:
        """Return predicted keypoints (n, k, 2), pixels of the images."""
        return self.batches.to_images(predict_batches(model, self.batches)[0])

    @property
    def sizes(self) -> np.ndarray:
        """Width and height (n, 2) of each image."""
        return np.array([image.shape[1::-1] for image in self.faces.images])


class KeypointsTask:
    """Keypoints on faces, or on anything that is labelled with the same points in every image.

    Args:
        labels: predicted keypoints (n, k, 2) -> further columns of the predictions, such as {"emotion": ...}
    """

    kind, watch, shown = "training", "nme", {"NME": "nme"}

    def __init__(self, config: KeypointsConfig, *, labels: Callable[[np.ndarray], Mapping] | None = None):
        self.config, self.labels, self.loss = config, labels, loss_for(config)
        if config.net not in NETS:
            raise unknown("model", config.net, NETS)
        self.notes: list[str] = []
        self.header: dict = {}
        faces = _loaded(config.data)
        self.points = faces.keypoints.shape[1]
        self.model = network_for(config, self.points)
        self._split(faces)
        if config.batch_size > self.batches.n:
            words = f"batch_size {config.batch_size} is more than the {self.batches.n} training faces"
            warnings.warn(f"{words}: one batch of {self.batches.n} an epoch", stacklevel=2)
        if self.watched != "validation" and (config.patience or config.schedule == "plateau"):
            words = "decides on this run and scores it too; validation 0.1 keeps the two apart"
            self.notes.append(f"note: {self.watched!r} {words}")

    def _split(self, faces: FaceSet) -> None:
        config, how = self.config, self.config.split
        if how == "official" and not has_folders(faces):
            how = "person"
            self.notes.append(f"note: {config.data} has no folders training and test: it is split by person")
        training, sets = held_out_sets(faces, how)
        self.watched = next(iter(sets))
        if config.validation:
            training, sets["validation"] = data.split(training, "person", held_out=config.validation)
            self.watched = "validation"
        extra = None
        if config.extra_data:
            extra, sets["extra"] = self._extra()
        self.training = self._aimed_at(data.complete_only(training, why="training"), config.data)
        self.batches = self._training_batches(extra)
        self.held_out = {key: self._held_out(key, part) for key, part in sets.items()}
        self.sample = self._held_out("training", self.training[:SAMPLE])

    def _extra(self) -> tuple[FaceSet, FaceSet]:
        try:
            extra = _loaded(self.config.extra_data)
            count = extra.keypoints.shape[1]
            if count != self.points:
                raise InputError(f"expected {self.points} keypoints as in {self.config.data}, got {count}")
            return data.split(extra, "person", held_out=data.EXTRA_HELD_OUT)
        except InputError as error:
            raise InputError(f"extra_data: {error}; without it: --extra-data ''") from None

    def _aimed_at(self, faces: FaceSet, source: str) -> FaceSet:
        """Move the labels onto their points, if the run learns that."""
        return data.centred(faces, source) if self.config.labels == "centred" else faces

    def _batches(self, faces: FaceSet, batch_size: int, strength: float) -> Batches:
        shared = dict(batch_size=batch_size, seed=self.config.seed)
        if self.config.view == "frame":
            return FrameBatches(faces, **shared)
        size = INPUT_SIZES.get(self.config.net, CROP_SIZE)
        return FaceBatches(faces, options=Augment().scaled(strength), size=size, **shared)

    def _training_batches(self, extra: FaceSet | None) -> Batches:
        config, faces = self.config, self.training
        if extra is None or config.extra_use == "none":
            return self._batches(faces, config.batch_size, config.augment)
        if config.view == "frame":
            raise InputError("extra_data: expected view 'face' with an extra set, got 'frame'")
        extra = self._aimed_at(data.complete_only(extra, why="training"), config.extra_data)
        batches = self._batches(joined(faces, extra), config.batch_size, config.augment)
        if config.extra_use == "but_jaw" and self.points == 68:  # people draw the jaw elsewhere than the tracker did
            batches.keypoints[len(faces) :, list(REGIONS["jaw"])] = np.nan
        return batches

    def _held_out(self, key: str, faces: FaceSet) -> HeldOut:
        source = self.config.extra_data if key == "extra" else self.config.data
        faces = data.complete_only(faces, why="scoring")
        seen = self._aimed_at(faces, source)
        return HeldOut(faces, seen.keypoints, self._batches(seen, 64, 0).without_augmentation(), source)

    def score(self, model: nn.Module) -> dict[str, float]:
        """Return NME, and MAE and RMSE in pixels at 224 x 224, on the watched faces; NME on a training sample."""
        part = self.held_out[self.watched]
        predicted = part.predict(model)
        mae, rmse = pixel_errors(predicted, part.targets, 224 / part.sizes)
        learned = nme(self.sample.predict(model), self.sample.targets).mean()
        scores = {"nme": nme(predicted, part.targets).mean(), "mae_224": mae, "rmse_224": rmse, "nme_training": learned}
        return {key: float(value) for key, value in scores.items()}

    def finish(self, model: nn.Module) -> tuple[pd.DataFrame, dict]:
        """Score every held-out set against its labels as they are given; predictions are those of the first set."""
        watched, predicted, scores = self.held_out[self.watched], {}, {}
        crops = torch.cat([crops for crops, _ in itertools.islice(watched.batches(0), 8)])
        model.facts["min_score"] = str(measure_min_score(model, crops.numpy())).lower()  # into the header of its files
        if watched.faces.mirror is not None:
            model.facts["mirror"] = json.dumps([int(i) for i in watched.faces.mirror])
        for key, part in self.held_out.items():
            found = part.predict(model)
            predicted[key] = data.as_labelled(found, part.source) if self.config.labels == "centred" else found
            faces = part.faces
            scores[key] = summary(predicted[key], faces.keypoints, sizes=part.sizes, people=faces.people)
        first = next(iter(predicted))
        labels = self.labels(predicted[first]) if self.labels and self.points == 68 else {}
        facts = {"scores": scores[first], "scores_by_part": scores, "training_faces": self.batches.n}
        facts |= {"data_digest": records.digest(self.training), "watched": self.watched}
        facts["nme_unit"] = "outer eye corners" if self.points == 68 else "box diagonal"
        facts |= {"imagenet": model.pretrained} if self.config.start == IMAGENET else {}
        return predictions_table(self.held_out[first].faces.names, predicted[first], labels), facts

    def write(self, run: Run, folder: Path) -> None:
        """Write the network as ONNX too."""
        export_onnx(run.model, folder / f"{self.config.net}.onnx")


def _loaded(name: str) -> FaceSet:
    return data.load(name, progress=sys.stderr.isatty())
