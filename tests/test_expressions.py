"""Expressions: sets with damage, splits, upright crops, networks, scores, a run, the reader, the report, commands."""

import zipfile

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from fkd_helpers import cli
from fkd_helpers.core import records
from fkd_helpers.core.config import load_config
from fkd_helpers.core.errors import InputError
from fkd_helpers.data import FaceSet
from fkd_helpers.data.puppets import make_face
from fkd_helpers.expressions.crops import RECIPES, ExpressionBatches, upright_crops, view
from fkd_helpers.expressions.data import load_expressions, split_expressions
from fkd_helpers.expressions.metrics import (
    COLUMNS,
    class_scores,
    compare,
    krippendorff_alpha,
    scale_scores,
    worst_rows,
    write_report,
)
from fkd_helpers.expressions.model import ExpressionNet, WithShares, export_expressions, expression_loss
from fkd_helpers.expressions.reader import ExpressionReader, upright_crop
from fkd_helpers.expressions.task import ExpressionsTask, move_towards, targets_of
from fkd_helpers.faces.images import write_photo
from fkd_helpers.nets import save_weights

pytestmark = pytest.mark.slow
NAN = np.nan


@pytest.fixture(scope="module")
def puppets():
    return load_expressions("puppets", n=80)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    torch.manual_seed(0)
    net = ExpressionNet("encoder").eval()
    return net, export_expressions(net, tmp_path_factory.mktemp("onnx") / "small.onnx")


def write_face(folder, number, *, exp=0, val=0.1, aro=0.2, lnd=np.linspace(-9, 40, 136), image=None):  # noqa: B008
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
    return FaceSet(images, np.zeros((n, 68, 2)), tuple(map(str, range(n))), people or range(n), extras)


# sets


@pytest.mark.parametrize("stored", [str, float])
def test_load_reads_labels_stored_as_text_or_number_from_a_folder_and_a_zip(tmp_path, stored):
    write_face(tmp_path / "set", 7, exp=stored(6), val=stored(-0.5), aro=stored(0.75))
    write_face(tmp_path / "set", 10, lnd=None)
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for path in (tmp_path / "set").rglob("*.*"):
            archive.write(path, f"Dataset/{path.relative_to(tmp_path / 'set')}")
    for faces in map(load_expressions, (tmp_path / "set", tmp_path / "set.zip")):
        assert [float(faces.extras[key][0]) for key in ("expression", "valence", "arousal")] == [6, -0.5, 0.75]
        assert faces.names == ("7.jpg", "10.jpg") and faces.images[0].shape == (32, 32, 3)
        assert faces.keypoints[0, 0].tolist() == pytest.approx([-9, -8.637], abs=1e-3) and not faces.complete[1]


DAMAGE = {
    "without aro": {"aro": None}, "exp: expected 1 numbers from 0 to 7": {"exp": 8}, "without exp": {"exp": [1, 2]},
    "without exp: expected": {"exp": "happy"}, "val: expected 1 numbers from -1 to 1": {"val": -2.0},
    "without val": {"val": np.array([{"a": 1}], object)}, "lnd: expected 136 numbers": {"lnd": np.zeros(10)},
    "damaged or cut off": {},
}  # fmt: skip


def test_load_names_each_kind_of_damage_and_reads_the_rest(tmp_path, capsys):
    for number, labels in enumerate([{}, *DAMAGE.values()]):
        write_face(tmp_path, number, **labels)
    cut = tmp_path / f"images/{len(DAMAGE)}.jpg"
    cut.write_bytes(cut.read_bytes()[:300])
    with pytest.warns(UserWarning, match=r"8 faces left out, first: 1\.jpg: without aro"):
        faces = load_expressions(tmp_path)
    assert faces.names == ("0.jpg",) and len(faces.problems) == len(DAMAGE)
    for number, (what, problem) in enumerate(zip(DAMAGE, faces.problems, strict=True), 1):
        assert problem.startswith(f"{number}.jpg: ") and what in problem
    assert cli.main(["expressions", "check", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "1 faces" in printed and "left out: 1.jpg: without aro" in printed


def test_load_refuses_a_set_without_a_whole_face(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "a.zip").write_bytes(b"no zip")
    for place, message in {"": "no face with image", "a.zip": "cannot be read"}.items():
        with pytest.raises(InputError, match=message):
            load_expressions(tmp_path / place)


def test_split_keeps_groups_together_and_expressions_in_their_shares():
    expression, people = np.arange(400) % 8, np.arange(400)
    people[100:140:2] = people[101:141:2]  # pairs, with other expressions
    parts = split_expressions(made(expression, people.tolist()))
    assert [len(part) for part in parts] == pytest.approx([280, 40, 80], abs=4)
    sides = [set(part.people.tolist()) for part in parts]
    assert not sides[0] & sides[1] and not sides[0] & sides[2] and not sides[1] & sides[2]
    assert sorted(sum((part.names for part in parts), ())) == sorted(map(str, range(400)))
    assert np.abs(np.bincount(parts[2].extras["expression"]) - 10).max() <= 3


@pytest.mark.parametrize("call, message", [
    (lambda: split_expressions(made([0, 0, 0, 1])), "at least 3 faces of each expression"),
    (lambda: split_expressions(made([])), "at least 3 faces"),
    (lambda: split_expressions(made([0] * 9, ["one"] * 9)), "at least 3 faces"),
    (lambda: upright_crop(np.zeros((9, 9, 3), np.uint8), np.full((68, 2), NAN)), "finite"),
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


def test_loss_is_zero_for_a_perfect_answer_and_leaves_parts_out():
    target = torch.cat([torch.eye(8), torch.linspace(-0.8, 0.8, 16).reshape(8, 2)], 1)
    perfect, off = (torch.cat([50 * torch.eye(8), sign * target[:, 8:]], 1) for sign in (1, -1))
    assert expression_loss(smoothing=0)(perfect, target) == pytest.approx(0, abs=1e-5)
    assert expression_loss(share=0, smoothing=0)(off, target) == pytest.approx(0, abs=1e-5)
    assert expression_loss(share=1)(off, target) == pytest.approx(40 * target[:, 8:].square().mean().item(), rel=1e-4)


def test_a_teacher_moves_targets_halfway_and_gives_voted_faces_their_scales():
    targets, answers = np.array([[1, 0, 0.5, -0.5]], np.float32), np.array([[0.6, 0.4, 0.1, 0.1]], np.float32)
    np.testing.assert_allclose(move_towards(answers, targets, voted=False), [[0.8, 0.2, 0.3, -0.2]])
    np.testing.assert_allclose(move_towards(answers, targets, voted=True), [[1, 0, 0.1, 0.1]])


def test_a_config_names_the_teacher_whose_answers_move_its_targets(tmp_path):
    teacher = save_weights(ExpressionNet("encoder"), tmp_path / "teacher.safetensors")
    options = dict(epochs=1, size=64, recipe="none", batch_size=64)
    labelled, taught = (
        ExpressionsTask(load_config(task="expressions", teacher=name, **options)) for name in ("", str(teacher))
    )
    moved = taught.batches.targets - labelled.batches.targets
    assert 0.1 < np.abs(moved[:, :8]).max() <= 0.5
    assert taught.batches.targets[:, :8].sum(1) == pytest.approx(1, abs=1e-5)


def test_reader_answers_as_the_network(exported, puppets):
    net, path = exported
    reader = ExpressionReader(path)
    crops = np.stack([upright_crop(i, p) for i, p in zip(puppets.images[:3], puppets.keypoints[:3], strict=True)])
    with torch.no_grad():
        wanted = torch.cat(WithShares(net)(torch.from_numpy(crops).permute(0, 3, 1, 2).float() / 255), 1).numpy()
    np.testing.assert_allclose(reader.run(crops), wanted, atol=5e-3)
    (reading,) = reader(puppets.images[0], [puppets.keypoints[0]])
    assert reading.likely(1)[0][1] == reading.shares.max() and reading.shares.sum() == pytest.approx(1)
    assert reader(puppets.images[0], []) == [] and np.abs([reading.valence, reading.arousal]).max() <= 1


# scores

# Krippendorff, Computing Krippendorff's Alpha-Reliability, 2011: its sections C and B
FOUR = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, NAN, NAN, NAN], [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NAN, 3],
    [NAN, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NAN], [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NAN],
]  # fmt: skip
TWO = [[ord(letter) for letter in rater] for rater in ("aabbdcccedda", "babbbccceddd")]


@pytest.mark.parametrize("ratings, alpha", [
    (FOUR, 0.743), (TWO, 0.692), ([[1, 2, 3]] * 2, 1), ([[1, 1]] * 2, NAN), ([[1, NAN], [NAN, 2]], NAN),
])  # fmt: skip
def test_krippendorff_alpha_of_the_sources_examples(ratings, alpha):
    assert krippendorff_alpha(ratings) == pytest.approx(alpha, abs=5e-4, nan_ok=True)


def test_class_scores_by_hand():
    shares = np.array([[0.8, 0.1, 0.1], [0.5, 0.4, 0.1], [0.2, 0.7, 0.1], [0.3, 0.3, 0.4]])
    wanted = {
        "accuracy": 0.75, "top2": 1.0, "macro_f1": (2 / 3 + 2 / 3 + 1) / 3, "kappa": (0.75 - 5 / 16) / (1 - 5 / 16),
        "auc_roc": 1.0, "log_loss": -np.log([0.8, 0.4, 0.7, 0.4]).mean(),
        "calibration": (0.2 + 0.5 + 0.3 + 0.6) / 4,  # each answer in a bin of its own; 0.8, 0.7 and 0.4 are right
    }  # fmt: skip
    scores = class_scores(shares, np.array([0, 1, 1, 2]))
    assert {key: scores[key] for key in wanted} == pytest.approx(wanted, abs=1e-6)
    scores = class_scores(shares, np.array([0, 1, 1, 1]))  # nobody of the last class: means are over the others
    assert scores["macro_f1"] == pytest.approx((2 / 3 + 1 / 2) / 2) and scores["auc_roc"] == 1


def test_scale_scores_of_a_shifted_line_and_of_one_without_variation():
    target = np.array([-0.5, 0.0, 0.5])
    spread = target.var(ddof=1)  # torchmetrics takes the unbiased one
    wanted = {"rmse": 0.2, "mae": 0.2, "r2": 1 - 0.12 / 0.5, "r": 1, "sign": 2 / 3}
    assert scale_scores(target + 0.2, target) == pytest.approx(wanted | {"ccc": 2 * spread / (2 * spread + 0.04)})
    scores = scale_scores(np.array([0.1, 0.1]), np.array([0.2, 0.3]), "valence_")
    assert np.isnan(scores["valence_r"]) and np.isnan(scores["valence_ccc"]) and scores["valence_rmse"] > 0


# runs, reports, the command


def test_train_learns_valence_and_leaves_report_and_record(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("fkd_helpers.expressions.task.load_expressions", lambda *_, **__: load_expressions(n=200))
    options = ["--epochs", "4", "--average", "0", "--name", "quick", "--out", str(tmp_path)]
    assert cli.main(["expressions", "train", *options]) == 0
    assert "valence_rmse" in capsys.readouterr().out
    assert {"training_curves.png", "encoder.safetensors"} <= {path.name for path in tmp_path.iterdir()}
    found = records.read(tmp_path / "expressions-quick.json")
    assert len(found["confusion"]) == 8 and found["scores"]["valence_r"] > 0.3


def test_compare_takes_the_mean_over_seeds(tmp_path):
    for seed, accuracy in enumerate((0.5, 1.0)):
        records.write("expressions", f"net_s{seed}", folder=tmp_path, scores=dict.fromkeys(COLUMNS, accuracy))
    table = compare(tmp_path)
    assert table["model"].tolist() == ["net"] and table["seeds"].tolist() == [2] and table["accuracy"][0] == 0.75
    assert {"head_landmarks", "head_lite0"} <= set(compare()["model"])


def test_report_lists_doubtful_labels_first(puppets, tmp_path):
    labels = puppets.extras["expression"]
    answers = np.concatenate([np.eye(8)[labels] * 0.9 + 0.0125, np.zeros((80, 2))], 1)
    answers[17, :8] = np.eye(8)[(labels[17] + 1) % 8]
    write_report(tmp_path, answers, puppets)
    assert pd.read_csv(tmp_path / "doubtful_labels.csv")["face"][0] == worst_rows(answers, puppets)["face"][0] == 17
    assert len(list(tmp_path.glob("*.png"))) == 3


def test_predict_command_reads_a_photo(tmp_path, exported, capsys):
    write_photo(tmp_path / "face.png", make_face(3, size=240)[0])
    assert cli.main(["expressions", "predict", str(tmp_path / "face.png"), "--model", str(exported[1])]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("face 1 at [") and "valence " in printed and printed.count("%") == 3


def test_evaluate_command_asks_a_network_of_seven_classes_not_about_contempt(tmp_path):
    model = export_expressions(ExpressionNet("encoder", classes=7).eval(), tmp_path / "model.onnx")
    assert cli.main(["expressions", "evaluate", "--model", str(model), "--out", str(tmp_path / "report")]) == 0
    called = pd.read_csv(tmp_path / "report/doubtful_labels.csv")[["labelled", "called"]]
    assert "contempt" not in called.to_numpy()


@pytest.mark.parametrize(("arguments", "message"), [
    (["train", "--net", "lite"], "did you mean 'lite0'"), (["train", "--recipe", "v9"], "unknown recipe"),
    (["train", "--classes", "6"], "expected 7 to 8"), (["check", "nowhere"], "unknown data set"),
])  # fmt: skip
def test_command_says_bad_input_in_a_line(arguments, message, capsys, tmp_path):
    out = ["--out", str(tmp_path)] if arguments[0] == "train" else []
    assert cli.main(["expressions", *arguments, *out]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


# FER+


def test_votes_become_shares_and_a_face_without_votes_is_left_out(tmp_path):
    votes = ["Training,6,0,0,0,0,2,0,0,2,0", "PublicTest,0,10,0,0,0,0,0,0,0,0", "PrivateTest,0,0,0,0,0,0,0,0,1,9"]
    rows = [*votes, "PrivateTest,0,0,9,0,0,0,0,0,0,1"]
    columns = "index,usage,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,no_face"
    (tmp_path / "votes.csv").write_text("\n".join([columns, *(f"{i},{row}" for i, row in enumerate(rows))]))
    sheet = np.zeros((48, 4800, 3), np.uint8)
    sheet[:, 48:96] = 200
    write_photo(tmp_path / "faces_0.png", sheet)
    (tmp_path / "faces_0.png").rename(tmp_path / "faces_0.jpg")
    faces = load_expressions(tmp_path)
    assert faces.names == ("training/0.jpg", "validation/1.jpg", "test/3.jpg")
    assert faces.images[1].shape == (48, 48, 3) and faces.images[1].min() > 190
    assert targets_of(faces)[0].tolist() == [0.75, 0, 0, 0, 0, 0.25, 0, 0, 0, 0], "disgust stands before anger"
    assert [part.names for part in split_expressions(faces)] == [(name,) for name in faces.names]
    assert "1 faces" in faces.problems[0]
    (tmp_path / "votes.csv").write_text("index,usage\n0,Training")
    with pytest.raises(InputError, match=r"votes\.csv: without the columns anger, contempt"):
        load_expressions(tmp_path)
