import dataclasses
import warnings

import numpy as np
import pytest
import torch
from torch import nn

from fkd_helpers import data, records
from fkd_helpers.checkpoints import CHECKPOINT
from fkd_helpers.config import RunConfig
from fkd_helpers.errors import InputError
from fkd_helpers.losses import heatmap, mse
from fkd_helpers.metrics import nme
from fkd_helpers.models import build
from fkd_helpers.training import TrainingStopped, fit, predict_batches
from fkd_helpers.transforms import NONE, FaceBatches

CONFIG = RunConfig(epochs=4, batch_size=8, device="cpu", learning_rate=1e-2)


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
@pytest.mark.parametrize("schedule", ["one_cycle", "cosine", "step", "constant"])
def test_a_stopped_run_ends_as_an_unbroken_one_bit_for_bit(tmp_path, optimiser, schedule):
    config = dataclasses.replace(CONFIG, optimiser=optimiser, schedule=schedule)
    whole, history = fit(dropping(), Line(), mse, config=config)

    def stop(row):
        if row["epoch"] == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(dropping(), Line(), mse, config=config, folder=tmp_path, callbacks=[stop])
    resumed, joined = fit(dropping(), Line(), mse, config=config, folder=tmp_path)
    assert torch.equal(weights(whole), weights(resumed)) and untimed(history) == untimed(joined)


def test_a_run_that_is_done_is_not_trained_again(tmp_path):
    first, _ = fit(dropping(), Line(), mse, config=CONFIG, folder=tmp_path)

    class Forbidden(Line):
        def __call__(self, epoch):
            raise AssertionError("trained again")

    again, history = fit(dropping(), Forbidden(), mse, config=CONFIG, folder=tmp_path)
    assert torch.equal(weights(first), weights(again)) and len(history) == 4


def test_two_faces_are_learned_by_heart():
    faces = data.load("puppets", n=2)
    batches = FaceBatches(faces, options=NONE, shuffle=False)
    config = RunConfig(epochs=120, batch_size=2, device="cpu", learning_rate=5e-3, average=0)
    torch.manual_seed(0)
    model, history = fit(build("small", width=0.5), batches, heatmap, config=config)
    assert nme(*predict_batches(model, batches)).max() < 0.03
    assert history[-1]["loss"] < 0.5 * history[0]["loss"]


def test_the_metrics_see_the_averaged_weights_that_are_returned():
    seen = []
    model, _ = fit(dropping(), Line(), mse, config=CONFIG, metrics=lambda m: {"w": seen.append(weights(m)) or 0.0})
    assert torch.equal(seen[-1], weights(model)) and not model.training


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_checkpoint(tmp_path):
    class Breaks(Line):
        def __call__(self, epoch):
            for x, y in super().__call__(epoch):
                yield x, y if epoch < 2 else y * torch.inf

    with pytest.raises(TrainingStopped, match=r"epoch 3.*smaller learning rate"):
        fit(dropping(), Breaks(), mse, config=CONFIG, folder=tmp_path)
    resumed, history = fit(dropping(), Line(), mse, config=CONFIG, folder=tmp_path)
    assert len(history) == 4 and torch.isfinite(weights(resumed)).all()


def test_checkpoints_of_other_runs_and_damaged_ones_are_refused(tmp_path):
    fit(dropping(), Line(), mse, config=CONFIG, folder=tmp_path)
    with pytest.raises(InputError, match=r"another run.*learning_rate"):
        fit(dropping(), Line(), mse, config=dataclasses.replace(CONFIG, learning_rate=0.5), folder=tmp_path)
    path = tmp_path / CHECKPOINT
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(InputError, match="not a whole checkpoint"):
        fit(dropping(), Line(), mse, config=CONFIG, folder=tmp_path)


@pytest.mark.skipif(torch.backends.mps.is_available(), reason="the device is there")
def test_a_device_that_is_not_here_is_named():
    with pytest.raises(InputError, match="'mps' is not here"):
        fit(dropping(), Line(), mse, config=dataclasses.replace(CONFIG, device="mps"))


def test_no_batch_is_named():
    class Empty(Line):
        def __len__(self):
            return 0

    with pytest.raises(InputError, match="at least one batch"):
        fit(dropping(), Empty(), mse, config=CONFIG)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run from config to weights on a few puppets: its folder and scores."""
    from fkd_helpers.keypoint_runs import train

    folder = tmp_path_factory.mktemp("run")
    config = RunConfig(name="tiny", epochs=2, batch_size=64, device="cpu", split="person")
    with warnings.catch_warnings():
        warnings.simplefilter("error", category=RuntimeWarning)
        return folder, train(config, folder, say=lambda line: None), config


def test_a_run_leaves_weights_curves_and_a_record(trained):
    from fkd_helpers.predict import KeypointPredictor

    folder, scores, config = trained
    record = records.read(folder / "training-tiny.json")
    assert record["config"] == dataclasses.asdict(config) and len(record["history"]) == 2
    assert record["scores"]["nme"] == pytest.approx(scores["nme"], rel=1e-3)
    frame = data.load("puppets", n=1).images[0]
    by_onnx, by_torch = (
        KeypointPredictor(str(folder / file)).keypoints(frame, np.array([[40.0, 40, 80, 80]]))
        for file in ("small.onnx", "small.safetensors")
    )
    assert np.abs(by_onnx - by_torch).max() < 0.05


def test_a_run_can_start_from_the_weights_of_another(trained, tmp_path):
    from fkd_helpers.keypoint_runs import train

    folder, scores, config = trained
    start = str(folder / "small.safetensors")
    still = dataclasses.replace(config, start=start, epochs=1, learning_rate=1e-8, average=0)
    again = train(still, tmp_path, say=lambda line: None)
    assert again["nme"] == pytest.approx(scores["nme"], rel=0.2)
    with pytest.raises(InputError, match="no such weights file"):
        train(dataclasses.replace(still, start="none.safetensors"), tmp_path / "other")


def test_faces_of_another_labelling_are_learned_without_their_jaw():
    from fkd_helpers.run_data import MixedBatches

    faces = data.load("puppets", n=12)
    own, extra = faces.subset(np.arange(8)), faces.subset(np.arange(8, 12))
    batches = MixedBatches(own, extra, batch_size=4)
    missing = np.isnan(batches.keypoints).any(-1)
    assert not missing[:8].any() and missing[8:, :17].all() and not missing[8:, 17:].any()
