"""Whole runs, from a config to files, and what goes wrong on the way."""

import dataclasses
import signal
import warnings

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fkd_helpers import cli, data
from fkd_helpers.core import records
from fkd_helpers.core.config import KeypointsConfig
from fkd_helpers.core.errors import InputError
from fkd_helpers.predict import KeypointPredictor, load_runner
from fkd_helpers.train import keypoints
from fkd_helpers.train.keypoints import KeypointsTask
from fkd_helpers.train.run import learn, run

pytestmark = pytest.mark.slow
CONFIG = KeypointsConfig(
    name="tiny", net="two_layers", loss="smooth_l1", epochs=3, batch_size=16, device="cpu", split="person"
)


def quiet(line):
    pass


def run_of(config, folder, **options):
    return run(KeypointsTask(config), config, folder, **{"say": quiet} | options)


@pytest.fixture(scope="module")
def faces():
    return data.load("puppets", n=80)


@pytest.fixture(autouse=True)
def few(faces, monkeypatch):
    """No more puppets than a test needs."""
    real = data.load
    monkeypatch.setattr(data, "load", lambda name, **rest: faces if name == "puppets" else real(name, **rest))


@pytest.fixture(scope="module")
def trained(faces, tmp_path_factory):
    """A run from config to weights: its folder, scores and config."""
    folder = tmp_path_factory.mktemp("run")
    config = dataclasses.replace(CONFIG, net="small", loss="heatmap", epochs=2)
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        patch.setattr(data, "load", lambda name, **_: faces)
        warnings.simplefilter("error", category=RuntimeWarning)
        return folder, run_of(config, folder), config


def test_run_leaves_weights_and_a_record(trained):
    folder, scores, config = trained
    record = records.read(folder / "training-tiny.json")
    assert record["config"] == dataclasses.asdict(config) and len(record["history"]) == 2
    assert record["scores"]["nme"] == pytest.approx(scores["nme"], rel=1e-3)
    table = pd.read_csv(folder / "history.csv")
    assert table["nme"].to_numpy() == pytest.approx([row["nme"] for row in record["history"]], rel=1e-3)
    assert table["nme"].iloc[-1] == pytest.approx(scores["nme"], rel=1e-3) and "losses" not in table
    assert {path.name for path in folder.iterdir()} == {
        "last.pt", "best.safetensors", "small.safetensors", "small.onnx", "history.csv",
        "test_predictions.csv", "training-tiny.json",
    }  # fmt: skip
    frame = data.load("puppets", n=1).images[0]
    by_onnx, by_torch = (
        KeypointPredictor(str(folder / file)).at_boxes(frame, np.array([[40.0, 40, 80, 80]]))[0]
        for file in ("small.onnx", "small.safetensors")
    )
    assert np.abs(by_onnx - by_torch).max() < 0.05
    for file in ("small.onnx", "small.safetensors"):
        facts = load_runner(folder / file).facts
        assert (facts["net"], facts["keypoints"], facts["min_score"]) == ("small", "68", "none"), "it hardly learned"


def test_run_predictions_are_in_pixels_of_the_images(trained, faces):
    folder, scores, _ = trained
    table = pd.read_csv(folder / "test_predictions.csv").set_index("name")
    where = {name: i for i, name in enumerate(faces.names)}
    target = faces.keypoints[[where[name] for name in table.index]]
    predicted = table.to_numpy().reshape(-1, 68, 2)
    assert len(table) == scores["faces"]
    assert np.abs(predicted - target).mean() == pytest.approx(scores["mae_px"], rel=1e-2)


def test_run_starts_from_the_weights_of_another(trained, tmp_path):
    folder, scores, config = trained
    still = dataclasses.replace(
        config, start=str(folder / "small.safetensors"), epochs=1, learning_rate=1e-8, average=0.0
    )
    again = learn(KeypointsTask(still), still, tmp_path, say=quiet).scores
    assert again["nme"] == pytest.approx(scores["nme"], rel=0.2)


def interrupting(patch, epoch):
    """Let Ctrl-C come while that epoch is scored, as the terminal sends it."""
    counted, real = [], keypoints.nme

    def nme(*arguments):
        counted.append(1)
        if len(counted) == 2 * epoch - 1:  # each epoch scores the watched faces, then a sample of the training faces
            signal.raise_signal(signal.SIGINT)
        return real(*arguments)

    patch.setattr(keypoints, "nme", nme)


def test_train_interrupted_keeps_its_epochs_and_goes_on(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    defaults = dataclasses.asdict(KeypointsConfig())
    changes = {key: value for key, value in dataclasses.asdict(CONFIG).items() if value != defaults[key]}
    changes |= {"extra_data": "", "data": "puppets", "labels": "given"}
    arguments = [word for key, value in changes.items() for word in (f"--{key.replace('_', '-')}", str(value))]
    with pytest.MonkeyPatch.context() as patch:
        interrupting(patch, epoch=3)
        assert cli.main(["train", *arguments]) == 130
    out, err = capsys.readouterr()
    assert "epoch 2/3" in out and "what was finished is kept" in err
    folder = tmp_path / "runs" / "tiny"
    assert Image.open(folder / "training_curves.png").size[0] > 300

    assert cli.main(["train", *arguments]) == 0
    assert "epoch 3/3" in (out := capsys.readouterr()[0]) and "epoch 2/3" not in out
    assert cli.main(["train", *arguments, "--out", "unbroken"]) == 0
    broken, unbroken = (where / "test_predictions.csv" for where in (folder, tmp_path / "unbroken"))
    assert broken.read_bytes() == unbroken.read_bytes()
    assert not list(tmp_path.rglob("*.partial"))


@pytest.mark.parametrize(
    "change, message",
    [
        ({"net": "two_layer"}, "unknown model 'two_layer': did you mean 'two_layers'"),
        ({"loss": "smoth_l1"}, "unknown loss 'smoth_l1': did you mean 'smooth_l1'"),
        ({"extra_data": "none"}, r"extra_data: unknown data set 'none'.*; without it: --extra-data ''"),
    ],
)
def test_task_names_what_is_not_there(change, message):
    with pytest.raises(InputError, match=message):
        KeypointsTask(dataclasses.replace(CONFIG, **change))


def test_task_watches_people_that_are_neither_learned_nor_scored():
    task = KeypointsTask(dataclasses.replace(CONFIG, validation=0.25))
    watched, unseen = (set(task.held_out[key].faces.people) for key in ("validation", "unseen"))
    assert task.watched == "validation" and not watched & unseen and not set(task.training.people) & (watched | unseen)


def test_extra_faces_are_learned_without_their_jaw(faces, monkeypatch):
    sets = {"own": faces[:20], "extra": faces[20:40]}
    monkeypatch.setattr(data, "load", lambda name, **_: sets[name])
    config = dataclasses.replace(CONFIG, data="own", extra_data="extra", labels="given")
    for use, jaw_missing in [("but_jaw", True), ("all", False)]:
        task = KeypointsTask(dataclasses.replace(config, extra_use=use))
        missing = np.isnan(task.batches.keypoints).any(-1)
        own = len(task.training)
        assert not missing[:own].any() and not missing[own:, 17:].any()
        assert len(missing) > own and missing[own:, :17].all() == jaw_missing
    assert len(KeypointsTask(dataclasses.replace(config, extra_use="none")).batches.keypoints) == own


@pytest.mark.parametrize("k", [5, 106])
def test_own_keypoints_of_any_number_are_trained_from_one_table(faces, tmp_path, monkeypatch, k):
    names = tuple(f"hand{i}_0.jpg" for i in range(40))  # no folders, a person per image
    points = faces.keypoints[:40, np.arange(k) * 3 % 68]
    own = data.FaceSet(faces.images[:40], points, names=names, mirror=None)
    monkeypatch.setattr(data, "load", lambda name, **_: own)
    config = dataclasses.replace(CONFIG, data="own", net="small", loss="heatmap", split="official", epochs=1)
    with pytest.warns(UserWarning, match=f"no mirror order is known for these {k} keypoints") as warned:
        task = KeypointsTask(config)
    assert len(warned) == 1, "said once"
    assert task.notes == ["note: own has no folders training and test: it is split by person"]
    scores = run(task, config, tmp_path, say=quiet)
    record = records.read(tmp_path / "training-tiny.json")
    assert record["nme_unit"] == "box diagonal" and 0 < scores["nme"] < 1
    for file in ("small.safetensors", "small.onnx"):
        found = KeypointPredictor(str(tmp_path / file)).at_boxes(faces.images[0], np.array([[40.0, 40, 80, 80]]))[0]
        assert found.shape == (1, k, 2)
