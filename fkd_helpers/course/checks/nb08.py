"""Checks of the exercises of notebook 08."""

import ipywidgets
import numpy as np

from fkd_helpers.course.exercises import AtMost, ask, register


def _pressed(toggle_button, presses):
    calls, button = [], ipywidgets.Button(description="Record")
    answer = toggle_button(button, lambda: calls.append("begin"), lambda: calls.append("end"))
    for _ in range(presses):
        button.click()
    return f"calls: {', '.join(calls) or 'none'}; the button says {answer.description}"


def jitter_of(points: np.ndarray) -> float:
    """Return the mean length of the second difference of points (n, k, 2)."""
    return float(np.linalg.norm(np.diff(points, 2, axis=0), axis=-1).mean())


def _steadied(steady, points):
    return np.asarray(steady(points.copy(), 30, 100.0))  # frames per second, pixels of the face


def _jitter_left(steady):
    return jitter_of(_steadied(steady, REST)[30:]) / jitter_of(REST[30:])


def _later(steady):
    """Return by how much the first 60 answers change if 30 more frames follow."""
    return np.abs(_steadied(steady, PAN)[:60] - _steadied(steady, PAN[:60])).max()


EVEN = np.arange(6) * 0.04  # seconds
TAKEN, SHOWN = np.arange(5) / 10, np.array([0.06, 0.17, np.nan, 0.48, np.nan])  # two were dropped
RNG = np.random.default_rng(8)
REST = RNG.uniform(0, 100, (1, 10, 2)) + RNG.normal(0, 0.2, (90, 10, 2))
PAN = REST + np.arange(90)[:, None, None] * [1.0, 0.0]  # one pixel per frame to the right

CASES = {
    "latest_wins": [
        ((EVEN, 0.01), [0, 1, 2, 3, 4, 5]), ((EVEN, 0.05), [0, 1, 2, 3, 5]), ((EVEN, 0.13), [0, 3, 5]),
        ((np.array([0.0, 0.30, 0.31, 0.32]), 0.1), [0, 1, 3]), ((np.array([1.0, 1.05, 1.5]), 0.1), [0, 1, 2]),
    ],
    "toggle_button": [
        ("before the first press", (0,), "calls: none; the button says Record"),
        ("after 1 press", (1,), "calls: begin; the button says Stop recording"),
        ("after 2 presses", (2,), "calls: begin, end; the button says Record"),
        ("after 3 presses", (3,), "calls: begin, end, begin; the button says Stop recording"),
    ],
    "picture_age": [
        ((TAKEN, SHOWN, np.array([0.06, 0.1, 0.18])), [0.06, 0.1, 0.08]),
        ((TAKEN, SHOWN, np.array([0.3, 0.47, 0.5, 1.0])), [0.2, 0.37, 0.2, 0.7]),
        ((TAKEN, SHOWN, np.array([0.0, 0.05, 0.16])), [np.nan, np.nan, 0.16]),
        ((TAKEN, SHOWN * np.nan, np.array([0.2, 0.9])), [np.nan, np.nan]),
    ],
    "steady": [
        ("shape of the answer", (lambda steady: _steadied(steady, REST).shape,), REST.shape),
        ("share of the jitter that is left of a face at rest", (_jitter_left,), AtMost(1 / 3)),
        ("frames of delay on a pan", (lambda steady: (PAN - _steadied(steady, PAN))[30:, :, 0].mean(),), AtMost(1)),
        ("change of frames 0 to 59 if later frames come", (_later,), 0),
    ],
}  # fmt: skip
register("08", CASES, toggle_button=_pressed, steady=ask)
