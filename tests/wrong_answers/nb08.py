"""Plausible wrong answers to the exercises of notebook 08."""

import numpy as np


def age_by(taken, shown, now, *, since=None):
    ages = np.full(len(now), np.nan)
    for i, moment in enumerate(now):
        if len(there := np.flatnonzero(shown <= moment)):
            ages[i] = moment - (taken if since is None else since)[there[-1]]
    return ages


def wired(button, act):
    button.on_click(act)
    return button


def only_begin(button, begin, end):
    return wired(button, lambda _: begin())


def both_at_once(button, begin, end):
    return wired(button, lambda _: (begin(), end()))


def at_once(button, begin, end):
    begin()
    return wired(button, lambda _: end())


def silent(button, begin, end):
    presses = []
    return wired(button, lambda _: (presses.append(1), begin() if len(presses) % 2 else end()))


def reversed_words(button, begin, end):
    def press(_):
        (begin if button.description == "Record" else end)()
        button.description = "Record"

    return wired(button, press)


def averaged(points, m):
    smoothed = [points[0]]
    for frame in points[1:]:
        smoothed.append(m * smoothed[-1] + (1 - m) * frame)
    return np.stack(smoothed)


def centred(points, fps, side):
    padded = np.pad(points, ((4, 4), (0, 0), (0, 0)), mode="edge")
    return np.mean([padded[i : i + len(points)] for i in range(9)], 0)


# exercise -> wrong answers that look right
WRONG = {
    "latest_wins": [
        lambda arrivals, work: list(range(len(arrivals))),  # a queue: all of them
        lambda arrivals, work: list(range(0, len(arrivals), max(1, round(work / 0.04)))),  # every so many
    ],
    "toggle_button": [only_begin, both_at_once, at_once, silent, reversed_words],
    "picture_age": [
        lambda taken, shown, now: age_by(taken, shown, now, since=shown),  # since it was drawn, not taken
        lambda taken, shown, now: age_by(taken, np.where(np.isnan(shown), taken + 0.06, shown), now),
        lambda taken, shown, now: np.nan_to_num(age_by(taken, shown, now)),  # none yet counts as new
    ],
    "steady": [
        lambda points, fps, side: points,  # no smoothing
        lambda points, fps, side: averaged(points, 0.8),  # too late
        centred,  # looks into the future
    ],
}
