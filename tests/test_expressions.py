"""Expressions: reading sets with damage, splits without duplicates on two sides, upright crops, networks, runs."""

import dataclasses
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from fkd_helpers import cli
from fkd_helpers.core import records
from fkd_helpers.core.config import load_config
from fkd_helpers.core.errors import InputError
from fkd_helpers.data.puppets import shapes
from fkd_helpers.expressions.data import ExpressionSet, load_expressions
from fkd_helpers.expressions.features import cached, landmark_features
from fkd_helpers.expressions.model import (
    ExpressionNet,
    WithShares,
    concordance,
    export_expressions,
    expression_loss,
    freeze,
)
from fkd_helpers.expressions.reader import ExpressionReader
from fkd_helpers.expressions.report import compare, worst_rows, write_report
from fkd_helpers.expressions.split import conflicts, contents, split_expressions, without_contempt
from fkd_helpers.expressions.task import FeatureHead, class_weights, learn, targets_of, train
from fkd_helpers.expressions.upright import upright_crop, upright_map
from fkd_helpers.expressions.views import RECIPES, ExpressionBatches, upright_crops, view


@pytest.fixture(scope="module")
def puppets():
    return load_expressions("puppets", n=80)


def write_face(folder, number, *, exp=0, val=0.1, aro=0.2, lnd=True, text=False, image=None):
    """Write one face as AffectNet has it: numbers, or text in 0-d arrays."""
    for name in ("images", "annotations"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(number).integers(0, 256, (32, 32, 3), dtype=np.uint8) if image is None else image
    Image.fromarray(pixels).save(folder / f"images/{number}.jpg")
    for kind, value in {"exp": exp, "val": val, "aro": aro}.items():
        if value is not None:
            np.save(folder / f"annotations/{number}_{kind}.npy", np.array(str(value) if text else value))
    if lnd:
        np.save(folder / f"annotations/{number}_lnd.npy", np.linspace(-9, 40, 136))


@pytest.mark.parametrize("text", [True, False])
def test_labels_are_read_as_text_and_as_numbers(tmp_path, text):
    write_face(tmp_path, 7, exp=6, val=-0.5, aro=0.75, text=text)
    faces = load_expressions(tmp_path)
    assert (faces.names, faces.expression.tolist()) == (("7.jpg",), [6])
    assert (faces.valence[0], faces.arousal[0]) == (np.float32(-0.5), np.float32(0.75))
    assert faces.images[0].shape == (32, 32, 3) and faces.landmarks[0, 0].tolist() == pytest.approx(
        [-9, -8.637], abs=1e-3
    )


def test_a_zip_gives_what_its_folder_gives(tmp_path):
    for number in (3, 20, 100):
        write_face(tmp_path / "set", number, exp=number % 8, text=True)
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for path in (tmp_path / "set").rglob("*.*"):
            archive.write(path, f"Dataset/{path.relative_to(tmp_path / 'set')}")
    a, b = load_expressions(tmp_path / "set"), load_expressions(tmp_path / "set.zip")
    assert a.names == b.names == ("3.jpg", "20.jpg", "100.jpg")
    assert a.groups.tolist() == b.groups.tolist() and a.expression.tolist() == b.expression.tolist()


def damage(folder):
    """Write one whole face and one of each kind of damage; return what is to be said of each."""
    write_face(folder, 0)
    write_face(folder, 1, aro=None)
    write_face(folder, 2, exp=8)
    write_face(folder, 3, val=3.0)
    write_face(folder, 4, val=-2.0)
    write_face(folder, 5)
    (folder / "images/5.jpg").write_bytes((folder / "images/5.jpg").read_bytes()[:300])
    write_face(folder, 6)
    (folder / "annotations/6_exp.npy").write_bytes(b"\x93NUMPY")
    write_face(folder, 7)
    np.save(folder / "annotations/7_val.npy", np.array([{"a": 1}], object), allow_pickle=True)
    write_face(folder, 8, exp="happy", text=True)
    write_face(folder, 9, aro=np.nan)
    write_face(folder, 10)
    (folder / "images/10.jpg").unlink()
    write_face(folder, 11)
    np.save(folder / "annotations/11_lnd.npy", np.zeros(10))
    return {
        "without aro": ("1.jpg",), "with exp outside 0 to 7": ("2.jpg",), "with val outside -1 to 1": ("3.jpg",),
        "marked as without valence and arousal (-2)": ("4.jpg",), "with a damaged image": ("5.jpg",),
        "with exp that is damaged": ("6.jpg",), "with val that is pickled: refused": ("7.jpg",),
        "with exp that is not one number": ("8.jpg",), "with aro that is not finite": ("9.jpg",),
        "without an image": ("10",), "with lnd that is not 68 points": ("11.jpg",),
    }  # fmt: skip


def test_each_kind_of_damage_is_named_counted_and_left_out(tmp_path):
    wanted = damage(tmp_path)
    with pytest.warns(UserWarning, match=r"1 with val that is pickled: refused \(7\.jpg\)"):
        faces = load_expressions(tmp_path)
    assert dict(faces.left_out) == wanted and faces.names == ("0.jpg",)
    with pytest.raises(InputError, match="1 without aro"):
        load_expressions(tmp_path, on_error="raise")


def test_landmarks_may_be_missing(tmp_path):
    write_face(tmp_path, 0, lnd=False)
    assert np.isnan(load_expressions(tmp_path).landmarks).all()


def test_a_set_without_a_whole_face_is_refused(tmp_path):
    (tmp_path / "images").mkdir()
    with pytest.raises(InputError, match="no face with image, exp, val and aro"):
        load_expressions(tmp_path)
    (tmp_path / "a.zip").write_bytes(b"no zip")
    with pytest.raises(InputError, match="cannot be read"):
        load_expressions(tmp_path / "a.zip")
    with pytest.raises(InputError, match="did you mean 'puppets'"):
        load_expressions("pupets")


def test_the_check_command_counts_and_names(tmp_path, capsys):
    damage(tmp_path)
    same = np.full((32, 32, 3), 90, np.uint8)
    write_face(tmp_path, 30, exp=1, image=same)
    write_face(tmp_path, 31, exp=2, image=same)
    assert cli.main(["expressions", "check", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "3 faces; 1 groups of identical images, 1 of them with two expressions" in said
    assert "30.jpg happy, 31.jpg sad" in said and "1 with a damaged image: 5.jpg" in said


def made(expression, groups=None):
    n = len(expression)
    images = [np.full((8, 8, 3), i % 251, np.uint8) for i in range(n)]
    groups = np.arange(n).astype(str) if groups is None else np.asarray(groups, str)
    zero = np.zeros(n, np.float32)
    names = tuple(f"{i}.jpg" for i in range(n))
    return ExpressionSet(images, np.asarray(expression), zero, zero, np.zeros((n, 68, 2), np.float32), names, groups)


def test_a_split_keeps_groups_together_and_expressions_in_their_shares():
    expression = np.arange(400) % 8
    groups = np.arange(400)
    groups[100:140:2] = groups[101:141:2]  # pairs, with other expressions
    parts = split_expressions(made(expression, groups))
    assert [len(part) for part in parts] == pytest.approx([280, 40, 80], abs=4)
    sides = [set(part.groups.tolist()) for part in parts]
    assert not sides[0] & sides[1] and not sides[0] & sides[2] and not sides[1] & sides[2]
    assert sorted(sum((part.names for part in parts), ())) == sorted(f"{i}.jpg" for i in range(400))
    assert np.abs(np.bincount(parts[2].expression) - 10).max() <= 3
    assert split_expressions(made(expression, groups))[2].names == parts[2].names
    assert split_expressions(made(expression, groups), seed=1)[2].names != parts[2].names


def test_the_test_part_does_not_depend_on_the_validation_share():
    faces = made(np.arange(400) % 8)
    tests = [split_expressions(faces, validation=share)[2].names for share in (0, 0.05, 0.1)]
    assert tests[0] == tests[1] == tests[2]
    assert len(split_expressions(faces, validation=0)[1]) == 0


@pytest.mark.parametrize("expression", [[0], [0, 0, 0, 1], []])
def test_too_few_faces_cannot_be_split(expression):
    with pytest.raises(InputError, match="at least 3 faces of each expression"):
        split_expressions(made(np.array(expression, int)))


def test_shares_that_leave_nothing_are_refused():
    with pytest.raises(InputError, match="less than 1"):
        split_expressions(made(np.arange(80) % 8), test=0.6, validation=0.4)


def test_seven_classes_are_all_but_contempt():
    faces = without_contempt(made(np.arange(16) % 8), 7)
    assert len(faces) == 14 and 7 not in faces.expression
    with pytest.raises(InputError, match="7 or 8"):
        without_contempt(faces, 6)


def test_conflicts_name_the_images(puppets):
    faces = made([0, 1, 2])
    faces = dataclasses.replace(faces, images=[faces.images[0]] * 2 + [faces.images[2]])
    same, different = conflicts(faces)
    assert [group.tolist() for group in same] == [[0, 1]] and different == [("0.jpg neutral", "1.jpg happy")]
    assert contents(puppets)["faces"].sum() == 80


def test_an_upright_crop_is_the_same_however_the_photo_is_turned(puppets):
    image, points = puppets.images[0], puppets.landmarks[0]
    turned, moved = np.rot90(image, 1).copy(), np.stack([points[:, 1], image.shape[1] - 1 - points[:, 0]], 1)
    difference = upright_crop(image, points).astype(int) - upright_crop(turned, moved)
    assert np.abs(difference).mean() < 1.5
    mapped = upright_map(points, 100) @ np.array([[49.5], [49.5], [1]])
    assert np.abs(mapped[:, 0] - points.mean(0)).max() < 25


@pytest.mark.parametrize("points", [np.zeros((68, 3)), np.full((68, 2), np.nan), np.zeros((5, 2))])
def test_a_face_without_its_points_has_no_crop(points):
    with pytest.raises(InputError, match="finite"):
        upright_map(points)


def test_recipes_change_faces_and_none_does_not(puppets):
    crops = upright_crops(puppets.images[:6], puppets.landmarks[:6])
    first = {name: view(crops, name, rng=np.random.default_rng(0)) for name in RECIPES}
    again = {name: view(crops, name, rng=np.random.default_rng(1)) for name in RECIPES}
    assert (first["none"] == again["none"]).all() and first["none"].shape == (6, 112, 112, 3)
    plain = np.stack([upright_crop(i, p) for i, p in zip(puppets.images[:6], puppets.landmarks[:6], strict=True)])
    assert np.abs(first["none"].astype(int) - plain).mean() < 4
    assert (first["v1"] != again["v1"]).any() and (first["v2"] != again["v2"]).any()
    with pytest.raises(InputError, match="did you mean 'v1'"):
        view(crops, "v11", rng=np.random.default_rng(0))


def test_batches_are_the_same_each_time_and_mixup_keeps_shares(puppets):
    crops = upright_crops(puppets.images[:20], puppets.landmarks[:20])
    batches = ExpressionBatches(crops, targets_of(puppets.subset(np.arange(20))), recipe="v2", batch_size=8)
    (a, x), (b, y) = next(iter(batches(3))), next(iter(batches(3)))
    assert torch.equal(a, b) and torch.equal(x, y) and a.shape == (8, 3, 112, 112)
    assert torch.allclose(x[:, :8].sum(1), torch.ones(8)) and len(batches) == 2


def test_frozen_stages_never_change():
    net = ExpressionNet("encoder", frozen=2)
    before = {key: value.clone() for key, value in net.state_dict().items()}
    optimiser = torch.optim.SGD([p for p in net.parameters() if p.requires_grad], 0.1)
    net.train()
    loss = expression_loss()(net(torch.rand(4, 3, 64, 64)), torch.cat([torch.eye(8)[:4], torch.zeros(4, 2)], 1))
    loss.backward()
    optimiser.step()
    changed = {key for key, value in net.state_dict().items() if not torch.equal(value, before[key])}
    frozen = {key for key in before if key.startswith(("features.stages.0.", "features.stages.1."))}
    assert frozen and not changed & frozen and any(key.startswith("features.stages.2.") for key in changed)
    assert freeze(net, 0) == sum(p.numel() for p in net.parameters())
    assert freeze(net, 99) == sum(p.numel() for p in net.heads.parameters())


def test_the_loss_of_a_perfect_answer_is_none_and_parts_can_be_left_out():
    target = torch.cat([torch.eye(8), torch.linspace(-0.8, 0.8, 16).reshape(8, 2)], 1)
    perfect = torch.cat([50 * torch.eye(8), target[:, 8:]], 1)
    for kind in ("mse", "ccc", "both"):
        assert expression_loss(kind=kind, smoothing=0)(perfect, target) == pytest.approx(0, abs=1e-5)
    off = torch.cat([50 * torch.eye(8), -target[:, 8:]], 1)
    assert expression_loss(share=0, smoothing=0)(off, target) == pytest.approx(0, abs=1e-5)
    assert expression_loss(share=1)(off, target) == pytest.approx(
        10 * 4 * target[:, 8:].square().mean().item(), rel=1e-4
    )
    with pytest.raises(InputError, match="unknown loss"):
        expression_loss(kind="mae")
    with pytest.raises(InputError, match="share"):
        expression_loss(share=1.5)


def test_concordance_of_equal_shifted_and_opposite_values():
    x = torch.tensor([[1.0], [2.0], [3.0]])
    assert concordance(x, x).item() == pytest.approx(1) and concordance(x, 4 - x).item() == pytest.approx(-1)
    assert concordance(x, x + 1).item() == pytest.approx(2 * (2 / 3) / (4 / 3 + 1), rel=1e-5)  # Lin's formula by hand


def test_an_unknown_backbone_is_refused():
    with pytest.raises(InputError, match="did you mean 'lite0'"):
        ExpressionNet("lite1")


def test_class_weights_make_each_expression_count_the_same():
    weights = class_weights(np.array([0] * 6 + [2] * 3), 8)
    assert weights[1] == 0 and weights[0] * 6 == pytest.approx(weights[2] * 3)


def test_a_head_learns_puppets_from_landmarks(puppets, tmp_path):
    config = load_config("expressions_head", net="head_landmarks", epochs=60, learning_rate=5e-3)
    run = learn(config, tmp_path, faces=load_expressions("puppets", n=200), say=lambda _: None)
    assert isinstance(run.model, FeatureHead) and run.scores["accuracy"] > 0.5 and run.scores["valence_r"] > 0.6
    assert run.answers[:, :8].sum(1) == pytest.approx(1, abs=1e-5) and np.abs(run.answers[:, 8:]).max() <= 1


@pytest.mark.parametrize("options", [
    {"net": "head_landmarks", "balance": "loss", "loss": "ccc"}, {"net": "head_landmarks", "classes": 7},
    {"net": "encoder", "recipe": "v2", "balance": "draw", "batch_size": 8},
])  # fmt: skip
def test_a_fast_run_leaves_report_and_record(puppets, tmp_path, monkeypatch, options):
    from fkd_helpers.expressions import task as expressions_runs

    monkeypatch.setattr(expressions_runs, "load_expressions", lambda _: puppets)
    config = load_config("expressions_head", name="quick", **options)
    train(config, tmp_path, fast=True, say=lambda _: None)
    here = {path.name for path in tmp_path.iterdir()}
    assert {"last.pt", "metrics.csv", "report.html", "confusion.png", "circumplex.png", "worst.csv"} <= here
    record = records.read(tmp_path / "expressions-quick.json")
    assert len(record["confusion"]) == config.classes and record["fast"] is True
    assert not len(compare(tmp_path))  # fast runs are no results


def test_seeds_become_one_row(tmp_path, puppets):
    answers = np.concatenate([np.full((80, 8), 1 / 8), np.zeros((80, 2))], 1)
    for seed in (0, 1):
        answers[np.arange(80), (puppets.expression + seed * (np.arange(80) % 2)) % 8] += 1
        from fkd_helpers.expressions.task import record

        shares = answers[:, :8] / answers[:, :8].sum(1, keepdims=True)
        record(f"net_s{seed}", np.concatenate([shares, answers[:, 8:]], 1), puppets, folder=tmp_path)
    table = compare(tmp_path)
    assert table["model"].tolist() == ["net"] and table["seeds"].tolist() == [2]
    assert len(compare(tmp_path, seeds=True)) == 2


def test_the_worst_faces_come_first_and_the_report_shows_no_face(puppets, tmp_path):
    answers = np.concatenate([np.eye(8)[puppets.expression] * 0.9 + 0.0125, np.zeros((80, 2))], 1)
    answers[17, :8] = np.eye(8)[(puppets.expression[17] + 1) % 8]
    assert worst_rows(answers, puppets)["face"].iloc[0] == 17
    page = write_report(tmp_path, answers, puppets, title="<odd> & title").read_text()
    assert page.count("<img alt=") == 4 and "&lt;odd&gt; &amp; title" in page


def test_landmark_features_do_not_depend_on_place_size_and_roll():
    face = shapes.face_shape([], {"smile": 0.5})[None] * 80 + 40
    turn = np.array([[0.8, 0.6], [-0.6, 0.8]])
    np.testing.assert_allclose(landmark_features(2 * face @ turn + 9), landmark_features(face), atol=1e-4)
    assert landmark_features(face).shape == (1, 148)


def test_features_are_computed_once(cache_folder):
    calls = []

    def make():
        calls.append(1)
        return np.arange(3.0)

    assert cached("k", make).tolist() == cached("k", make).tolist() == [0, 1, 2]
    next(cache_folder.rglob("*.npy")).write_bytes(b"damaged")
    assert cached("k", make).tolist() == [0, 1, 2] and len(calls) == 2


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    torch.manual_seed(0)
    net = ExpressionNet("encoder").eval()
    return net, export_expressions(net, tmp_path_factory.mktemp("onnx") / "small.onnx")


def test_an_exported_network_answers_as_the_network(exported, puppets):
    net, path = exported
    reader = ExpressionReader(path)
    crops = np.stack([upright_crop(i, p) for i, p in zip(puppets.images[:3], puppets.landmarks[:3], strict=True)])
    with torch.no_grad():
        wanted = torch.cat(WithShares(net)(torch.from_numpy(crops).permute(0, 3, 1, 2).float() / 255), 1).numpy()
    np.testing.assert_allclose(reader.run(crops), wanted, atol=5e-3)
    readings = reader(puppets.images[0], [puppets.landmarks[0]])
    assert readings[0].likely(1)[0][0] == readings[0].expression and readings[0].shares.sum() == pytest.approx(1)
    assert reader(puppets.images[0], []) == []


def test_half_the_bits_are_half_the_file(exported, tmp_path):
    net, path = exported
    whole = export_expressions(net, tmp_path / "whole.onnx", half=False)
    assert path.stat().st_size < 0.65 * whole.stat().st_size


def test_the_reader_refuses_what_is_no_expression_model_and_no_frame(exported, tmp_path):
    with pytest.raises(InputError, match="expected a model from colour crops"):
        ExpressionReader("small")
    (tmp_path / "x.onnx").write_bytes(b"nothing")
    with pytest.raises(InputError, match="not a whole ONNX model"):
        ExpressionReader(tmp_path / "x.onnx")
    with pytest.raises(InputError, match="frame: expected uint8"):
        ExpressionReader(exported[1])(np.zeros((9, 9), np.uint8), [np.zeros((68, 2))])
