"""What a check of an exercise says, and how it calls a learner's function. It never raises: "Run All" goes on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Verdict:
    """What a check found; it prints as one line."""

    passed: int
    total: int
    message: str = ""

    @property
    def solved(self) -> bool:
        """Whether every case passed."""
        return self.passed == self.total

    def __repr__(self) -> str:
        return f"{self.passed} of {self.total}" + (f": {self.message}" if self.message else ", well done")


@dataclass(frozen=True)
class Case:
    """One call of the learner's function: what it shows, its arguments, the answer, how close is close enough."""

    what: str
    arguments: tuple
    expected: object
    tolerance: float = 1e-4


def is_stub(answer: object) -> bool:
    """True for what a function returns that was not written yet: None, or the dots of the stub."""
    return answer is None or answer is ...


def run(function: Callable, cases: Sequence[Case]) -> Verdict:
    """Call a learner's function on each case and stop at the first that fails; None and ... mean not attempted."""
    for passed, case in enumerate(cases):
        given = tuple(np.copy(a) if isinstance(a, np.ndarray) else a for a in case.arguments)
        try:
            answer = function(*given)
        except Exception as error:  # whatever a learner's code raises is part of the verdict
            return Verdict(passed, len(cases), f"{case.what}: it raised {type(error).__name__}: {error}")
        if is_stub(answer):
            what = f"{case.what}: it returned nothing" if passed else "not attempted yet"
            return Verdict(passed, len(cases), what)
        fault = _fault(answer, case)
        if fault:
            return Verdict(passed, len(cases), f"{case.what}: {fault}")
        if any(isinstance(a, np.ndarray) and not _same(a, b) for a, b in zip(case.arguments, given, strict=True)):
            return Verdict(passed, len(cases), f"{case.what}: it changed its argument in place; work on a copy")
    return Verdict(len(cases), len(cases))


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    return np.array_equal(a, b, equal_nan=a.dtype.kind == "f")


def _fault(answer, case: Case) -> str:
    """Say in what an answer differs from the expected one; "" where it does not."""
    try:
        answer, expected = np.asarray(answer, np.float64), np.asarray(case.expected, np.float64)
    except (TypeError, ValueError):
        return f"expected numbers, got {type(answer).__name__}"
    if answer.shape != expected.shape:
        return f"expected shape {expected.shape}, got {answer.shape}"
    wrong = ~np.isclose(answer, expected, rtol=0, atol=case.tolerance, equal_nan=True)
    if not wrong.any():
        return ""
    first = tuple(int(i) for i in np.argwhere(wrong)[0])
    place = f" at {list(first)}" if first else ""
    return f"expected {expected[first]:.4g}{place}, got {answer[first]:.4g}"
