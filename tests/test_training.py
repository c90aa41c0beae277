import dataclasses
import json

import pytest
import torch
from torch import nn

from fkd_helpers import data
from fkd_helpers.core.config import KeypointsConfig
from fkd_helpers.core.errors import InputError
from fkd_helpers.faces.metrics import nme
from fkd_helpers.nets import build, load_weights
from fkd_helpers.nets.losses import heatmap, mse
from fkd_helpers.train.augment import NONE
from fkd_helpers.train.batches import FaceBatches
from fkd_helpers.train.checkpoint import BEST, CHECKPOINT
from fkd_helpers.train.loop import TrainingStopped, fit, predict_batches
from fkd_helpers.train.schedules import rate_share

CONFIG = KeypointsConfig(epochs=4, batch_size=8, device="cpu", learning_rate=1e-2)


class Line:
    """Batches of a line to be learned; the same in every epoch that is asked for again."""

    def __len__(self):
        return 3

    def __call__(self, epoch):
        generator = torch.Generator().manual_seed(epoch)
        for _ in range(3):
            x = torch.randn(8, 1, generator=generator)
            yield x, 2 * x + 1


def dropping():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(1, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 1))


def weights(model):
    return torch.cat([value.flatten().float() for value in model.state_dict().values()])


def untimed(history):
    return [{key: value for key, value in row.items() if key != "seconds"} for row in history]


@pytest.mark.parametrize("optimiser", ["sgd", "adam", "adamw"])
@pytest.mark.parametrize("schedule", ["warmup_cosine", "constant"])
def test_a_stopped_run_ends_as_an_unbroken_one_bit_for_bit(tmp_path, optimiser, schedule):
    precision = "bf16-mixed" if schedule == "constant" else "32-true"
    config = dataclasses.replace(CONFIG, optimiser=optimiser, schedule=schedule, precision=precision)
    whole, history = fit(dropping(), Line(), mse, config=config)

    def stop(row):
        if row["epoch"] == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(dropping(), Line(), mse, config=config, folder=tmp_path, callbacks=[stop])
    resumed, joined = fit(dropping(), Line(), mse, config=config, folder=tmp_path)
    assert torch.equal(weights(whole), weights(resumed)) and untimed(history) == untimed(joined)
    assert weights(whole).dtype == torch.float32


def test_two_faces_are_learned_by_heart():
    faces = data.load("puppets", n=2)
    batches = FaceBatches(faces, options=NONE, shuffle=False)
    config = KeypointsConfig(epochs=120, batch_size=2, device="cpu", learning_rate=5e-3, average=0)
    torch.manual_seed(0)
    model, history = fit(build("small", width=0.5), batches, heatmap, config=config)
    assert nme(*predict_batches(model, batches)).max() < 0.03
    assert history[-1]["loss"] < 0.5 * history[0]["loss"]


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_checkpoint(tmp_path):
    class Breaks(Line):
        def __call__(self, epoch):
            for x, y in super().__call__(epoch):
                yield x, y if epoch < 2 else y * torch.inf

    with pytest.raises(TrainingStopped, match=r"loss became inf in epoch 3: .*smaller learning rate.*epoch 2 is kept"):
        fit(dropping(), Breaks(), mse, config=CONFIG, folder=tmp_path)
    resumed, history = fit(dropping(), Line(), mse, config=CONFIG, folder=tmp_path)
    assert len(history) == 4 and torch.isfinite(weights(resumed)).all()


def test_weights_that_are_not_finite_are_no_checkpoint(tmp_path):
    """The last step of an epoch may break the weights while its loss, which came before, is still a number."""
    steps = []

    def breaks(output, target):
        steps.append(1)
        return mse(output, target) + (torch.sqrt(0 * output.square().sum()) if len(steps) == 6 else 0)

    config = dataclasses.replace(CONFIG, average=0.0)
    with pytest.raises(TrainingStopped, match=r"a weight became nan or infinite in epoch 2.*epoch 1 is kept"):
        fit(dropping(), Line(), breaks, config=config, folder=tmp_path)
    assert len(fit(dropping(), Line(), mse, config=config, folder=tmp_path)[1]) == 4


@pytest.mark.parametrize(
    "change, model, size, message",
    [
        ({"learning_rate": 0.5}, dropping, None, r"another run.*learning_rate"),
        ({}, lambda: nn.Linear(1, 1), None, "another network .*Unexpected key"),
        ({}, dropping, 500, "not a whole checkpoint"),
    ],
)
def test_checkpoint_that_does_not_fit_is_refused(tmp_path, change, model, size, message):
    fit(dropping(), Line(), mse, config=CONFIG, folder=tmp_path)
    path = tmp_path / CHECKPOINT
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(InputError, match=message):
        fit(model(), Line(), mse, config=dataclasses.replace(CONFIG, **change), folder=tmp_path)


def test_a_checkpoint_from_before_an_option_is_continued(tmp_path):
    half = dataclasses.replace(CONFIG, epochs=2, schedule="constant")
    config = dataclasses.replace(half, epochs=4)
    fit(dropping(), Line(), mse, config=half, folder=tmp_path)
    state = torch.load(tmp_path / CHECKPOINT, weights_only=True)
    old = {key: value for key, value in json.loads(state["config"]).items() if key not in ("validation", "patience")}
    torch.save(state | {"config": json.dumps(old | {"gone_since": 3}), "pretrained": False}, tmp_path / CHECKPOINT)
    model, history = fit(dropping(), Line(), mse, config=config, folder=tmp_path)
    assert len(history) == 4 and torch.equal(weights(model), weights(fit(dropping(), Line(), mse, config=config)[0]))
    with pytest.raises(InputError, match=r"another run \(validation 0.0, now 0.2\)"):
        fit(dropping(), Line(), mse, config=dataclasses.replace(config, validation=0.2), folder=tmp_path)


def watching(values):
    """Return metrics that answer with these values, epoch by epoch."""
    answers = iter(values)
    return lambda model: {"error": next(answers)}


def test_training_stops_when_the_watched_number_does_not_get_better(tmp_path):
    config = dataclasses.replace(CONFIG, epochs=9, patience=2, schedule="constant")
    options = dict(watch="error", folder=tmp_path)
    _, history = fit(dropping(), Line(), mse, config=config, metrics=watching([3, 2, 2.5, 2.1, 1]), **options)
    assert [row["error"] for row in history] == [3, 2, 2.5, 2.1]
    _, again = fit(dropping(), Line(), mse, config=config, metrics=watching([]), **options)
    assert len(again) == 4, "a run that has stopped stays so"
    patient = dataclasses.replace(config, patience=3)
    _, longer = fit(dropping(), Line(), mse, config=patient, metrics=watching([1, 5, 5, 5, 0]), **options)
    assert [row["error"] for row in longer] == [3, 2, 2.5, 2.1, 1, 5, 5, 5]


def test_the_rate_rises_then_falls_along_a_cosine():
    assert [rate_share(step, 100, CONFIG) for step in (0, 5, 10, 55)] == pytest.approx([0.01, 0.5, 1, 0.5])
    assert rate_share(99, 100, CONFIG) < 0.001


def test_the_best_epochs_weights_are_kept(tmp_path):
    seen, errors = [], iter([3, 1, 2, 4])

    def metrics(model):
        seen.append(weights(model))
        return {"error": next(errors)}

    last, _ = fit(dropping(), Line(), mse, config=CONFIG, metrics=metrics, watch="error", folder=tmp_path)
    best = load_weights(dropping(), tmp_path / BEST)
    assert torch.equal(weights(best), seen[1]) and not torch.equal(weights(best), weights(last))
