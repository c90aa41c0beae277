"""Time in the live demo: frames paced at their own speed, and a meter of frame rate and latency."""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Generator

import numpy as np

from fkd_helpers.live.sources import Source

RECENT = 90  # frames over which "fps" is averaged
LATENCIES = 3000  # frames over which p50 and p95 are taken
MAX_CHANGES = 10_000  # entries of the timeline, so that a run of days does not fill the memory


def timed(
    source: Source, *, every: bool, seconds: float | None, max_fps: Callable[[], float | None],
    stopped: threading.Event,
) -> Generator[tuple[np.ndarray, float], None, None]:  # fmt: skip
    """Yield the frames of a source with their times in seconds, at most `max_fps` of them and no longer than `seconds`.

    With `every` a film is read as fast as possible, by its own clock; otherwise it plays at its own speed, and a frame
    has the time of its arrival, as that of a camera always has. Once `stopped` is set, nothing is waited for.
    """
    began = first = None
    due = 0.0
    for frame, when in source.frames:
        if when is None or not every:
            if when is not None:
                began = time.monotonic() - when if began is None else began
                stopped.wait(max(0.0, began + when - time.monotonic()))
            when = time.monotonic()
        first = when if first is None else first
        passed = when - first
        if seconds is not None and passed >= seconds:
            source.end_message = f"Ended after {seconds:g} seconds."
            return
        if rate := max_fps():
            if passed < due - 1e-6:
                continue
            due = max(due, passed - 1 / rate) + 1 / rate
        yield frame, when


class Meter:
    """Count the results of one run or one recording; it may be read from any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._clock, self._lock = clock, threading.Lock()
        self._begun, self._ended, self._first = clock(), None, None
        self._done, self._latencies = deque(maxlen=RECENT), deque(maxlen=LATENCIES)
        self._counts = Counter(dict.fromkeys(("frames", "frames_with_faces", "dropped", "unreadable"), 0))
        self._emotions, self._timeline, self._labels = Counter(), [], {}

    def add(self, result) -> None:
        """Count a `Result`."""
        with self._lock:
            self._counts.update(frames=1, frames_with_faces=bool(result.faces))
            self._done.append(self._clock())
            self._latencies.append(result.seconds)
            self._first = result.when if self._first is None else self._first
            labels = {face.id: label for face, label in zip(result.faces, result.labels, strict=True)}
            self._emotions.update(filter(None, labels.values()))
            for face, label in labels.items():
                if self._labels.get(face) != label and len(self._timeline) < MAX_CHANGES:
                    self._timeline.append((round(result.when - self._first, 3), face, label))
            self._labels = labels

    def count(self, what: str) -> None:
        """Count a frame without a result: "dropped" for a newer one, or "unreadable"."""
        with self._lock:
            self._counts[what] += 1

    def end(self) -> None:
        """End the run; later calls change nothing."""
        self._ended = self._ended or self._clock()

    def read(self) -> dict:
        """Return the statistics as plain values.

        fps over the last 90 frames and fps_mean over the whole run; p50 and p95 of the latency in milliseconds,
        None before the first frame; counts of frames; faces in the latest frame; frames per emotion; timeline of label
        changes (second, face, new label); seconds of the run.
        """
        with self._lock:
            seconds = (self._ended or self._clock()) - self._begun
            spread = self._done[-1] - self._done[0] if self._done else 0.0
            p50, p95 = (1000 * np.percentile(self._latencies, [50, 95])).tolist() if self._latencies else (None, None)
            return {
                "fps": (len(self._done) - 1) / spread if spread else 0.0,
                "fps_mean": self._counts["frames"] / seconds if seconds else 0.0,
                "p50": p50, "p95": p95, **self._counts, "faces": len(self._labels), "emotions": dict(self._emotions),
                "timeline": list(self._timeline), "seconds": seconds,
            }  # fmt: skip
