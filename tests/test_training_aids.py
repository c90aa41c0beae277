"""What goes beside a training: the learning-rate finder, the picture of its curves, the loggers."""

import csv
import dataclasses
import importlib.util

import numpy as np
import pytest
import torch
from torch import nn

from fkd_helpers import cli
from fkd_helpers.core.config import KeypointsConfig
from fkd_helpers.core.errors import InputError
from fkd_helpers.nets.losses import mse
from fkd_helpers.plots.training import training_curves
from fkd_helpers.train.loop import fit
from fkd_helpers.train.rate_finder import find_rate

CONFIG = KeypointsConfig(name="line", optimiser="sgd", momentum=0.0, weight_decay=0.0, clip=0.0, epochs=3, device="cpu")
ROW = {"rate": 0.1, "seconds": 1.0, "losses": [3.0, 1.0]}
HISTORY = [
    {"epoch": i, "loss": 2.0 / i, "nme": 0.3 / i, "mae_224": 9.0 / i, "rmse_224": 12.0 / i} | ROW for i in (1, 2)
]


def batches(epoch):
    generator = torch.Generator().manual_seed(epoch)
    for _ in range(3):
        x = torch.randn(16, 4, generator=generator)
        yield x, x.sum(1, keepdim=True)


class Batches:
    def __len__(self):
        return 3

    def __call__(self, epoch):
        return batches(epoch)


def line():
    torch.manual_seed(0)
    return nn.Linear(4, 1)


def search(**options):
    return find_rate(line(), Batches(), mse, config=CONFIG, **options)


def test_the_finder_leaves_the_network_as_it_was_and_says_the_same_twice():
    model = line()
    before = [value.clone() for value in model.parameters()]
    found = find_rate(model, Batches(), mse, config=CONFIG)
    assert all(torch.equal(old, new) for old, new in zip(before, model.parameters(), strict=True))
    again = search()
    assert found.suggested == again.suggested and np.array_equal(found.losses, again.losses)


def test_the_suggested_rate_learns_and_one_far_above_breaks():
    """For this problem of unit curvature, plain SGD is stable below a rate of 1 and breaks well above it."""
    found = search(highest=100.0)
    assert 1e-3 < found.suggested < 1 and len(found.rates) == len(found.losses) < 100  # it broke away before the end
    first, last = (
        fit(line(), Batches(), mse, config=dataclasses.replace(CONFIG, learning_rate=rate, schedule="constant"))[1]
        for rate in (found.suggested, found.suggested / 1000)
    )
    assert first[-1]["loss"] < 0.5 * last[-1]["loss"]


@pytest.mark.parametrize(
    "options", [{"lowest": 0.0}, {"lowest": 1.0, "highest": 0.1}, {"steps": 5}, {"smoothing": 1.0}]
)
def test_a_range_that_is_none_is_named(options):
    with pytest.raises(InputError, match="find_rate: expected 0 < lowest < highest"):
        search(**options)


def test_the_curves_have_a_panel_a_kind_and_mark_the_best():
    made = training_curves([*HISTORY, HISTORY[0] | {"epoch": 3, "nme": float("nan")}], epochs=5)
    loss, nme, pixels = made.axes
    assert [ax.get_title() for ax in made.axes] == ["loss", "NME", "pixels at 224"]
    assert loss.get_xlim() == (0, 5) and len(pixels.lines) == 2
    assert nme.lines[-1].get_xydata().tolist() == [[2, 0.15]]
    assert len(training_curves([]).axes) == 1  # nothing yet: an empty panel, no error


def test_fit_logs_a_csv_row_per_epoch(tmp_path):
    fit(line(), Batches(), mse, config=dataclasses.replace(CONFIG, log="csv"), folder=tmp_path)
    (path,) = tmp_path.glob("log/*/metrics.csv")
    rows = list(csv.DictReader(path.open()))
    assert [row["step"] for row in rows] == ["1", "2", "3"] and "losses" not in rows[0]
    assert float(rows[0]["loss"]) > float(rows[2]["loss"])


def test_wandb_without_its_package_is_one_line_before_anything_runs(tmp_path, monkeypatch, capsys):
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "wandb" else real(name, *rest))
    arguments = ["train", "--data", "puppets", "--extra-data", "", "--log", "wandb", "--out", str(tmp_path / "run")]
    assert cli.main(arguments) == 2
    error = capsys.readouterr().err
    assert "pip install 'fkd-helpers[wandb]'" in error and error.count("\n") == 1
    assert not (tmp_path / "run").exists()
