"""Time all systems on the same 640x480 frames of a puppet, in turns; the tables are shown in notebook 11."""

import numpy as np
import pandas as pd

from fkd_helpers.data.puppets import stream
from fkd_helpers.faces.boxes import box_of
from fkd_helpers.faces.metrics import nme
from fkd_helpers.train.tables import number, percent

FRAMES, BURST, WARM = 120, 8, 3  # frames in the film and in a turn; turns that do not count
# what is asked, of whom, by which way of child.py
ROWS = (
    ("tracked", "ours", "tracked"), ("tracked", "mediapipe", "tracked"),
    ("each frame", "ours", "detect"), ("each frame", "dlib", "haar"), ("each frame", "dlib", "hog"),
    ("each frame", "mediapipe", "static"),
    ("box given", "ours", "box"), ("box given", "dlib", "box"),
)  # fmt: skip
SYSTEMS = {"ours": "ours", "mediapipe": "MediaPipe", "dlib": "dlib"}
WAYS = {"detect": "ours, detector + network", "haar": "Haar + dlib", "hog": "HOG + dlib"}
TASKS = {"tracked": "followed", "each frame": "found anew in each frame", "box given": "in a known box"}
COSTS = {"peak_mb": "peak memory MB", "installed_mb": "all it installs MB"}


def compare(systems: dict, rounds: int) -> dict:
    """Return milliseconds a frame of each row, how many faces it found, its NME, and what each process costs."""
    film = [(frame, keypoints[0]) for frame, keypoints, _ in stream(n=FRAMES)]
    times, errors = ({row: [] for row in ROWS} for _ in range(2))
    for turn in range(WARM + rounds):
        frames, labels = zip(*(film[i % FRAMES] for i in range(turn * BURST, (turn + 1) * BURST)), strict=True)
        for row in ROWS:
            _, name, way = row
            points, seconds = systems[name].ask(way, frames, box_of(np.stack(labels)) if way == "box" else None)
            if turn >= WARM:
                times[row] += seconds.tolist()
                errors[row] += nme(points, np.stack(labels)).tolist()
    rows = []
    for row in ROWS:
        found = [error for error in errors[row] if np.isfinite(error)]
        rows.append(dict(zip(("task", "system", "way"), row, strict=True)) | {
            "ms": 1000 * np.median(times[row]), "mean_ms": 1000 * np.mean(times[row]), "found": len(found),
            "nme": np.mean(found) if found else None,
        })  # fmt: skip
    ours, mesh, _, haar, *_ = rows
    return {
        "frames": BURST * rounds, "rows": rows,
        "costs": {name: system.about() for name, system in systems.items()},
        "mediapipe_to_ours": mesh["ms"] / ours["ms"], "haar_dlib_to_ours": haar["ms"] / ours["ms"],
    }  # fmt: skip


def speed_table(record: dict) -> pd.DataFrame:
    """Return how long a 640x480 frame takes, one row a system and task, and how well the points sit on the puppet."""
    ours = {row["task"]: row["ms"] for row in record["rows"] if row["system"] == "ours"}
    return pd.DataFrame({
        "640x480 frame, the face is": TASKS[row["task"]], "by": WAYS.get(row["way"], SYSTEMS[row["system"]]),
        "ms, median": number(row["ms"]), "ms, mean": number(row["mean_ms"]),
        "times ours": number(row["ms"] / ours[row["task"]]),
        "found": f"{row['found']} of {record['frames']}", "NME %": percent(row["nme"]),
    } for row in record["rows"])  # fmt: skip


def cost_table(record: dict) -> pd.DataFrame:
    """Return memory and size of each process: the most it held, all that it installs."""
    return pd.DataFrame(
        {"process": title} | {column: number(record["costs"][name][key]) for key, column in COSTS.items()}
        for name, title in SYSTEMS.items()
    )
