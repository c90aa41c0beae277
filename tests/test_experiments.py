"""Grids of runs; the tables that compare them."""

import dataclasses

import numpy as np
import pytest

from fkd_helpers import cli, data
from fkd_helpers.core import records
from fkd_helpers.core.config import KeypointsConfig
from fkd_helpers.core.errors import InputError
from fkd_helpers.train import grid as grids
from fkd_helpers.train.grid import grid, published_grid, recorded, run_grid, small_grid
from fkd_helpers.train.tables import ablation, table

pytestmark = pytest.mark.slow
QUICK = KeypointsConfig(
    split="person", net="two_layers", loss="mse", unit=28, optimiser="adam", learning_rate=1e-3, schedule="constant",
    epochs=2, batch_size=8, augment=0, average=0, clip=0, weight_decay=0, device="cpu",
)  # fmt: skip


def quiet(line):
    pass


def losses(record):
    return [loss for row in record["history"] for loss in row["losses"]]


@pytest.fixture
def few_puppets(monkeypatch):
    faces = data.load("puppets", n=40)
    monkeypatch.setattr(data, "load", lambda name, **_: faces)
    return faces


def test_run_grid_stopped_goes_on_and_repeats_nothing(few_puppets, tmp_path, monkeypatch):
    runs = grid(QUICK, loss=["mse", "l1"], seed=[0, 1])
    assert [run.name for run in runs] == ["mse-0", "mse-1", "l1-0", "l1-1"]
    trained, learn, stop = [], grids.learn, [2]

    def stopping(task, config, *rest, **options):
        if len(trained) in stop:
            raise KeyboardInterrupt
        trained.append(config.name)
        return learn(task, config, *rest, **options)

    monkeypatch.setattr(grids, "learn", stopping)
    with pytest.raises(KeyboardInterrupt):
        run_grid(runs, tmp_path, say=quiet)
    assert len(records.find("experiment", folder=tmp_path)) == 2
    stop.clear()
    found = run_grid(runs, tmp_path, say=quiet)
    assert trained == [run.name for run in runs] == [record["name"] for record in found]
    assert run_grid(runs, tmp_path, say=pytest.fail) == found  # all are there: nothing to say


def test_run_grid_knows_records_of_older_configs(tmp_path):
    older = dataclasses.asdict(QUICK) | {"norm_parts": 1, "recipe": "v1", "classes": 8}
    older.pop("validation")
    records.write("experiment", QUICK.name, folder=tmp_path, config=older, scores={}, history=[])
    run_grid([QUICK], tmp_path, say=pytest.fail)


def test_run_grid_goes_on_from_the_checkpoint_of_a_shorter_run(few_puppets, tmp_path):
    longer = dataclasses.replace(QUICK, name="longer", epochs=3)
    short, whole = run_grid([QUICK, longer], tmp_path / "a", say=quiet)
    (alone,) = run_grid([longer], tmp_path / "b", say=quiet)
    assert losses(whole) == losses(alone) and losses(whole)[: len(losses(short))] == losses(short)
    assert len(list((tmp_path / "a" / "checkpoints").iterdir())) == 1


def test_run_grid_records_a_failure_and_goes_on(few_puppets, tmp_path):
    wild = dataclasses.replace(QUICK, name="wild", optimiser="sgd", learning_rate=10, unit=0.01, epochs=5)
    failed, good = run_grid([wild, QUICK], tmp_path, say=quiet)
    assert "smaller learning rate than 10" in failed["failed"] and "failed" not in good
    rows = table([failed, good])
    assert rows["note"][0].startswith("failed: the loss became") and np.isnan(rows["final loss"][0])
    assert rows["NME new"][1] == good["scores"]["unseen"]["nme"]


def test_run_grid_says_what_cannot_run_before_anything_runs(tmp_path):
    with pytest.raises(InputError, match=r"expected runs of different names, got .*keypoints68"):
        run_grid([QUICK, dataclasses.replace(QUICK, loss="l1")], tmp_path, say=pytest.fail)


def test_experiments_command_runs_rows_and_leaves_a_table(few_puppets, tmp_path, capsys, monkeypatch):
    names = [run.name for run in small_grid()[:3]]
    runs = [dataclasses.replace(run, epochs=1) for run in small_grid()[:3]]
    monkeypatch.setitem(grids.GRIDS, "small", lambda data: runs)
    command = ["experiments", "--out", str(tmp_path)]
    assert cli.main(command) == 0
    text = (tmp_path / "table.md").read_text()
    assert [line.split("|")[1].strip() for line in text.splitlines()[2:]] == names
    assert text in capsys.readouterr().out
    monkeypatch.setattr(grids, "learn", pytest.fail)  # run again, it trains nothing
    assert cli.main(command) == 0


def test_experiments_command_names_a_grid_that_it_does_not_know(tmp_path, capsys):
    assert cli.main(["experiments", "--out", str(tmp_path / "out"), "--grid", "publishd"]) == 2
    assert "did you mean 'published'" in capsys.readouterr().err and not (tmp_path / "out").exists()


# Tables


def test_table_has_rows_of_runs_without_a_record(tmp_path):
    runs = published_grid()
    records.write("experiment", "published_02", folder=tmp_path, config=runs[1], failed="the loss became nan")
    found = table(recorded(runs[:3], tmp_path))
    assert found["run"].tolist() == ["01", "02", "03"]
    assert found["note"].tolist() == ["pending", "failed: the loss became nan", "pending"]
    assert found["epochs"].tolist() == ["0 of 1"] * 3


def test_table_names_the_longer_run_and_takes_no_record_of_other_settings(tmp_path):
    runs, epoch = published_grid(), {"losses": [1.0], "seconds": 1.0}
    for row, changes in {3: {}, 4: {}, 6: {"precision": "32-true"}}.items():
        config = dataclasses.replace(runs[row - 1], **changes)
        history = [epoch] * config.epochs
        records.write("experiment", config.name, folder=tmp_path, config=config, history=history, scores={})
    found = table(recorded(runs[2:6], tmp_path))
    assert found["note"].tolist() == ["run 04 after epoch 1", "", "pending", "pending"]
    for run in (known := recorded(runs[2:4], tmp_path)):
        run["config"]["schedule"] = "warmup_cosine"  # whose rates depend on the length of the run
    assert table(known)["note"].tolist() == ["", ""]


def change(name, unseen, **changes):
    config = dataclasses.asdict(KeypointsConfig(name=name, **changes))
    return {"name": name, "config": config, "scores": {"unseen": {"nme": unseen}}}


CHANGES = [
    change("ablation_flip", 0.06, augment=0.0), change("ablation_base", 0.050),
    change("ablation_base_seed1", 0.052, seed=1), change("ablation_rate", 0.0505, learning_rate=1e-3),
    change("ablation_flip_seed1", 0.07, augment=0.0, seed=1), change("published_01", 0.5),
    change("ablation_broken", 0.1) | {"failed": "the loss became nan"},
]  # fmt: skip


def test_ablation_has_a_row_per_change_over_seeds():
    found = ablation(CHANGES)
    assert list(found.index) == ["the recipe as it is", "no augmentation", "learning_rate 0.003 -> 0.001"]
    assert found["runs"].tolist() == [2, 2, 1]
    assert found["new people"].tolist() == pytest.approx([5.1, 6.5, 5.05])
    assert found["photos"].isna().all()
    assert found["spread"].tolist() == pytest.approx([0.2 / 2**0.5, 1 / 2**0.5, np.nan], nan_ok=True)
    assert found["more"].tolist() == pytest.approx([0, 1.4, -0.05])
    assert found["clear"].tolist() == [False, True, False], "within twice the base's spread a difference is not clear"
