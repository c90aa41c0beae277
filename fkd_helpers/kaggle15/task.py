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
from fkd_helpers.core.errors import unknown
from fkd_helpers.data import FaceSet
from fkd_helpers.faces.landmarks import FROM_68, POINTS_15
from fkd_helpers.kaggle15.data import ImageBatches, load_15, scores_15, training_parts
from fkd_helpers.kaggle15.tables import SIDE
from fkd_helpers.train.keypoints import loss_for
from fkd_helpers.train.loop import predict_batches
from fkd_helpers.train.run import Run, predictions_table, run

SHIPPED = Path(__file__).parents[1] / "weights" / "small.safetensors"  # for 68 points


def build_15(name: str, *, start: str = "", seed: int = 0) -> nn.Module:
    """Build a network for 15 points; `start` is a weights file for 15 or 68 points, or "shipped" for the package's."""
    torch.manual_seed(seed)
    model = nets.build(name, keypoints=len(POINTS_15))
    if not start:
        return model
    return nets.load_weights(model, SHIPPED if start == "shipped" else start, points=FROM_68).train()


def predict_15(model: nn.Module, images: np.ndarray, *, size: int = SIDE, mirror: bool = False) -> np.ndarray:
    """Return keypoints (n, 15, 2), pixels as Kaggle counts them, of images (n, 96, 96) uint8.

    Processes that train together share the work, so each of them must call this.

    Args:
        size: What the network takes (`nets.INPUT_SIZES`).
        mirror: Take the mean with the answer for the mirrored image.
    """
    faces = FaceSet(images, np.full((len(images), len(POINTS_15), 2), np.nan), [""] * len(images))
    batches = ImageBatches(faces, size=size, batch_size=256).without_augmentation()
    predicted = batches.to_images(predict_batches(model, batches)[0])
    if not mirror:
        return predicted
    other = predict_15(model, np.asarray(images)[..., ::-1], size=size)[:, faces.mirror]
    return (predicted + other * [-1, 1] + [SIDE, 0]) / 2


class Kaggle15Task:
    """Kaggle's 15 points, of which labels may be missing: a masked loss, scored on the faces that are held out.

    Args:
        faces: In place of those that `config.data` names.
    """

    kind, watch, shown, header = "kaggle15", "rmse", {"RMSE": "rmse"}, {}

    def __init__(self, config: Kaggle15Config, *, faces: FaceSet | None = None):
        if config.net not in nets.NETS:
            raise unknown("model", config.net, nets.NETS)
        self.config, self.loss, self.size = config, loss_for(config), nets.INPUT_SIZES[config.net]
        self.faces = load_15(config.data) if faces is None else faces
        self.learned, self.held_out, self.batches = training_parts(self.faces, config, self.size)
        self.model = build_15(config.net, start=config.start, seed=config.seed)
        complete = self.learned.complete.sum()
        self.notes = [f"{len(self.learned)} faces to learn from ({complete} complete), {len(self.held_out)} held out"]

    def score(self, model: nn.Module) -> dict[str, float]:
        """Return the RMSE of the held-out faces, and that of the complete ones."""
        scores = self._scores(model)[1]
        return {key: scores[key] for key in ("rmse", "rmse_complete")}

    def _scores(self, model: nn.Module, *, mirror: bool = False) -> tuple[np.ndarray, dict]:
        predicted = predict_15(model, self.held_out.images, size=self.size, mirror=mirror)
        return predicted, scores_15(predicted, self.held_out)

    def finish(self, model: nn.Module) -> tuple[pd.DataFrame, dict]:
        """Predict and score the held-out faces, without and with their mirror images."""
        predicted, scores = self._scores(model)
        facts = {"framework": "torch", "scores": scores, "scores_mirrored": self._scores(model, mirror=True)[1]}
        facts |= {"training_faces": len(self.learned), "steps": len(self.batches) * self.config.epochs}
        return predictions_table(self.held_out.names, predicted), facts | {"data_digest": records.digest(self.faces)}

    def write(self, run: Run, folder: Path) -> None:
        """Write nothing more than every run does."""


def train_15(config: Kaggle15Config, folder: str | Path, *, faces: FaceSet | None = None, **options: Callable) -> dict:
    """Run the task of a config in a folder, see `train.run.run`; return the scores of the held-out faces."""
    return run(Kaggle15Task(config, faces=faces), config, folder, **options)
