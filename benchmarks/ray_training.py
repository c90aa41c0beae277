"""One training as a job of Ray: two workers of `ray.train.torch.TorchTrainer` share every batch.

`python benchmarks/ray_training.py` trains a small network on puppets with two local workers, then with one, and writes
the record benchmark-ray-training.json: losses, seconds, and whether both workers ended with the same weights.
"""

import dataclasses
import json
import tempfile
import time
from pathlib import Path

import ray
import torch
from ray.train import RunConfig, ScalingConfig, get_context
from ray.train.torch import TorchTrainer

from fkd_helpers import data
from fkd_helpers.core import records
from fkd_helpers.core.config import KeypointsConfig
from fkd_helpers.core.options import run_script
from fkd_helpers.nets import build
from fkd_helpers.nets.losses import heatmap
from fkd_helpers.train.batches import FaceBatches
from fkd_helpers.train.distributed import in_order
from fkd_helpers.train.loop import fit

CONFIG = KeypointsConfig(name="ray_training", data="puppets", epochs=3, batch_size=16, device="cpu", average=0.0)
FACES = 96


def train(config: dict) -> None:
    """Train in one worker: Ray has connected the processes, Fabric's DDP averages their gradients."""
    torch.set_num_threads(1)
    torch.manual_seed(CONFIG.seed)
    started = time.perf_counter()
    batches = FaceBatches(data.load("puppets", n=FACES), batch_size=CONFIG.batch_size)
    model, history = fit(build("small", width=0.5), batches, heatmap, config=CONFIG)
    total = sum(weight.double().sum().item() for weight in model.parameters())
    sums = in_order([[total]])  # of all workers
    if get_context().get_world_rank() == 0:
        facts = {"losses": [row["loss"] for row in history], "seconds": time.perf_counter() - started}
        Path(config["out"]).write_text(json.dumps(facts | {"sums_of_weights": [value for (value,) in sums]}))


def run(workers: int, folder: str) -> dict:
    """Return what the first of so many workers wrote."""
    out = Path(folder, f"{workers}.json")
    scaling = ScalingConfig(num_workers=workers, use_gpu=False)
    storage = RunConfig(name=f"{workers}", storage_path=folder)
    TorchTrainer(train, train_loop_config={"out": str(out)}, scaling_config=scaling, run_config=storage).fit()
    return json.loads(out.read_text())


def main(*, out: Path | None = None) -> None:
    """Train with two workers, then with one, and write the record."""
    ray.init("local", num_cpus=3, include_dashboard=False, log_to_driver=False)
    with tempfile.TemporaryDirectory() as place:
        results = {str(workers): run(workers, place) for workers in (2, 1)}
    facts = {"config": dataclasses.asdict(CONFIG), "faces": FACES, "ray": ray.__version__, "workers": results}
    print(records.write("benchmark", "ray-training", folder=out, **facts))


if __name__ == "__main__":
    run_script(main)
