"""The task of the face detector: composed pictures, maps to learn, and the share of faces found."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F

from fkd_helpers import data
from fkd_helpers.core.config import DetectorConfig
from fkd_helpers.data import FaceSet
from fkd_helpers.data.puppets.scenery import background
from fkd_helpers.faces.boxes import iou
from fkd_helpers.faces.face_map import decode, encode, places_of
from fkd_helpers.faces.images import find_photos, read_photo, shrunk, to_gray
from fkd_helpers.nets import load_weights
from fkd_helpers.nets.detector import FaceDetector
from fkd_helpers.train.batches import Batches
from fkd_helpers.train.run import Task
from fkd_helpers.train.scenes import Sources, compose, scaled_photo

VALIDATION = 0.05  # of the people of each set
SIZE = 192, 160  # of a composed picture
SCORED = 320  # composed pictures
DRAWN = 40  # pictures of scenery where there is no folder of it
SCENERY = 640  # pixels: longer side of a stored photo without a face
DOUBT = 0.5  # where a face that nobody labelled may be, the network is not told off for one that it is sure of
AGREE = 0.35  # intersection over union from which a face counts as found


def detector_loss(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return the focal loss of the heat, in the manner of CenterNet, and the mean errors of place, size and roll.

    Source: X. Zhou, D. Wang, P. Kraehenbuehl, Objects as Points, 2019.
    """
    logits, heat, known = output[:, :1], target[:, :1], target[:, 1:2]
    centre, probability = heat == 1, logits.sigmoid()
    known = known.bool() | (probability <= DOUBT)
    found = F.logsigmoid(logits) * (1 - probability) ** 2 * centre
    quiet = F.logsigmoid(-logits) * probability**2 * (1 - heat) ** 4 * known * ~centre
    faces = centre.sum().clamp(min=1)
    weight = target[:, 7:8]
    errors = (output[:, 1:] - target[:, 2:7]).abs() * weight
    scale = torch.tensor([1.0, 1.0, 2.0, 3.0, 3.0], device=output.device)
    return -(found.sum() + quiet.sum()) / faces + (errors.sum((0, 2, 3)) * scale).sum() / weight.sum().clamp(min=1)


class SceneBatches(Batches):
    """Composed pictures (n, 1, h, w) float32 in 0..1 and the maps (n, 8, h / 8, w / 8) to learn."""

    def __init__(self, sources: Sources, **rest):
        super().__init__(len(sources.photos), **rest)
        self.sources = sources

    def make(self, index, rng):
        scenes = [compose(self.sources, i, SIZE, rng) for i in index]
        return _inputs(scenes), torch.from_numpy(np.stack([encode(places, known) for _, places, known in scenes]))


class DetectorTask(Task):
    """Find faces at any size and roll; trained and watched on composed pictures."""

    header, watch = {"kind": "detector"}, "missed"
    shown: Mapping[str, str] = {"missed": "missed", "false": "false_faces", "roll": "roll_error"}

    def __init__(self, config: DetectorConfig):
        self.config, self.loss = config, detector_loss
        torch.manual_seed(config.seed)
        self.model = FaceDetector()
        if config.start:
            load_weights(self.model, config.start).train()
        sets = [_parts(name) for name in config.data.split()]
        training, validation = (_sources([part[i] for part in sets], config, i) for i in (0, 1))
        self.batches = SceneBatches(training, seed=config.seed, batch_size=config.batch_size, steps=config.steps)
        rng = np.random.default_rng(1)
        order = rng.permutation(len(validation.photos))
        self.pictures = [compose(validation, order[i % len(order)], SIZE, rng) for i in range(SCORED)]
        self.notes = [f"{len(training.photos)} photos to learn from, {len(training.scenery)} without a face"]

    @torch.no_grad()
    def score(self, model: torch.nn.Module) -> dict[str, float]:
        """Return the share of faces missed, false faces per picture, and the mean error of the roll in degrees."""
        model.eval()
        answers = [maps for i in range(0, SCORED, 32) for maps in model(_inputs(self.pictures[i : i + 32])).numpy()]
        faces = false = 0
        turns: list[float] = []
        for maps, (_, places, known) in zip(answers, self.pictures, strict=True):
            boxes, _ = decode(maps)
            true = np.concatenate([places[:, :2] - places[:, 2:3] / 2, places[:, 2:3], places[:, 2:3]], 1)
            shared = iou(true, boxes[:, :4])
            for i in np.flatnonzero(shared.max(1, initial=0) > AGREE):
                turns.append(np.angle(np.exp(1j * (boxes[shared[i].argmax(), 4] - places[i, 3]))))
            column, row = np.clip(boxes[:, :2] + boxes[:, 2:4] / 2, 0, np.array(known.shape)[::-1] - 1).astype(int).T
            faces, false = faces + len(places), false + ((shared.max(0, initial=0) <= AGREE) & known[row, column]).sum()
        roll = float(np.degrees(np.abs(turns).mean())) if turns else 180.0
        return {"missed": 1 - len(turns) / faces, "false_faces": false / SCORED, "roll_error": roll}

    def finish(self, model: torch.nn.Module) -> tuple[pd.DataFrame, dict]:
        """Return the scores on the composed pictures."""
        return pd.DataFrame(), {"scores": self.score(model), "photos": self.batches.n}


def _inputs(scenes) -> torch.Tensor:
    return torch.from_numpy(np.stack([picture for picture, *_ in scenes]))[:, None].float() / 255


def _parts(name: str) -> tuple[FaceSet, FaceSet]:
    """Return the training and the validation part of a set; of an extra set the usual tenth is kept out of both."""
    faces = data.load(name)
    if name == "ytf":
        faces = data.centred(data.split(faces, "official")[0], name)
    else:
        faces = data.split(faces, "person", held_out=data.EXTRA_HELD_OUT)[0]
    return data.split(data.complete_only(faces, why="training"), "person", held_out=VALIDATION, seed=1)


def _sources(sets: list[FaceSet], config: DetectorConfig, part: int) -> Sources:
    labelled = [pair for faces in sets for pair in zip(faces.images, places_of(faces.keypoints), strict=True)]
    photos, places = zip(*(scaled_photo(to_gray(image), place) for image, place in labelled), strict=True)
    if config.scenery:
        found = find_photos(Path(config.scenery) / ("training", "validation")[part])
        scenery = [shrunk(to_gray(read_photo(path)), SCENERY) for path in found]
    else:
        rng = np.random.default_rng(part)
        scenery = [to_gray(background(rng, (320, 240))) for _ in range(DRAWN)]
    return Sources(photos, np.array(places), scenery)
