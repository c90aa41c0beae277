"""Self-checks of the exercises of notebook 12."""

import queue
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from fkd_helpers.course.exercises import exercise
from fkd_helpers.course.verdicts import Case, Verdict, is_stub, run


@exercise("12")
def whole_mean(function: Callable) -> Verdict:
    """Check exercise 1: the mean of all from the means (w, m) and the counts (w,) of parts."""
    means = np.array([[1.0, 10.0], [4.0, 40.0]])
    idle = np.array([[2.0, 3.0], [np.nan, np.nan], [5.0, 0.0]])
    return run(function, [
        Case("equal parts", (means, np.array([8, 8])), [2.5, 25.0]),
        Case("8 faces in one part, 2 in the other", (means, np.array([8, 2])), [1.6, 16.0]),
        Case("a worker that got no face: its mean is nan", (idle, np.array([2, 0, 1])), [3.0, 2.0]),
    ])  # fmt: skip


@exercise("12")
def speedup(function: Callable) -> Verdict:
    """Check exercise 3: how many times faster `workers` are than one."""
    return run(function, [
        Case("nothing in the way", (4, 0.0, 0.0), 4.0),
        Case("a tenth cannot be shared", (10, 0.1, 0.0), 1 / 0.19),
        Case("talking costs a hundredth for each further worker", (5, 0.0, 0.01), 1 / 0.24),
        Case("one worker has nobody to talk to", (1, 0.3, 0.5), 1.0),
        Case("so much talk that two are slower than one", (2, 0.0, 0.6), 1 / 1.1),
    ])  # fmt: skip


@exercise("12")
def expected_hours(function: Callable) -> Verdict:
    """Check exercise 4: hours until a job is through that starts over after each failure."""
    return run(function, [
        Case("2 hours, a failure every 1,000 hours", (2.0, 0.001), 1000 * np.expm1(0.002)),
        Case("a day, a failure a day", (24.0, 1 / 24), 24 * np.expm1(1)),
        Case("four days, a failure a day", (96.0, 1 / 24), 24 * np.expm1(4)),
        Case("machines that never fail", (3.0, 0.0), 3.0),
    ])  # fmt: skip


class _Link:
    """The connection of one of several simulated processes (threads) with the others."""

    def __init__(self, rank: int, boxes: dict[tuple[int, int], queue.Queue]):
        self.rank, self.size, self._boxes = rank, 1 + max(map(max, boxes), default=0), boxes

    def send(self, array, to: int) -> None:
        """Send an array to another rank, without waiting."""
        self._boxes[self.rank, to].put(np.array(array))

    def receive(self, source: int) -> np.ndarray:
        """Wait for the next array of another rank."""
        return self._boxes[source, self.rank].get(timeout=2)


@exercise("12")
def all_reduce(function: Callable) -> Verdict:
    """Check exercise 2: the sum over all processes, in every process."""

    def in_all(arrays):
        """Return what each simulated process returned, NaN where it failed or waited for nothing."""
        ranks = range(len(arrays))
        boxes = {(a, b): queue.Queue() for a in ranks for b in ranks if a != b}
        with ThreadPoolExecutor(len(arrays)) as pool:
            tasks = [pool.submit(function, arrays[rank], _Link(rank, boxes)) for rank in ranks]
        if any(task.exception() is None and is_stub(task.result()) for task in tasks):
            return None
        shape = arrays.shape[1:]
        results = [None if task.exception() else np.asarray(task.result(), float) for task in tasks]
        return [np.full(shape, np.nan) if result is None or result.shape != shape else result for result in results]

    return run(in_all, [
        Case(f"{len(arrays)} process(es), one row per process (nan: it failed, or waited in vain)", (arrays,),
             np.repeat(arrays.sum(0)[None], len(arrays), 0))
        for arrays in (np.array([[1.0, 2.0], [10.0, 20.0]]), np.array([[3.0]]), np.arange(12.0).reshape(4, 3))
    ])  # fmt: skip
