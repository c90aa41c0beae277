"""Time in the live demo: frames paced at their own speed, and a meter of frame rate and latency."""

import threading
from collections import Counter, deque
from collections.abc import Callable, Generator, Sequence

import numpy as np

from fkd_helpers.live.sources import Source
from fkd_helpers.predict.predictor import Face

RECENT = 3.0  # seconds over which "fps" is averaged
LATENCIES = 3000  # frames over which p50 and p95 are taken
MAX_CHANGES = 10_000  # entries of the timeline, so that a run of days does not fill the memory


class Elapsed:
    """Seconds since the first call, by a clock that may run backwards: then nothing passes."""

    def __init__(self):
        self._last, self._passed = None, 0.0

    def __call__(self, now: float) -> float:
        self._passed += 0.0 if self._last is None else max(0.0, now - self._last)
        self._last = now
        return self._passed


def timed(
    source: Source, *, every: bool, seconds: float | None, max_fps: Callable[[], float | None],
    clock: Callable[[], float], stopped: threading.Event,
) -> Generator[tuple[np.ndarray, float], None, None]:  # fmt: skip
    """Yield the frames of a source, each at its time, with its time in seconds.

    Args:
        every: read a source that is not live as fast as possible, with the times of its own clock; otherwise it plays
            at its own speed, and a frame has the time of its arrival
        seconds: end the source after so long
        max_fps: asked for each frame; frames that come faster are left out
        stopped: once set, nothing is waited for
    """
    paced = not source.live and not every
    ours, own, taken, due = Elapsed(), Elapsed(), Elapsed(), 0.0
    for frame, when in source.frames:
        if when is None or paced:
            if when is not None:
                stopped.wait(max(0.0, own(when) - ours(clock())))
            when = clock()
        passed = taken(when)
        if seconds is not None and passed >= seconds:
            source.end_message = f"Ended after {seconds:g} seconds."
            return
        if rate := max_fps():
            if passed < due - 1e-6:
                continue
            due = max(due, passed - 1 / rate) + 1 / rate
        yield frame, when


class Meter:
    """Count the frames of one run or one recording; it may be read from any thread."""

    def __init__(self, clock: Callable[[], float]):
        self._clock, self._lock = clock, threading.Lock()
        self._begun, self._ended = clock(), None
        self._done, self._latencies = deque(maxlen=600), deque(maxlen=LATENCIES)
        self._counts, self._emotions, self._timeline = Counter(), Counter(), []
        self._first, self._faces, self._labels = None, 0, {}

    def add(self, faces: Sequence[Face], labels: Sequence[str | None], *, when: float, seconds: float) -> None:
        """Count a frame: its faces and their emotions, its time, and the seconds from its arrival to its result."""
        with self._lock:
            self._counts.update(frames=1, frames_with_faces=bool(faces))
            self._done.append(self._clock())
            self._latencies.append(max(0.0, seconds))
            self._first = when if self._first is None else self._first
            self._faces = len(faces)
            labels = {face.id: label for face, label in zip(faces, labels, strict=True)}
            self._emotions.update(label for label in labels.values() if label is not None)
            for face, label in labels.items():
                if self._labels.get(face) != label and len(self._timeline) < MAX_CHANGES:
                    self._timeline.append((round(when - self._first, 3), face, label))
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

        fps over the last three seconds and fps_mean over the whole run; p50 and p95 of the latency in milliseconds,
        None before the first frame; frames, frames_with_faces, dropped, unreadable; faces in the latest frame; frames
        per emotion; timeline of label changes (second, face, new label); seconds of the run.
        """
        with self._lock:
            seconds = max(0.0, (self._clock() if self._ended is None else self._ended) - self._begun)
            recent = [when for when in self._done if when >= self._done[-1] - RECENT]
            spread = max(recent) - min(recent) if recent else 0.0
            p50, p95 = (1000 * np.percentile(self._latencies, [50, 95])).tolist() if self._latencies else (None, None)
            names = ("frames", "frames_with_faces", "dropped", "unreadable")
            return {
                "fps": (len(recent) - 1) / spread if spread > 0 else 0.0,
                "fps_mean": self._counts["frames"] / seconds if seconds > 0 else 0.0,
                "p50": p50, "p95": p95, **{name: self._counts[name] for name in names}, "faces": self._faces,
                "emotions": dict(self._emotions), "timeline": list(self._timeline), "seconds": seconds,
            }  # fmt: skip
