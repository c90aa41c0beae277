"""The training loop of every task, on Lightning Fabric."""

import itertools
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from lightning.fabric import Fabric
from torch import nn

from fkd_helpers.core.config import TrainConfig
from fkd_helpers.core.errors import InputError
from fkd_helpers.nets import keypoints_from, save_weights
from fkd_helpers.train import checkpoint
from fkd_helpers.train.distributed import global_loss, in_order, started_as
from fkd_helpers.train.schedules import epochs_since_best, moving_average, optimiser_for, rate_share


class TrainingStopped(InputError):
    """Training ended before its last epoch; the message says why, the last good checkpoint is kept."""


def fit(
    model: nn.Module, batches: Callable[[int], object], loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor], *,
    config: TrainConfig, metrics: Callable[[nn.Module], dict[str, float]] | None = None, watch: str = "loss",
    callbacks: Sequence[Callable[[dict], None]] = (), folder: str | Path | None = None,
) -> tuple[nn.Module, list[dict]]:  # fmt: skip
    """Train a model; return it with its averaged weights, in evaluation mode, and its history, one dict per epoch.

    A row has epoch, loss (mean), rate, seconds (of the training), losses (of each batch) and the metrics. A loss or a
    weight that is not finite raises TrainingStopped.

    Args:
        batches: `Batches`, or any callable from an epoch to its (inputs, targets) that has a length
        watch: the number of a row, smaller is better, that decides on the best epoch and an early stop
        folder: gets `last.pt` after every epoch and `best.safetensors` after every best one. Training resumes from the
            checkpoint there and ends, bit for bit on the CPU, with the weights of a run that was never stopped.
    """
    fabric = fabric_for(config)
    plain = model.to(memory_format=torch.channels_last)  # fastest on the CPU
    model, optimiser = fabric.setup(plain, optimiser_for(plain, config))
    average = moving_average(plain, config.average) if config.average else None
    scored = average.module if average else plain
    parts = {"model": plain, "optimiser": optimiser, "precision": fabric.strategy.precision}
    parts |= {"average": average} if average else {}
    history = checkpoint.resume(folder, config, parts) if folder else []
    for epoch in range(len(history), config.epochs):
        if config.patience and epochs_since_best([row.get(watch, np.nan) for row in history]) >= config.patience:
            break
        started = time.perf_counter()
        # dropout and the like restart with the epoch, with other numbers in each process
        torch.manual_seed(config.seed * 7919 + epoch + 104_729 * fabric.global_rank)
        model.train()
        losses = []
        for step, batch in enumerate(batches(epoch), epoch * len(batches)):
            rate = config.learning_rate * rate_share(step, len(batches) * config.epochs, config)
            losses.append(train_step(fabric, model, optimiser, loss, batch, config, rate, epoch))
            if average:
                average.update_parameters(plain)
        for buffer in itertools.chain(plain.buffers(), scored.buffers()):
            if buffer.is_floating_point():  # such as the running statistics of batch normalisation
                buffer.copy_(fabric.all_reduce(buffer))  # their mean over all processes
        if not all(value.isfinite().all() for value in plain.state_dict().values()):
            raise _stopped("a weight became nan or infinite", config, epoch)
        losses = torch.stack(losses)
        row = {"epoch": epoch + 1, "loss": losses.mean().item(), "rate": rate}
        row |= {"seconds": time.perf_counter() - started, "losses": losses.tolist()}
        history.append(fabric.broadcast(row | (metrics(scored) if metrics else {})))
        if fabric.is_global_zero:
            if folder:
                _keep(config, history, parts, scored, watch=watch, folder=Path(folder))
            for callback in callbacks:
                callback(history[-1])
    plain.load_state_dict(scored.state_dict())
    return plain.eval(), history


def _keep(config, history, parts, scored, *, watch: str, folder: Path) -> None:
    """Write the weights if the last epoch is the best so far, then the checkpoint."""
    row = history[-1]
    folder.mkdir(parents=True, exist_ok=True)
    if not epochs_since_best([row.get(watch, np.nan) for row in history]):
        facts = dict(net=config.net, run=config.name, data=config.data, epoch=row["epoch"])
        save_weights(scored, folder / checkpoint.BEST, **facts, **{watch: f"{row[watch]:.5g}"})
    checkpoint.save(folder, config, history, parts)


def train_step(
    fabric: Fabric, model, optimiser, loss, batch, config: TrainConfig, rate: float, epoch: int = 0
) -> torch.Tensor:
    """Take one step on a batch of (inputs, targets) and return its loss, a scalar without gradient."""
    for group in optimiser.param_groups:
        group["lr"] = rate
    inputs, targets = fabric.to_device(tuple(batch))
    output = model(inputs)
    value, whole = global_loss(loss(output, targets), output, targets)
    optimiser.zero_grad(set_to_none=True)
    if not torch.isfinite(whole):
        raise _stopped(f"the loss became {whole.item()}", config, epoch)
    fabric.backward(value)
    if config.clip:
        fabric.clip_gradients(model, optimiser, max_norm=config.clip, error_if_nonfinite=False)
    optimiser.step()
    return whole


def _stopped(what: str, config: TrainConfig, epoch: int) -> TrainingStopped:
    kept = f"the checkpoint of epoch {epoch} is kept" if epoch else "no epoch was finished"
    advice = f"try a smaller learning rate than {config.learning_rate:g}"
    return TrainingStopped(f"{what} in epoch {epoch + 1}: {advice}; {kept}")


def fabric_for(config: TrainConfig) -> Fabric:
    """Return the Fabric of a config: device and precision, over the processes that were started together."""
    available = {"cuda": torch.cuda.is_available, "mps": torch.backends.mps.is_available}
    if config.device in available and not available[config.device]():
        raise InputError(f"device: {config.device!r} is not here; 'auto' takes the best that is")
    options = dict(accelerator=config.device, precision=config.precision)
    _, count, here = started_as()
    if count == 1:
        return Fabric(devices=1, **options)
    logging.getLogger("lightning.fabric").setLevel(logging.WARNING)  # it tells how the processes connect
    fabric = Fabric(strategy="ddp", devices=here, num_nodes=count // here, **options)
    fabric.launch()
    return fabric


@torch.no_grad()
def predict_batches(model: nn.Module, batches) -> tuple[np.ndarray, np.ndarray]:
    """Run a model over the batches of epoch 0; return predicted and target keypoints (n, k, 2) in crop pixels.

    Processes that train together share the work: each must call this, and each gets the whole answer.
    """
    device = next(model.eval().parameters()).device
    pairs = [(keypoints_from(model(inputs.to(device))).float().cpu(), targets) for inputs, targets in batches(0)]
    return tuple(torch.cat(part).numpy() for part in zip(*in_order(pairs), strict=True))
