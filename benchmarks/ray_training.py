"""Train one network as a job of Ray: the workers of `ray.train.torch.TorchTrainer` share every batch, two beside one.

    python benchmarks/ray_training.py      writes the record benchmark-ray-training in a few minutes

The record tells whether both workers ended with the same weights.
"""

import json
import tempfile
import time
from pathlib import Path

import torch

from fkd_helpers import nets
from fkd_helpers.core import records
from fkd_helpers.core.config import KeypointsConfig
from fkd_helpers.core.options import run_script
from fkd_helpers.data import load
from fkd_helpers.train.batches import FaceBatches
from fkd_helpers.train.distributed import in_order, processes
from fkd_helpers.train.loop import fit

CONFIG = KeypointsConfig(name="ray_training", data="puppets", epochs=3, batch_size=16, device="cpu", average=0.0)
FACES = 96


def train(config: dict) -> None:
    """Train in one worker: Ray has connected the processes, Fabric's DDP averages their gradients."""
    torch.set_num_threads(1)
    torch.manual_seed(CONFIG.seed)
    started = time.perf_counter()
    batches = FaceBatches(load("puppets", n=FACES), batch_size=CONFIG.batch_size)
    model, history = fit(nets.build("small", width=0.5), batches, nets.losses.heatmap, config=CONFIG)
    total = sum(weight.double().sum().item() for weight in model.parameters())
    sums = [value for (value,) in in_order([[total]])]  # of all workers
    if processes()[0] == 0:
        facts = {"losses": [row["loss"] for row in history], "seconds": time.perf_counter() - started}
        Path(config["out"]).write_text(json.dumps(facts | {"sums_of_weights": sums}))


def main(*, out: Path | None = None) -> None:
    """Train with two workers and with one, and write losses, seconds and sums of weights."""
    import ray.train.torch  # slow

    ray.init("local", num_cpus=3, include_dashboard=False, log_to_driver=False)
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        for workers in (2, 1):
            losses, scaling = Path(folder, f"{workers}.json"), ray.train.ScalingConfig(num_workers=workers)
            storage = ray.train.RunConfig(name=str(workers), storage_path=folder)
            options = {"train_loop_config": {"out": str(losses)}, "scaling_config": scaling, "run_config": storage}
            ray.train.torch.TorchTrainer(train, **options).fit()
            results[str(workers)] = json.loads(losses.read_text())
    facts = {"config": CONFIG, "faces": FACES, "ray": ray.__version__, "workers": results}
    print(records.write("benchmark", "ray-training", folder=out, **facts))


if __name__ == "__main__":
    run_script(main)
