"""Which exercises there are, and which of them a learner has solved: the checks note it, `progress` shows it.

What is noted is a list of names in `progress.json` in the user's data folder, and nothing else. FKD_PROGRESS=off notes
nothing. The solutions notebooks note nothing either.
"""

import contextlib
import functools
import importlib
import inspect
import json
import os
import pkgutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from fkd_helpers.core.files import whole_file

if TYPE_CHECKING:
    import pandas as pd

SWITCH = "FKD_PROGRESS"
SOLUTIONS = "solutions"  # a kernel starts in the folder of its notebook


def exercises() -> dict[str, list[str]]:
    """Return the names of the checks of each notebook, in the notebook's order.

    >>> exercises()["05"]
    ['latest_wins', 'most_fps', 'picture_age', 'frames_to_reach']
    """
    from fkd_helpers.course import checks

    found = {}
    for entry in pkgutil.iter_modules(checks.__path__, f"{checks.__name__}."):
        _, is_notebook, number = entry.name.rpartition("notebook_")
        if is_notebook:
            functions = inspect.getmembers_static(importlib.import_module(entry.name), inspect.isfunction)
            own = [one for name, one in functions if one.__module__ == entry.name and not name.startswith("_")]
            found[number] = [one.__name__ for one in sorted(own, key=lambda one: one.__code__.co_firstlineno)]
    return found


def noted(check: Callable) -> Callable:
    """Return a check that notes that its exercise is solved, when it is."""

    @functools.wraps(check)
    def checked(function):
        verdict = check(function)
        if verdict.solved:
            note(check.__name__)
        return verdict

    return checked


def progress_file() -> Path:
    """Return the file in which solved exercises are noted."""
    from platformdirs import user_data_path

    return user_data_path("fkd_helpers", appauthor=False) / "progress.json"


def solved() -> set[str]:
    """Return the names of the exercises that were solved; none where the file is not there or damaged."""
    try:
        names = json.loads(progress_file().read_text(encoding="utf-8"))["solved"]
        return {name for name in names if isinstance(name, str)}
    except (OSError, ValueError, KeyError, TypeError):
        return set()


def note(name: str) -> None:
    """Note a solved exercise, unless somebody wants no notes; a folder that cannot be written is no reason to stop."""
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


def progress() -> "pd.DataFrame":
    """Return what is solved so far: a row a notebook, "done" of "exercises", and the next one that is open."""
    import pandas as pd

    done, rows = solved(), {}
    for notebook, names in exercises().items():
        still_open = [name for name in names if name not in done]
        rows[notebook] = {"done": len(names) - len(still_open), "exercises": len(names), "next": (*still_open, "")[0]}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("notebook")
