"""Plausible wrong answers to the exercises of notebook 12."""

import numpy as np


def through_first(mine, link, *, back=True, start=True, everybody=True):
    if link.rank:
        link.send(mine, 0)
        return link.receive(0) if back else mine
    total = mine.copy() if start else np.zeros_like(mine)
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


WRONG = {
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
