"""Expressions: sets with damage, splits, upright crops, networks, runs, the reader, the report and the command."""

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
from fkd_helpers.data import FaceSet
from fkd_helpers.data.puppets import make_face, shapes
from fkd_helpers.expressions import data as expressions_data
from fkd_helpers.expressions.crops import RECIPES, ExpressionBatches, upright_crops, view
from fkd_helpers.expressions.data import conflicts, contents, damage, load_expressions, split_expressions
from fkd_helpers.expressions.data import without_contempt as seven_of
from fkd_helpers.expressions.features import landmark_features
from fkd_helpers.expressions.model import ExpressionNet, WithShares, export_expressions, expression_loss, freeze
from fkd_helpers.expressions.reader import ExpressionReader
from fkd_helpers.expressions.report import compare, worst_rows, write_report
from fkd_helpers.expressions.task import ExpressionsTask, facts_of, targets_of
from fkd_helpers.expressions.upright import upright_crop, upright_map
from fkd_helpers.faces.images import write_photo
from fkd_helpers.train.run import learn

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def puppets():
    return load_expressions("puppets", n=80)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    torch.manual_seed(0)
    net = ExpressionNet("encoder").eval()
    return net, export_expressions(net, tmp_path_factory.mktemp("onnx") / "small.onnx")


LANDMARKS = np.linspace(-9, 40, 136)


def write_face(folder, number, *, exp=0, val=0.1, aro=0.2, lnd=LANDMARKS, image=None):
    """Write one face as AffectNet has it; None leaves a file out, text is stored as text."""
    for name in ("images", "annotations"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(number).integers(0, 256, (32, 32, 3), dtype=np.uint8) if image is None else image
    Image.fromarray(pixels).save(folder / f"images/{number}.jpg")
    for kind, value in {"exp": exp, "val": val, "aro": aro, "lnd": lnd}.items():
        if value is not None:
            np.save(folder / f"annotations/{number}_{kind}.npy", np.array(value), allow_pickle=True)


def made(expression, people=None):
    """Return a set of plain images with these expressions."""
    n = len(expression)
    images = [np.full((8, 8, 3), i % 251, np.uint8) for i in range(n)]
    extras = {"expression": np.asarray(expression, int), "valence": np.zeros(n), "arousal": np.zeros(n)}
    names, people = tuple(f"{i}.jpg" for i in range(n)), np.arange(n) if people is None else people
    return FaceSet(images, np.zeros((n, 68, 2)), names, people, extras)


# sets


@pytest.mark.parametrize("stored", [str, float])
def test_load_reads_labels_stored_as_text_or_number(tmp_path, stored):
    write_face(tmp_path, 7, exp=stored(6), val=stored(-0.5), aro=stored(0.75))
    write_face(tmp_path, 8, lnd=None)
    faces = load_expressions(tmp_path)
    assert [float(faces.extras[key][0]) for key in ("expression", "valence", "arousal")] == [6, -0.5, 0.75]
    assert faces.names == ("7.jpg", "8.jpg") and faces.images[0].shape == (32, 32, 3)
    assert faces.keypoints[0, 0].tolist() == pytest.approx([-9, -8.637], abs=1e-3) and not faces.complete[1]


def test_load_of_a_zip_equals_its_folder(tmp_path):
    for number in (3, 20, 100):
        write_face(tmp_path / "set", number, exp=number % 8)
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for path in (tmp_path / "set").rglob("*.*"):
            archive.write(path, f"Dataset/{path.relative_to(tmp_path / 'set')}")
    a, b = load_expressions(tmp_path / "set"), load_expressions(tmp_path / "set.zip")
    assert a.names == b.names == ("3.jpg", "20.jpg", "100.jpg") and a.people.tolist() == b.people.tolist()


DAMAGE = {
    "without aro": {"aro": None},
    "with exp outside 0 to 7": {"exp": 8},
    "with exp of 10 values (votes?), expected one": {"exp": np.arange(10)},
    "with exp that is not a number": {"exp": "happy"},
    "with val outside -1 to 1": {"val": 3.0},
    "with aro outside -1 to 1": {"aro": np.nan},
    "marked as without valence and arousal (-2)": {"val": -2.0},
    "with val that is damaged or pickled": {"val": np.array([{"a": 1}], object)},
    "with lnd that is not 68 points": {"lnd": np.zeros(10)},
}


def test_load_names_each_kind_of_damage_and_reads_the_rest(tmp_path, capsys):
    write_face(tmp_path, 0)
    for number, labels in enumerate(DAMAGE.values(), 1):
        write_face(tmp_path, number, **labels)
    for number in (10, 11, 12):
        write_face(tmp_path, number)
    (tmp_path / "images/10.jpg").unlink()
    (tmp_path / "images/11.jpg").write_bytes((tmp_path / "images/11.jpg").read_bytes()[:300])
    (tmp_path / "annotations/12_lnd.npy").write_bytes(b"\x93NUMPY")
    with pytest.warns(UserWarning, match=r"1 with val outside -1 to 1 \(5\.jpg\)"):
        faces = load_expressions(tmp_path)
    assert {what: names[0] for what, names in damage(faces).items()} == {
        **{what: f"{number}.jpg" for number, what in enumerate(DAMAGE, 1)},
        "without an image": "10",
        "with a damaged image": "11.jpg",
        "with lnd that is damaged or pickled": "12.jpg",
    }
    assert faces.names == ("0.jpg",)
    with pytest.raises(InputError, match="1 without aro"):
        load_expressions(tmp_path, on_error="raise")
    same = np.full((32, 32, 3), 90, np.uint8)
    write_face(tmp_path, 30, exp=1, image=same)
    write_face(tmp_path, 31, exp=2, image=same)
    assert cli.main(["expressions", "check", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "3 faces; 1 groups of identical images, 1 of them with two expressions" in printed
    assert "30.jpg happy, 31.jpg sad" in printed and "left out: 1 with a damaged image: 11.jpg" in printed


def test_load_refuses_a_set_without_a_whole_face(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "a.zip").write_bytes(b"no zip")
    (tmp_path / "a.csv").write_text("a")
    for place, message in {"": "no face with image", "a.zip": "cannot be read", "a.csv": "a zip with"}.items():
        with pytest.raises(InputError, match=message):
            load_expressions(tmp_path / place)
    with pytest.raises(InputError, match="did you mean 'puppets'"):
        load_expressions("pupets")


def test_contents_and_conflicts(puppets):
    table = contents(puppets).set_index("expression")
    happy = puppets.extras["valence"][puppets.extras["expression"] == 1]
    assert table["faces"].sum() == 80 and table.loc["happy", "valence max"] == happy.max()
    assert contents(made([1]))["valence mean"].isna().sum() == 7
    faces = made([0, 1, 2])
    faces = dataclasses.replace(faces, images=[faces.images[0]] * 2 + [faces.images[2]])
    same, different = conflicts(faces)
    assert [group.tolist() for group in same] == [[0, 1]] and different == [("0.jpg neutral", "1.jpg happy")]


# splits


def test_split_keeps_groups_together_and_expressions_in_their_shares():
    expression, people = np.arange(400) % 8, np.arange(400)
    people[100:140:2] = people[101:141:2]  # pairs, with other expressions
    parts = split_expressions(made(expression, people))
    assert [len(part) for part in parts] == pytest.approx([280, 40, 80], abs=4)
    sides = [set(part.people.tolist()) for part in parts]
    assert not sides[0] & sides[1] and not sides[0] & sides[2] and not sides[1] & sides[2]
    assert sorted(sum((part.names for part in parts), ())) == sorted(f"{i}.jpg" for i in range(400))
    assert np.abs(np.bincount(parts[2].extras["expression"]) - 10).max() <= 3
    assert split_expressions(made(expression, people))[2].names == parts[2].names
    assert split_expressions(made(expression, people), seed=1)[2].names != parts[2].names


@pytest.mark.parametrize("call, message", [
    (lambda: split_expressions(made([0])), "at least 3 faces of each expression"),
    (lambda: split_expressions(made([0, 0, 0, 1])), "too few of happy"),
    (lambda: split_expressions(made([])), "0 different faces"),
    (lambda: split_expressions(made([0] * 9, ["one"] * 9)), "9 faces, 1 different faces"),
    (lambda: split_expressions(made([0] * 9), test=0.6, validation=0.4), "less than 1"),
    (lambda: seven_of(made([0]), 6), "7 or 8"),
    (lambda: upright_map(np.zeros((68, 3))), "finite"), (lambda: upright_map(np.full((68, 2), np.nan)), "finite"),
    (lambda: view(np.zeros((1, 160, 160, 3), np.uint8), "v11", rng=np.random.default_rng(0)), "did you mean 'v1'"),
    (lambda: expression_loss(kind="mae"), "unknown loss"), (lambda: expression_loss(share=1.5), "share"),
    (lambda: ExpressionNet("lite1"), "did you mean 'lite0'"),
    (lambda: ExpressionReader("small"), "expected a model from colour crops"),
])  # fmt: skip
def test_bad_values_are_refused(call, message):
    with pytest.raises(InputError, match=message):
        call()


# crops


def test_upright_crop_is_the_same_however_the_photo_is_turned(puppets):
    image, points = puppets.images[0], puppets.keypoints[0]
    turned, moved = np.rot90(image, 1).copy(), np.stack([points[:, 1], image.shape[1] - 1 - points[:, 0]], 1)
    difference = upright_crop(image, points).astype(int) - upright_crop(turned, moved)
    assert np.abs(difference).mean() < 1.5
    mapped = upright_map(points, 100) @ np.array([[49.5], [49.5], [1]])
    assert np.abs(mapped[:, 0] - points.mean(0)).max() < 25


def test_view_changes_faces_by_recipe_and_none_is_what_prediction_sees(puppets):
    crops = upright_crops(puppets.images[:6], puppets.keypoints[:6])
    first, again = ({name: view(crops, name, rng=np.random.default_rng(i)) for name in RECIPES} for i in (0, 1))
    assert (first["none"] == again["none"]).all() and first["none"].shape == (6, 112, 112, 3)
    plain = np.stack([upright_crop(i, p) for i, p in zip(puppets.images[:6], puppets.keypoints[:6], strict=True)])
    assert np.abs(first["none"].astype(int) - plain).mean() < 4
    assert (first["v1"] != again["v1"]).any() and (first["v2"] != again["v2"]).any()


def test_batches_repeat_by_seed_and_mixup_keeps_shares(puppets):
    crops = upright_crops(puppets.images[:20], puppets.keypoints[:20])
    batches = ExpressionBatches(crops, targets_of(puppets[:20]), recipe="v2", batch_size=8)
    (a, x), (b, y) = next(iter(batches(3))), next(iter(batches(3)))
    assert torch.equal(a, b) and torch.equal(x, y) and a.shape == (8, 3, 112, 112) and len(batches) == 2
    assert torch.allclose(x[:, :8].sum(1), torch.ones(8))


def test_landmark_features_do_not_depend_on_place_size_and_roll():
    face = shapes.face_shape([], {"smile": 0.5})[None] * 80 + 40
    turn = np.array([[0.8, 0.6], [-0.6, 0.8]])
    np.testing.assert_allclose(landmark_features(2 * face @ turn + 9), landmark_features(face), atol=1e-4)


# networks


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


def test_loss_is_zero_for_a_perfect_answer_and_leaves_parts_out():
    target = torch.cat([torch.eye(8), torch.linspace(-0.8, 0.8, 16).reshape(8, 2)], 1)
    perfect = torch.cat([50 * torch.eye(8), target[:, 8:]], 1)
    for kind in ("mse", "ccc", "both"):
        assert expression_loss(kind=kind, smoothing=0)(perfect, target) == pytest.approx(0, abs=1e-5)
    off = torch.cat([50 * torch.eye(8), -target[:, 8:]], 1)
    assert expression_loss(share=0, smoothing=0)(off, target) == pytest.approx(0, abs=1e-5)
    scales = 10 * 4 * target[:, 8:].square().mean().item()
    assert expression_loss(share=1)(off, target) == pytest.approx(scales, rel=1e-4)


# runs


def test_learn_on_landmarks_beats_chance(tmp_path):
    config = load_config("expressions_head", net="head_landmarks", epochs=60, learning_rate=5e-3)
    task = ExpressionsTask(config, faces=load_expressions("puppets", n=200))
    learn(task, config, tmp_path, say=lambda _: None)
    assert task.scores["accuracy"] > 0.5 and task.scores["valence_r"] > 0.6
    assert task.answers[:, :8].sum(1) == pytest.approx(1, abs=1e-5) and np.abs(task.answers[:, 8:]).max() <= 1


@pytest.mark.parametrize("options", [
    {"net": "head_landmarks", "balance": "loss", "loss": "ccc"}, {"net": "head_landmarks", "classes": "7"},
    {"net": "encoder", "recipe": "v2", "balance": "draw", "batch_size": "8"},
])  # fmt: skip
def test_fast_run_leaves_report_and_record(puppets, tmp_path, monkeypatch, capsys, options):
    monkeypatch.setattr("fkd_helpers.expressions.task.load_expressions", lambda _: puppets)
    arguments = [word for key, value in options.items() for word in (f"--{key.replace('_', '-')}", value)]
    command = ["expressions", "train", "--fast", "--name", "quick", "--out", str(tmp_path)]
    assert cli.main([*command, *arguments]) == 0
    printed = capsys.readouterr().out
    assert "accuracy 0." in printed and "valence: RMSE" in printed
    here = {path.name for path in tmp_path.iterdir()}
    assert {"last.pt", "report.html", "confusion.png", "circumplex.png", "worst.csv", "answers.npz"} <= here
    found = records.read(tmp_path / "expressions-quick.json")
    assert len(found["confusion"]) == int(options.get("classes", 8)) and found["fast"] is True
    assert cli.main(["expressions", "compare", "--records", str(tmp_path)]) == 2  # a fast run is no result


def test_compare_takes_the_mean_over_seeds(tmp_path, puppets):
    labels = puppets.extras["expression"]
    for seed in (0, 1):
        shares = np.full((80, 8), 1 / 16)
        shares[np.arange(80), (labels + seed * (np.arange(80) % 2)) % 8] += 0.5
        facts = facts_of(np.concatenate([shares, np.zeros((80, 2))], 1), puppets)
        records.write("expressions", f"net_s{seed}", folder=tmp_path, **facts)
    table = compare(tmp_path)
    assert table["model"].tolist() == ["net"] and table["seeds"].tolist() == [2] and table["accuracy"][0] == 0.75
    assert len(compare(tmp_path, seeds=True)) == 2


def test_compare_command_shows_the_models_of_the_course(capsys):
    assert cli.main(["expressions", "compare"]) == 0
    names = {row.split("|")[1].strip() for row in capsys.readouterr().out.splitlines()[2:]}
    assert {"head_landmarks", "head_lite0", "published, best of each"} <= names and len(names) >= 5


def test_report_lists_doubtful_labels_first_and_shows_no_face(puppets, tmp_path):
    labels = puppets.extras["expression"]
    answers = np.concatenate([np.eye(8)[labels] * 0.9 + 0.0125, np.zeros((80, 2))], 1)
    answers[17, :8] = np.eye(8)[(labels[17] + 1) % 8]
    assert worst_rows(answers, puppets)["face"].iloc[0] == 17
    page = write_report(tmp_path, answers, puppets, title="<odd> & title").read_text(encoding="utf-8")
    assert page.count("<img alt=") == 4 and "&lt;odd&gt; &amp; title" in page


# the exported network


def test_reader_answers_as_the_network(exported, puppets, tmp_path):
    net, path = exported
    reader = ExpressionReader(path)
    crops = np.stack([upright_crop(i, p) for i, p in zip(puppets.images[:3], puppets.keypoints[:3], strict=True)])
    with torch.no_grad():
        wanted = torch.cat(WithShares(net)(torch.from_numpy(crops).permute(0, 3, 1, 2).float() / 255), 1).numpy()
    np.testing.assert_allclose(reader.run(crops), wanted, atol=5e-3)
    (reading,) = reader(puppets.images[0], [puppets.keypoints[0]])
    assert reading.likely(1)[0][0] == reading.expression and reading.shares.sum() == pytest.approx(1)
    assert reader(puppets.images[0], []) == [] and np.abs([reading.valence, reading.arousal]).max() <= 1
    whole = export_expressions(net, tmp_path / "whole.onnx", half=False)
    assert path.stat().st_size < 0.65 * whole.stat().st_size
    with pytest.raises(InputError, match="frame: expected uint8"):
        reader(np.zeros((9, 9), np.uint8), [np.zeros((68, 2))])


def test_predict_command_reads_a_photo(tmp_path, exported, capsys):
    write_photo(tmp_path / "face.png", make_face(3, size=240)[0])
    assert cli.main(["expressions", "predict", str(tmp_path / "face.png"), "--model", str(exported[1])]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("face 1 at [") and "valence " in printed and printed.count("%") == 3


@pytest.mark.parametrize("classes", [7, 8])
def test_evaluate_command_writes_one_page(tmp_path, puppets, monkeypatch, classes):
    torch.manual_seed(0)
    model = export_expressions(ExpressionNet("encoder", classes=classes).eval(), tmp_path / "model.onnx")
    monkeypatch.setattr(expressions_data, "load_expressions", lambda name: puppets)
    assert cli.main(["expressions", "evaluate", "--model", str(model), "--out", str(tmp_path / "page")]) == 0
    assert (tmp_path / "page/report.html").stat().st_size > 50_000


@pytest.mark.parametrize(("arguments", "message"), [
    (["train", "--net", "lite"], "did you mean 'lite0'"), (["train", "--recipe", "v9"], "unknown recipe"),
    (["train", "--classes", "6"], "expected 7 to 8"), (["check", "nowhere"], "unknown data set"),
    (["predict", "nowhere.jpg"], "no such file"), (["train", "--net", "head_points"], "unknown features"),
    (["evaluate", "--model", "nowhere.onnx"], "no such model file"),
])  # fmt: skip
def test_command_says_bad_input_in_a_line(arguments, message, capsys, tmp_path):
    out = ["--out", str(tmp_path)] if arguments[0] == "train" else []
    assert cli.main(["expressions", *arguments, *out]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
