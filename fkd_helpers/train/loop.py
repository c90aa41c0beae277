"""One training loop for every task of the course, on Lightning Fabric. Built in notebook 02."""

import contextlib
import inspect
import logging
import os
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from lightning.fabric import Fabric
from lightning.fabric.strategies import DDPStrategy
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from fkd_helpers.core.config import RunConfig
from fkd_helpers.core.errors import InputError
from fkd_helpers.nets import keypoints_from, save_weights
from fkd_helpers.train import checkpoint as checkpoints
from fkd_helpers.train.averages import Average
from fkd_helpers.train.distributed import Sharded, agreed, in_order, mean_norms, share_norms, started_as, whole_loss
from fkd_helpers.train.schedules import epochs_since_best, optimiser_for, rate_share


class TrainingStopped(RuntimeError):
    """Training ended before its last epoch; the message says why, the last good checkpoint is kept."""


def fit(
    model: nn.Module,
    batches: Callable[[int], Iterable[Sequence[torch.Tensor]]],
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    *,
    config: RunConfig,
    metrics: Callable[[nn.Module], dict[str, float]] | None = None,
    watch: str = "loss",
    callbacks: Sequence[Callable[[dict], None]] = (),
    folder: str | Path | None = None,
    fabric: Fabric | None = None,
) -> tuple[nn.Module, list[dict]]:
    """Train a model and return it (the averaged weights, in evaluation mode) with its history, one dict an epoch.

    batches: epoch -> (inputs, targets) batches, the same ones whenever it is asked for the same epoch; has a length
    loss: (output, targets) -> scalar
    metrics: model -> further numbers for the epoch's row
    watch: the number of a row, the smaller the better, that says which epoch is best, when the schedule "plateau"
        lowers the rate and when early stopping (`config.patience`) ends the run
    history: rows with epoch, loss (mean), rate, seconds (without the metrics), losses (of each batch), the metrics
    callbacks: called with each epoch's row
    fabric: the processes that train together, each of which calls `fit`; made from the config where none is given. They
        learn from the same batches as one process would, each from its shard; dropout draws other numbers
    folder: where `last.pt` goes after every epoch, and `best.safetensors` after every best one; training continues
        from the checkpoint that is there, and ends with the same weights, bit for bit on the CPU, as training that
        was never stopped, be it by an error, by Ctrl-C or by a notebook's stop button

    Raises:
        TrainingStopped: the loss or a weight is not finite any more.
        InputError: the checkpoint in the folder is of another run or damaged, the device is not here, or its memory
            is too small.
    """
    fabric = fabric or fabric_for(config)
    steps = len(batches)
    if not steps:
        raise InputError("batches: expected at least one batch an epoch, got none")
    plain = model
    share_norms(model, config.norm_parts)
    shards = Sharded(batches)
    # convolutions on the CPU are fastest with the channels last
    model = model.to(memory_format=torch.channels_last)
    model, optimiser = fabric.setup(model, optimiser_for(model, config))
    average = Average(model, config.average)
    parts = {"model": model, "optimiser": optimiser, "average": average, "precision": fabric.strategy.precision}
    history = checkpoints.resume(folder, config, parts, plain) if folder else []
    if agreed({"epochs": len(history)}) != {"epochs": len(history)}:
        raise InputError(f"{folder}: expected a folder that all machines share, this one has another checkpoint in it")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
    for epoch in range(len(history), config.epochs):
        watched = [row.get(watch, np.nan) for row in history]
        if config.patience and epochs_since_best(watched) >= config.patience:
            break
        started = time.perf_counter()
        # dropout and the like restart with the epoch, in each process with other numbers
        torch.manual_seed(config.seed * 7919 + epoch + 104_729 * fabric.global_rank)
        model.train()
        losses = []
        with memory_errors(config):
            for step, batch in enumerate(shards(epoch), epoch * steps):
                set_rate(optimiser, config, rate_share(step, steps * config.epochs, config, watched))
                losses.append(train_step(fabric, model, optimiser, loss, batch, config, epoch))
                average.update()
            if config.norm_parts > 1:
                mean_norms(average.live, average.mean)
            if not average.finite:
                raise _stopped("a weight became nan or infinite", config, epoch)
            losses = torch.stack(losses)
            share = rate_share((epoch + 1) * steps, steps * config.epochs, config, watched)
            row = {"epoch": epoch + 1, "loss": losses.mean().item(), "rate": config.learning_rate * share,
                   "seconds": time.perf_counter() - started, "losses": losses.tolist()}  # fmt: skip
            with average.swapped_in():
                row = agreed(row | (metrics(model) if metrics else {}))
                if folder and fabric.is_global_zero:
                    _keep_best(folder, config, plain, watch, [*watched, row.get(watch, np.nan)])
        history.append(row)
        if folder and fabric.is_global_zero:
            checkpoints.save(folder, config, history, parts, plain)
        for callback in callbacks if fabric.is_global_zero else ():
            callback(row)
    average.swap()
    return plain.eval(), history


def fabric_for(config: RunConfig) -> Fabric:
    """Return the Fabric of a config, its device and precision, over the processes that were started together.

    Raises:
        InputError: the device is not here.
    """
    here = {"cuda": torch.cuda.is_available, "mps": torch.backends.mps.is_available}
    if config.device in here and not here[config.device]():
        raise InputError(f"device: {config.device!r} is not here; 'auto' takes the best that is")
    _, count, here = started_as()
    if count == 1:
        return Fabric(accelerator=config.device, devices=1, precision=config.precision)
    for name in ("lightning.fabric", "lightning.pytorch"):  # they tell how they connect
        logging.getLogger(name).setLevel(logging.WARNING)
    # the buffers, of batch normalisation, are shared already; how the option is called depends on the version
    known = inspect.signature(DistributedDataParallel).parameters
    name = "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"
    strategy = DDPStrategy(**{name: False})
    fabric = Fabric(accelerator=config.device, strategy=strategy, devices=here, num_nodes=count // here,
                    precision=config.precision)  # fmt: skip
    if "LT_CLI_USED" not in os.environ:  # `fabric run` has done it
        fabric.launch()
    return fabric


def set_rate(optimiser: torch.optim.Optimizer, config: RunConfig, share: float) -> None:
    """Give all weights a share of the config's learning rate."""
    for group in optimiser.param_groups:
        group["lr"] = config.learning_rate * share


def train_step(fabric: Fabric, model, optimiser, loss, batch, config: RunConfig, epoch: int = 0) -> torch.Tensor:
    """Take one step on a batch of (inputs, targets) and return its loss, a scalar without gradient.

    Raises:
        TrainingStopped: the loss is not finite; the step is not taken.
    """
    inputs, targets = fabric.to_device(tuple(batch))
    output = model(inputs)
    value, whole = whole_loss(loss(output, targets), output, targets)
    optimiser.zero_grad(set_to_none=True)
    if not torch.isfinite(whole):
        raise _stopped(f"the loss became {whole.item()}", config, epoch)
    fabric.backward(value)
    if config.clip:
        fabric.clip_gradients(model, optimiser, max_norm=config.clip, error_if_nonfinite=False)
    optimiser.step()
    return whole


def _stopped(what: str, config: RunConfig, epoch: int) -> TrainingStopped:
    kept = f"the checkpoint of epoch {epoch} is kept" if epoch else "no epoch was finished"
    return TrainingStopped(
        f"{what} in epoch {epoch + 1}: try a smaller learning rate than {config.learning_rate:g}; {kept}"
    )


def _keep_best(folder, config, model, watch, watched) -> None:
    """Write the weights, if the last of the watched numbers is the best so far."""
    if not epochs_since_best(watched):
        facts = dict(net=config.net, run=config.name, data=config.data, epoch=len(watched))
        save_weights(model, Path(folder) / checkpoints.BEST, **facts, **{watch: f"{watched[-1]:.5g}"})


@contextlib.contextmanager
def memory_errors(config: RunConfig):
    """Say which batch size to try where memory runs out.

    Raises:
        InputError: it did.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        kinds = (MemoryError, getattr(torch, "OutOfMemoryError", torch.cuda.OutOfMemoryError))
        words = ("out of memory", "allocate memory", "not enough memory")  # CUDA's and MPS's, then the CPU's
        if not isinstance(error, kinds) and not any(word in str(error).lower() for word in words):
            raise
        half = config.batch_size // 2
        advice = f"try a batch size of {half}" if half else "one face is too much for it: try a smaller network"
        raise InputError(f"out of memory with a batch size of {config.batch_size}: {advice}") from None


@torch.no_grad()
def predict_batches(model: nn.Module, batches, *, device: torch.device | str | None = None) -> tuple:
    """Run a model over the batches of epoch 0; return predicted and target keypoints (n, k, 2) in crop pixels.

    Where several processes train together each of them must call it: they share the work and all get the answer.
    """
    was_training = model.training
    model.eval()
    device = device or next(model.parameters()).device
    shards = Sharded(batches)(0)
    pairs = [(keypoints_from(model(inputs.to(device))).float().cpu(), targets) for inputs, targets in shards]
    pairs = in_order(pairs)
    model.train(was_training)
    return tuple(np.concatenate([pair[i].numpy() for pair in pairs]) for i in (0, 1))
