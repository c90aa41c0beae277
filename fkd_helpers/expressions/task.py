"""The task of expressions: a config in; a network, answers, scores and a report out."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import confusion_matrix
from torch import nn

from fkd_helpers.core.config import ExpressionsConfig
from fkd_helpers.data import FaceSet
from fkd_helpers.expressions.crops import ExpressionBatches, as_tensor, face_crops, key_of, mean_over_mirror
from fkd_helpers.expressions.data import load_expressions, split_expressions
from fkd_helpers.expressions.metrics import all_scores, write_report
from fkd_helpers.expressions.model import ExpressionNet, WithShares, expression_loss
from fkd_helpers.expressions.reader import SIZE
from fkd_helpers.faces.landmarks import EXPRESSIONS
from fkd_helpers.nets import load_weights
from fkd_helpers.nets.weights import read
from fkd_helpers.train.distributed import in_order, processes, shard
from fkd_helpers.train.run import Run, Task, short

SHOWN = ("accuracy", "macro_f1", "log_loss", "valence_rmse", "valence_r", "arousal_rmse", "arousal_r")


def targets_of(faces: FaceSet, classes: int = 8) -> np.ndarray:
    """Return what a network should answer (n, classes + 2): the raters' shares or 1 at the expression, scales."""
    shares = faces.extras.get("votes", np.eye(8, dtype=np.float32)[faces.extras["expression"]])[:, :classes]
    scales = np.stack([faces.extras["valence"], faces.extras["arousal"]], 1)
    return np.concatenate([shares, scales], 1).astype(np.float32)


def move_towards(answers: np.ndarray, targets: np.ndarray, voted: bool) -> np.ndarray:
    """Return targets (n, classes + 2) halfway to a teacher's answers.

    Shares that raters voted stay as they are; valence and arousal, which such a set lacks, are the teacher's.
    """
    return np.concatenate([targets[:, :-2], answers[:, -2:]], 1) if voted else (targets + answers) / 2


@torch.inference_mode()
def answers_of(model: nn.Module, crops: np.ndarray, *, size: int = SIZE) -> np.ndarray:
    """Return shares, valence and arousal (n, classes + 2) of stored crops; all processes of a training call it."""
    crops = crops[shard(len(crops), *processes())]
    device, was_training, with_shares = next(model.parameters()).device, model.training, WithShares(model.eval())

    def answer(seen):
        return torch.cat(with_shares(as_tensor(seen).to(device)), 1).float().cpu().numpy()

    answers = mean_over_mirror(answer, crops, size=size)
    model.train(was_training)
    return torch.cat(in_order([torch.from_numpy(answers)])).numpy()


class ExpressionsTask(Task):
    """Expressions, valence and arousal of a set; with `config.validation` 0 nothing is watched.

    After a run, `test` has the test faces and `answers` (n, classes + 2) what came of them.
    """

    kind, shown = "expressions", {"accuracy": "accuracy"}

    def __init__(self, config: ExpressionsConfig):
        faces = load_expressions(config.data, classes=config.classes)
        torch.manual_seed(config.seed)
        options = dict(classes=config.classes, frozen=config.freeze, pretrained=config.start == "imagenet")
        self.config, self.model = config, ExpressionNet(config.net, **options)
        if config.start not in ("", "imagenet"):
            load_weights(self.model, config.start).train()
        crops, place = face_crops(faces, config.size), {name: i for i, name in enumerate(faces.names)}
        parts = split_expressions(faces, validation=config.validation)
        learned, self.watched, self.tested = (crops[[place[name] for name in part.names]] for part in parts)
        training, self.validation, self.test = parts
        targets = targets_of(training, config.classes)
        if config.teacher:
            teacher = load_weights(ExpressionNet(config.net, classes=config.classes), config.teacher)
            size = int(read(config.teacher)[1].get("size", config.size))  # at which it learned
            targets = move_towards(answers_of(teacher, learned, size=size), targets, "votes" in training.extras)
        self.batches = ExpressionBatches(
            learned, targets, recipe=config.recipe, size=config.size, batch_size=config.batch_size, seed=config.seed
        )
        self.loss = expression_loss(share=config.share, smoothing=config.smoothing)
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
        table = pd.DataFrame(self.answers, columns=[*EXPRESSIONS[: self.config.classes], "valence", "arousal"])
        table.insert(0, "name", self.test.names)
        return table, facts_of(self.answers, self.test)

    def write(self, run: Run, folder: Path) -> None:
        """Write the report."""
        write_report(folder, self.answers, self.test, history=short(run.history))


def facts_of(answers: np.ndarray, test: FaceSet) -> dict:
    """Return what a record says of answers (n, classes + 2) on a test part; it names no face."""
    shares, expression = answers[:, :-2], test.extras["expression"]
    seven = expression < 7  # of all but contempt, as others count
    return {
        "scores": all_scores(answers, test), "test_faces": len(test), "data_digest": key_of(test),
        "accuracy_of_seven": (shares[seven, :7].argmax(1) == expression[seven]).mean(),
        "confusion": confusion_matrix(expression, shares.argmax(1), labels=range(shares.shape[1])),
    }  # fmt: skip
