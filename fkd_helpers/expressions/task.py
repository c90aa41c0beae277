"""Train and score an expression network: run config in, answers, scores and a record out. Built in notebook 07.

`config.net` is a backbone ("lite0", "encoder", "resnet50", "efficientnet_b0"; `start` "imagenet" or "" = random
weights), which learns from augmented crops, or "head_" and the name of frozen features ("landmarks", "lite0",
"encoder", "all"), on which a small head learns in seconds.
"""

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from fkd_helpers.core import records
from fkd_helpers.core.config import RunConfig
from fkd_helpers.core.errors import InputError, unknown
from fkd_helpers.data import FaceSet
from fkd_helpers.expressions.data import load_expressions, split_expressions, without_contempt
from fkd_helpers.expressions.features import INPUTS, face_crops, inputs_named, key_of
from fkd_helpers.expressions.metrics import all_scores, by_class, confusion
from fkd_helpers.expressions.model import NETS, ExpressionNet, ThreeHeads, expression_loss
from fkd_helpers.expressions.report import write_report
from fkd_helpers.expressions.views import SIZE, ExpressionBatches, FeatureBatches, as_tensor, view
from fkd_helpers.nets import count_weights, load_weights, save_weights
from fkd_helpers.train.distributed import in_order, processes, shard, started_as
from fkd_helpers.train.loop import fit
from fkd_helpers.train.run_files import short, write_metrics

HEAD = "head_"


class FeatureHead(nn.Module):
    """Three heads on features (n, f), which are brought to mean 0 and spread 1 first."""

    def __init__(self, mean: np.ndarray, spread: np.ndarray, classes: int, *, hidden: int = 128):
        super().__init__()
        self.register_buffer("mean", torch.as_tensor(mean, dtype=torch.float32))
        self.register_buffer("spread", torch.as_tensor(spread, dtype=torch.float32))
        self.heads = ThreeHeads(len(mean), classes, hidden=hidden, drop=0.5)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return self.heads((features - self.mean) / self.spread)


def targets_of(faces: FaceSet, classes: int = 8) -> np.ndarray:
    """Return what a network should answer (n, classes + 2): 1 at the expression, then valence and arousal."""
    shares = np.eye(classes, dtype=np.float32)[faces.extras["expression"]]
    scales = np.stack([faces.extras["valence"], faces.extras["arousal"]], 1)
    return np.concatenate([shares, scales], 1)


def class_weights(expression: np.ndarray, classes: int) -> np.ndarray:
    """Return weights (classes,) by which every expression counts the same; 0 for one without a face.

    >>> class_weights(np.array([0, 0, 0, 1]), 2).round(2).tolist()
    [0.67, 2.0]
    """
    counts = np.bincount(expression, minlength=classes)
    return np.where(counts > 0, len(expression) / np.maximum(counts, 1) / max((counts > 0).sum(), 1), 0.0)


@torch.inference_mode()
def answers_of(model: nn.Module, inputs: np.ndarray, *, size: int = SIZE) -> np.ndarray:
    """Return answers (n, classes + 2): shares of the expressions that sum to 1, valence, arousal.

    inputs: stored crops (n, s, s, 3) uint8, of which the plain window and its mirror image are looked at and the
        mean taken, or features (n, f); processes that train together share the work, so that each must call this
    """
    inputs = inputs[shard(len(inputs), *processes())]
    rows, device, rng = [], next(model.parameters()).device, np.random.default_rng(0)
    was_training = model.training
    model.eval()
    for start in range(0, len(inputs), 64):
        part = inputs[start : start + 64]
        if part.ndim == 2:
            seen = [torch.as_tensor(part, dtype=torch.float32)]
        else:
            images = as_tensor(view(part, "none", size=size, rng=rng))
            seen = [images, images.flip(-1)]
        answers = torch.stack([model(images.to(device)).float().cpu() for images in seen])
        shares = torch.softmax(answers[..., :-2], -1).mean(0)
        rows.append(torch.cat([shares, answers[..., -2:].mean(0)], -1))
    model.train(was_training)
    return torch.cat(in_order([torch.cat(rows)])).numpy()


@dataclass(frozen=True, eq=False)
class Learned:
    """What came of a run: the network, a row an epoch, the test faces with their answers (n, classes + 2), scores."""

    model: nn.Module
    history: list[dict]
    test: FaceSet
    answers: np.ndarray
    scores: dict[str, float]
    seconds: float


def network_for(config: RunConfig, inputs: np.ndarray) -> nn.Module:
    """Return the network of a config with its first weights.

    Raises:
        InputError: an unknown network, or weights that are not there.
    """
    torch.manual_seed(config.seed)
    if config.net.startswith(HEAD):
        return FeatureHead(inputs.mean(0), inputs.std(0) + 1e-3, config.classes)
    options = dict(classes=config.classes, frozen=config.freeze)
    model = ExpressionNet(config.net, pretrained=config.start == "imagenet", **options)
    return load_weights(model, config.start).train() if config.start not in ("", "imagenet") else model


def inputs_for(config: RunConfig, faces: FaceSet) -> np.ndarray:
    """Return what the network of a config looks at: stored crops, or features (n, f).

    Raises:
        InputError: an unknown network.
    """
    if config.net.startswith(HEAD):
        return inputs_named(config.net.removeprefix(HEAD), faces)
    if config.net not in NETS:
        raise unknown("net", config.net, [*NETS, *(HEAD + name for name in INPUTS)])
    return face_crops(faces, config.size)


def learn(
    config: RunConfig,
    folder: str | Path | None = None,
    *,
    faces: FaceSet | None = None,
    fast: bool = False,
    say: Callable[[str], None] = print,
    callbacks: Sequence[Callable[[dict], None]] = (),
) -> Learned:
    """Train the network of a config on a set's training part and score it on its test part, seen once, at the end.

    The split is the same for every seed. With `config.validation` 0 nothing is watched and all but the test part is
    learned from.

    fast: two batches an epoch, one epoch: does everything run?

    Raises:
        InputError: data, network or weights that are not there, or a set too small to be split.
        TrainingStopped: the loss is not finite any more.
    """
    started = time.perf_counter()
    if config.loss in ("ccc", "both") and started_as()[1] > 1:
        raise InputError(f"loss {config.loss!r}: concordance needs the whole batch in one process; 'mse' can be shared")
    faces = load_expressions(config.data) if faces is None else faces
    faces = without_contempt(faces, config.classes)
    inputs = inputs_for(config, faces)
    place = {name: i for i, name in enumerate(faces.names)}
    parts = split_expressions(faces, validation=config.validation)
    training, watched, test = ((part, inputs[[place[name] for name in part.names]]) for part in parts)
    model = network_for(config, training[1])
    batches = _batches(config, *training, limit=2 if fast else None)

    def numbers(net):
        answers = answers_of(net, watched[1], size=config.size)
        scores = all_scores(answers, watched[0])
        keys = ("accuracy", "macro_f1", "log_loss", "valence_rmse", "valence_r", "arousal_rmse", "arousal_r")
        error = scores["log_loss"] + 5 * (scores["valence_rmse"] ** 2 + scores["arousal_rmse"] ** 2)
        return {"watched": error} | {key: scores[key] for key in keys}

    weights = class_weights(training[0].extras["expression"], config.classes) if config.balance == "loss" else None
    loss = expression_loss(
        share=config.share, kind=config.loss if config.loss != "heatmap" else "mse", smoothing=config.smoothing,
        weights=None if weights is None else torch.as_tensor(weights, dtype=torch.float32),
    )  # fmt: skip
    epochs = 1 if fast else config.epochs

    def tell(row):
        watch = f"  accuracy {row['accuracy']:.3f}" if "accuracy" in row else ""
        say(f"epoch {row['epoch']}/{epochs}  loss {row['loss']:.3f}{watch}  {row['seconds']:.0f} s")

    config = dataclasses.replace(config, epochs=epochs)
    model, history = fit(
        model, batches, loss, config=config, metrics=numbers if len(parts[1]) else None,
        watch="watched" if len(parts[1]) else "loss", callbacks=[tell, *callbacks], folder=folder,
    )  # fmt: skip
    model.cpu()
    answers = answers_of(model, test[1], size=config.size)
    return Learned(model, history, parts[2], answers, all_scores(answers, parts[2]), time.perf_counter() - started)


def _batches(config, faces, inputs, limit):
    drawn = None
    if config.balance == "draw":
        expression = faces.extras["expression"]
        drawn = class_weights(expression, config.classes)[expression]
        drawn = drawn / drawn.sum()
    options = dict(batch_size=config.batch_size, seed=config.seed, weights=drawn, limit=limit)
    targets = targets_of(faces, config.classes)
    if inputs.ndim == 2:
        return FeatureBatches(inputs, targets, **options)
    return ExpressionBatches(inputs, targets, recipe=config.recipe, size=config.size, **options)


def train(config: RunConfig, folder: str | Path, *, fast: bool = False, say: Callable[[str], None] = print) -> dict:
    """Run `learn` in a folder and leave everything there; return the scores of the test part.

    The folder then has `last.pt` (the checkpoint; the same command goes on from it), `best.safetensors`,
    NET.safetensors, `metrics.json`, `metrics.csv` (a row an epoch), `answers.npz` (of the test part), the figures and
    `report.html` of `write_report`, and the record `expressions-NAME.json`.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    run = learn(config, folder, fast=fast, say=say)
    if processes()[0]:  # one of several that train together writes
        return run.scores
    save_weights(run.model, folder / f"{config.net}.safetensors", net=config.net, run=config.name, data=config.data,
                 size=config.size, classes=config.classes)  # fmt: skip
    write_metrics(folder, run.history, run=config.name)
    np.savez(folder / "answers.npz", answers=run.answers, names=run.test.names, **run.test.extras)
    write_report(folder, run.answers, run.test, title=config.name, history=short(run.history))
    record(config.name, run.answers, run.test, folder=folder, config=config, history=short(run.history),
           weights=count_weights(run.model), seconds=run.seconds, fast=fast)  # fmt: skip
    return run.scores


def record(name: str, answers: np.ndarray, test: FaceSet, *, folder: Path | None = None, **content) -> Path:
    """Write the record of answers on a test part: scores, a row a class, confusion; no face and no file name."""
    shares, expression = answers[:, :-2], test.extras["expression"]
    return records.write(
        "expressions", name, folder=folder, scores=all_scores(answers, test), test_faces=len(test),
        by_class=by_class(shares, expression).to_dict("records"), confusion=confusion(shares, expression),
        data_digest=key_of(test), **content,
    )  # fmt: skip


def held_out_answers(reader, faces: FaceSet) -> tuple[np.ndarray, FaceSet]:
    """Return the answers (n, classes + 2) of a reader of stored crops on the test part of a set, and that part.

    A network of seven classes is not asked about contempt.
    """
    test = without_contempt(split_expressions(faces)[2], reader.classes)
    crops, plain, rows = face_crops(test, reader.size), np.random.default_rng(0), []
    for start in range(0, len(crops), 64):
        seen = view(crops[start : start + 64], "none", size=reader.size, rng=plain)
        rows.append((reader.run(seen) + reader.run(seen[:, :, ::-1])) / 2)
    return np.concatenate(rows), test
