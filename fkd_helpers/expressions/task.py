"""The task of expressions: a config in; a network, answers, scores and a report out.

`config.net` is a backbone ("lite0", "encoder", "resnet50", "efficientnet_b0"; `start` "imagenet" or "" = random
weights), which learns from augmented crops, or "head_" and the name of frozen features ("landmarks", "lite0",
"encoder", "all"), on which a small head learns in seconds.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import confusion_matrix
from sklearn.utils.class_weight import compute_class_weight
from torch import nn

from fkd_helpers.core.config import ExpressionsConfig
from fkd_helpers.core.errors import InputError, unknown
from fkd_helpers.data import FaceSet
from fkd_helpers.expressions.crops import ExpressionBatches, as_tensor, mean_over_mirror
from fkd_helpers.expressions.data import load_expressions, split_expressions, without_contempt
from fkd_helpers.expressions.features import INPUTS, face_crops, features_named, key_of
from fkd_helpers.expressions.metrics import all_scores, by_class
from fkd_helpers.expressions.model import NETS, ExpressionNet, FeatureHead, WithShares, expression_loss
from fkd_helpers.expressions.report import write_report
from fkd_helpers.expressions.upright import SIZE
from fkd_helpers.faces.landmarks import EXPRESSIONS
from fkd_helpers.nets import load_weights
from fkd_helpers.train.distributed import in_order, processes, shard, started_as
from fkd_helpers.train.run import Run, run, short

HEAD = "head_"
FAST = 2  # batches of a run that only tries whether everything works
SHOWN = ("accuracy", "macro_f1", "log_loss", "valence_rmse", "valence_r", "arousal_rmse", "arousal_r")


def targets_of(faces: FaceSet, classes: int = 8) -> np.ndarray:
    """Return what a network should answer (n, classes + 2): 1 at the expression, then valence and arousal."""
    shares = np.eye(classes, dtype=np.float32)[faces.extras["expression"]]
    scales = np.stack([faces.extras["valence"], faces.extras["arousal"]], 1)
    return np.concatenate([shares, scales], 1).astype(np.float32)


def class_weights(expression: np.ndarray, classes: int) -> np.ndarray:
    """Return weights (classes,) by which every expression counts the same; 0 for one without a face."""
    weights, present = np.zeros(classes), np.unique(expression)
    weights[present] = compute_class_weight("balanced", classes=present, y=expression)
    return weights


@torch.inference_mode()
def answers_of(model: nn.Module, inputs: np.ndarray, *, size: int = SIZE) -> np.ndarray:
    """Return answers (n, classes + 2): shares of the expressions that sum to 1, valence, arousal.

    Processes that train together share the work, so each of them must call this.

    Args:
        inputs: Features (n, f) or stored crops (n, s, s, 3) uint8.
    """
    inputs = inputs[shard(len(inputs), *processes())]
    device, was_training, with_shares = next(model.parameters()).device, model.training, WithShares(model.eval())

    def answer(seen):
        seen = torch.from_numpy(np.array(seen, np.float32)) if seen.ndim == 2 else as_tensor(seen)
        return torch.cat(with_shares(seen.to(device)), 1).float().cpu().numpy()

    answers = answer(inputs) if inputs.ndim == 2 else mean_over_mirror(answer, inputs, size=size)
    model.train(was_training)
    return torch.cat(in_order([torch.from_numpy(answers)])).numpy()


class ExpressionsTask:
    """Expressions, valence and arousal of a set: learned on its training part, scored on its test part, seen once.

    The split is the same for every seed. With `config.validation` 0 nothing is watched and all but the test part is
    learned from. After a run, `test` has the test faces, `answers` (n, classes + 2) and `scores` what came of them.

    Args:
        faces: In place of those that `config.data` names.
        fast: Two batches per epoch: does everything run?
    """

    kind, shown, notes = "expressions", {"accuracy": "accuracy"}, ()

    def __init__(self, config: ExpressionsConfig, *, faces: FaceSet | None = None, fast: bool = False):
        if config.loss in ("ccc", "both") and started_as()[1] > 1:
            wanted = "concordance needs the whole batch in one process; 'mse' can be shared"
            raise InputError(f"loss {config.loss!r}: {wanted}")
        self.config, self.fast = config, fast
        faces = without_contempt(load_expressions(config.data) if faces is None else faces, config.classes)
        inputs = _inputs(config, faces)
        place = {name: i for i, name in enumerate(faces.names)}
        training, self.validation, self.test = split_expressions(faces, validation=config.validation)
        parts = (training, self.validation, self.test)
        learned, self.watched, self.tested = (inputs[[place[name] for name in part.names]] for part in parts)
        expression = training.extras["expression"]
        weights = class_weights(expression, config.classes)
        drawn = weights[expression] / weights[expression].sum() if config.balance == "draw" else None
        self.batches = ExpressionBatches(
            learned, targets_of(training, config.classes), recipe=config.recipe, size=config.size,
            batch_size=config.batch_size, seed=config.seed, weights=drawn,
        )  # fmt: skip
        if fast:
            self.batches.steps = min(FAST, len(self.batches))
        weights = torch.from_numpy(weights).float() if config.balance == "loss" else None
        options = dict(share=config.share, kind=config.loss, smoothing=config.smoothing)
        self.loss = expression_loss(**options, weights=weights)
        self.model = _network(config, learned)
        self.watch = "watched" if len(self.validation) else "loss"
        self.header = {"size": config.size, "classes": config.classes}

    def score(self, model: nn.Module) -> dict[str, float]:
        """Return the numbers of an epoch on the validation faces; none without such faces."""
        if not len(self.validation):
            return {}
        scores = all_scores(answers_of(model, self.watched, size=self.config.size), self.validation)
        error = scores["log_loss"] + 5 * (scores["valence_rmse"] ** 2 + scores["arousal_rmse"] ** 2)
        return {"watched": error} | {key: scores[key] for key in SHOWN}

    def finish(self, model: nn.Module) -> tuple[pd.DataFrame, dict]:
        """Answer for the test faces; the facts name no face."""
        self.answers = answers_of(model, self.tested, size=self.config.size)
        facts = facts_of(self.answers, self.test)
        self.scores = facts["scores"]
        names = [*EXPRESSIONS[: self.config.classes], "valence", "arousal"]
        table = pd.DataFrame(self.answers, columns=names)
        table.insert(0, "name", self.test.names)
        return table, facts | {"fast": self.fast}

    def write(self, run: Run, folder: Path) -> None:
        """Write the answers in full precision, and the report."""
        np.savez(folder / "answers.npz", answers=self.answers, names=self.test.names, **self.test.extras)
        write_report(folder, self.answers, self.test, title=self.config.name, history=short(run.history))


def _inputs(config: ExpressionsConfig, faces: FaceSet) -> np.ndarray:
    """Return what the network of a config looks at: stored crops, or features (n, f)."""
    if config.net.startswith(HEAD):
        return features_named(config.net.removeprefix(HEAD), faces)
    if config.net not in NETS:
        raise unknown("net", config.net, [*NETS, *(HEAD + name for name in INPUTS)])
    return face_crops(faces, config.size)


def _network(config: ExpressionsConfig, inputs: np.ndarray) -> nn.Module:
    """Return the network of a config with its first weights."""
    torch.manual_seed(config.seed)
    if config.net.startswith(HEAD):
        return FeatureHead(inputs, config.classes)
    pretrained = config.start == "imagenet"
    model = ExpressionNet(config.net, classes=config.classes, frozen=config.freeze, pretrained=pretrained)
    return model if config.start in ("", "imagenet") else load_weights(model, config.start).train()


def train(
    config: ExpressionsConfig, folder: str | Path, *, fast: bool = False, say: Callable[[str], None] = print
) -> dict:
    """Run the task of a config in a folder and leave everything there; return the scores of the test part."""
    config = dataclasses.replace(config, epochs=1) if fast else config
    return run(ExpressionsTask(config, fast=fast), config, folder, say=say)


def facts_of(answers: np.ndarray, test: FaceSet) -> dict:
    """Return what a record says of answers on a test part: scores, a row per class, confusion; no names."""
    shares, expression = answers[:, :-2], test.extras["expression"]
    facts = {"scores": all_scores(answers, test), "test_faces": len(test), "data_digest": key_of(test)}
    confusion = confusion_matrix(expression, shares.argmax(1), labels=range(shares.shape[1]))
    return facts | {"by_class": by_class(shares, expression).to_dict("records"), "confusion": confusion}


def held_out_answers(reader, faces: FaceSet) -> tuple[np.ndarray, FaceSet]:
    """Return the answers (n, classes + 2) of an `ExpressionReader` on the test part of a set, and that part.

    A network of seven classes is not asked about contempt.
    """
    test = without_contempt(split_expressions(faces)[2], reader.classes)
    return mean_over_mirror(reader.run, face_crops(test, reader.size), size=reader.size), test
