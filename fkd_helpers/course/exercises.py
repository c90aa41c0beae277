"""The exercises: a registry that their checks fill, and the notes on which of them a learner has solved.

The notes are a list of names in `progress.json` in the user's data folder. FKD_PROGRESS=off notes nothing, and neither
do the solutions notebooks.
"""

import contextlib
import functools
import json
import os
from collections.abc import Callable
from pathlib import Path

from fkd_helpers.core.files import whole_file

SWITCH = "FKD_PROGRESS"
SOLUTIONS = "solutions"  # a kernel starts in the folder of its notebook
EXERCISES: dict[str, str] = {}  # the notebook of each exercise, by its name


def exercise(notebook: str) -> Callable:
    """Register a check, `function -> Verdict`, as an exercise of a notebook; one that is solved is noted."""

    def register(check: Callable) -> Callable:
        EXERCISES[check.__name__] = notebook

        @functools.wraps(check)
        def checked(function):
            verdict = check(function)
            if verdict.solved:
                note(check.__name__)
            return verdict

        return checked

    return register


def progress_file() -> Path:
    """Return the file in which solved exercises are noted."""
    from platformdirs import user_data_path  # only asked for here

    return user_data_path("fkd_helpers", appauthor=False) / "progress.json"


def solved() -> set[str]:
    """Return the names of the solved exercises; none if the file is missing or damaged."""
    try:
        names = json.loads(progress_file().read_text(encoding="utf-8"))["solved"]
        return {name for name in names if isinstance(name, str)}
    except (OSError, ValueError, KeyError, TypeError):
        return set()


def note(name: str) -> None:
    """Note a solved exercise; a folder that cannot be written stops nothing."""
    if os.environ.get(SWITCH, "").lower() in ("off", "0", "no"):
        return
    with contextlib.suppress(OSError):
        before = solved()
        if name in before or Path.cwd().name == SOLUTIONS:
            return
        path = progress_file()
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as partial:
            partial.write_text(json.dumps({"solved": sorted({*before, name})}, indent=1) + "\n", encoding="utf-8")
