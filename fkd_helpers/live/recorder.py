"""Recordings: H.264 in an MP4 that browsers play, with the frames' own times; and what is counted of a run.

The file is written in fragments of half a second, so that a process that is killed leaves one that plays.
"""

import contextlib
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from fkd_helpers.core.errors import InputError
from fkd_helpers.core.files import free_path
from fkd_helpers.live.pipeline import Result

MILLISECONDS = Fraction(1, 1000)
CONTAINER = {"movflags": "hybrid_fragmented", "frag_duration": "500000", "video_track_timescale": "1000",
             "flush_packets": "1"}  # fmt: skip
ENCODER = {"preset": "ultrafast", "tune": "zerolatency", "crf": "23", "g": "60"}


class Recorder:
    """Write frames to a new MP4 file, whose name gets a number if it is taken."""

    def __init__(self, path: str | Path):
        self.path = free_path(Path(path))
        if self.path.suffix.lower() != ".mp4":
            raise InputError(f"{path}: expected a name ending in .mp4")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.touch()  # where nothing can be written, this says so
        self._film = av.open(str(self.path), "w", options=CONTAINER)
        self._track = self._film.add_stream("libx264", rate=30, options=ENCODER)
        self.frames, self.seconds = 0, 0.0

    def add(self, frame: np.ndarray, when: float) -> None:
        """Add an RGB frame (h, w, 3) with its time in seconds; one of another size is stretched to the first's."""
        if not self.frames:
            self._first, self._stamp = when, -1
            self._track.height, self._track.width = (max(2, side - side % 2) for side in frame.shape[:2])
            self._track.pix_fmt, self._track.codec_context.time_base = "yuv420p", MILLISECONDS
        picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
        self._stamp = max(self._stamp + 1, round(1000 * (when - self._first)))
        picture.pts, picture.time_base = self._stamp, MILLISECONDS
        self._film.mux(self._track.encode(picture))
        self.frames, self.seconds = self.frames + 1, self._stamp / 1000

    def finish(self) -> "Recorder":
        """End the file and return self; without a frame there is no file."""
        if not self.frames:
            self.path.unlink()
            return self
        with contextlib.suppress(OSError):  # a full disk: what was written plays
            self._film.mux(self._track.encode(None))
            self._film.close()
        return self


class Meter:
    """Count the results of one run; it may be read from any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._clock, self._lock, self._begun, self._ended = clock, threading.Lock(), clock(), None
        self._latencies, self._emotions, self._frames, self._dropped = deque(maxlen=3000), Counter(), 0, 0

    def add(self, result: Result) -> None:
        """Count a result."""
        with self._lock:
            self._frames += 1
            self._latencies.append(result.seconds)
            self._emotions.update(filter(None, result.labels))

    def drop(self) -> None:
        """Count a frame without a result: a newer one took its place, or it could not be read."""
        with self._lock:
            self._dropped += 1

    def end(self) -> None:
        """End the run; later calls change nothing."""
        self._ended = self._ended or self._clock()

    def read(self) -> dict:
        """Return the frame rate, latency in ms (None before the first frame), and counts."""
        with self._lock:
            seconds = (self._ended or self._clock()) - self._begun
            p50, p95 = (1000 * np.percentile(self._latencies, [50, 95])).tolist() if self._latencies else (None, None)
            return {
                "fps_mean": self._frames / max(seconds, 1e-9), "p50": p50, "p95": p95, "frames": self._frames,
                "dropped": self._dropped, "emotions": dict(self._emotions), "seconds": seconds,
            }  # fmt: skip
