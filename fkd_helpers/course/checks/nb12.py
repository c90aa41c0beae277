"""Checks of the exercises of notebook 12."""

import queue
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from fkd_helpers.course.exercises import Refused, register


class _Link:
    """The connection of one of several simulated processes (threads) with the others."""

    def __init__(self, rank: int, size: int, boxes: dict):
        self.rank, self.size, self.boxes = rank, size, boxes

    def send(self, array, to: int) -> None:
        """Send an array to another rank, without waiting."""
        self.boxes[self.rank, to].put(np.array(array))

    def receive(self, source: int) -> np.ndarray:
        """Wait for the next array of another rank."""
        try:
            return self.boxes[source, self.rank].get(timeout=2)
        except queue.Empty:
            raise Refused(f"process {self.rank} waits in vain for process {source}") from None


def _in_all(all_reduce, arrays):
    ranks = range(len(arrays))
    boxes = {(a, b): queue.Queue() for a in ranks for b in ranks}
    links = [_Link(rank, len(arrays), boxes) for rank in ranks]
    with ThreadPoolExecutor(len(arrays)) as pool:
        return list(pool.map(all_reduce, arrays, links))


MEANS = np.array([[1.0, 10.0], [4.0, 40.0]])

CASES = {
    "whole_mean": [
        ((MEANS, np.array([8, 8])), [2.5, 25]), ((MEANS, np.array([8, 2])), [1.6, 16]),
        ((np.array([[2.0, 3.0], [np.nan, np.nan], [5.0, 0.0]]), np.array([2, 0, 1])), [3, 2]),
    ],
    "all_reduce": [
        (f"{len(arrays)} process(es), one row per process", (arrays,), np.repeat([arrays.sum(0)], len(arrays), 0))
        for arrays in (np.array([[1.0, 2.0], [10.0, 20.0]]), np.array([[3.0]]), np.arange(12.0).reshape(4, 3))
    ],
    "speedup": [
        ((4, 0.0, 0.0), 4), ((10, 0.1, 0.0), 1 / 0.19), ((5, 0.0, 0.01), 1 / 0.24), ((1, 0.3, 0.5), 1),
        ((2, 0.0, 0.6), 1 / 1.1),
    ],
    "expected_hours": [
        ((2.0, 0.001), 1000 * np.expm1(0.002)), ((24.0, 1 / 24), 24 * np.expm1(1)), ((96.0, 1 / 24), 24 * np.expm1(4)),
        ((3.0, 0.0), 3),
    ],
}  # fmt: skip
register("12", CASES, all_reduce=_in_all)
