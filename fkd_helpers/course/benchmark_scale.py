"""What more processes bring: two that train one network, and a grid on Ray, each beside one process doing it alone."""

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from fkd_helpers.core import records
from fkd_helpers.core.config import RunConfig
from fkd_helpers.data import load
from fkd_helpers.nets import build
from fkd_helpers.nets.losses import heatmap
from fkd_helpers.train.batches import FaceBatches
from fkd_helpers.train.distributed import processes
from fkd_helpers.train.grid import run_grid, small_grid
from fkd_helpers.train.launching import LOOPBACK, free_port
from fkd_helpers.train.loop import fit
from fkd_helpers.train.ray_grid import connected, run_tasks

FACES, BATCH, EPOCHS = 384, 128, 4
WORKERS, TASKS, GRID_EPOCHS = 2, 400, 2


def scaling(*, rounds: int = 3, folder: Path | None = None) -> dict:
    """Measure images/s of training the small network in one process and in two, one thread each, in turns.

    All take the same batches of `BATCH` faces: normalised as a whole, for which two processes wait for each other at
    every layer, and in two parts. The first epoch warms up; a round's figure is of the other ones, the record has the
    medians and, under `speeds`, all rounds.
    """
    speeds: dict[tuple[int, int], list[float]] = {(parts, count): [] for parts in (1, 2) for count in (1, 2)}
    for _ in range(rounds):
        for (parts, count), found in speeds.items():
            found.append(_speed(count, parts))
    rows = []
    for parts in (1, 2):
        one, two = (float(np.median(speeds[parts, count])) for count in (1, 2))
        rows.append({
            "norm_parts": parts, "one": one, "two": two, "ratio": two / one,
            "speeds": {"one": speeds[parts, 1], "two": speeds[parts, 2]},
        })  # fmt: skip
        print(f"training, batches normalised in {parts} part{'s' * (parts > 1)}: {one:.0f} images/s in one process, "
              f"{two:.0f} in two, {two / one:.2f} times as many")  # fmt: skip
    record = {"net": "small", "batch_size": BATCH, "rounds": rounds, "rows": rows}
    return _kept("scaling", record, folder)


def _speed(count: int, parts: int) -> float:
    """Return images/s of this many processes of one thread each."""
    shared = {
        "WORLD_SIZE": str(count), "LOCAL_WORLD_SIZE": str(count), "MASTER_ADDR": LOOPBACK, "OMP_NUM_THREADS": "1",
        "MASTER_PORT": str(free_port()), "TORCHELASTIC_RUN_ID": "fkd",
    }  # fmt: skip
    workers = [
        subprocess.Popen([sys.executable, "-m", "fkd_helpers.course.benchmark_scale", str(parts)],
                         stdout=subprocess.PIPE, text=True,
                         env=os.environ | shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)})
        for rank in range(count)
    ]  # fmt: skip
    said = [worker.communicate()[0] for worker in workers]
    return json.loads(said[0])


def _train(parts: int) -> None:
    """Train in one of the processes, and print images/s."""
    torch.set_num_threads(1)
    batches = FaceBatches(load("puppets", n=FACES), batch_size=BATCH)
    config = RunConfig(epochs=EPOCHS, batch_size=BATCH, norm_parts=parts, device="cpu")
    _, history = fit(build("small"), batches, heatmap, config=config)
    if processes()[0] == 0:
        print(json.dumps(FACES / np.median([row["seconds"] for row in history[1:]])))


def ray_grid(*, folder: Path | None = None) -> dict:
    """Measure the small grid in this process, one run after the other, and on Ray with two workers; and Ray itself.

    start_seconds: until a Ray that is started here has its first answers, and is ended again
    task_seconds: what a task costs that does nothing, of many
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as many as a task of Ray has
    configs = [dataclasses.replace(config, epochs=GRID_EPOCHS) for config in small_grid()]
    with tempfile.TemporaryDirectory() as place:
        run_grid(configs[:1], Path(place) / "warm", say=_silent)  # the data are in the cache then
        local, found = _timed(lambda: run_grid(configs, Path(place) / "local", say=_silent))
        on_ray, _ = _timed(lambda: run_grid(configs, Path(place) / "ray", backend="ray", workers=WORKERS, say=_silent))
    torch.set_num_threads(threads)
    start, _ = _timed(lambda: _empty_tasks(WORKERS))
    with connected(cpus=WORKERS):
        _empty_tasks(WORKERS)
        many, _ = _timed(lambda: _empty_tasks(TASKS))
    record = {
        "runs": len(found), "epochs": GRID_EPOCHS, "workers": WORKERS, "threads": 1,
        "local_seconds": local, "ray_seconds": on_ray, "start_seconds": start, "empty_tasks": TASKS,
        "task_seconds": many / TASKS, "ratio": local / on_ray, "ratio_without_start": local / max(on_ray - start, 1e-9),
    }  # fmt: skip
    print(f"{len(found)} runs of {GRID_EPOCHS} epochs: {local:.0f} s one after the other, {on_ray:.0f} s on Ray with "
          f"{WORKERS} workers, {start:.0f} s of it start and end; {1000 * many / TASKS:.1f} ms a task")  # fmt: skip
    return _kept("ray", record, folder)


def _empty_tasks(count: int) -> None:
    for _ in run_tasks(int, [()] * count, names=["nothing"] * count, workers=WORKERS):
        pass


def _silent(line: str) -> None:
    pass


def _timed(function):
    started = time.perf_counter()
    result = function()
    return time.perf_counter() - started, result


def _kept(name: str, record: dict, folder: Path | None) -> dict:
    if folder is not None:
        print(f"record: {records.write('benchmark', name, folder=folder, **record)}")
    return record


if __name__ == "__main__":
    _train(int(sys.argv[1]))
