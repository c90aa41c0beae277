"""The task of keypoints: 68, or any number of one's own."""

import dataclasses
import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn

from fkd_helpers import data
from fkd_helpers.core import records
from fkd_helpers.core.config import KeypointsConfig
from fkd_helpers.core.errors import InputError
from fkd_helpers.data import FaceSet
from fkd_helpers.faces.landmarks import REGIONS
from fkd_helpers.faces.metrics import nme, pixel_errors, summary
from fkd_helpers.nets import INPUT_SIZES, build, export_onnx, keypoints_from, load_weights, measure_min_score
from fkd_helpers.nets.losses import loss_named
from fkd_helpers.train.augment import UPRIGHT, Augment
from fkd_helpers.train.batches import Batches, FaceBatches, FrameBatches
from fkd_helpers.train.loop import predict_batches
from fkd_helpers.train.run import Run, Task, predictions_table

SAMPLE = 100  # training faces that are scored after each epoch, not augmented


def loss_for(config: KeypointsConfig) -> Callable:
    """Return the loss of a config, for heatmaps, or for keypoints whose errors are divided by its unit first."""
    loss = loss_named(config.loss)
    if config.loss != "heatmap":
        return lambda output, target: loss(keypoints_from(output) / config.unit, target / config.unit)

    def heatmap(output, target):
        if output.ndim != 4:
            raise InputError(f"loss 'heatmap': expected a network that answers with heatmaps, {config.net!r} has none")
        return loss(output, target)

    return heatmap


def network_for(config: KeypointsConfig, keypoints: int = 68) -> nn.Module:
    """Return the network of a config with its first weights: random by seed, or of a file."""
    torch.manual_seed(config.seed)  # the first weights are drawn
    model = build(config.net, keypoints)
    return load_weights(model, config.start).train() if config.start else model


def has_folders(faces: FaceSet) -> bool:
    """Return whether the names of a set say which faces are for training and which for the test."""
    return {"training", "test"} <= {name.rpartition("/")[0] for name in faces.names}


def held_out_sets(faces: FaceSet, how: str) -> tuple[FaceSet, dict[str, FaceSet]]:
    """Split a set into training faces and named sets to score on; the first one is watched.

    By "official" folders there is "test"; by "person" there are "unseen" (a fifth of the people) and, where the set has
    folders, "seen" (other frames, in its test folder, of the training people).
    """
    if how == "official":
        training, test = data.split(faces, "official")
        return training, {"test": test}
    known, unseen = data.split(faces, "person")
    if not has_folders(faces):
        return known, {"unseen": unseen}
    training, seen = data.split(known, "official")
    return training, {"unseen": unseen, "seen": seen}


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
    sizes: np.ndarray  # (n, 2) width and height of each image
    source: str  # the data set

    def predict(self, model: nn.Module) -> np.ndarray:
        """Return predicted keypoints (n, k, 2), pixels of the images."""
        return self.batches.to_images(predict_batches(model, self.batches)[0])


class KeypointsTask(Task):
    """Keypoints on faces, or on anything that is labelled with the same points in every image."""

    watch, shown = "nme", {"NME": "nme", "training NME": "nme_training", "MAE at 224": "mae_224"}

    def __init__(self, config: KeypointsConfig):
        self.config, self.loss, self.notes = config, loss_for(config), []
        faces, how = data.load(config.data), config.split
        self.points = faces.keypoints.shape[1]
        self.model = network_for(config, self.points)
        if how == "official" and not has_folders(faces):
            how = "person"
            self.notes.append(f"note: {config.data} has no folders training and test: it is split by person")
        training, sets = held_out_sets(faces, how)
        self.watched = next(iter(sets))
        if config.validation:
            training, sets["validation"] = data.split(training, "person", held_out=config.validation)
            self.watched = "validation"
        self.training = learned = self._aimed_at(data.complete_only(training, why="training"), config.data)
        if config.extra_data:
            extra, sets["extra"] = self._extra()
            if config.extra_use != "none":
                extra = self._aimed_at(data.complete_only(extra, why="training"), config.extra_data)
                learned = joined(learned, extra)
        self.batches = self._batches(learned, config.batch_size, config.augment)
        if config.extra_use == "but_jaw" and self.points == 68:  # people draw the jaw elsewhere than the tracker did
            self.batches.keypoints[len(self.training) :, list(REGIONS["jaw"])] = np.nan
        self.held_out = {key: self._held_out(key, part) for key, part in sets.items()}
        self.sample = self._held_out("training", self.training[:SAMPLE])

    def _extra(self) -> tuple[FaceSet, FaceSet]:
        try:
            extra = data.load(self.config.extra_data)
            if (count := extra.keypoints.shape[1]) != self.points:
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
        upright = self.config.view == "upright"
        options = (UPRIGHT if upright else Augment()).scaled(strength)
        return FaceBatches(faces, options=options, size=INPUT_SIZES[self.config.net], upright=upright, **shared)

    def _held_out(self, key: str, faces: FaceSet) -> HeldOut:
        source = self.config.extra_data if key == "extra" else self.config.data
        faces = data.complete_only(faces, why="scoring")
        seen, sizes = self._aimed_at(faces, source), np.array([image.shape[1::-1] for image in faces.images])
        return HeldOut(faces, seen.keypoints, self._batches(seen, 64, 0).without_augmentation(), sizes, source)

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
            found, faces = part.predict(model), part.faces
            predicted[key] = data.as_labelled(found, part.source) if self.config.labels == "centred" else found
            scores[key] = summary(predicted[key], faces.keypoints, sizes=part.sizes, people=faces.people)
        first = next(iter(predicted))
        facts = {
            "scores": scores[first], "scores_by_part": scores, "training_faces": self.batches.n,
            "data_digest": records.digest(self.training), "watched": self.watched,
            "nme_unit": "outer eye corners" if self.points == 68 else "box diagonal",
        }  # fmt: skip
        return predictions_table(self.held_out[first].faces.names, predicted[first]), facts

    def write(self, run: Run, folder: Path) -> None:
        """Write the network as ONNX too."""
        export_onnx(run.model, folder / f"{self.config.net}.onnx")
