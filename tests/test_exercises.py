"""The checks of the exercises: solved by the solutions, quiet on the stubs, and deaf to plausible wrong answers."""

import inspect
import re
import runpy
from collections.abc import Callable
from pathlib import Path

import nbformat
import numpy as np
import pytest

from fkd_helpers.course import checks
from fkd_helpers.course.verdicts import Case, run

pytestmark = pytest.mark.slow
WRONG = {
    path.stem[2:]: runpy.run_path(str(path))["WRONG"]
    for path in sorted(Path(__file__).parent.glob("wrong_answers/nb*.py"))
}
NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
EXERCISES = [(number, name) for number, exercises in WRONG.items() for name in exercises]


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


@pytest.mark.parametrize(("number", "name"), EXERCISES)
def test_the_solution_solves_it(number, name):
    verdict = getattr(checks, name)(answer(solutions(number), name))
    assert verdict.solved and verdict.total >= 2, verdict


@pytest.mark.parametrize(("number", "name"), EXERCISES)
def test_the_stub_counts_as_not_attempted(number, name):
    verdict = getattr(checks, name)(answer(notebook(number), name))
    assert repr(verdict).endswith("not attempted yet"), verdict


@pytest.mark.parametrize(
    ("name", "wrong"), [(name, wrong) for wrongs in WRONG.values() for name in wrongs for wrong in wrongs[name]]
)
def test_a_wrong_answer_is_refused_with_the_case_it_fails(name, wrong):
    verdict = getattr(checks, name)(wrong)
    assert not verdict.solved
    assert "raised" not in verdict.message and ": " in verdict.message, verdict


@pytest.mark.parametrize(("number", "name"), EXERCISES)
def test_the_stub_has_the_arguments_of_the_solution(number, name):
    stub, solution = (inspect.signature(answer(path, name)) for path in (notebook(number), solutions(number)))
    assert list(stub.parameters) == list(solution.parameters)


def test_every_exercise_of_a_notebook_has_wrong_answers_here():
    for number in WRONG:
        asked = {found for source in code(notebook(number)) for found in re.findall(r"^checks\.(\w+)\(", source, re.M)}
        assert asked == set(WRONG[number])


def test_a_check_never_raises_and_says_what_it_got():
    cases = [Case("one", (np.zeros(2),), [0.0, 1.0])]
    assert "ZeroDivisionError" in run(lambda a: 1 / 0, cases).message
    assert "shape (2,), got (3,)" in run(lambda a: np.zeros(3), cases).message
    assert "expected 1 at [1], got 5" in run(lambda a: [0, 5], cases).message
    assert "expected numbers" in run(lambda a: "words", cases).message
    assert run(lambda a: [0, 1], cases).solved


def test_an_answer_that_changes_its_argument_is_refused():
    def in_place(a):
        a += 1
        return [0, 1]

    assert "in place" in run(in_place, [Case("one", (np.zeros(2),), [0, 1])]).message
