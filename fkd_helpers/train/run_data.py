"""What a run learns from and what it is scored on: batches and held-out faces of a config. Built in notebook 02."""

import dataclasses
import sys
import warnings
from dataclasses import dataclass

import numpy as np
from torch import nn

from fkd_helpers.core.config import RunConfig
from fkd_helpers.core.errors import InputError
from fkd_helpers.data import EXTRA_HELD_OUT, FaceSet, as_labelled, centred, complete_only, load, split
from fkd_helpers.faces.boxes import CROP_SIZE
from fkd_helpers.faces.landmarks import REGIONS
from fkd_helpers.faces.metrics import nme, pixel_errors, summary
from fkd_helpers.nets import INPUT_SIZES
from fkd_helpers.train.batches import Augment, FaceBatches
from fkd_helpers.train.classic import ClassicBatches
from fkd_helpers.train.loop import predict_batches


def strength(factor: float) -> Augment:
    """Return the tuned augmentation, made weaker or stronger; half of the faces are mirrored unless it is off."""
    changes = {key: value * factor for key, value in vars(Augment()).items()}
    return Augment(**changes | {"flip": Augment.flip if factor else 0.0})


def parts(faces: FaceSet, how: str) -> tuple[FaceSet, dict[str, FaceSet]]:
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


def joined(first: FaceSet, second: FaceSet) -> FaceSet:
    """Return the faces of both sets in one."""
    return FaceSet(
        images=[*first.images, *second.images],
        keypoints=np.concatenate([first.keypoints, second.keypoints]),
        names=first.names + second.names,
        people=np.concatenate([first.people, second.people]),
    )


class MixedBatches(FaceBatches):
    """Faces of two labellings: the jaw of the extra ones is cropped by, and learned from only if told so.

    People draw the jaw's points at other places than the tracker that labelled the video frames did.
    """

    def __init__(self, faces: FaceSet, extra: FaceSet, *, jaw: bool = False, **options):
        super().__init__(joined(faces, extra), **options)
        if not jaw:
            self.keypoints[len(faces) :, list(REGIONS["jaw"])] = np.nan


def batches_for(config: RunConfig, training: FaceSet, extra: FaceSet | None = None):
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


@dataclass(frozen=True)
class Part:
    """Faces that a run does not learn from: as labelled, as a network of this run would have them, and as batches."""

    faces: FaceSet
    aims: FaceSet  # where the points are, if the run learns that; the labels as given if not
    batches: FaceBatches | ClassicBatches  # in order, not augmented
    source: str  # the data set it comes from

    @property
    def sizes(self) -> np.ndarray:
        """Width and height (n, 2) of each image."""
        return np.array([image.shape[1::-1] for image in self.faces.images])

    def numbers(self, model: nn.Module) -> dict[str, float]:
        """Return NME, and MAE and RMSE in pixels at 224 x 224, of a model that is being trained."""
        predicted = self.batches.to_images(predict_batches(model, self.batches)[0])
        mae, rmse = pixel_errors(predicted, self.aims.keypoints, 224 / self.sizes)
        return {"nme": float(nme(predicted, self.aims.keypoints).mean()), "mae_224": mae, "rmse_224": rmse}

    def scored(self, model: nn.Module) -> tuple[np.ndarray, dict[str, float]]:
        """Return predicted keypoints (n, k, 2), pixels of the images, where the labels would lie, and all scores."""
        predicted = self.batches.to_images(predict_batches(model, self.batches)[0])
        if self.aims is not self.faces:
            predicted = as_labelled(predicted, self.source)
        faces = self.faces
        return predicted, summary(predicted, faces.keypoints, sizes=self.sizes, people=faces.people)


@dataclass(frozen=True)
class RunData:
    """The batches a run learns from, the faces in them, the parts held out, and which of these is watched."""

    training: FaceSet
    batches: FaceBatches | ClassicBatches
    held_out: dict[str, Part]
    watched: str


def data_for(config: RunConfig) -> RunData:
    """Load and split what a config names.

    Raises:
        InputError: data that is not there, or has not the folders or people to be split.
    """
    bar = sys.stderr.isatty()
    training, held_out = parts(load(config.data, progress=bar), config.split)
    watched = next(iter(held_out))
    if config.validation:
        training, held_out["validation"] = split(training, "person", held_out=config.validation)
        watched = "validation"
    extra = None
    if config.extra_data:
        try:
            extra, rest = split(load(config.extra_data, progress=bar), "person", held_out=EXTRA_HELD_OUT)
        except InputError as error:
            raise InputError(f"extra_data: {error}; without it: --extra-data ''") from None
        held_out["extra"] = rest

    def aims(faces, source):  # a part is scored against its labels; what is learned, and watched, is where points are
        return centred(faces, source) if config.labels == "centred" else faces

    training = aims(complete_only(training, why="training"), config.data)
    extra = aims(extra, config.extra_data) if extra is not None and config.extra_use != "none" else None
    batches = batches_for(config, training, extra)
    if config.batch_size > batches.faces:
        words = f"batch_size {config.batch_size} is more than the {batches.faces} training faces"
        warnings.warn(f"{words}: one batch of {batches.faces} an epoch", stacklevel=2)
    plain = dataclasses.replace(config, batch_size=64)

    def part(key, faces):
        source = config.extra_data if key == "extra" else config.data
        faces = complete_only(faces, why="scoring")
        seen = aims(faces, source)
        return Part(faces, seen, batches_for(plain, seen).without_augmentation(), source)

    return RunData(training, batches, {key: part(key, faces) for key, faces in held_out.items()}, watched)
