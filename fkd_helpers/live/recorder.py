"""Recordings: H.264 in an MP4 that browsers play, with the frames' own times, and a JSON summary beside it.

The file is written in fragments of half a second, so that a process that is killed leaves one that plays.
"""

import contextlib
import json
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageOps

from fkd_helpers.core.errors import InputError
from fkd_helpers.core.files import free_path
from fkd_helpers.core.records import plain, versions
from fkd_helpers.live.pipeline import Result
from fkd_helpers.live.settings import LiveSettings

MILLISECONDS = Fraction(1, 1000)
CONTAINER = {"movflags": "hybrid_fragmented", "frag_duration": "500000", "video_track_timescale": "1000",
             "flush_packets": "1"}  # fmt: skip
ENCODER = {"preset": "ultrafast", "tune": "zerolatency", "crf": "23", "g": "60"}


class Recorder:
    """Write frames to a new MP4 file, whose name gets a number if it is taken; `meter` counts for its summary."""

    def __init__(self, path: str | Path):
        self.path = free_path(Path(path))
        if self.path.suffix.lower() != ".mp4":
            raise InputError(f"{path}: expected a name ending in .mp4")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.touch()  # where nothing can be written, this says so
        self._film = av.open(str(self.path), "w", options=CONTAINER)
        self._track = self._film.add_stream("libx264", rate=30, options=ENCODER)
        self.frames, self.seconds, self.meter = 0, 0.0, Meter()

    def add(self, frame: np.ndarray, when: float) -> None:
        """Add an RGB frame (h, w, 3) with its time in seconds; one of another size is fitted into the first's."""
        if not self.frames:
            self._first, self._stamp = when, -1
            self._track.height, self._track.width = (max(2, side - side % 2) for side in frame.shape[:2])
            self._track.pix_fmt, self._track.codec_context.time_base = "yuv420p", MILLISECONDS
        size = (self._track.width, self._track.height)
        if frame.shape[1::-1] != size:  # black beside it, if need be
            frame = np.asarray(ImageOps.pad(Image.fromarray(frame), size))
        picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
        self._stamp = max(self._stamp + 1, round(1000 * (when - self._first)))
        picture.pts, picture.time_base = self._stamp, MILLISECONDS
        self._film.mux(self._track.encode(picture))
        self.frames, self.seconds = self.frames + 1, self._stamp / 1000

    def finish(self, settings: LiveSettings | None = None) -> "Recorder":
        """End the file, write the summary beside it, and return self; without a frame there is no file."""
        self.meter.end()
        if not self.frames:
            self.path.unlink()
            return self
        with contextlib.suppress(OSError):  # a full disk: what was written plays
            self._film.mux(self._track.encode(None))
            self._film.close()
            length = {"recording": self.path.name, "seconds": self.seconds, "frames": self.frames}
            made = {"versions": versions() | {"av": av.__version__}, "date": time.strftime("%Y-%m-%d %H:%M")}
            content = plain(self.meter.read() | length | {"settings": settings or LiveSettings()} | made)
            self.path.with_suffix(".json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        return self


class Meter:
    """Count the results of one run or one recording; it may be read from any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._clock, self._lock, self._begun, self._ended = clock, threading.Lock(), clock(), None
        self._latencies, self._labels, self._first = deque(maxlen=3000), {}, None
        self._counts = Counter(dict.fromkeys(("frames", "frames_with_faces", "dropped", "unreadable"), 0))
        self._emotions, self._timeline = Counter(), deque(maxlen=10_000)

    def add(self, result: Result) -> None:
        """Count a result."""
        labels = {face.id: label for face, label in zip(result.faces, result.labels, strict=True)}
        with self._lock:
            self._first = result.when if self._first is None else self._first
            self._counts.update(frames=1, frames_with_faces=bool(labels))
            self._latencies.append(result.seconds)
            self._emotions.update(filter(None, labels.values()))
            changes = labels.items() - self._labels.items()
            self._timeline += [(round(result.when - self._first, 3), *change) for change in sorted(changes)]
            self._labels = labels

    def count(self, what: str) -> None:
        """Count a frame without a result: "dropped" for a newer one, or "unreadable"."""
        with self._lock:
            self._counts[what] += 1

    def end(self) -> None:
        """End the run; later calls change nothing."""
        self._ended = self._ended or self._clock()

    def read(self) -> dict:
        """Return rates, latency in ms (None before the first frame), counts, and changes (second, id, label)."""
        with self._lock:
            seconds = (self._ended or self._clock()) - self._begun
            p50, p95 = (1000 * np.percentile(self._latencies, [50, 95])).tolist() if self._latencies else (None, None)
            return {
                "fps_mean": self._counts["frames"] / max(seconds, 1e-9), "p50": p50, "p95": p95, **self._counts,
                "emotions": dict(self._emotions), "timeline": list(self._timeline), "seconds": seconds,
            }  # fmt: skip
