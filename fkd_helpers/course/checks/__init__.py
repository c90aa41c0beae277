"""Self-checks of the exercises, `checks.NAME(answer)`: a learner's answer in, a verdict out."""

from fkd_helpers.course.checks import experiments, live, networks, pictures
from fkd_helpers.course.checks.capstone import own_filter, own_rule, practice_faces
from fkd_helpers.course.exercises import CHECKS


def __getattr__(name: str):
    if name in CHECKS:
        return CHECKS[name]
    raise AttributeError(f"no exercise is called {name!r}")
