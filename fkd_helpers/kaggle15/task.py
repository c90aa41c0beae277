"""The task of Kaggle's 15 points: a config in; a network, predictions and scores out."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn

from fkd_helpers import nets
from fkd_helpers.core import records
from fkd_helpers.core.config import Kaggle15Config
from fkd_helpers.core.errors import InputError
from fkd_helpers.data import FaceSet
from fkd_helpers.faces.landmarks import FROM_68, POINTS_15
from fkd_helpers.kaggle15.data import ImageBatches, load_15, scores_15, training_parts
from fkd_helpers.kaggle15.tables import SIDE
from fkd_helpers.train.keypoints import loss_for
from fkd_helpers.train.loop import predict_batches
from fkd_helpers.train.run import Task, predictions_table

SHIPPED = Path(__file__).parents[1] / "weights" / "small.safetensors"  # for 68 points


def predict_15(model: nn.Module, images: np.ndarray, *, size: int = SIDE) -> np.ndarray:
    """Return keypoints (n, 15, 2), pixels as Kaggle counts them, of images (n, 96, 96) uint8."""
    faces = FaceSet(images, np.full((len(images), len(POINTS_15), 2), np.nan), [""] * len(images))
    batches = ImageBatches(faces, size=size, batch_size=256).without_augmentation()
    return batches.to_images(predict_batches(model, batches)[0])


def predictor(path: str | Path) -> Callable[[np.ndarray], np.ndarray]:
    """Return the function from images to keypoints of a weights file, as `predict_15` gives them."""
    model = nets.load(path)
    if (points := model.facts["keypoints"]) != "15":
        raise InputError(f"{path}: expected a network for 15 points, got {model.facts['net']!r} for {points}")
    return lambda images: predict_15(model, images, size=int(model.facts["size"]))


class Kaggle15Task(Task):
    """Kaggle's 15 points, of which labels may be missing: a masked loss, scored on the faces that are held out."""

    kind, watch, shown = "kaggle15", "rmse", {"RMSE": "rmse"}

    def __init__(self, config: Kaggle15Config):
        torch.manual_seed(config.seed)
        self.model = nets.build(config.net, keypoints=len(POINTS_15))
        if config.start:
            start = SHIPPED if config.start == "shipped" else config.start
            nets.load_weights(self.model, start, points=FROM_68).train()
        self.config, self.loss, self.size = config, loss_for(config), nets.INPUT_SIZES[config.net]
        self.faces = load_15(config.data)
        self.learned, self.held_out, self.batches = training_parts(self.faces, config, self.size)
        complete = self.learned.complete.sum()
        self.notes = [f"{len(self.learned)} faces to learn from ({complete} complete), {len(self.held_out)} held out"]

    def score(self, model: nn.Module) -> dict[str, float]:
        """Return the RMSE of the held-out faces, and of the complete ones."""
        scores = scores_15(predict_15(model, self.held_out.images, size=self.size), self.held_out)
        return {key: scores[key] for key in ("rmse", "rmse_complete")}

    def finish(self, model: nn.Module) -> tuple[pd.DataFrame, dict]:
        """Predict and score the held-out faces."""
        predicted = predict_15(model, self.held_out.images, size=self.size)
        facts = {"framework": "torch", "training_faces": len(self.learned), "data_digest": records.digest(self.faces)}
        facts |= {"scores": scores_15(predicted, self.held_out), "steps": len(self.batches) * self.config.epochs}
        return predictions_table(self.held_out.names, predicted), facts
