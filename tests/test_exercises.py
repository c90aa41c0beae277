"""The checks of the exercises: quiet on the stubs, and deaf to plausible wrong answers; nbval runs the solutions."""

import inspect
import re
import runpy
from collections.abc import Callable
from pathlib import Path

import nbformat
import numpy as np
import pytest

from fkd_helpers.course import checks
from fkd_helpers.course.exercises import EXERCISES, AtMost, compare

pytestmark = pytest.mark.slow
WRONG = {}
for path in sorted(Path(__file__).parent.glob("wrong_answers/*.py")):
    WRONG |= runpy.run_path(str(path))["WRONG"]
NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
ALL = [(number, name) for number, exercises in WRONG.items() for name in exercises]


def code(path: Path) -> list[str]:
    return [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def answer(path: Path, name: str) -> Callable:
    """Return a function of a notebook, made by the imports of the first code cell and by the cell that defines it."""
    cells = code(path)
    (source,) = [source for source in cells if re.search(rf"^(?:def|class) {name}\b", source, re.M)]
    source = re.sub(rf"^checks\.{name}\(.*", "", source, flags=re.M)
    space: dict = {}
    exec("\n".join(re.findall(r"^(?:import|from) .*", cells[0], re.M)), space)
    exec(source, space)
    return space[name]


def notebook(number: str) -> Path:
    (path,) = NOTEBOOKS.glob(f"{number}_*.ipynb")
    return path


def solutions(number: str) -> Path:
    return NOTEBOOKS / "solutions" / f"{number}_solutions.ipynb"


@pytest.mark.parametrize(("number", "name"), ALL)
def test_the_stored_solution_solves_it_and_the_stub_counts_as_not_attempted(number, name):
    cells = [cell for cell in nbformat.read(solutions(number), as_version=4).cells if cell.cell_type == "code"]
    (cell,) = [cell for cell in cells if re.search(rf"^checks\.{name}\(", cell.source, re.M)]
    done, total = re.match(r"(\d+) of (\d+), well done", cell.outputs[-1]["data"]["text/plain"]).groups()
    assert done == total >= "2"
    stub, solution = (answer(path, name) for path in (notebook(number), solutions(number)))
    assert repr(getattr(checks, name)(stub)).endswith("not attempted yet")
    assert list(inspect.signature(stub).parameters) == list(inspect.signature(solution).parameters)


@pytest.mark.parametrize(
    ("name", "wrong"), [(name, wrong) for wrongs in WRONG.values() for name in wrongs for wrong in wrongs[name]]
)
def test_a_wrong_answer_is_refused_with_the_case_it_fails(name, wrong):
    verdict = getattr(checks, name)(wrong)
    assert not verdict.solved
    assert "raised" not in verdict.message and ": " in verdict.message, verdict


def test_every_exercise_of_a_notebook_has_a_check_and_wrong_answers():
    for number in WRONG:
        asked = {found for source in code(notebook(number)) for found in re.findall(r"^checks\.(\w+)\(", source, re.M)}
        assert asked == set(WRONG[number]) == {name for name, where in EXERCISES.items() if where == number}


def twice_in_place(values):
    values *= 2
    return values


TWICE = [("twice one", (np.array([1.0]),), [2.0]), ("twice three", (np.array([3.0]),), [6.0])]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda v: 2 * v, "2 of 2, well done"),
        (lambda v: ..., "0 of 2: not attempted yet"),
        (lambda v: 2 * v if v[0] < 2 else None, "1 of 2: twice three: it returned nothing"),
        (lambda v: v + 1, "1 of 2: twice three: expected 6 at [0], got 4"),
        (lambda v: v[0] * 2, "0 of 2: twice one: expected shape (1,), got ()"),
        (lambda v: "two", "0 of 2: twice one: expected numbers, got str"),
        (lambda v: v * np.nan, "0 of 2: twice one: expected 2 at [0], got nan"),
        (lambda v: 1 / 0, "0 of 2: twice one: it raised ZeroDivisionError: division by zero"),
        (twice_in_place, "0 of 2: twice one: it changed its argument in place; work on a copy"),
    ],
)
def test_a_verdict_says_what_is_wrong_in_one_line(answer, message):
    assert repr(compare(answer, TWICE)) == message
    assert TWICE[0][1][0] == 1  # a case is not changed by whom it checks


def test_a_failed_case_is_shown_with_the_answer_and_a_solved_one_is_not():
    frame = np.full((6, 8, 3), 9, np.uint8)
    cases = [("the same", (frame, np.ones((3, 2))), frame)]
    shown, words = compare(lambda frame, keypoints: frame + 1, cases)._repr_mimebundle_()
    assert shown.keys() == words.keys() == {"image/png"}
    assert words["image/png"]["alt"] == "The case that fails: frame, keypoints, your answer"
    assert not compare(lambda frame, keypoints: frame, cases)._repr_mimebundle_()


def test_an_answer_may_be_a_function_that_names_no_arguments():
    assert compare(max, [("the larger", (1, 2), 2)]).solved


def test_a_bound_is_met_or_named():
    assert compare(lambda: 0.5, [("error", (), AtMost(1))]).solved
    assert compare(lambda: np.nan, [("error", (), AtMost(1))]).message == "error: expected at most 1, got nan"
