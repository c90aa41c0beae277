"""A moving average of a network's weights: calmer than the weights themselves, and better. Built in notebook 02."""

import contextlib

import torch
from torch import nn


class Average:
    """A moving average of all weights and buffers; young averages forget their start faster. A decay of 0 is none."""

    def __init__(self, model: nn.Module, decay: float):
        self.live = model.state_dict()  # tensors shared with the model
        self.decay, self.steps = decay, 0
        # without an average the two are one: no time, no memory
        self.mean = {key: value.detach().clone() if decay else value for key, value in self.live.items()}

    @torch.no_grad()
    def update(self) -> None:
        """Take the weights after a step in."""
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
        """Give the model the average, and keep its own weights here; or the other way round."""
        if not self.decay:
            return
        for key, value in self.live.items():
            held = value.clone()
            value.copy_(self.mean[key])
            self.mean[key].copy_(held)

    @contextlib.contextmanager
    def swapped_in(self):
        """Let the model have the average for a while."""
        self.swap()
        try:
            yield
        finally:
            self.swap()

    @property
    def finite(self) -> bool:
        """Whether every weight of the model is still a number."""
        return all(bool(value.isfinite().all()) for value in self.live.values() if value.is_floating_point())

    def state_dict(self) -> dict:
        """Return what a checkpoint keeps."""
        return {"mean": self.mean, "steps": self.steps}

    @torch.no_grad()
    def load_state_dict(self, state: dict) -> None:
        """Continue from what a checkpoint kept."""
        for key, value in self.mean.items():
            value.copy_(state["mean"][key])
        self.steps = state["steps"]
