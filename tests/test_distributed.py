"""Two real processes, started by torchrun and connected by gloo, train one network."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from fkd_helpers import data
from fkd_helpers.core.config import KeypointsConfig
from fkd_helpers.nets.losses import mse
from fkd_helpers.train import distributed
from fkd_helpers.train.augment import NONE, Augment
from fkd_helpers.train.batches import FaceBatches
from fkd_helpers.train.loop import fit, predict_batches

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[1]
PLAIN = KeypointsConfig(  # one step of SGD per epoch, so that the step shows the gradient
    epochs=1, batch_size=11, device="cpu", optimiser="sgd", momentum=0.0, learning_rate=1e-3, weight_decay=0.0,
    average=0.0, clip=0.0, schedule="constant",
)  # fmt: skip
NORMED = KeypointsConfig(epochs=2, batch_size=5, device="cpu", learning_rate=1e-2)
FACES = 11


class Tiny(nn.Module):
    def __init__(self, norm: bool):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(1, 4, 5, 8), nn.BatchNorm2d(4) if norm else nn.Identity()
        self.head = nn.Linear(4 * 14 * 14, 136)

    def forward(self, images):
        return self.head(self.norm(self.conv(images)).relu().flatten(1)).unflatten(1, (-1, 2)) * 28 + 56


def trained(config, folder=None, *, norm=False, options=NONE):
    """Train on faces that two processes cannot share evenly, some of whose labels are missing."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    batches = FaceBatches(data.load("puppets", n=FACES), batch_size=config.batch_size, options=options)
    batches.keypoints[3:6, 10:40] = np.nan

    def metrics(model):
        predicted, target = predict_batches(model, batches.without_augmentation())
        return {"faces": len(target), "error": float(np.nanmean(np.abs(predicted - target)))}

    return fit(Tiny(norm), batches, mse, config=config, metrics=metrics, folder=folder), batches


def weights(model):
    return torch.cat([value.flatten().float() for value in model.state_dict().values()])


def write_results(folder: Path):
    """Run in each process: train, and tell what came of it."""
    (plain, history), batches = trained(PLAIN)
    (normed, rows), _ = trained(NORMED, folder / "run", norm=True, options=Augment())
    shards = [len(images) for images, _ in batches(0)]
    results = {"plain": weights(plain), "loss": history[0]["loss"], "normed": weights(normed), "rows": len(rows)}
    torch.save(results | {"shards": shards, "faces": rows[-1]["faces"]}, folder / f"{distributed.processes()[0]}.pt")


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """Start this file twice with torchrun; return the folder, and what each process wrote, in order of rank."""
    folder = tmp_path_factory.mktemp("two")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    env = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    subprocess.run([*torchrun, __file__, str(folder)], env=env, check=True, timeout=300)
    return folder, [torch.load(folder / f"{rank}.pt") for rank in (0, 1)]


def test_two_processes_have_the_gradients_of_one(two):
    """Without normalisation layers, shards of unequal size and missing labels included."""
    _, (first, second) = two
    (model, history), _ = trained(PLAIN)
    torch.manual_seed(0)
    start, step = weights(Tiny(False)), weights(model)
    assert torch.equal(first["plain"], second["plain"]) and first["loss"] == pytest.approx(history[0]["loss"], rel=1e-5)
    assert (step - start).abs().max() > 1e-4
    assert torch.allclose(first["plain"] - start, step - start, rtol=1e-3, atol=1e-6)


def test_two_processes_end_with_one_network_that_one_process_resumes(two):
    """Running statistics of batch normalisation included: they are averaged after every epoch."""
    folder, (first, second) = two
    assert torch.equal(first["normed"], second["normed"])
    (model, history), _ = trained(NORMED, folder / "run", norm=True, options=Augment())
    assert len(history) == first["rows"] == 2 and torch.equal(weights(model), first["normed"])


if __name__ == "__main__":
    write_results(Path(sys.argv[1]))
