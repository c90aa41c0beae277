import dataclasses

import numpy as np
import pandas as pd
import pytest

from fkd_helpers import cli, data
from fkd_helpers.core import records
from fkd_helpers.core.config import RunConfig
from fkd_helpers.core.errors import InputError
from fkd_helpers.nets import build, count_weights
from fkd_helpers.train import grid as experiments
from fkd_helpers.train.classic import CENTRE, INPUT, UNIT, ClassicBatches
from fkd_helpers.train.grid import grid, run_grid, small_grid
from fkd_helpers.train.keypoints import parts
from fkd_helpers.train.published import PUBLISHED, published_grid
from fkd_helpers.train.tables import curve_of, markdown, over_seeds, spark, table

BASE = RunConfig(
    split="person", net="two_layers", loss="mse", unit=28, optimiser="adam", learning_rate=1e-3, schedule="constant",
    epochs=2, batch_size=8, augment=0, average=0, clip=0, weight_decay=0, device="cpu",
)  # fmt: skip


@pytest.fixture(autouse=True)
def few_puppets(monkeypatch):
    faces = data.load("puppets", n=40)
    monkeypatch.setattr("fkd_helpers.train.run_data.load", lambda name, **_: faces)
    return faces


def losses(record):
    return [loss for row in record["history"] for loss in row["losses"]]


def test_a_grid_has_one_run_a_combination_and_a_name_for_each():
    runs = grid(BASE, loss=["mse", "l1"], batch_size=[4, 8], seed=[0, 1])
    assert len({run.name for run in runs}) == 8
    assert {(run.loss, run.batch_size, run.seed) for run in runs} == {
        (loss, size, seed) for loss in ("mse", "l1") for size in (4, 8) for seed in (0, 1)
    }


def test_the_published_grid_is_the_fifteen_runs():
    runs = published_grid("puppets")
    assert [run.name for run in runs] == [f"published_{row:02d}" for row in range(1, 16)]
    for run, (net, batch, loss, optimiser, rate, epochs, *_) in zip(runs, PUBLISHED, strict=True):
        assert (run.batch_size, run.loss, run.optimiser, run.learning_rate, run.epochs) == (
            batch, loss, optimiser, rate, epochs
        )  # fmt: skip
        assert run.net == {"A": "course_cnn", "B": "course_cnn_large"}[net] and run.view == "frame" and run.unit == 50
    assert round(count_weights(build("course_cnn")) / 1e6, 1) == 15.5


def test_a_grid_that_was_stopped_goes_on_and_repeats_nothing(tmp_path, monkeypatch):
    runs = grid(BASE, loss=["mse", "l1"], seed=[0, 1])
    trained, learn = [], experiments.learn

    def stopping(config, *arguments, **options):
        if len(trained) == 2:
            raise KeyboardInterrupt
        trained.append(config.name)
        return learn(config, *arguments, **options)

    monkeypatch.setattr(experiments, "learn", stopping)
    with pytest.raises(KeyboardInterrupt):
        run_grid(runs, tmp_path, say=lambda _: None)
    assert len(records.find("experiment", folder=tmp_path)) == 2
    monkeypatch.setattr(
        experiments, "learn", lambda config, *a, **o: trained.append(config.name) or learn(config, *a, **o)
    )
    found = run_grid(runs, tmp_path, say=lambda _: None)
    assert trained == [run.name for run in runs] == [record["name"] for record in found]
    run_grid(runs, tmp_path, say=pytest.fail)  # all are there: nothing to say
    assert len(trained) == 4


def test_a_capped_run_goes_on_where_it_stopped_and_ends_as_the_whole_one(tmp_path):
    run = dataclasses.replace(BASE, name="long", epochs=3)
    (short,) = run_grid([run], tmp_path / "a", max_epochs=1, say=lambda _: None)
    assert short["epochs_wanted"] == 3 and len(short["history"]) == 1
    assert table([short])["epochs"].tolist() == ["1 of 3"]
    (continued,) = run_grid([run], tmp_path / "a", say=lambda _: None)
    (whole,) = run_grid([run], tmp_path / "b", say=lambda _: None)
    assert losses(continued) == losses(whole) and continued["scores"] == whole["scores"]
    assert losses(continued)[: len(losses(short))] == losses(short)


def test_runs_that_differ_in_epochs_only_share_their_training(tmp_path, few_puppets):
    one, three = (dataclasses.replace(BASE, name=f"for_{n}", epochs=n) for n in (1, 3))
    said = []
    first, second = run_grid([one, three], tmp_path, say=said.append)
    assert losses(second)[: len(losses(first))] == losses(first)
    assert [line.split()[1] for line in said if "epoch " in line and "NME" in line] == ["1/1", "2/3", "3/3"]


def test_a_run_that_fails_is_a_row_with_its_reason_and_the_others_go_on(tmp_path):
    wild = dataclasses.replace(BASE, name="wild", optimiser="sgd", learning_rate=10, unit=0.01, epochs=5)
    failed, good = run_grid([wild, BASE], tmp_path, say=lambda _: None)
    assert "smaller learning rate than 10" in failed["failed"] and "failed" not in good
    rows = table([failed, good])
    assert rows["curve"][0].startswith("failed: the loss became") and np.isnan(rows["final loss"][0])
    assert rows["NME new"][1] == good["scores"]["unseen"]["nme"]


def test_what_cannot_run_is_said_before_anything_runs(tmp_path):
    for runs, message in [
        ([BASE, dataclasses.replace(BASE, loss="mes")], "keypoints68 more than once"),
        ([dataclasses.replace(BASE, loss="mes")], "'mes'.*mse"),
        ([dataclasses.replace(BASE, net="smal")], "'smal'.*small"),
    ]:
        with pytest.raises(InputError, match=message):
            run_grid(runs, tmp_path, say=pytest.fail)


def test_a_damaged_record_is_named_and_the_table_still_renders(tmp_path):
    run_grid([BASE], tmp_path, say=lambda _: None)
    (tmp_path / "experiment-torn.json").write_text('{"record": 1')
    with pytest.warns(UserWarning, match=r"left out: .*experiment-torn\.json: not a record"):
        assert len(table(records.find("experiment", folder=tmp_path))) == 1


def test_final_loss_is_the_mean_of_the_last_ten_batches(tmp_path):
    (record,) = run_grid([dataclasses.replace(BASE, epochs=3)], tmp_path, say=lambda _: None)
    row = table([record]).iloc[0]
    assert row["final loss"] == pytest.approx(np.mean(losses(record)[-10:]), rel=1e-3)
    assert len(losses(record)) < 20 and row["curve"] == f"{len(losses(record))} batches, too few to sum up"


@pytest.mark.parametrize(
    ("curve", "words"),
    [
        ([2.0] * 10 + [1.0] * 190, "falls 2 → 1, calm (±0 %), flat after 9 %"),
        (np.linspace(2, 1, 200), "still falling"),
        (np.linspace(1, 2, 200), "rises 1 → 2"),
        (1 + 0.9 * (-1.0) ** np.arange(200), "stays near 1, very noisy"),
        ([1.0, float("nan")], "not finite"),
    ],
)
def test_a_curve_in_words(curve, words):
    assert words in str(curve_of(curve)).replace("1.0", "1")


def test_a_drawn_curve_falls_when_the_loss_does():
    drawn = spark(np.linspace(5, 1, 100))
    assert len(drawn) == 12 and list(drawn) == sorted(drawn, reverse=True) and drawn[0] == "█" and drawn[-1] == "▁"
    assert spark([1.0, float("nan")]) == ""


def test_mean_and_spread_over_seeds():
    rows = pd.DataFrame({"loss": ["l1", "l1", "mse"], "NME new": [0.1, 0.2, 0.3]})
    found = over_seeds(rows, "loss")
    assert found.loc["l1"].tolist() == pytest.approx([0.15, np.std([0.1, 0.2], ddof=1), 2])
    assert found.loc["mse", "count"] == 1


def test_markdown_has_a_line_a_row_and_blanks_where_nothing_is_known():
    text = markdown(pd.DataFrame({"a": [0.12345, float("nan")], "b|": ["x|y", "z"]}))
    assert text.splitlines() == ["| a | b/ |", "| --- | --- |", "| 0.1235 | x/y |", "|  | z |"]


def test_a_run_by_person_is_scored_on_people_it_knows_and_on_people_it_does_not(few_puppets):
    training, held_out = parts(few_puppets, "person")
    known, new = set(training.people), set(held_out["unseen"].people)
    assert not known & new and set(held_out["seen"].people) <= known
    assert not set(training.names) & set(held_out["seen"].names)
    assert len(training) + len(held_out["seen"]) + len(held_out["unseen"]) == len(few_puppets)


def test_whole_frames_as_the_classic_course_saw_them(few_puppets):
    batches = ClassicBatches(few_puppets, batch_size=16, seed=3)
    images, keypoints = next(iter(batches(0)))
    again, _ = next(iter(batches(0)))
    assert images.shape == (16, 1, INPUT, INPUT) and (images == again).all() and 0 <= images.min() <= images.max() <= 1
    assert not (images == next(iter(batches(1)))[0]).all()
    assert len(batches) == 3 and sum(len(batch[0]) for batch in batches(0)) == batches.faces == 40
    normal = (keypoints - CENTRE) / UNIT
    assert normal.abs().mean() < 1.5
    plain = batches.without_augmentation()
    points = np.concatenate([batch[1] for batch in plain(0)])
    assert np.allclose(plain.to_images(points), few_puppets.keypoints, atol=1e-3)


def test_the_command_runs_rows_of_a_grid_and_leaves_a_table(tmp_path, capsys, monkeypatch):
    assert cli.main(["experiments", "--rows", "1,7-8", "--max-epochs", "1", "--out", str(tmp_path)]) == 0
    text = (tmp_path / "table.md").read_text()
    names = [small_grid()[row].name for row in (0, 6, 7)]
    assert [line.split("|")[1].strip() for line in text.splitlines()[2:]] == names
    assert "1 of 10" in text and text in capsys.readouterr().out
    monkeypatch.setattr(experiments, "learn", pytest.fail)  # run again, it trains nothing
    assert cli.main(["experiments", "--rows", "1,7-8", "--max-epochs", "1", "--out", str(tmp_path)]) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--grid", "publishd"], "published"),
        (["--rows", "0"], "numbers from 1 to 12"),
        (["--rows", "3-13"], "numbers from 1 to 12"),
        (["--rows", "a"], "got 'a'"),
        (["--max-epochs", "0"], "at least 1, got 0"),
        (["--seeds", "-1"], "at least 1, got -1"),
    ],
)
def test_the_command_names_what_it_cannot_take(tmp_path, capsys, arguments, message):
    assert cli.main(["experiments", "--out", str(tmp_path / "out"), *arguments]) == 2
    assert message in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_a_stopped_command_says_that_it_goes_on(tmp_path, capsys, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(experiments, "learn", stop)
    assert cli.main(["experiments", "--out", str(tmp_path)]) == 130
    assert "the same command goes on" in capsys.readouterr().err
