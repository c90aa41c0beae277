"""Two real processes, connected by gloo, train as one would."""

import dataclasses
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from fkd_helpers import cli, data
from fkd_helpers.core.config import RunConfig
from fkd_helpers.core.errors import InputError
from fkd_helpers.data import write_classic
from fkd_helpers.nets.losses import mse
from fkd_helpers.train import distributed, launching
from fkd_helpers.train.batches import Augment, FaceBatches
from fkd_helpers.train.checkpoint import history_of
from fkd_helpers.train.loop import fit, predict_batches

ROOT = Path(__file__).parents[1]
CONFIG = RunConfig(epochs=2, batch_size=5, device="cpu", learning_rate=1e-2)
IN_PARTS = dataclasses.replace(CONFIG, batch_size=10, norm_parts=2)  # five faces a part: of two, rounding grows
FACES = 11


class Tiny(nn.Module):
    """Batch normalisation in two places; no bias before it, whose gradient would be float error, made large by Adam."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 4, 5, 8, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten())
        self.head = nn.Sequential(nn.Linear(4 * 14 * 14, 8, bias=False), nn.BatchNorm1d(8), nn.Linear(8, 136))

    def forward(self, images):
        return self.head(self.features(images)).unflatten(1, (-1, 2)) * 28 + 56


def batches(size=5):
    """Two batches of five faces, which no two processes can share evenly; some labels are missing."""
    made = FaceBatches(data.load("puppets", n=FACES), batch_size=size, options=Augment())
    made.keypoints[3:6, 10:40] = np.nan
    return made


def trained(folder=None, config=CONFIG):
    """Train and score; return the model and the history."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    given = batches(config.batch_size)

    def metrics(model):
        predicted, target = predict_batches(model, given.without_augmentation())
        return {"faces": len(target), "error": float(np.nanmean(np.abs(predicted - target)))}

    model, history = fit(Tiny(), given, mse, config=config, metrics=metrics, folder=folder)
    return model, history


def weights(model):
    return torch.cat([value.flatten().float() for value in model.state_dict().values()])


def in_two_processes(tmp_path):
    """Start this file twice, as torchrun would; return what each process wrote, in order of rank."""
    shared = {
        "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": launching.LOOPBACK, "OMP_NUM_THREADS": "1",
        "MASTER_PORT": str(launching.free_port()), "TORCHELASTIC_RUN_ID": "test", "PYTHONPATH": str(ROOT),
    }  # fmt: skip
    workers = [
        subprocess.Popen([sys.executable, __file__, str(tmp_path)],
                         env=os.environ | shared | {"RANK": rank, "LOCAL_RANK": rank})
        for rank in "01"
    ]  # fmt: skip
    assert [worker.wait(300) for worker in workers] == [0, 0]
    return [torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1)]


def write_results(folder: Path):
    """Run in each process: train, and tell what came of it."""
    model, history = trained(folder / "run")
    in_parts, its_history = trained(config=IN_PARTS)
    rank, count = distributed.processes()
    shards = [len(images) for images, _ in distributed.Sharded(batches())(0)]
    few = [len(images) for images, _ in distributed.Sharded(batches().without_augmentation())(0)]
    torch.save({"weights": weights(model), "history": json.dumps(history), "shards": shards, "few": few,
                "count": count, "in_parts": weights(in_parts), "its_history": json.dumps(its_history)},
               folder / f"{rank}.pt")  # fmt: skip


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    return folder, in_two_processes(folder)


def test_two_processes_learn_what_one_does(two):
    _, (first, second) = two
    model, history = trained()
    theirs = json.loads(first["history"])
    assert first["count"] == 2 and first["history"] == second["history"]
    for ours, row in zip(history, theirs, strict=True):
        assert row["losses"] == pytest.approx(ours["losses"], rel=1e-3)
        assert row["error"] == pytest.approx(ours["error"], rel=1e-3)
    assert torch.equal(first["weights"], second["weights"])
    assert torch.allclose(first["weights"], weights(model), atol=2e-3)
    assert not torch.equal(first["weights"], weights(Tiny()))


def test_normalised_in_parts_two_processes_learn_what_one_does(two):
    _, (first, second) = two
    model, history = trained(config=IN_PARTS)
    theirs = json.loads(first["its_history"])
    assert first["its_history"] == second["its_history"] and torch.equal(first["in_parts"], second["in_parts"])
    for ours, row in zip(history, theirs, strict=True):
        assert row["losses"] == pytest.approx(ours["losses"], rel=1e-3)
        assert row["error"] == pytest.approx(ours["error"], rel=1e-3)
    assert torch.allclose(first["in_parts"], weights(model), atol=2e-3)
    whole, _ = trained(config=dataclasses.replace(IN_PARTS, norm_parts=1))
    assert not torch.allclose(weights(model), weights(whole), atol=2e-3), "parts are normalised by themselves"


def test_each_part_is_normalised_by_itself():
    layer, x = nn.BatchNorm1d(3), torch.randn(6, 3) + torch.tensor([[0.0]] * 2 + [[5.0]] * 4)
    distributed.share_norms(layer)
    assert type(layer) is nn.BatchNorm1d, "one process that takes whole batches needs no other layer"
    distributed.share_norms(layer, 2)
    assert torch.allclose(layer(x), torch.cat([nn.BatchNorm1d(3)(x[:3]), nn.BatchNorm1d(3)(x[3:])]), atol=1e-6)
    assert torch.allclose(layer.running_mean, 0.1 * x.mean(0))
    assert torch.allclose(layer.running_var, 0.9 + 0.1 * (x[:3].var(0) + x[3:].var(0)) / 2)
    distributed.share_norms(layer)
    assert torch.allclose(layer(x), nn.BatchNorm1d(3)(x), atol=1e-6)


@pytest.mark.parametrize(("parts", "size"), [(3, 64), (32, 32)])
def test_parts_that_do_not_fit_the_batch_are_refused(parts, size):
    with pytest.raises(InputError, match=f"norm_parts: .* got {parts} with a batch size of {size}"):
        RunConfig(batch_size=size, norm_parts=parts)


def test_every_sample_counts_once_in_shards_of_unequal_size(two):
    _, (first, second) = two
    assert first["shards"] == [2, 2] and second["shards"] == [3, 3]  # batches of 5, the incomplete one is left out
    assert first["few"] == [2, 2, 0] and second["few"] == [3, 3, 1]  # scored: all 11, the last by one process alone
    assert {row["faces"] for row in json.loads(first["history"])} == {FACES}


def test_one_process_goes_on_from_the_checkpoint_of_two(two):
    folder, (first, _) = two
    model, history = trained(folder / "run")
    assert json.dumps(history) == first["history"] and torch.equal(weights(model), first["weights"])


def test_a_killed_process_ends_all_and_the_run_goes_on(tmp_path, monkeypatch, capfd):
    write_classic(data.load("puppets", n=24), tmp_path / "faces", parts=["training", "test"] * 12)
    started, real = [], subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **k: started.append(real(*a, **k)) or started[-1])
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    command = f"train --data {tmp_path / 'faces'} --extra-data= --start= --labels given --net two_layers --loss mse"
    command = [*command.split(), "--epochs", "150", "--batch-size", "4", "--device", "cpu", "--out", str(tmp_path)]

    def kill():
        while not (tmp_path / "last.pt").exists():
            if started[0].poll() is not None:
                return
            threading.Event().wait(0.02)
        started[1].kill()

    thread = threading.Timer(1, kill)
    thread.start()
    assert cli.main([*command, "--devices", "2"]) == 2
    thread.join()
    assert all(worker.poll() is not None for worker in started)
    done, errors = len(history_of(tmp_path)), capfd.readouterr().err
    assert errors.splitlines() == [
        f"train: process 2 of 2 was ended by SIGKILL, so the others were ended too; the checkpoint of epoch {done} "
        "is kept, the same command goes on there"
    ]
    assert 1 <= done < 150
    assert cli.main(command) == 0
    assert f"epoch {done + 1}/150" in (said := capfd.readouterr().out) and f"epoch {done}/150" not in said


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--devices", "0"], "train: --devices: expected at least 1, got 0"),
        (["--nodes", "2"], "train: nodes: with 2 machines the environment must say NODE_RANK, MASTER_ADDR"),
    ],
)
def test_what_cannot_be_started_is_said(options, message, capsys):
    assert cli.main(["train", *options]) == 2
    assert message in capsys.readouterr().err


def test_what_a_process_says_of_its_input_is_the_answer(monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    with pytest.raises(InputError, match=r"^unknown config 'none'"):
        launching.launch(["train", "--config", "none"], devices=1)


if __name__ == "__main__":
    write_results(Path(sys.argv[1]))
