import numpy as np
import pytest
import torch
import torch.nn.functional as F

from fkd_helpers import nets
from fkd_helpers.core.errors import InputError

POINT_LOSSES = ["mse", "l1", "smooth_l1", "wing"]


@pytest.mark.parametrize("name", POINT_LOSSES)
def test_missing_targets_count_for_nothing(name):
    loss = nets.losses.loss_named(name)
    target = torch.randn(4, 68, 2)
    predicted = (target + torch.randn(4, 68, 2)).requires_grad_()
    missing = torch.rand(4, 68) < 0.4
    holed = target.masked_fill(missing[..., None], torch.nan)
    value = loss(predicted, holed)
    value.backward()
    assert torch.isclose(value, loss(predicted[~missing], target[~missing]))
    assert (predicted.grad[missing] == 0).all() and (predicted.grad[~missing] != 0).all()


@pytest.mark.parametrize("name", POINT_LOSSES)
def test_no_target_at_all_gives_zero_and_a_zero_gradient(name):
    predicted = torch.randn(2, 68, 2, requires_grad=True)
    value = nets.losses.loss_named(name)(predicted, torch.full((2, 68, 2), torch.nan))
    value.backward()
    assert value == 0 and (predicted.grad == 0).all()


def test_complete_targets_give_the_known_losses():
    predicted, target = torch.randn(3, 68, 2), torch.randn(3, 68, 2)
    for name, function in (("mse", F.mse_loss), ("l1", F.l1_loss), ("smooth_l1", F.smooth_l1_loss)):
        assert torch.isclose(nets.losses.loss_named(name)(predicted, target), function(predicted, target))


def test_wing_is_continuous_and_steepest_at_zero():
    error = (torch.arange(-900, 901) / 100).requires_grad_()
    value = nets.losses.wing(error)
    (slope,) = torch.autograd.grad(value.sum(), error)
    assert value.diff().abs().max() < 0.06 and value[900] == 0
    assert slope.abs().argmax() in (899, 901) and torch.allclose(slope[:300], torch.tensor(-1.0))


def test_heatmap_loss_is_least_at_the_target_and_ignores_missing_points():
    centres = nets.heatmap_centres(28)
    target = torch.stack([centres[10], centres[7]]).repeat(1, 2, 1)
    x = torch.arange(28.0)

    def bump(column, row):
        return (-((x[None] - column) ** 2 + (x[:, None] - row) ** 2) / 2).expand(1, 2, 28, 28)

    right, wrong = nets.losses.heatmap(bump(10, 7), target), nets.losses.heatmap(bump(13, 7), target)
    assert right < wrong
    half = target.clone()
    half[:, 1] = torch.nan
    assert torch.isclose(nets.losses.heatmap(bump(10, 7), half), right, atol=1e-5)
    assert nets.losses.heatmap(bump(3, 3), torch.full_like(target, torch.nan)) == 0


def test_soft_argmax_finds_the_middle_of_a_bump_between_cells():
    centres = nets.heatmap_centres(28)
    place = torch.tensor([40.3, 71.8])
    map_ = -((centres[None] - place[0]) ** 2 + (centres[:, None] - place[1]) ** 2) / (2 * 5.0**2)
    assert torch.allclose(nets.soft_argmax(map_[None, None])[0, 0], place, atol=0.01)


def test_shapes_mismatch_is_named():
    with pytest.raises(ValueError, match="68"):
        nets.losses.mse(torch.zeros(1, 68, 2), torch.zeros(1, 15, 2))


@pytest.mark.parametrize("name", nets.NETS)
def test_every_network_answers_in_pixels_of_its_crop(name):
    torch.manual_seed(0)
    model = nets.build(name).train()  # batch norm knows nothing but its batch before it was trained
    size = nets.INPUT_SIZES[name]
    with torch.no_grad():
        keypoints = nets.keypoints_from(model(torch.rand(2, 1, size, size)))
    assert keypoints.shape == (2, 68, 2)
    assert ((keypoints > 0) & (keypoints < size)).float().mean() > 0.9


def test_the_course_network_has_the_weights_that_were_published():
    assert round(nets.count_weights(nets.build("course_cnn")) / 1e6, 1) == 15.5


def test_unknown_names_and_options_are_named():
    with pytest.raises(InputError, match="did you mean 'small'"):
        nets.build("smal")
    with pytest.raises(InputError, match="depht"):
        nets.build("small", depht=2)
    with pytest.raises(InputError, match="did you mean 'wing'"):
        nets.losses.loss_named("wnig")


def test_weights_come_back_and_others_are_refused(tmp_path):
    model = nets.build("small").eval()
    path = nets.save_weights(model, tmp_path / "small.safetensors", net="small")
    again = nets.load_weights(nets.build("small"), path)
    images = torch.rand(1, 1, 112, 112)
    with torch.no_grad():
        assert torch.equal(model(images), again(images))
    with pytest.raises(InputError, match="another network"):
        nets.load_weights(nets.build("small", width=1.5), path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match="not a whole safetensors file"):
        nets.load_weights(nets.build("small"), path)
    with pytest.raises(InputError, match="no such weights file"):
        nets.load_weights(nets.build("small"), tmp_path / "none.safetensors")


def test_weights_are_saved_in_whatever_order_they_lie(tmp_path):
    model = torch.nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)  # as training has them
    assert not model.weight.is_contiguous()
    again = nets.load_weights(torch.nn.Conv2d(3, 4, 3), nets.save_weights(model, tmp_path / "net.safetensors"))
    assert torch.equal(again.weight, model.weight)


def test_onnx_answers_as_torch_does_for_any_number_of_faces(tmp_path):
    import onnxruntime

    torch.manual_seed(0)
    model = nets.build("small", depth=1, width=0.5).eval()
    session = onnxruntime.InferenceSession(str(nets.export_onnx(model, tmp_path / "m.onnx")))
    for n in (1, 3):
        images = torch.rand(n, 1, 112, 112)
        keypoints, scores = session.run(None, {"images": images.numpy()})
        with torch.no_grad():
            wanted = nets.WithKeypoints(model)(images)
        assert np.abs(keypoints - wanted[0].numpy()).max() < 0.01 and np.abs(scores - wanted[1].numpy()).max() < 1e-4


def test_feature_maps_are_those_of_the_layer_that_was_named():
    model = nets.build("small").eval()
    images = torch.rand(1, 1, 112, 112)
    maps = nets.feature_maps(model, images, "stem")
    with torch.no_grad():
        assert torch.equal(maps, model.stem(images * 2 - 1))
    assert maps.shape == (1, 16, 56, 56)
    with pytest.raises(InputError, match="did you mean 'stem'"):
        nets.feature_maps(model, images, "stam")
