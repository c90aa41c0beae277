"""Plausible wrong answers to the exercises of notebooks 03, 04 and 12."""

import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR

from fkd_helpers import nets

WRONG: dict[str, dict] = {}


def averaged(values, weight, start):
    smoothed = [start]
    for value in values:
        smoothed.append(weight * smoothed[-1] + (1 - weight) * value)
    return smoothed[1:]


def cosine(step, steps, warm):
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / (steps - warm)))


def tiny():
    pooled = nn.AvgPool2d(8), nn.Flatten(), nn.Linear(14 * 14, 136)
    return nn.Sequential(*pooled, nn.Unflatten(1, (68, 2)))


def row_of(net, rate=1e-3):
    optimiser = torch.optim.Adam(net.parameters(), rate)
    return {"net": net, "loss": functional.l1_loss, "optimiser": optimiser, "batch": 20}


WRONG["03"] = {
    "own_row": [
        lambda: row_of(nets.build("two_layers")),  # too many weights
        lambda: row_of(nn.Sequential(*list(tiny())[:-1])),  # numbers in place of points
        lambda: row_of(tiny()),  # too simple
    ],
    "momentum_step": [
        lambda w, g, v, rate, m: (w - rate * g, m * v + g),  # the velocity is kept, and not used
        lambda w, g, v, rate, m: (w - rate * v, m * v + g),  # the old velocity
        lambda w, g, v, rate, m: (w - rate * (m * v + (1 - m) * g), m * v + (1 - m) * g),  # an average, as in Adam
    ],
    "summary_row": [
        lambda x: (np.nanmean(x), np.nanstd(x), np.isfinite(x).sum()),  # of the population
        lambda x: (x.mean(), x.std(ddof=1), len(x)),  # NaN spreads
    ],
    "smooth": [
        lambda x, weight: averaged(x, weight, start=0.0),
        lambda x, weight: averaged(x, 1 - weight, start=x[0]),  # the weights exchanged
        lambda x, weight: np.append(x[0], weight * x[:-1] + (1 - weight) * x[1:]),  # of raw neighbours
    ],
    "warmup_cosine": [
        lambda optimiser, steps, warm: CosineAnnealingLR(optimiser, steps),  # no warm-up
        lambda optimiser, steps, warm: LambdaLR(  # the cosine does not wait for the warm-up
            optimiser, lambda i: (i + 1) / warm if i < warm else cosine(i, steps, 0)
        ),
    ],
}


def place(weights):
    shares = weights / weights.sum()
    cells = np.arange(len(shares))
    return np.array([(shares.sum(0) * cells).sum(), (shares.sum(1) * cells).sum()])


def soft_place(heat):
    return place(np.exp(heat - heat.max()))


def by_person(values, people, how):
    return [how(values[people == person]) for person in np.unique(people)]


def keeps_gradients(net, images):
    was, answers = net.training, net.eval()(images)
    net.train(was)
    return answers


WRONG["04"] = {
    "predict": [keeps_gradients, torch.no_grad()(lambda net, images: net(images))],
    "soft_argmax": [
        lambda h: soft_place(h)[::-1],  # y first
        lambda h: np.unravel_index(h.argmax(), h.shape)[::-1],  # the highest cell
        lambda h: place(np.exp(np.minimum(h, 700))),  # too large a number for exp, cut off
    ],
    "one_draw": [
        lambda v, people, drawn: v[np.isin(people, drawn)].mean(),  # twice drawn counts once
        lambda v, people, drawn: np.mean([v[people == one].mean() for one in drawn]),  # a person counts as one
    ],
    "price_of_new": [
        lambda a, b, in_a: b - a,  # the folds play no part
        lambda a, b, in_a: np.where(in_a, b, a),  # the error on new people alone
    ],
    "paired_gain": [
        lambda a, b, people: a - b,  # per frame
        lambda a, b, people: by_person(a - b, people, lambda values: values[0]),  # the first frame only
    ],
}


def through_first(mine, link, *, back=True, everybody=True):
    if link.rank:
        link.send(mine, 0)
        return link.receive(0) if back else mine
    total = mine.copy()
    for source in range(1, link.size if everybody else min(link.size, 2)):
        total = total + link.receive(source)
    for to in range(1, link.size) if back else ():
        link.send(total, to)
    return total


def receives_first(mine, link):
    others = [rank for rank in range(link.size) if rank != link.rank]
    arrays = [link.receive(rank) for rank in others]
    for rank in others:
        link.send(mine, rank)
    return mine + sum(arrays)


WRONG["12"] = {
    "all_reduce": [
        receives_first,  # all wait for one another
        lambda mine, link: through_first(mine, link, back=False),  # only rank 0 has the sum
        lambda mine, link: through_first(mine, link, everybody=False),  # right for two processes
    ],
    "whole_mean": [
        lambda means, counts: np.nan_to_num(means).mean(0),  # every worker counts the same
        lambda means, counts: (means * counts[:, None]).sum(0) / counts.sum(),  # 0 x nan is nan
        lambda means, counts: np.nansum(means * counts[:, None], 0) / len(counts),  # by workers, not faces
    ],
    "speedup": [
        lambda w, alone, talk: w,
        lambda w, alone, talk: 1 / (alone + (1 - alone) / w + talk * w),  # talks to itself
        lambda w, alone, talk: alone + (1 - alone) / w + talk * (w - 1),  # time, not speed
    ],
    "expected_hours": [
        lambda hours, rate: hours * (1 + rate * hours),  # one failure at most
        lambda hours, rate: np.expm1(rate * hours) / max(rate, 1e-300),  # never fails: never done
    ],
}
