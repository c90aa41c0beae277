"""The exercises: which there are, how a learner's answer is compared with what is expected, and which are solved.

An exercise is a list of cases: arguments, the expected answer and, if it is not 1e-4, the tolerance. Where the call
itself says too little, a label comes first. FKD_PROGRESS=off notes nothing, and neither do the solutions notebooks.
"""

import contextlib
import copy
import functools
import inspect
import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import platformdirs

from fkd_helpers.core.files import whole_file
from fkd_helpers.course.failed_case import case_figure
from fkd_helpers.course.session import picture

SWITCH = "FKD_PROGRESS"
SOLUTIONS = "solutions"  # a kernel starts in the folder of its notebook
NOTHING = "it returned nothing"
SHOWN = 12  # values of an array that a message shows
EXERCISES: dict[str, str] = {}  # the notebook of each exercise, by its name
CHECKS: dict[str, Callable] = {}  # learner's answer -> Verdict, by the exercise's name


class Refused(Exception):
    """An answer that a check does not take, and why."""


class AtMost(float):
    """A bound, in place of the expected answer."""


@dataclass(frozen=True)
class Verdict:
    """What a check found; it prints as one line, and Jupyter shows the arrays of the failed case below it."""

    passed: int
    total: int
    message: str = ""
    failed: dict[str, np.ndarray] = field(default_factory=dict)  # what the answer was given, and what it returned

    @property
    def solved(self) -> bool:
        return self.passed == self.total

    def _repr_mimebundle_(self, **_):
        figure = case_figure(self.failed)
        return picture(figure) if figure else {}

    def __repr__(self) -> str:
        return f"{self.passed} of {self.total}" + (f": {self.message}" if self.message else ", well done")


def register(notebook: str, cases: dict[str, list[tuple]], **calls: Callable) -> None:
    """Make the checks of a notebook's exercises from the cases of each.

    calls: name -> `(answer, *arguments)` -> what is compared, where a learner's answer is not simply called
    """
    for name in cases:
        EXERCISES[name] = notebook
        CHECKS[name] = functools.partial(compare, cases=cases[name], call=calls.get(name), name=name)


def ask(answer: Callable, question: Callable, *arguments):
    """Return what a question, the first argument of a case, finds out about an answer: a `call` for `register`."""
    return question(answer, *arguments)


def compare(answer: Callable, cases: list[tuple], call: Callable | None = None, name: str = "") -> Verdict:
    """Call an answer on each case up to the first that fails, but never raise; with a name, note that it is solved."""
    seen: dict = {}
    answer = _never_nothing(_watched(answer, seen))
    call = _never_nothing(functools.partial(call, answer)) if call else answer
    for passed, case in enumerate(cases):
        label, (arguments, *expected) = (case[0], case[1:]) if isinstance(case[0], str) else ("", case)
        given = copy.deepcopy(arguments)
        try:
            fault = _fault(call(*given), *expected)
        except Refused as refused:
            fault = str(refused)
        except Exception as error:  # whatever a learner's code raises is part of the verdict
            fault = f"it raised {type(error).__name__}: {error}"
        arrays = [pair for pair in zip(arguments, given, strict=True) if isinstance(pair[0], np.ndarray)]
        if not fault and any(before.tobytes() != after.tobytes() for before, after in arrays):
            fault = "it changed its argument in place; work on a copy"
        if fault == NOTHING and not passed:
            return Verdict(0, len(cases), "not attempted yet")
        if fault:
            what = label or f"{name}({', '.join(map(_shown, arguments))})"
            return Verdict(passed, len(cases), f"{what}: {fault}", seen)
    if name:
        note(name)
    return Verdict(len(cases), len(cases))


def _watched(answer, seen):
    """Keep in `seen`, by name, the arrays that an answer is given and the one that it returns."""

    def asked(*arguments):
        seen.clear()
        with contextlib.suppress(ValueError):  # functions in C, such as torch.relu, do not name their arguments
            named = zip(inspect.signature(answer).parameters, arguments, strict=False)
            seen.update({name: value.copy() for name, value in named if isinstance(value, np.ndarray)})
        found = answer(*arguments)
        if isinstance(found, np.ndarray):
            seen["your answer"] = found
        return found

    return asked


def _never_nothing(function):
    """Refuse what a stub returns: None, or its dots."""

    def written(*arguments):
        if (found := function(*arguments)) is None or found is ...:
            raise Refused(NOTHING)
        return found

    return written


def _shown(value) -> str:
    with np.printoptions(precision=4, threshold=SHOWN, edgeitems=1):
        return re.sub(r"\s+", " ", repr(value)).replace("[ ", "[")


def _fault(answer, expected, tolerance=1e-4) -> str:
    """Say in what an answer differs from the expected one; "" where it does not."""
    if isinstance(expected, str):
        return "" if answer == expected else f"expected {expected!r}, got {answer!r}"
    try:
        answer, wanted = np.asarray(answer, np.float64), np.asarray(expected, np.float64)
    except (TypeError, ValueError):
        return f"expected numbers, got {type(answer).__name__}"
    if answer.shape != wanted.shape:
        return f"expected shape {wanted.shape}, got {answer.shape}"
    if isinstance(expected, AtMost):
        return "" if answer <= wanted else f"expected at most {expected:g}, got {answer:.4g}"
    wrong = np.argwhere(~np.isclose(answer, wanted, rtol=0, atol=tolerance, equal_nan=True)).tolist()
    if not wrong:
        return ""
    where = f" at {wrong[0]}" if wrong[0] else ""
    return f"expected {wanted[*wrong[0]]:.4g}{where}, got {answer[*wrong[0]]:.4g}"


def progress_file() -> Path:
    """Return where solved exercises are noted."""
    return platformdirs.user_data_path("fkd_helpers", appauthor=False) / "progress.json"


def solved() -> set[str]:
    """Return the names of the solved exercises; none if the file is missing or damaged."""
    try:
        return set(json.loads(progress_file().read_text(encoding="utf-8"))["solved"])
    except (OSError, ValueError, KeyError, TypeError):
        return set()


def note(name: str) -> None:
    """Note a solved exercise; a folder that cannot be written stops nothing."""
    if os.environ.get(SWITCH) == "off" or Path.cwd().name == SOLUTIONS or name in solved():
        return
    with contextlib.suppress(OSError):
        progress_file().parent.mkdir(parents=True, exist_ok=True)
        with whole_file(progress_file()) as partial:
            partial.write_text(json.dumps({"solved": sorted({*solved(), name})}, indent=1), encoding="utf-8")
