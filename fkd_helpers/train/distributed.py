"""Several processes train one network: each takes its shard of every batch. Used in notebook 08.

The processes run the same program and differ in their rank alone; rank 0 writes and speaks. All that they tell each
other is here: how much of a batch each has, what normalisation sees, the loss, and the answers to a scored set.
"""

import copy
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import torch
import torch.distributed as dist
from torch import nn

from fkd_helpers.core.errors import InputError


def processes() -> tuple[int, int]:
    """Return the rank of this process, and how many processes train together; (0, 1) of one that trains alone."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


def started_as() -> tuple[int, int, int]:
    """Return rank, processes and processes on this machine as the launcher said, before any of them is connected."""
    here = os.environ
    if not {"RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE"} <= here.keys():  # `train --devices`, torchrun, `fabric run`
        return 0, 1, 1
    return int(here["RANK"]), int(here["WORLD_SIZE"]), int(here["LOCAL_WORLD_SIZE"])


def shard(n: int, rank: int, count: int) -> slice:
    """Return which of n things are those of a rank; their numbers differ by one at most.

    >>> [range(7)[shard(7, rank, 3)] for rank in range(3)]
    [range(0, 2), range(2, 4), range(4, 7)]
    """
    return slice(n * rank // count, n * (rank + 1) // count)


class Sharded:
    """Batches of which this process has its shard: cut from whole ones, or made by batches that can do only that."""

    def __init__(self, batches: Callable[[int], Iterable[Sequence[torch.Tensor]]]):
        self.batches, self.cut = batches, processes()
        if hasattr(batches, "shard"):  # less work: the others' faces are not even looked at
            self.batches, self.cut = copy.copy(batches), (0, 1)
            self.batches.shard = processes()

    def __len__(self) -> int:
        return len(self.batches)

    def __call__(self, epoch: int) -> Iterator[tuple[torch.Tensor, ...]]:
        for batch in self.batches(epoch):
            yield batch if self.cut[1] == 1 else tuple(part[shard(len(part), *self.cut)] for part in batch)


def whole_loss(value: torch.Tensor, output: torch.Tensor, target: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what to go back from, and the loss of the whole batch, from the loss of this process's shard.

    Our losses are means over the target values that are there, so a shard weighs as many as it has. Gradients are
    averaged over the processes, hence the factor.
    """
    count = processes()[1]
    if count == 1:
        return value, value.detach()
    if not len(output):
        value = output.sum()  # 0: a batch smaller than the number of processes
    there = (~target.isnan()).sum()
    sums = torch.stack([value.detach().double() * there, there.double()])
    dist.all_reduce(sums)
    total, known = sums
    return value * (count * there / known.clamp(min=1)).to(value), (total / known.clamp(min=1)).to(value)


def in_order(batches: list[Sequence[torch.Tensor]]) -> list[Sequence[torch.Tensor]]:
    """Return the shards of all processes, batch by batch, from this one's: every process has all of them then."""
    count = processes()[1]
    if count == 1:
        return batches
    theirs: list = [None] * count
    dist.all_gather_object(theirs, batches)
    return [part for parts in zip(*theirs, strict=True) for part in parts]


def agreed(row: dict) -> dict:
    """Return the row of rank 0: what comes next hangs on it, and the last bit may differ between machines."""
    if processes()[1] == 1:
        return row
    rows = [row]
    dist.broadcast_object_list(rows)
    return rows[0]


def share_norms(model: nn.Module, parts: int = 1) -> None:
    """Let batch normalisation see the whole batch, not this process's shard of it; one that is alone sees it anyway.

    parts: above 1, each of so many parts of a batch is normalised by itself, whichever process has it. So no process
        waits for another one, and one alone does the same. (Hoffer et al. 2017, "Train longer, generalize better")

    Layers and their weights stay the same objects. (PyTorch's own SyncBatchNorm does not run on CPUs.)

    Raises:
        InputError: the parts cannot be dealt out to the processes.
    """
    count = processes()[1]
    if parts > 1 and parts % count:
        raise InputError(f"norm_parts: expected 1 or a multiple of the {count} processes, got {parts}")
    for layer in model.modules():
        kind = KINDS.get(type(layer))
        needed = count > 1 or parts > 1 or type(layer) is kind  # else PyTorch's own layer stays
        if kind and layer.affine and needed:
            layer.__class__, layer.parts = kind, parts // count if parts > 1 else 0


def mean_norms(*states: Mapping[str, torch.Tensor]) -> None:
    """Give every process the mean of what the normalisation layers of all of them saw, in these state dicts."""
    count = processes()[1]
    known = [value for state in states for key, value in state.items() if key.endswith(("running_mean", "running_var"))]
    if count > 1 and known:
        means = torch.cat(known) / count
        dist.all_reduce(means)
        for value, mean in zip(known, means.split([len(value) for value in known]), strict=True):
            value.copy_(mean)


class _WholeNorm(torch.autograd.Function):
    """Normalise by given statistics, and go back as if they came from the inputs of all processes together."""

    @staticmethod
    def forward(ctx, x, weight, bias, mean, variance, count, eps):
        ctx.save_for_backward(x, weight, mean, variance)
        ctx.count, ctx.eps = count, eps
        return nn.functional.batch_norm(x, mean, variance, weight, bias, False, 0.0, eps)

    @staticmethod
    def backward(ctx, gradient):
        x, weight, mean, variance = ctx.saved_tensors
        _, of_weight, of_bias = torch.ops.aten.native_batch_norm_backward(
            gradient, x, weight, mean, variance, None, None, False, ctx.eps, [False, True, True]
        )
        sums = torch.cat([of_weight, of_bias])
        dist.all_reduce(sums)
        along, level = (sums / ctx.count).chunk(2)
        spread = torch.rsqrt(variance + ctx.eps)
        scale, slope = weight * spread, weight * spread * spread * along
        parts, shape = (scale, slope, scale * level - slope * mean), [1, -1, *[1] * (x.ndim - 2)]
        scale, slope, offset = (part.to(x).view(shape) for part in parts)
        of_x = (gradient * scale).addcmul_(x, slope, value=-1).sub_(offset)
        return of_x, of_weight, of_bias, None, None, None, None


class _Shared:
    def forward(self, x):
        count = processes()[1]
        if not self.training or (count == 1 and not self.parts) or (self.parts == 1 and len(x)):
            return super().forward(x)
        if self.parts:
            return self._in_parts(x)
        mean, variance, n = _moments(x.detach(), count)
        self._see(mean, variance * (n / (n - 1)))
        return _WholeNorm.apply(x, self.weight, self.bias, mean, variance, n, self.eps)

    def _in_parts(self, x):
        if not len(x):  # a batch smaller than the number of processes
            seen = self.running_mean, self.running_var
            return nn.functional.batch_norm(x, *seen, self.weight, self.bias, eps=self.eps)
        parts = x.chunk(self.parts)
        seen = torch.zeros(2, len(parts), x.shape[1], device=x.device)
        done = [
            nn.functional.batch_norm(part, mean, variance, self.weight, self.bias, True, 1.0, self.eps)
            for part, mean, variance in zip(parts, *seen, strict=True)
        ]
        self._see(*seen.mean(1))
        return torch.cat(done)

    @torch.no_grad()
    def _see(self, mean, variance):
        self.num_batches_tracked += 1
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance, self.momentum)


def _moments(x, count):
    """Return mean and variance of each channel over the inputs of all processes, and how many values a channel has."""
    own = x.new_zeros(2 * x.shape[1] + 1, dtype=torch.float32)
    if len(x):
        mean, variance = torch.batch_norm_update_stats(x.float(), None, None, 0.0)  # 30 times as fast as var_mean
        own = torch.cat([mean, variance, own.new_tensor([x.numel() / x.shape[1]])])
    theirs = [torch.empty_like(own) for _ in range(count)]
    dist.all_gather(theirs, own)
    table = torch.stack(theirs)
    (means, variances), n = table[:, :-1].chunk(2, 1), table[:, -1:]
    share = n / n.sum()
    mean = (share * means).sum(0)
    return mean, (share * (variances + (means - mean).square())).sum(0), float(n.sum())


class _Shared1d(_Shared, nn.BatchNorm1d):
    pass


class _Shared2d(_Shared, nn.BatchNorm2d):
    pass


KINDS = {nn.BatchNorm1d: _Shared1d, nn.BatchNorm2d: _Shared2d, _Shared1d: _Shared1d, _Shared2d: _Shared2d}
