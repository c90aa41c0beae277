"""Self-checks of the exercises of notebook 08."""

from collections.abc import Callable

import numpy as np

from fkd_helpers.course.exercises import exercise
from fkd_helpers.course.verdicts import Case, Verdict, is_stub, run

FPS, SIDE = 30, 100.0  # frames per second, pixels of the face, of the tracks of `steady`


@exercise("08")
def latest_wins(function: Callable) -> Verdict:
    """Check exercise 1: which frames a worker takes that always takes the newest one."""
    steady = np.arange(6) * 0.04  # seconds
    return run(function, [
        Case("6 frames every 0.04 s, 0.01 s of work", (steady, 0.01), [0, 1, 2, 3, 4, 5]),
        Case("6 frames every 0.04 s, 0.05 s of work", (steady, 0.05), [0, 1, 2, 3, 5]),
        Case("6 frames every 0.04 s, 0.13 s of work", (steady, 0.13), [0, 3, 5]),
        Case("three frames at once after a pause", (np.array([0.0, 0.30, 0.31, 0.32]), 0.1), [0, 1, 3]),
        Case("a first frame that comes late", (np.array([1.0, 1.05, 1.5]), 0.1), [0, 1, 2]),
    ])  # fmt: skip


@exercise("08")
def toggle_button(function: Callable) -> Verdict:
    """Check exercise 2: a button that calls `begin` and `end` in turn, and says what the next press does."""
    import ipywidgets  # slow to import

    calls, button = [], ipywidgets.Button(description="Record")
    try:
        answer = function(button, lambda: calls.append("begin"), lambda: calls.append("end"))
        if is_stub(answer):
            return Verdict(0, 5, "not attempted yet")
        if answer is not button:
            return Verdict(0, 5, f"what it returns: expected the button, got {type(answer).__name__}")
        expected = [([], "Record"), (["begin"], "Stop recording"), (["begin", "end"], "Record"),
                    (["begin", "end", "begin"], "Stop recording")]  # fmt: skip
        for presses, (made, words) in enumerate(expected):
            if presses:
                button.click()
            if calls != made:
                return Verdict(1 + presses, 5, f"after {presses} presses: expected the calls {made}, got {calls}")
            if button.description != words:
                found = f"expected {words!r}, got {button.description!r}"
                return Verdict(1 + presses, 5, f"after {presses} presses: {found}")
    except Exception as error:  # whatever a learner's code raises is part of the verdict
        return Verdict(0, 5, f"a press: it raised {type(error).__name__}: {error}")
    return Verdict(5, 5)


@exercise("08")
def picture_age(function: Callable) -> Verdict:
    """Check exercise 3: how old (s) the picture on the screen is at certain moments; NaN = none yet."""
    taken = np.array([0.0, 0.1, 0.2, 0.3, 0.4])
    shown = np.array([0.06, 0.17, np.nan, 0.48, np.nan])  # two were dropped
    nothing = np.full(5, np.nan)
    return run(function, [
        Case("while one picture after the other is shown", (taken, shown, np.array([0.06, 0.1, 0.18])),
             [0.06, 0.1, 0.08]),
        Case("while a picture stands still", (taken, shown, np.array([0.3, 0.47, 0.5, 1.0])), [0.2, 0.37, 0.2, 0.7]),
        Case("before the first picture", (taken, shown, np.array([0.0, 0.05, 0.16])), [np.nan, np.nan, 0.16]),
        Case("all frames dropped", (taken, nothing, np.array([0.2, 0.9])), [np.nan, np.nan]),
    ])  # fmt: skip


@exercise("08")
def steady(function: Callable) -> Verdict:
    """Check exercise 4: a third of the jitter at rest, at most one frame of delay on a pan, no look ahead."""
    rng = np.random.default_rng(8)
    rest = rng.uniform(0, SIDE, (1, 10, 2)) + rng.normal(0, 0.2, (90, 10, 2))
    pan = rest + np.arange(90)[:, None, None] * [1.0, 0.0]  # one pixel per frame to the right
    answers = []
    for points in (rest, pan, pan[:60]):
        try:
            answer = function(points.copy(), FPS, SIDE)
        except Exception as error:  # whatever a learner's code raises is part of the verdict
            return Verdict(0, 4, f"points {points.shape}: it raised {type(error).__name__}: {error}")
        if is_stub(answer):
            return Verdict(0, 4, "not attempted yet")
        if np.shape(answer) != points.shape:
            return Verdict(0, 4, f"the answer: expected shape {points.shape}, got {np.shape(answer)}")
        answers.append(np.asarray(answer))
    jitter = jitter_of(answers[0][30:]) / jitter_of(rest[30:])
    delay = (pan - answers[1])[30:, :, 0].mean()
    if jitter > 1 / 3:
        return Verdict(1, 4, f"a face at rest: expected at most 0.33 of the jitter, got {jitter:.2f}")
    if delay > 1:
        return Verdict(2, 4, f"a pan: expected at most one frame of delay, got {delay:.2f}")
    if not np.allclose(answers[1][:60], answers[2]):
        return Verdict(3, 4, "frame 59: expected the same answer whether or not later frames come, got another")
    return Verdict(4, 4)


def jitter_of(points: np.ndarray) -> float:
    """Return the mean length of the second difference of points (n, k, 2)."""
    return float(np.linalg.norm(np.diff(points, 2, axis=0), axis=-1).mean())
