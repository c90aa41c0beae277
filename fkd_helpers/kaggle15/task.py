"""Train and score a network for Kaggle's 15 points: run config in, weights and a record out. Built in notebook 06."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from fkd_helpers import nets
from fkd_helpers.core import records
from fkd_helpers.core.config import RunConfig
from fkd_helpers.data import FaceSet
from fkd_helpers.faces.landmarks import FROM_68
from fkd_helpers.faces.landmarks import POINTS_15 as POINTS
from fkd_helpers.kaggle15.data import ImageBatches, load_15, scores_15, training_parts
from fkd_helpers.kaggle15.tables import CORNER, SIDE
from fkd_helpers.train.batches import flip_order
from fkd_helpers.train.distributed import in_order, processes, shard
from fkd_helpers.train.keypoints import loss_for
from fkd_helpers.train.loop import fit
from fkd_helpers.train.run_data import strength
from fkd_helpers.train.run_files import short, write_history, write_metrics, write_predictions

KIND = "kaggle15"
SHIPPED = Path(__file__).parents[1] / "weights" / "small.safetensors"  # for 68 points


def build_15(name: str, *, start: str = "", seed: int = 0) -> nn.Module:
    """Build a network for 15 points; `start` is a weights file for 15 or 68 points, or "shipped" for the package's."""
    torch.manual_seed(seed)
    model = nets.build(name, keypoints=len(POINTS))
    if not start:
        return model
    return nets.load_weights(model, SHIPPED if start == "shipped" else start, points=FROM_68).train()


@torch.no_grad()
def predict_15(
    model: nn.Module, images: np.ndarray, *, size: int = SIDE, mirror: bool = False, batch_size: int = 256
) -> np.ndarray:
    """Return keypoints (n, 15, 2), pixels as Kaggle counts them, of images (n, 96, 96) uint8.

    size: what the network takes (`nets.INPUT_SIZES`); mirror: the mean with the answer for the mirrored image

    Processes that train together share the work, so that each of them must call this.
    """
    model.eval()
    images = torch.from_numpy(np.array(images[shard(len(images), *processes())]))[:, None]
    device = next(model.parameters()).device

    def answers(images):
        found = []
        for part in images.split(batch_size):
            part = part.to(device).float() / 255
            if size != part.shape[-1]:
                part = nn.functional.interpolate(part, (size, size), mode="bilinear", align_corners=False)
            found.append(nets.keypoints_from(model(part)).float().cpu())
        found = in_order([torch.cat(found)])  # of all processes that train together
        return (torch.cat(found).numpy() + 0.5) * (images.shape[-1] / size) - 0.5 + CORNER

    predicted = answers(images)
    if not mirror:
        return predicted
    other = answers(images.flip(-1))[:, flip_order(len(POINTS))]
    other[..., 0] = images.shape[-1] - other[..., 0]
    return (predicted + other) / 2


def train_15(
    config: RunConfig,
    folder: str | Path,
    *,
    faces: FaceSet | None = None,
    say: Callable[[str], None] = print,
    callbacks: Sequence[Callable[[dict], None]] = (),
) -> dict:
    """Train the network of a config on 15 points, resuming what `folder` holds; return the scores of the held-out rows.

    The folder then has `last.pt`, NET.safetensors, `metrics.json`, `history.csv`, `test_predictions.csv` (held-out
    rows) and the run's record. Every strategy for missing points takes the same number of steps: with "drop" the
    complete faces come more than once an epoch.

    faces: in the place of those that `config.data` names

    Raises:
        InputError: data, network or weights that are not there, or a checkpoint of another run in the folder.
        TrainingStopped: the loss is not finite any more.
    """
    folder, loss = Path(folder), loss_for(config)
    model = build_15(config.net, start=config.start, seed=config.seed)
    faces = load_15(config.data) if faces is None else faces
    learned, held_out = training_parts(faces, config.missing)
    steps, size = max((len(faces) - len(held_out)) // config.batch_size, 1), nets.INPUT_SIZES[config.net]
    batches = ImageBatches(learned, batch_size=config.batch_size, options=strength(config.augment), size=size,
                           seed=config.seed, steps=steps)  # fmt: skip
    images, started = np.stack(list(held_out.images)), time.perf_counter()
    say(f"{len(learned)} faces to learn from ({learned.complete.sum()} complete), {len(held_out)} held out")

    def numbers(model):
        predicted = predict_15(model, images, size=size)
        return {key: value for key, value in scores_15(predicted, held_out).items() if key.startswith("rmse")}

    rows = []

    def report(row):
        rows.append(row)
        spent = (time.perf_counter() - started) / len(rows)
        left = f"{spent * (config.epochs - row['epoch']) / 60:.0f} min left"
        say(f"epoch {row['epoch']}/{config.epochs}  loss {row['loss']:.4f}  RMSE {row['rmse']:.3f}  {left}")
        write_metrics(folder, rows, run=config.name)

    model, history = fit(model, batches, loss, config=config, metrics=numbers, watch="rmse",
                         callbacks=[report, *callbacks], folder=folder)  # fmt: skip
    model.cpu()
    predicted = predict_15(model, images, size=size)
    scores = scores_15(predicted, held_out)
    mirrored = scores_15(predict_15(model, images, size=size, mirror=True), held_out)
    if processes()[0]:  # one of several that train together writes
        return scores
    nets.save_weights(model, folder / f"{config.net}.safetensors", net=config.net, run=config.name, points=len(POINTS))
    write_metrics(folder, history, run=config.name)
    write_history(folder, history)
    write_predictions(folder, held_out.names, predicted)
    records.write(
        KIND, config.name, folder=folder, framework="torch", config=config, scores=scores, scores_mirrored=mirrored,
        weights=nets.count_weights(model), training_faces=len(learned), steps=steps * config.epochs,
        data_digest=records.digest(faces), history=short(history),
        seconds_an_epoch=float(np.mean([row["seconds"] for row in history])),
    )  # fmt: skip
    return scores
