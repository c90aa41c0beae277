"""What more processes bring: two that train one network (by torchrun), and a grid of runs on Ray, each beside one.

    python benchmarks/scale.py training|ray [--rounds 3] [--out data/records]
"""

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

from fkd_helpers import nets
from fkd_helpers.core import records
from fkd_helpers.core.config import load_config
from fkd_helpers.core.errors import unknown
from fkd_helpers.core.options import run_script
from fkd_helpers.core.timing import timed
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
    for count in [1, 2] * rounds:
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(count)]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        command += [__file__, "worker"]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        speeds[count].append(json.loads(done.stdout.splitlines()[-1]))
    one, two = (np.median(speeds[count]) for count in (1, 2))
    row = {"one": one, "two": two, "ratio": two / one, "speeds": {"one": speeds[1], "two": speeds[2]}}
    return {"net": "small", "batch_size": BATCH, "rounds": rounds, "rows": [row]}


def worker() -> None:
    """Train in one of the processes, and print images/s; the first epoch warms up."""
    torch.set_num_threads(1)
    batches = FaceBatches(load("puppets", n=FACES), batch_size=BATCH)
    config = load_config(epochs=EPOCHS, batch_size=BATCH, device="cpu")
    _, history = fit(nets.build("small"), batches, nets.losses.heatmap, config=config)
    if processes()[0] == 0:
        print(json.dumps(FACES / np.median([row["seconds"] for row in history[1:]])))


def grid() -> dict:
    """Return the seconds of the small grid in this process and on Ray with two workers, and what Ray itself costs."""
    import ray  # slow

    torch.set_num_threads(1)  # as many as a task of Ray has
    configs = [dataclasses.replace(config, epochs=GRID_EPOCHS) for config in small_grid()]
    with tempfile.TemporaryDirectory() as folder:
        quiet = {"say": lambda _: None}
        run_grid(configs[:1], Path(folder) / "warm", **quiet)  # the data are in the cache then
        local = timed(lambda: run_grid(configs, Path(folder) / "local", **quiet))
        on_ray = timed(lambda: run_grid(configs, Path(folder) / "ray", backend="ray", workers=WORKERS, **quiet))
    ray.shutdown()
    start = timed(lambda: ray.init(num_cpus=WORKERS, log_to_driver=False))
    empty = ray.remote(int)
    many = timed(lambda: ray.get([empty.remote() for _ in range(TASKS)]))
    ray.shutdown()
    return {
        "runs": len(configs), "epochs": GRID_EPOCHS, "workers": WORKERS, "threads": 1, "local_seconds": local,
        "ray_seconds": on_ray, "start_seconds": start, "empty_tasks": TASKS, "task_seconds": many / TASKS,
        "ratio": local / on_ray, "ratio_without_start": local / max(on_ray - start, 1e-9),
    }  # fmt: skip


def main(what: str, *, rounds: int = 3, out: Path | None = None) -> None:
    """Measure what more processes bring.

    Args:
        what: training, ray; worker is one of the processes that training starts
        rounds: trainings of each kind
        out: folder of the record; without it the numbers are only printed
    """
    if what == "worker":
        return worker()
    measures = {"training": lambda: ("scaling", training(rounds)), "ray": lambda: ("ray", grid())}
    if what not in measures:
        raise unknown("measure", what, measures)
    name, found = measures[what]()
    print(records.plain(found))
    if out:
        print(records.write("benchmark", name, folder=out, **found))


if __name__ == "__main__":
    run_script(main)
