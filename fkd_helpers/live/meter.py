"""What a live run was like: frames a second, latency, what was dropped, emotions. Built in notebook 05."""

import threading
from collections import Counter, deque
from collections.abc import Callable, Sequence

import numpy as np

from fkd_helpers.predict.predictor import Face

RECENT = 3.0  # seconds that "fps" looks back
LATENCIES = 3000  # frames that p50 and p95 look back
CHANGES = 10_000  # entries of the timeline, so that a run of days does not fill the memory


class Meter:
    """Count the frames of one run or one recording; read from any thread.

    clock: the seconds now; one that runs backwards does no harm
    """

    def __init__(self, clock: Callable[[], float]):
        self._clock, self._lock = clock, threading.Lock()
        self._begun, self._ended = clock(), None
        self._done, self._latencies = deque(maxlen=600), deque(maxlen=LATENCIES)
        self._counts, self._emotions, self._timeline = Counter(), Counter(), []
        self._first, self._faces, self._shown = None, 0, {}

    def add(self, faces: Sequence[Face], labels: Sequence[str | None], *, when: float, seconds: float) -> None:
        """Count a frame: its faces, when it was taken (seconds, any clock) and the seconds from there to its result."""
        with self._lock:
            self._counts["frames"] += 1
            self._counts["frames_with_faces"] += bool(faces)
            self._done.append(self._clock())
            self._latencies.append(max(0.0, seconds))
            self._first = when if self._first is None else self._first
            self._faces = len(faces)
            shown = {face.id: label for face, label in zip(faces, labels, strict=True)}
            for name, label in shown.items():
                if label is not None:
                    self._emotions[label] += 1
                if self._shown.get(name) != label and len(self._timeline) < CHANGES:
                    self._timeline.append((round(when - self._first, 3), name, label))
            self._shown = shown

    def count(self, what: str, n: int = 1) -> None:
        """Count a frame that was not looked at: "dropped" for a newer one, or "unreadable"."""
        with self._lock:
            self._counts[what] += n

    def end(self) -> None:
        """Let the time of the run end here."""
        self._ended = self._ended or self._clock()

    def read(self) -> dict:
        """Return the statistics as plain values.

        fps: over the last three seconds; fps_mean: over the whole; p50, p95: of the latency in milliseconds, from a
        frame's arrival to its result, over the last 3000 frames (None before the first); frames, frames_with_faces,
        dropped, unreadable: counts; faces: in the latest frame; emotions: frames by label; timeline: at how many
        seconds (by the frames' own time) the label of a face became which, as (seconds, id, label); seconds: the run's
        """
        with self._lock:
            now = self._clock() if self._ended is None else self._ended
            seconds = max(0.0, now - self._begun)
            recent = [when for when in self._done if when >= self._done[-1] - RECENT]
            spread = max(recent) - min(recent) if recent else 0.0
            latencies = 1000 * np.array(self._latencies)
            p50, p95 = np.percentile(latencies, [50, 95]).tolist() if len(latencies) else (None, None)
            counts = {name: self._counts[name] for name in ("frames", "frames_with_faces", "dropped", "unreadable")}
            return {
                "fps": (len(recent) - 1) / spread if spread > 0 else 0.0,
                "fps_mean": counts["frames"] / seconds if seconds > 0 else 0.0,
                "p50": p50, "p95": p95, **counts, "faces": self._faces, "emotions": dict(self._emotions),
                "timeline": list(self._timeline), "seconds": seconds,
            }  # fmt: skip
