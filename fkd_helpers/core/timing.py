"""Measure how long functions take, in turns."""

import timeit
from collections.abc import Callable

import numpy as np


def measure(rows: dict[str, Callable[[], object]], *, rounds: int, warm: int = 2, burst: int = 1) -> dict[str, float]:
    """Return the median seconds per call of each function; they take turns of `burst` calls, as a camera does."""
    times: dict[str, list[float]] = {name: [] for name in rows}
    for turn in range(warm + rounds):
        for name, function in rows.items():
            spent = [timeit.timeit(function, number=1) for _ in range(burst)]
            times[name] += spent if turn >= warm else []
    return {name: float(np.median(values)) for name, values in times.items()}
