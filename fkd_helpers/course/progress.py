"""How far a learner has come."""

import pandas as pd

from fkd_helpers.course import checks  # noqa: F401 (the checks register their exercises)
from fkd_helpers.course.exercises import EXERCISES, solved


def exercises() -> dict[str, list[str]]:
    """Return the names of each notebook's exercises, in their order.

    >>> exercises()["08"]
    ['latest_wins', 'toggle_button', 'picture_age', 'steady']
    """
    found: dict[str, list[str]] = {}
    for name, notebook in EXERCISES.items():
        found.setdefault(notebook, []).append(name)
    return dict(sorted(found.items()))


def progress() -> pd.DataFrame:
    """Return one row per notebook: "done" of its "exercises", and the next one that is open."""
    done, rows = solved(), {}
    for notebook, names in exercises().items():
        still_open = [name for name in names if name not in done]
        rows[notebook] = {"done": len(names) - len(still_open), "exercises": len(names), "next": (*still_open, "")[0]}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("notebook")
