"""Public models beside ours, as tables that `make peers` writes into its two records. Shown in notebook 11.

`benchmark-peers`: speed, memory and size, on frames of a puppet. `fairness-ytf-test`: scores on the real test set, as a
whole, by what the photos are like, and on photos made worse.
"""

from collections.abc import Mapping, Sequence

import pandas as pd

from fkd_helpers.evaluate import CONDITIONS
from fkd_helpers.train.tables import number, percent

SYSTEMS = {"ours": "ours", "mediapipe": "MediaPipe", "dlib": "dlib"}
FINDERS = {"ours": "ours", "dlib_hog": "HOG + dlib", "dlib_haar": "Haar + dlib", "mediapipe": "MediaPipe"}
WAYS = {"detect": "ours, Haar + network", "haar": "Haar + dlib", "hog": "HOG + dlib"}
TASKS = {"tracked": "followed", "each frame": "found anew in each frame", "box given": "in a known box"}


def speed_table(record: Mapping) -> pd.DataFrame:
    """Return how long a 640x480 frame takes, one row a system and task, and how well the points sit on the puppet."""
    ours = {row["task"]: row["ms"] for row in record["rows"] if row["system"] == "ours"}
    return pd.DataFrame(
        {
            "640x480 frame, the face is": TASKS[row["task"]], "by": WAYS.get(row["way"], SYSTEMS[row["system"]]),
            "ms, median": number(row["ms"]), "ms, mean": number(row["mean_ms"]),
            "times ours": number(row["ms"] / ours[row["task"]]),
            "found": f"{row['found']} of {record['frames']}", "NME %": percent(row["nme"]),
        }
        for row in record["rows"]
    )  # fmt: skip


def cost_table(record: Mapping) -> pd.DataFrame:
    """Return memory and size of each process: the most it held, the packages it loaded, all that are installed."""
    columns = {"peak_mb": "peak memory MB", "loaded_mb": "packages in use MB", "installed_mb": "all it installs MB"}
    return pd.DataFrame(
        {"process": words} | {column: number(record["costs"][name][key]) for key, column in columns.items()}
        for name, words in SYSTEMS.items()
    )


def slice_table(record: Mapping, systems: Sequence[str] = ("ours", "dlib_hog", "mediapipe")) -> pd.DataFrame:
    """Return the scores, adapted, by quarters of the test set: from where to where photos are such, and each system.

    For each the NME % of faces found with its 95 % interval over people; failures in the order of the systems.
    """
    rows = []
    for name, parts in record["slices"].items():
        for part in parts:
            known = part["from"] is not None
            reach = f"{number(part['from'])} to {number(part['to'])}" if known else "unknown"
            row = {"by": f"{name}, {CONDITIONS[name]}", "from, to": reach, "faces": str(part["faces"])}
            row |= {FINDERS[key]: _interval(part["systems"][key]) for key in systems}
            failures = _slashed(100 * part["systems"][key]["failures"] for key in systems)
            rows.append(row | {"failures %, in this order": failures})
    return pd.DataFrame(rows)


def worse_table(record: Mapping, systems: Sequence[str] = tuple(FINDERS)) -> pd.DataFrame:
    """Return the share of failures % on photos made worse, photo in: strengths and failures in one order."""
    found = record["robustness"]
    rows = [{"change": "none", "strengths": ""} | {
        FINDERS[key]: percent(found["unchanged"][key]["failures"]) for key in systems
    }]  # fmt: skip
    for kind, curve in found["curves"].items():
        row = {"change": f"{kind}, {curve['unit']}", "strengths": _slashed(p["strength"] for p in curve["points"])}
        for key in systems:
            row[FINDERS[key]] = _slashed(100 * point["systems"][key]["failures"] for point in curve["points"])
        rows.append(row)
    return pd.DataFrame(rows)


def _slashed(values) -> str:
    return " · ".join(number(value) for value in values)


def _interval(scores) -> str:
    """Return the NME with its interval, a dash where no face was found."""
    if "nme" not in scores:
        return "-"
    return f"{percent(scores['nme'])} ({percent(scores['nme_low'])} to {percent(scores['nme_high'])})"
