"""One training loop for every task of the course, on Lightning Fabric. Built in notebook 02."""

import contextlib
import csv
import dataclasses
import json
import math
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from lightning.fabric import Fabric
from torch import nn

from fkd_helpers.config import RunConfig
from fkd_helpers.errors import InputError
from fkd_helpers.files import whole_file
from fkd_helpers.models import keypoints_from

CHECKPOINT = "last.pt"


class TrainingStopped(RuntimeError):
    """Training ended before its last epoch; the message says why, the last good checkpoint is kept."""


def fit(
    model: nn.Module,
    batches: Callable[[int], Iterable[Sequence[torch.Tensor]]],
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    *,
    config: RunConfig,
    metrics: Callable[[nn.Module], dict[str, float]] | None = None,
    callbacks: Sequence[Callable[[dict], None]] = (),
    folder: str | Path | None = None,
    fabric: Fabric | None = None,
) -> tuple[nn.Module, list[dict]]:
    """Train a model and return it (the averaged weights, in evaluation mode) with its history, one dict an epoch.

    batches: epoch -> (inputs, targets) batches, the same ones whenever it is asked for the same epoch; has a length
    loss: (output, targets) -> scalar
    metrics: model -> further numbers for the epoch's row
    history: rows with epoch, loss (mean), rate, seconds (without the metrics), losses (of each batch), the metrics
    callbacks: called with each epoch's row
    folder: where `last.pt` goes after every epoch; training continues from the one that is there, and ends with the
        same weights, bit for bit on the CPU, as training that was never stopped

    Raises:
        TrainingStopped: the loss is not finite any more.
        InputError: the checkpoint in the folder is of another run or damaged, or the device is not here.
    """
    fabric = fabric or _fabric(config)
    steps = len(batches) * config.epochs
    if not steps:
        raise InputError("batches: expected at least one batch an epoch, got none")
    optimiser = _optimiser(model, config)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _rate(step, steps, config))
    # convolutions on the CPU are fastest with the channels last
    model, optimiser = fabric.setup(model.to(memory_format=torch.channels_last), optimiser)
    average = _Average(model, config.average)
    history = _resume(folder, config, model, optimiser, schedule, average) if folder else []
    for epoch in range(len(history), config.epochs):
        started = time.perf_counter()
        torch.manual_seed(config.seed * 7919 + epoch)  # dropout and the like restart with the epoch
        model.train()
        losses = []
        for inputs, targets in batches(epoch):
            inputs, targets = fabric.to_device((inputs, targets))
            value = loss(model(inputs), targets)
            optimiser.zero_grad(set_to_none=True)
            if not torch.isfinite(value.detach()):
                raise TrainingStopped(
                    f"the loss became {value.item()} in epoch {epoch + 1}: try a smaller learning rate than "
                    f"{config.learning_rate:g}; the checkpoint of epoch {epoch} is kept"
                )
            fabric.backward(value)
            if config.clip:
                fabric.clip_gradients(model, optimiser, max_norm=config.clip, error_if_nonfinite=False)
            optimiser.step()
            schedule.step()
            average.update()
            losses.append(value.detach())
        losses = torch.stack(losses)
        row = {"epoch": epoch + 1, "loss": losses.mean().item(), "rate": schedule.get_last_lr()[0],
               "seconds": time.perf_counter() - started, "losses": losses.tolist()}  # fmt: skip
        with average.swapped_in():
            row |= metrics(model) if metrics else {}
        history.append(row)
        if folder and fabric.is_global_zero:
            _save(folder, config, model, optimiser, schedule, average, history)
        for callback in callbacks:
            callback(row)
    average.swap()
    return model.module.eval() if hasattr(model, "module") else model.eval(), history


def _fabric(config: RunConfig) -> Fabric:
    here = {"cuda": torch.cuda.is_available, "mps": torch.backends.mps.is_available}
    if config.device in here and not here[config.device]():
        raise InputError(f"device: {config.device!r} is not here; 'auto' takes the best that is")
    return Fabric(accelerator=config.device, devices=1, precision=config.precision)


def _optimiser(model: nn.Module, config: RunConfig) -> torch.optim.Optimizer:
    # biases and normalisation are not decayed: they have no reason to be small
    weights = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in weights if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in weights if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if config.optimiser == "sgd":
        return torch.optim.SGD(groups, lr=config.learning_rate, momentum=config.momentum)
    kinds = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    return kinds[config.optimiser](groups, lr=config.learning_rate)


def _rate(step: int, steps: int, config: RunConfig) -> float:
    """Return the share of the learning rate at a step: a short rise and a cosine down to zero, and simpler ones."""
    done = step / max(steps, 1)
    if config.schedule == "one_cycle":
        warm = 0.1
        return max(done / warm, 0.01) if done < warm else 0.5 * (1 + math.cos(math.pi * (done - warm) / (1 - warm)))
    if config.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * done))
    return 0.1 ** int(done * 3) if config.schedule == "step" else 1.0


class _Average:
    """A moving average of all weights and buffers; young averages forget their start faster."""

    def __init__(self, model: nn.Module, decay: float):
        self.live = model.state_dict()  # tensors shared with the model
        self.decay, self.steps = decay, 0
        # without an average the two are one: no time, no memory
        self.mean = {key: value.detach().clone() if decay else value for key, value in self.live.items()}

    @torch.no_grad()
    def update(self) -> None:
        if not self.decay:
            return
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        for key, value in self.live.items():
            if value.is_floating_point():
                self.mean[key].lerp_(value, 1 - decay)
            else:
                self.mean[key].copy_(value)

    @torch.no_grad()
    def swap(self) -> None:
        if not self.decay:
            return
        for key, value in self.live.items():
            held = value.clone()
            value.copy_(self.mean[key])
            self.mean[key].copy_(held)

    @contextlib.contextmanager
    def swapped_in(self):
        self.swap()
        try:
            yield
        finally:
            self.swap()


def _save(folder, config, model, optimiser, schedule, average, history) -> None:
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    state = {
        "config": json.dumps(dataclasses.asdict(config)), "model": model.state_dict(), "average": average.mean,
        "average_steps": average.steps, "optimiser": optimiser.state_dict(),
        "schedule": schedule.state_dict()["last_epoch"], "history": json.dumps(history),
    }  # fmt: skip
    with whole_file(folder / CHECKPOINT) as partial:
        torch.save(state, partial)


def _resume(folder, config, model, optimiser, schedule, average) -> list[dict]:
    """Load the folder's checkpoint, where there is one, into everything that trains; return the history so far."""
    path = Path(folder) / CHECKPOINT
    if not path.exists():
        return []
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        theirs = json.loads(state["config"])
    except Exception as error:  # torch raises many types for a damaged file
        raise InputError(f"{path}: not a whole checkpoint ({str(error).splitlines()[0][:100]})") from None
    ours = dataclasses.asdict(config)
    free = {"device", "name"}
    if config.schedule == "constant" and theirs.get("epochs", math.inf) <= config.epochs:
        free.add("epochs")  # nothing in the first epochs depends on how many follow
    other = [key for key in ours if theirs.get(key) != ours[key] and key not in free]
    if other:
        was = ", ".join(f"{key} {theirs.get(key)!r}, now {ours[key]!r}" for key in other)
        raise InputError(f"{path}: a checkpoint of another run ({was}): choose another folder, or delete it")
    model.load_state_dict(state["model"])
    optimiser.load_state_dict(state["optimiser"])
    schedule.last_epoch = state["schedule"]
    for group, base in zip(optimiser.param_groups, schedule.base_lrs, strict=True):
        group["lr"] = base * schedule.lr_lambdas[0](state["schedule"])
    for key, value in average.mean.items():
        value.copy_(state["average"][key])
    average.steps = state["average_steps"]
    return json.loads(state["history"])


@torch.no_grad()
def predict_batches(model: nn.Module, batches, *, device: torch.device | str | None = None) -> tuple:
    """Run a model over the batches of epoch 0; return predicted and target keypoints (n, k, 2) in crop pixels."""
    was_training = model.training
    model.eval()
    device = device or next(model.parameters()).device
    pairs = [(keypoints_from(model(inputs.to(device))).float().cpu(), targets) for inputs, targets in batches(0)]
    model.train(was_training)
    return tuple(np.concatenate([pair[i].numpy() for pair in pairs]) for i in (0, 1))


def write_history(history: list[dict], path: str | Path) -> None:
    """Write a history as CSV, one row an epoch."""
    keys = list(dict.fromkeys(key for row in history for key in row if key != "losses"))
    with whole_file(Path(path)) as partial, partial.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, keys, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(history)
