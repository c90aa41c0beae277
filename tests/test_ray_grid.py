"""A grid on a real Ray of two workers, started once; one of them is killed in the middle."""

import dataclasses
import os
import socket
import subprocess
import threading
import time
import warnings

import pytest

from fkd_helpers import cli, data
from fkd_helpers.core import records
from fkd_helpers.core.config import RunConfig
from fkd_helpers.core.errors import InputError
from fkd_helpers.data import write_classic
from fkd_helpers.train import ray_grid
from fkd_helpers.train.grid import run_grid

BASE = RunConfig(
    labels="given", net="two_layers", loss="mse", unit=28, optimiser="adam", learning_rate=1e-3, schedule="constant",
    epochs=3, batch_size=4, augment=0, average=0, clip=0, weight_decay=0, device="cpu",
)  # fmt: skip
LONG = 400  # epochs; long enough to be killed in the middle


def losses(record):
    return [loss for row in record["history"] for loss in row["losses"]]


def workers_of_this_process() -> dict[str, int]:
    """Return the process id of each Ray worker that was started from here, by what it says that it does."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid=,args="], capture_output=True, text=True).stdout
    rows = [line.split(None, 2) for line in listed.splitlines()]
    parents = {int(pid): int(parent) for pid, parent, *_ in rows}
    return {
        words[0]: int(pid)
        for pid, parent, *words in rows
        if words and words[0].startswith("ray::") and parents.get(int(parent)) == os.getpid()
    }


@pytest.fixture(scope="module")
def grid_on_ray(tmp_path_factory):
    """Run three runs on two workers, kill the worker of the long one once; return records, words and process ids."""
    pytest.importorskip("ray")
    folder = tmp_path_factory.mktemp("ray")
    write_classic(data.load("puppets", n=16), folder / "faces", parts=["training", "test"] * 8)
    base = dataclasses.replace(BASE, data=str(folder / "faces"))
    runs = [
        dataclasses.replace(base, name="long", epochs=LONG),
        dataclasses.replace(base, name="short", seed=1),
        dataclasses.replace(base, name="wild", optimiser="sgd", learning_rate=10, unit=0.01),
        dataclasses.replace(base, name="longer", epochs=LONG + 1),  # shares its training with the long one
    ]
    said, killed, written = [], [], []

    def kill():
        while not killed and not said[2:]:
            worker = workers_of_this_process().get("ray::long")
            if worker and list((folder / "out").rglob("last.pt")):
                time.sleep(0.2)
                os.kill(worker, 9)
                killed.append(worker)
            time.sleep(0.05)

    with pytest.MonkeyPatch.context() as patch:
        real = records.write
        patch.setattr(records, "write", lambda kind, name, **k: written.append(name) or real(kind, name, **k))
        patch.setenv("OMP_NUM_THREADS", "1")
        thread = threading.Thread(target=kill)
        thread.start()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = run_grid(runs, folder / "out", backend="ray", workers=2, say=said.append)
        thread.join()
    return folder, runs, {record["name"]: record for record in found}, said, killed, written


def test_a_killed_workers_run_is_taken_up_again_and_written_once(grid_on_ray):
    _, runs, found, said, killed, written = grid_on_ray
    assert len(killed) == 1 and sorted(written) == sorted(run.name for run in runs) == sorted(found)
    assert [row["epoch"] for row in found["long"]["history"]] == list(range(1, LONG + 1))
    assert losses(found["longer"])[: len(losses(found["long"]))] == losses(found["long"])
    assert not workers_of_this_process() and "failed" not in found["long"]
    assert len(said) == 4 and all(line.startswith(f"{i} of 4 done, ") for i, line in enumerate(said, 1))


def test_a_run_is_the_same_on_ray_and_here(grid_on_ray, tmp_path):
    _, runs, found, *_ = grid_on_ray
    (here,) = run_grid([runs[1]], tmp_path, say=lambda _: None)
    assert losses(here) == pytest.approx(losses(found["short"]), rel=1e-3)


def test_a_run_that_fails_on_ray_is_a_record_with_its_reason(grid_on_ray):
    _, _, found, said, *_ = grid_on_ray
    assert "smaller learning rate than 10" in found["wild"]["failed"]
    assert any("wild: failed: the loss became" in line for line in said)


def test_what_has_a_record_starts_no_ray(grid_on_ray, monkeypatch):
    folder, runs, found, *_ = grid_on_ray
    monkeypatch.setattr(ray_grid, "connected", pytest.fail)
    assert run_grid(runs[:2], folder / "out", backend="ray", say=pytest.fail) == [found["long"], found["short"]]


def test_an_address_that_does_not_answer_is_said_soon(tmp_path, capsys, monkeypatch):
    pytest.importorskip("ray")
    monkeypatch.setattr(ray_grid, "PATIENCE", 0.5)
    monkeypatch.setenv("RAY_ADDRESS", "")
    command = ["experiments", "--rows", "1", "--out", str(tmp_path), "--backend", "ray", "--address"]
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        port = silent.getsockname()[1]
        assert cli.main([*command, f"127.0.0.1:{port}"]) == 2  # nobody listens
        silent.listen()
        assert cli.main([*command, f"127.0.0.1:{port}"]) == 2  # somebody does, and says nothing
    assert cli.main([*command, "head"]) == 2
    refused, mute, wrong = capsys.readouterr().err.splitlines()
    assert refused.startswith(f"experiments: address: no Ray cluster answers at 127.0.0.1:{port} (")
    assert mute.startswith(f"experiments: address: no Ray cluster answers at 127.0.0.1:{port} (timed out")
    assert "expected HOST:PORT" in wrong and not (tmp_path / "table.md").exists()


def test_an_unknown_backend_is_named(tmp_path):
    with pytest.raises(InputError, match="unknown backend 'rai': did you mean 'ray'"):
        run_grid([BASE], tmp_path, backend="rai")
