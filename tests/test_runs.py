"""Whole runs, from a config to files, and what goes wrong on the way."""

import csv
import dataclasses
import signal
import warnings

import numpy as np
import pytest
from PIL import Image

from fkd_helpers import cli, data
from fkd_helpers.core import records
from fkd_helpers.core.config import RunConfig
from fkd_helpers.core.errors import InputError
from fkd_helpers.nets import backbones, build, load_weights
from fkd_helpers.train import keypoints as keypoint_runs
from fkd_helpers.train import run_data
from fkd_helpers.train.checkpoint import BEST, history_of
from fkd_helpers.train.keypoints import learn, network_for, train
from fkd_helpers.train.loop import TrainingStopped
from fkd_helpers.train.run_data import MixedBatches, data_for
from fkd_helpers.train.run_files import read_metrics, write_metrics, write_predictions

CONFIG = RunConfig(
    name="tiny", net="two_layers", loss="smooth_l1", epochs=3, batch_size=16, device="cpu", split="person"
)


def quiet(line):
    pass


@pytest.fixture(scope="module")
def faces():
    return data.load("puppets", n=80)


@pytest.fixture(autouse=True)
def few(faces, monkeypatch):
    """No more puppets than a test needs."""
    real = run_data.load
    monkeypatch.setattr(run_data, "load", lambda name, **rest: faces if name == "puppets" else real(name, **rest))


@pytest.fixture(scope="module")
def trained(faces, tmp_path_factory):
    """A run from config to weights: its folder, scores and config."""
    folder = tmp_path_factory.mktemp("run")
    config = dataclasses.replace(CONFIG, net="small", loss="heatmap", epochs=2)
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        patch.setattr(run_data, "load", lambda name, **_: faces)
        warnings.simplefilter("error", category=RuntimeWarning)
        return folder, train(config, folder, say=quiet), config


def test_a_run_leaves_weights_curves_and_a_record(trained):
    from fkd_helpers.predict import KeypointPredictor, load_runner

    folder, scores, config = trained
    record = records.read(folder / "training-tiny.json")
    assert record["config"] == dataclasses.asdict(config) and len(record["history"]) == 2
    assert record["scores"]["nme"] == pytest.approx(scores["nme"], rel=1e-3)
    frame = data.load("puppets", n=1).images[0]
    by_onnx, by_torch = (
        KeypointPredictor(str(folder / file)).at_boxes(frame, np.array([[40.0, 40, 80, 80]]))[0]
        for file in ("small.onnx", "small.safetensors")
    )
    assert np.abs(by_onnx - by_torch).max() < 0.05
    for file in ("small.onnx", "small.safetensors"):
        facts = load_runner(folder / file).facts
        assert (facts["net"], facts["keypoints"], facts["min_score"]) == ("small", "68", "none"), "it hardly learned"


def test_the_numbers_of_each_epoch_agree_with_the_scores(trained):
    folder, scores, _ = trained
    found = read_metrics(folder)
    assert found["watched"] == "unseen" and [row["epoch"] for row in found["epochs"]] == [1, 2]
    last = found["epochs"][-1]
    assert {key: last[key] for key in ("nme", "mae_224", "rmse_224")} == pytest.approx(
        {key: scores[key] for key in ("nme", "mae_224", "rmse_224")}, rel=1e-3
    )
    assert last["loss"] > 0 and last["seconds"] > 0 and "losses" not in last


def test_the_predictions_are_in_pixels_of_the_images(trained, faces):
    folder, scores, _ = trained
    rows = list(csv.DictReader((folder / "test_predictions.csv").open(encoding="utf-8")))
    where = {name: i for i, name in enumerate(faces.names)}
    target = faces.keypoints[[where[row["name"]] for row in rows]]
    predicted = np.array([[[row[f"x{i}"], row[f"y{i}"]] for i in range(68)] for row in rows], float)
    assert len(rows) == scores["faces"]
    assert np.abs(predicted - target).mean() == pytest.approx(scores["mae_px"], rel=1e-2)


def test_a_label_takes_a_column_of_the_predictions(tmp_path):
    path = write_predictions(tmp_path, ["a.jpg", "b.jpg"], np.arange(8).reshape(2, 2, 2), {"emotion": ["sad", "glad"]})
    assert path.read_text(encoding="utf-8").split() == [
        "name,emotion,x0,y0,x1,y1", "a.jpg,sad,0.00,1.00,2.00,3.00", "b.jpg,glad,4.00,5.00,6.00,7.00"
    ]  # fmt: skip
    with pytest.raises(InputError, match=r"emotion: expected 2 \(one a name\), got 1"):
        write_predictions(tmp_path, ["a.jpg", "b.jpg"], np.zeros((2, 2, 2)), {"emotion": ["sad"]})


def test_numbers_that_are_no_numbers_of_a_run_are_refused(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_metrics(tmp_path)
    write_metrics(tmp_path, [{"epoch": 1, "loss": float("nan")}]).write_text("[1, 2]", encoding="utf-8")
    with pytest.raises(InputError, match="not the numbers of a run"):
        read_metrics(tmp_path)


def test_a_run_can_start_from_the_weights_of_another(trained, tmp_path):
    folder, scores, config = trained
    start = str(folder / "small.safetensors")
    still = dataclasses.replace(config, start=start, epochs=1, learning_rate=1e-8, average=0)
    again = learn(still, tmp_path, say=quiet).scores["unseen"]
    assert again["nme"] == pytest.approx(scores["nme"], rel=0.2)
    with pytest.raises(InputError, match="no such weights file"):
        train(dataclasses.replace(still, start="none.safetensors"), tmp_path / "other")
    with pytest.raises(InputError, match="weights of another network than TwoLayers"):
        train(dataclasses.replace(CONFIG, start=start), tmp_path / "other")


def test_the_best_epoch_is_kept_beside_the_last(trained):
    folder, _, _ = trained
    best = records.read(folder / "training-tiny.json")["best_epoch"]
    part = data_for(trained[2]).held_out["unseen"]
    found = part.numbers(load_weights(build("small"), folder / BEST))["nme"]
    assert found == pytest.approx(read_metrics(folder)["epochs"][best - 1]["nme"], rel=1e-3)


def interrupting(monkeypatch, *, epoch):
    """Let Ctrl-C come while that epoch is scored."""
    counted, real = [], run_data.nme

    def nme(*arguments):
        counted.append(1)
        if len(counted) == epoch:
            signal.raise_signal(signal.SIGINT)
        return real(*arguments)

    monkeypatch.setattr(run_data, "nme", nme)


def test_a_run_that_was_interrupted_goes_on_and_ends_as_an_unbroken_one(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    changes = {"extra_data": "", "data": "puppets"} | {
        field: value for field, value in dataclasses.asdict(CONFIG).items() if value != getattr(RunConfig(), field)
    }
    arguments = [word for key, value in changes.items() for word in (f"--{key.replace('_', '-')}", str(value))]
    with monkeypatch.context() as patch:
        interrupting(patch, epoch=3)
        assert cli.main(["train", *arguments]) == 130
    out, err = capsys.readouterr()
    assert "interrupted: epoch 2 of 3 is kept" in out and "the same command goes on" in err
    folder = tmp_path / "runs" / "tiny"
    record = records.read(folder / "training-tiny.json")
    assert record["interrupted"] and [row["epoch"] for row in record["history"]] == [1, 2]
    assert len(read_metrics(folder)["epochs"]) == 2
    assert Image.open(folder / "training_curves.png").size[0] > 300

    assert cli.main(["train", *arguments]) == 0
    assert "epoch 3/3" in (out := capsys.readouterr()[0]) and "epoch 2/3" not in out
    assert "interrupted" not in records.read(folder / "training-tiny.json")
    assert len(read_metrics(folder)["epochs"]) == 3
    assert cli.main(["train", *arguments, "--out", "unbroken"]) == 0
    broken, unbroken = (where / "test_predictions.csv" for where in (folder, tmp_path / "unbroken"))
    assert broken.read_bytes() == unbroken.read_bytes()
    assert not list(tmp_path.rglob("*.partial"))


def test_an_interruption_before_the_first_epoch_leaves_nothing(tmp_path, monkeypatch):
    interrupting(monkeypatch, epoch=1)
    with pytest.raises(KeyboardInterrupt):
        train(CONFIG, tmp_path, say=quiet)
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_failed_leaves_the_reason_and_the_last_good_epoch(tmp_path):
    lost = dataclasses.replace(CONFIG, optimiser="sgd", learning_rate=10.0, loss="mse", schedule="constant", clip=0.0)
    with pytest.raises(TrainingStopped):
        train(lost, tmp_path, say=quiet)
    record = records.read(tmp_path / "training-tiny.json")
    assert "try a smaller learning rate than 10" in record["failed"] and "scores" not in record
    assert len(record["history"]) == len(history_of(tmp_path)) < 3


def test_a_run_that_failed_is_one_line_on_the_command_line(tmp_path, monkeypatch, capsys):
    def fail(*_, **__):
        raise TrainingStopped("the loss became nan in epoch 2: try less")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(keypoint_runs, "train", fail)
    assert cli.main(["train", "--name", "lost"]) == 2
    assert "train: the loss became nan in epoch 2: try less; the record is in runs/lost" in capsys.readouterr()[1]


@pytest.mark.parametrize(
    "change, message",
    [
        ({"net": "two_layer"}, "unknown model 'two_layer': did you mean 'two_layers'"),
        ({"loss": "smoth_l1"}, "unknown loss 'smoth_l1': did you mean 'smooth_l1'"),
        ({"data": "pupets"}, "unknown data set 'pupets': did you mean 'puppets'"),
        ({"start": "imagenet"}, r"start: 'imagenet': expected a network on a known backbone.* got 'two_layers'"),
    ],
)
def test_a_run_that_cannot_begin_leaves_nothing(tmp_path, change, message):
    with pytest.raises(InputError, match=message):
        train(dataclasses.replace(CONFIG, **change), tmp_path / "run", say=quiet)
    assert not (tmp_path / "run").exists()


def test_an_unknown_optimiser_or_schedule_names_the_near_one():
    with pytest.raises(InputError, match="unknown optimiser 'adamv': did you mean 'adam'"):
        RunConfig(optimiser="adamv")
    with pytest.raises(InputError, match="unknown schedule 'platau': did you mean 'plateau'"):
        RunConfig(schedule="platau")


def test_a_batch_larger_than_the_set_is_said():
    with pytest.warns(UserWarning, match="batch_size 500 is more than the 52 training faces: one batch of 52 an epoch"):
        assert len(data_for(dataclasses.replace(CONFIG, batch_size=500)).batches) == 1


def test_people_that_are_watched_are_neither_learned_nor_scored_first():
    whole = data_for(dataclasses.replace(CONFIG))
    kept = data_for(dataclasses.replace(CONFIG, validation=0.25))
    people = {key: set(part.faces.people) for key, part in kept.held_out.items()}
    learned = set(kept.training.people)
    assert kept.watched == "validation" and next(iter(kept.held_out)) == "unseen"
    assert not learned & people["validation"] and not people["unseen"] & (learned | people["validation"])
    assert learned | people["validation"] == set(whole.training.people)
    assert people["unseen"] == set(whole.held_out["unseen"].faces.people)


def test_a_part_that_decides_and_is_scored_is_said(tmp_path):
    said = []
    learn(dataclasses.replace(CONFIG, epochs=1, patience=5), tmp_path / "a", say=said.append)
    assert any(line.startswith("note: 'unseen' decides on this run") for line in said)
    said.clear()
    learn(dataclasses.replace(CONFIG, epochs=1, patience=5, validation=0.25), tmp_path / "b", say=said.append)
    assert not any(line.startswith("note") for line in said)


@pytest.mark.parametrize("came", [True, False])
def test_the_record_says_whether_imagenets_weights_came(tmp_path, monkeypatch, came):
    asked = []
    plain = backbones.backbone

    def backbone(name, *, pretrained):
        asked.extend([name] * pretrained)
        return *plain(name)[:2], pretrained and came

    monkeypatch.setattr(backbones, "backbone", backbone)
    config = dataclasses.replace(CONFIG, net="mobilenet_v3", start="imagenet")
    assert network_for(config).pretrained is came and asked == ["mobilenet_v3_small"]
    network_for(config, continued=True)
    assert len(asked) == 1, "a checkpoint brings the weights"
    monkeypatch.setattr(keypoint_runs, "network_for", lambda *_, **__: build_flagged(came))
    assert learn(config, tmp_path, say=quiet).facts["imagenet"] is came


def build_flagged(came):
    model = build("two_layers")
    model.pretrained = came
    return model


def test_faces_of_another_labelling_are_learned_without_their_jaw(faces):
    own, extra = faces[np.arange(8)], faces[np.arange(8, 12)]
    batches = MixedBatches(own, extra, batch_size=4)
    missing = np.isnan(batches.keypoints).any(-1)
    assert not missing[:8].any() and missing[8:, :17].all() and not missing[8:, 17:].any()
