"""Time all systems on the same 640x480 frames of a puppet, in turns."""

import numpy as np

from fkd_helpers.data.puppets import stream
from fkd_helpers.faces.boxes import box_of
from fkd_helpers.faces.metrics import nme

FRAMES, BURST, WARM = 120, 8, 3  # frames in the film and in a turn; turns that do not count
# what is asked, of whom, by which way of child.py
ROWS = (
    ("tracked", "ours", "tracked"), ("tracked", "mediapipe", "tracked"),
    ("each frame", "ours", "detect"), ("each frame", "dlib", "haar"), ("each frame", "dlib", "hog"),
    ("each frame", "mediapipe", "static"),
    ("box given", "ours", "box"), ("box given", "dlib", "box"),
)  # fmt: skip


def compare(systems: dict, rounds: int) -> dict:
    """Return milliseconds a frame of each row, how many faces it found, its NME, and what each process costs."""
    film = [(frame, keypoints[0]) for frame, keypoints, _ in stream(n=FRAMES)]
    times, errors = ({row: [] for row in ROWS} for _ in range(2))
    for turn in range(WARM + rounds):
        burst = [film[i % FRAMES] for i in range(turn * BURST, (turn + 1) * BURST)]
        frames, labels = [frame for frame, _ in burst], np.stack([points for _, points in burst])
        for row in ROWS:
            _, name, way = row
            points, seconds = systems[name].ask(way, frames, box_of(labels) if way == "box" else None)
            if turn >= WARM:
                times[row] += seconds.tolist()
                errors[row] += nme(points, labels).tolist()
    rows = [entry(row, times[row], np.array(errors[row])) for row in ROWS]
    ms = {(row["task"], row["system"], row["way"]): row for row in rows}
    ours, mesh = ms[ROWS[0]], ms[ROWS[1]]
    return {
        "frames": len(times[ROWS[0]]), "rows": rows,
        "costs": {name: system.about() for name, system in systems.items()},
        "mediapipe_to_ours": mesh["ms"] / ours["ms"],
        "haar_dlib_to_ours": ms[ROWS[3]]["ms"] / ours["ms"],
        "ours_ms": {"tracked": ours["ms"], "mean": ours["mean_ms"], "found": ours["found"]},
        "facemesh_ms": {"tracked": mesh["ms"], "mean": mesh["mean_ms"], "found": mesh["found"]},
    }  # fmt: skip


def entry(row, seconds, errors) -> dict:
    """Return a row of the record."""
    task, system, way = row
    found = errors[np.isfinite(errors)]
    return {
        "task": task, "system": system, "way": way, "ms": 1000 * np.median(seconds), "mean_ms": 1000 * np.mean(seconds),
        "found": len(found), "nme": found.mean() if len(found) else None,
    }  # fmt: skip
