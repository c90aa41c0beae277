"""What more processes bring: two that train one network (by torchrun), and a grid of runs on Ray, each beside one.

    python benchmarks/scale.py training|ray|trainer [--rounds 3] [--out data/records]

`trainer` is one training as a job of Ray: the workers of `ray.train.torch.TorchTrainer` share every batch. Its record
tells whether both ended with the same weights.
"""

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
from fkd_helpers.core.config import KeypointsConfig, load_config
from fkd_helpers.core.errors import unknown
from fkd_helpers.core.options import run_script
from fkd_helpers.core.timing import timed
from fkd_helpers.data import load
from fkd_helpers.train.batches import FaceBatches
from fkd_helpers.train.distributed import in_order, processes
from fkd_helpers.train.grid import run_grid, small_grid
from fkd_helpers.train.loop import fit

FACES, BATCH, EPOCHS = 384, 128, 4
WORKERS, TASKS, GRID_EPOCHS = 2, 400, 2
RAY_CONFIG = KeypointsConfig(name="ray_training", data="puppets", epochs=3, batch_size=16, device="cpu", average=0.0)
RAY_FACES = 96


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


def trained_by_ray(config: dict) -> None:
    """Train in one worker: Ray has connected the processes, Fabric's DDP averages their gradients."""
    torch.set_num_threads(1)
    torch.manual_seed(RAY_CONFIG.seed)
    started = time.perf_counter()
    batches = FaceBatches(load("puppets", n=RAY_FACES), batch_size=RAY_CONFIG.batch_size)
    model, history = fit(nets.build("small", width=0.5), batches, nets.losses.heatmap, config=RAY_CONFIG)
    total = sum(weight.double().sum().item() for weight in model.parameters())
    sums = [value for (value,) in in_order([[total]])]  # of all workers
    if processes()[0] == 0:
        facts = {"losses": [row["loss"] for row in history], "seconds": time.perf_counter() - started}
        Path(config["out"]).write_text(json.dumps(facts | {"sums_of_weights": sums}))


def trainer() -> dict:
    """Return losses, seconds and sums of weights of a training with two workers of Ray's TorchTrainer, and with one."""
    import ray.train.torch  # slow

    ray.init("local", num_cpus=3, include_dashboard=False, log_to_driver=False)
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        for workers in (2, 1):
            out, scaling = Path(folder, f"{workers}.json"), ray.train.ScalingConfig(num_workers=workers, use_gpu=False)
            storage = ray.train.RunConfig(name=str(workers), storage_path=folder)
            options = {"train_loop_config": {"out": str(out)}, "scaling_config": scaling, "run_config": storage}
            ray.train.torch.TorchTrainer(trained_by_ray, **options).fit()
            results[str(workers)] = json.loads(out.read_text())
    config = dataclasses.asdict(RAY_CONFIG)
    return {"config": config, "faces": RAY_FACES, "ray": ray.__version__, "workers": results}


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
    """Measure what more processes bring: training, ray or trainer; `out` keeps the record."""
    if what == "worker":  # one of the processes that `training` starts
        return worker()
    measures = {
        "training": lambda: ("scaling", training(rounds)), "ray": lambda: ("ray", grid()),
        "trainer": lambda: ("ray-training", trainer()),
    }  # fmt: skip
    if what not in measures:
        raise unknown("measure", what, measures)
    name, found = measures[what]()
    print(records.plain(found))
    if out:
        print(records.write("benchmark", name, folder=out, **found))


if __name__ == "__main__":
    run_script(main)
