"""Several processes train one network. Which tool is for what, all of them by their public calls:

- torchrun starts the processes: `torchrun --standalone --nproc-per-node 2 -m fkd_helpers train` on this machine. If one
  is lost, the job ends, and the same command resumes from the checkpoint.
- Fabric's DDP joins the processes and averages their gradients (`train.loop.fabric_for`).
- Ray tasks run many separate trainings, without communication between them: notebook 12, with `train.grid.run_grid`.
- Ray's TorchTrainer is for one training as a job of a Ray cluster: `benchmarks/ray_training.py`.

Each process takes its shard of every batch. Without normalisation layers the gradients are those of one process with
the whole batch. Batch normalisation sees the shard alone, as is usual with DDP; its running statistics are averaged
over the processes after every epoch. Tried with two processes on one CPU, connected by gloo; not tried: NCCL on several
GPUs, and more than one machine.
"""

import os
from collections.abc import Sequence

import torch
import torch.distributed as dist


def processes() -> tuple[int, int]:
    """Return the rank of this process and the number of processes that train together; (0, 1) for one alone."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


def started_as() -> tuple[int, int, int]:
    """Return rank, number of processes and number on this machine as torchrun set them, before they are connected."""
    return tuple(int(os.environ.get(key, 1 - (key == "RANK"))) for key in ("RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE"))


def shard(n: int, rank: int, count: int) -> slice:
    """Return which of n items belong to a rank; the shards' sizes differ by one at most."""
    return slice(n * rank // count, n * (rank + 1) // count)


def global_loss(value: torch.Tensor, output: torch.Tensor, target: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the loss to backpropagate and the mean loss of the whole batch, given the mean loss of this shard.

    A shard is weighted by its number of targets. DDP averages gradients over the processes, hence the factor `count`.
    """
    count = processes()[1]
    if count == 1:
        return value, value.detach()
    if not len(output):
        value = output.sum()  # 0: the batch is smaller than the number of processes
    known = (~target.isnan()).sum()
    sums = torch.stack([value.detach().double() * known, known.double()])
    dist.all_reduce(sums)
    total, all_known = sums[0], sums[1].clamp(min=1)
    return value * (count * known / all_known).to(value), (total / all_known).to(value)


def in_order(batches: list[Sequence[torch.Tensor]]) -> list[Sequence[torch.Tensor]]:
    """Gather the shards of all processes, batch by batch; every process gets all of them."""
    count = processes()[1]
    if count == 1:
        return batches
    gathered: list = [None] * count
    dist.all_gather_object(gathered, batches)
    return [part for parts in zip(*gathered, strict=True) for part in parts]
