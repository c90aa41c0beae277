"""Plausible wrong answers to the exercises of notebook 08."""

import numpy as np


def taken_by(arrivals, work, pick, *, at_arrival=False):
    taken, free, i = [], -np.inf, 0
    while i < len(arrivals):
        i += int(max(0, pick((arrivals[i:] <= free).sum())))
        if i < len(arrivals):
            taken.append(i)
            free = (arrivals[i] if at_arrival else max(free, arrivals[i])) + work
        i += 1
    return taken


def age_by(taken, shown, now, *, since=None):
    ages = np.full(len(now), np.nan)
    for i, moment in enumerate(now):
        if len(there := np.flatnonzero(shown <= moment)):
            ages[i] = moment - (taken if since is None else since)[there[-1]]
    return ages


def counted(m, part):
    value, frames = 0.0, 0
    while value < part:
        value, frames = m * value + 1 - m, frames + 1
    return frames


# notebook -> exercise -> wrong answers that look right
WRONG = {
    "latest_wins": [
        lambda arrivals, work: list(range(len(arrivals))),  # a queue: all of them
        lambda arrivals, work: taken_by(arrivals, work, lambda waiting: 0),  # the oldest of those that wait
        lambda arrivals, work: taken_by(arrivals, work, lambda waiting: waiting),  # never one that waits
        lambda arrivals, work: taken_by(arrivals, work, lambda waiting: waiting - 1, at_arrival=True),
        lambda arrivals, work: list(range(0, len(arrivals), max(1, round(work / 0.04)))),  # every so many
    ],
    "most_fps": [
        lambda window, there, work, back: window / (there + work + back),  # a worker without limit
        lambda window, there, work, back: min(window / (there + back), 1 / work),  # the work forgotten
        lambda window, there, work, back: max(window / (there + work + back), 1 / work),
        lambda window, there, work, back: min(1 / (there + work + back), 1 / work),  # the window forgotten
        lambda window, there, work, back: min(window / (there + work + back), window / work),  # many workers
    ],
    "picture_age": [
        lambda taken, shown, now: age_by(taken, shown, now, since=shown),  # since it was drawn, not taken
        lambda taken, shown, now: age_by(taken, taken, now),  # as if there were no delay
        lambda taken, shown, now: age_by(taken, np.where(np.isnan(shown), taken + 0.06, shown), now),
        lambda taken, shown, now: np.nan_to_num(age_by(taken, shown, now)),  # none yet counts as new
        lambda taken, shown, now: np.full(len(now), np.nanmean(shown - taken)),  # the mean delay
    ],
    "frames_to_reach": [
        lambda m, part: max(1, int(np.log(1 - part) / np.log(max(m, 1e-9)))),  # rounded down
        lambda m, part: counted(m, 1 - part),  # what is missing taken for what is there
        lambda m, part: counted(1 - m, min(part, 0.99)) if m else 1,  # the weights exchanged
        lambda m, part: counted(m, part) + 1,  # one too many
        lambda m, part: int(np.ceil(1 + m / (1 - m))),  # the mean delay
    ],
}
