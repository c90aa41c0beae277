"""What more processes bring: two that train one network (by torchrun), and a grid of runs on Ray, each beside one.

    python benchmarks/scale.py training|ray [--rounds 3] [--out data/records]
"""

import argparse
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

from fkd_helpers import nets
from fkd_helpers.core import records
from fkd_helpers.core.config import load_config
from fkd_helpers.data import load
from fkd_helpers.train.batches import FaceBatches
from fkd_helpers.train.distributed import processes
from fkd_helpers.train.grid import run_grid, small_grid
from fkd_helpers.train.loop import fit

FACES, BATCH, EPOCHS = 384, 128, 4
WORKERS, TASKS, GRID_EPOCHS = 2, 400, 2


def training(rounds: int) -> dict:
    """Return images/s of training the small network in one process and in two, one thread each, in turns."""
    speeds: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(rounds):
        for count, found in speeds.items():
            found.append(_speed(count))
    one, two = (float(np.median(speeds[count])) for count in (1, 2))
    print(f"training: {one:.0f} images/s in one process, {two:.0f} in two, {two / one:.2f} times as many")
    row = {"one": one, "two": two, "ratio": two / one, "speeds": {"one": speeds[1], "two": speeds[2]}}
    return {"net": "small", "batch_size": BATCH, "rounds": rounds, "rows": [row]}


def _speed(count: int) -> float:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(count)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run([*command, __file__, "worker"], capture_output=True, text=True, check=True, env=environment)
    return json.loads(done.stdout.splitlines()[-1])


def worker() -> None:
    """Train in one of the processes, and print images/s; the first epoch warms up."""
    torch.set_num_threads(1)
    batches = FaceBatches(load("puppets", n=FACES), batch_size=BATCH)
    config = load_config(epochs=EPOCHS, batch_size=BATCH, device="cpu")
    _, history = fit(nets.build("small"), batches, nets.losses.heatmap, config=config)
    if processes()[0] == 0:
        print(json.dumps(FACES / np.median([row["seconds"] for row in history[1:]])))


def ray() -> dict:
    """Return the seconds of the small grid in this process and on Ray with two workers, and what Ray itself costs."""
    import ray as cluster  # slow

    torch.set_num_threads(1)  # as many as a task of Ray has
    configs = [dataclasses.replace(config, epochs=GRID_EPOCHS) for config in small_grid()]
    with tempfile.TemporaryDirectory() as folder:
        quiet = {"say": lambda _: None}
        run_grid(configs[:1], Path(folder) / "warm", **quiet)  # the data are in the cache then
        local = _timed(lambda: run_grid(configs, Path(folder) / "local", **quiet))
        on_ray = _timed(lambda: run_grid(configs, Path(folder) / "ray", backend="ray", workers=WORKERS, **quiet))
    cluster.shutdown()
    start = _timed(lambda: cluster.init(num_cpus=WORKERS, log_to_driver=False))
    empty = cluster.remote(int)
    many = _timed(lambda: cluster.get([empty.remote() for _ in range(TASKS)]))
    cluster.shutdown()
    print(f"{len(configs)} runs of {GRID_EPOCHS} epochs: {local:.0f} s one after the other, {on_ray:.0f} s on Ray with "
          f"{WORKERS} workers, {start:.0f} s of it to start; {1000 * many / TASKS:.1f} ms per task")  # fmt: skip
    return {
        "runs": len(configs), "epochs": GRID_EPOCHS, "workers": WORKERS, "threads": 1, "local_seconds": local,
        "ray_seconds": on_ray, "start_seconds": start, "empty_tasks": TASKS, "task_seconds": many / TASKS,
        "ratio": local / on_ray, "ratio_without_start": local / max(on_ray - start, 1e-9),
    }  # fmt: skip


def _timed(function) -> float:
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("training", "ray", "worker"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, help="folder of the record (default: printed only)")
    options = parser.parse_args()
    if options.what == "worker":  # one of the processes that `training` starts
        return worker()
    name, found = ("ray", ray()) if options.what == "ray" else ("scaling", training(options.rounds))
    if options.out:
        print(f"record: {records.write('benchmark', name, folder=options.out, **found)}")


if __name__ == "__main__":
    main()
