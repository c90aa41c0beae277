"""Frames at their time: a film plays at its own speed, and time never runs backwards. Built in notebook 05."""

import threading
from collections.abc import Callable, Generator
from typing import Protocol

import numpy as np

from fkd_helpers.core.errors import InputError
from fkd_helpers.live.sources import Source


class Elapsed:
    """Seconds since the first call, by a clock that may run backwards: then nothing passes."""

    def __init__(self):
        self._last, self._passed = None, 0.0

    def __call__(self, now: float) -> float:
        self._passed += 0.0 if self._last is None else max(0.0, now - self._last)
        self._last = now
        return self._passed


class Wishes(Protocol):
    """Which frames are wanted: as fast as they can be had or at their speed, how many a second, for how long."""

    every: bool
    max_fps: float | None
    seconds: float | None


def check_wishes(**limits: float | None) -> None:
    """Raise InputError for a limit that is not above 0; None is no limit."""
    for name, value in limits.items():
        if value is not None and not value > 0:
            raise InputError(f"{name}: expected more than 0, got {value}")


def timed(
    source: Source, stopped: threading.Event, clock: Callable[[], float], wishes: Wishes
) -> Generator[tuple[np.ndarray, float], None, None]:
    """Yield the frames of a source that are wanted, each at its time, with the second it belongs to.

    stopped: when set, nothing is waited for
    wishes: asked anew for each frame. every: a source that is not live gives each frame at once, with the second on its
        own clock; otherwise it plays at its own speed, and a frame belongs to when it came, by our clock. max_fps,
        seconds: None for all
    """
    paced = not source.live and not wishes.every
    ours, own, taken, due = Elapsed(), Elapsed(), Elapsed(), 0.0
    for frame, when in source.frames:
        if when is None or paced:
            if when is not None:
                stopped.wait(min(10.0, max(0.0, own(when) - ours(clock()))))
            when = clock()
        passed = taken(when)
        if wishes.seconds is not None and passed >= wishes.seconds:
            source.ended = f"Ended after {wishes.seconds:g} seconds."
            return
        if rate := wishes.max_fps:
            if passed < due - 1e-6:
                continue
            due = max(due, passed - 1 / rate) + 1 / rate
        yield frame, when
