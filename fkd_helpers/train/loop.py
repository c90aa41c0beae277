"""The training loop of every task, on Lightning Fabric."""

import contextlib
import importlib.util
import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from lightning.fabric import Fabric
from lightning.fabric.loggers import CSVLogger
from torch import nn

from fkd_helpers.core.config import TrainConfig
from fkd_helpers.core.errors import InputError
from fkd_helpers.nets import keypoints_from, save_weights
from fkd_helpers.train import checkpoint
from fkd_helpers.train.distributed import average_buffers, from_first, global_loss, in_order, started_as
from fkd_helpers.train.schedules import epochs_since_best, moving_average, optimiser_for, rate_share, set_rate

PROJECT = "facial-keypoints"  # of Weights & Biases, unless $WANDB_PROJECT names another
NO_MEMORY = ("out of memory", "allocate memory", "not enough memory")  # CUDA's and MPS's words, then the CPU's


class TrainingStopped(RuntimeError):
    """Training ended before its last epoch; the message says why, the last good checkpoint is kept."""


def fit(
    model: nn.Module,
    batches: Callable[[int], object],
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    *,
    config: TrainConfig,
    metrics: Callable[[nn.Module], dict[str, float]] | None = None,
    watch: str = "loss",
    callbacks: Sequence[Callable[[dict], None]] = (),
    folder: str | Path | None = None,
) -> tuple[nn.Module, list[dict]]:
    """Train a model; return it with its averaged weights, in evaluation mode, and its history, one dict per epoch.

    A row has epoch, loss (mean), rate, seconds (of the training), losses (of each batch) and the metrics. A loss or a
    weight that is not finite raises TrainingStopped.

    Args:
        batches: `Batches`, or any callable from an epoch to its (inputs, targets) that has a length
        loss: (output, targets) -> mean over the targets that are not missing
        metrics: model, with the averaged weights -> further numbers for the epoch's row
        watch: the number of a row, smaller is better, that decides on the best epoch, a plateau and an early stop
        callbacks: called with each epoch's row
        folder: gets `last.pt` after every epoch and `best.safetensors` after every best one. Training resumes from the
            checkpoint there and ends, bit for bit on the CPU, with the weights of a run that was never stopped.
    """
    fabric = fabric_for(config, folder)
    steps, plain = steps_of(batches), model.to(memory_format=torch.channels_last)  # fastest on the CPU
    model, optimiser = fabric.setup(plain, optimiser_for(plain, config))
    average = moving_average(plain, config.average) if config.average else None
    scored = average.module if average else plain
    parts = {"model": plain, "optimiser": optimiser, "precision": fabric.strategy.precision}
    parts |= {"average": average} if average else {}
    history = checkpoint.resume(folder, config, parts, plain) if folder else []
    if from_first(len(history)) != len(history):
        raise InputError(f"{folder}: expected a folder that all machines share, this one has another checkpoint in it")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
    with closing_loggers(fabric):
        for epoch in range(len(history), config.epochs):
            watched = [row.get(watch, np.nan) for row in history]
            if config.patience and epochs_since_best(watched) >= config.patience:
                break
            started = time.perf_counter()
            # dropout and the like restart with the epoch, with other numbers in each process
            torch.manual_seed(config.seed * 7919 + epoch + 104_729 * fabric.global_rank)
            model.train()
            losses = []
            with memory_errors(config):
                for step, batch in enumerate(batches(epoch), epoch * steps):
                    rate = config.learning_rate * rate_share(step, steps * config.epochs, config, watched)
                    set_rate(optimiser, rate)
                    losses.append(train_step(fabric, model, optimiser, loss, batch, config, epoch))
                    if average:
                        average.update_parameters(plain)
            average_buffers(plain, *([average.module] if average else []))
            if not all(value.isfinite().all() for value in plain.state_dict().values()):
                raise _stopped("a weight became nan or infinite", config, epoch)
            losses = torch.stack(losses)
            row = {"epoch": epoch + 1, "loss": losses.mean().item(), "rate": rate}
            row |= {"seconds": time.perf_counter() - started, "losses": losses.tolist()}
            row = from_first(row | (metrics(scored) if metrics else {}))
            history.append(row)
            fabric.log_dict({key: value for key, value in row.items() if key != "losses"}, step=epoch + 1)
            if fabric.is_global_zero:
                if folder:
                    _keep_best(folder, config, scored, watch, history)
                    checkpoint.save(folder, config, history, parts, plain)
                for callback in callbacks:
                    callback(row)
    plain.load_state_dict(scored.state_dict())
    return plain.eval(), history


def steps_of(batches) -> int:
    """Return the number of batches per epoch, at least one."""
    if not len(batches):
        raise InputError("batches: expected at least one batch per epoch, got none")
    return len(batches)


def train_step(fabric: Fabric, model, optimiser, loss, batch, config: TrainConfig, epoch: int = 0) -> torch.Tensor:
    """Take one step on a batch of (inputs, targets) and return its loss, a scalar without gradient."""
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


def _keep_best(folder, config, model, watch, history) -> None:
    """Write the weights, if the last epoch is the best so far."""
    watched = [row.get(watch, np.nan) for row in history]
    if not epochs_since_best(watched):
        facts = dict(net=config.net, run=config.name, data=config.data, epoch=len(watched))
        save_weights(model, Path(folder) / checkpoint.BEST, **facts, **{watch: f"{watched[-1]:.5g}"})


def fabric_for(config: TrainConfig, folder: str | Path | None = None) -> Fabric:
    """Return the Fabric of a config: device, precision and logger, over the processes that were started together."""
    available = {"cuda": torch.cuda.is_available, "mps": torch.backends.mps.is_available}
    if config.device in available and not available[config.device]():
        raise InputError(f"device: {config.device!r} is not here; 'auto' takes the best that is")
    _, count, here = started_as()
    options = dict(accelerator=config.device, precision=config.precision, loggers=_loggers(config, folder))
    if count == 1:
        return Fabric(devices=1, **options)
    logging.getLogger("lightning.fabric").setLevel(logging.WARNING)  # it tells how the processes connect
    fabric = Fabric(strategy="ddp", devices=here, num_nodes=count // here, **options)
    fabric.launch()
    return fabric


def _loggers(config: TrainConfig, folder: str | Path | None) -> list:
    """Return the logger that `config.log` names: rows in `folder/log/version_N`, or Weights & Biases."""
    if not config.log or folder is None:
        return []
    if config.log == "csv":
        return [CSVLogger(str(folder), name="log", flush_logs_every_n_steps=1)]
    if importlib.util.find_spec("wandb") is None:
        raise InputError("log 'wandb': the package wandb is not here: pip install 'fkd-helpers[wandb]', or --log csv")
    import wandb  # optional, and slow
    from lightning.pytorch.loggers import WandbLogger

    Path(folder).mkdir(parents=True, exist_ok=True)
    # without a key the run stays in `folder/wandb`, for `wandb sync`; nobody is asked for one
    mode = os.environ.get("WANDB_MODE") or ("online" if os.environ.get("WANDB_API_KEY") else "offline")
    options = dict(project=os.environ.get("WANDB_PROJECT") or PROJECT, mode=mode, config=asdict(config))
    return [WandbLogger(config.name, save_dir=str(folder), settings=wandb.Settings(silent=True), **options)]


@contextlib.contextmanager
def closing_loggers(fabric: Fabric) -> Iterator[None]:
    """End the runs of the loggers with the training, well or not."""
    code = 1
    try:
        yield
        code = 0
    finally:
        for logger in fabric.loggers if fabric.is_global_zero else ():
            if hasattr(logger.experiment, "finish"):  # Weights & Biases
                logger.experiment.finish(exit_code=code)


@contextlib.contextmanager
def memory_errors(config: TrainConfig) -> Iterator[None]:
    """Turn a lack of memory into an InputError that names a smaller batch size."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not isinstance(error, MemoryError) and not any(words in str(error).lower() for words in NO_MEMORY):
            raise
        half = config.batch_size // 2
        advice = f"try a batch size of {half}" if half else "one face is too much for it: try a smaller network"
        raise InputError(f"out of memory with a batch size of {config.batch_size}: {advice}") from None


@torch.no_grad()
def predict_batches(model: nn.Module, batches) -> tuple[np.ndarray, np.ndarray]:
    """Run a model over the batches of epoch 0; return predicted and target keypoints (n, k, 2) in crop pixels.

    Processes that train together share the work, so each of them must call this; each gets the whole answer.
    """
    was_training = model.training
    model.eval()
    device = next(model.parameters()).device
    pairs = [(keypoints_from(model(inputs.to(device))).float().cpu(), targets) for inputs, targets in batches(0)]
    pairs = in_order(pairs)
    model.train(was_training)
    return tuple(np.concatenate([pair[i].numpy() for pair in pairs]) for i in (0, 1))
