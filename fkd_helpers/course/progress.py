"""How far a learner has come."""

import pandas as pd

from fkd_helpers.course import checks  # noqa: F401 (they register the exercises)
from fkd_helpers.course.exercises import EXERCISES, solved


def progress() -> pd.DataFrame:
    """Return one row per notebook: "done" of its "exercises", and the "next" one that is open."""
    table = pd.DataFrame(EXERCISES.items(), columns=["next", "notebook"])
    table["open"] = ~table["next"].isin(solved())
    table["next"] = table["next"].where(table["open"])
    rows = table.groupby("notebook").agg(open=("open", "sum"), exercises=("open", "size"), next=("next", "first"))
    rows.insert(0, "done", rows["exercises"] - rows.pop("open"))
    return rows.fillna("")
