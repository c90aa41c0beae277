"""Recordings: H.264 in an MP4 that browsers play, with the frames' own times, and a JSON summary beside it.

The file is written in fragments of half a second, so that a process that is killed leaves one that plays; when it ends
well it becomes a plain MP4.
"""

import contextlib
import json
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from fractions import Fraction
from itertools import count
from pathlib import Path

import av
import cv2
import numpy as np

from fkd_helpers.core.errors import InputError
from fkd_helpers.core.files import whole_file
from fkd_helpers.core.records import plain, versions
from fkd_helpers.live.mailbox import Mailbox
from fkd_helpers.live.moods import CAUTION
from fkd_helpers.live.settings import LiveSettings

QUEUE = 16  # frames that wait for the encoder; when it is behind for longer, the oldest go
BUFFER = 1 << 22  # bytes: a fragment is written at once, so that a kill seldom tears one
MILLISECONDS = Fraction(1, 1000)
CONTAINER = {
    "movflags": "hybrid_fragmented",
    "frag_duration": "500000",
    "video_track_timescale": "1000",
    "flush_packets": "1",
}
ENCODER = {"preset": "ultrafast", "tune": "zerolatency", "crf": "23", "g": "60"}


@dataclass(frozen=True)
class Saved:
    """A recording that has ended; path and summary are None where no frame came, message tells what went wrong."""

    path: Path | None
    summary: Path | None
    seconds: float
    frames: int
    message: str = ""


class Recorder:
    """Write frames to a new MP4 file, in a thread of its own.

    Args:
        path: a number is added to the name rather than an older file, or its summary, be overwritten
        patient: `add` waits for the encoder rather than lose a frame
        on_error: gets a message when the disk ends the recording, from the recorder's thread
    """

    def __init__(self, path: str | Path, *, patient: bool = False, on_error: Callable[[str], None] | None = None):
        self.path, self._file = _new_file(Path(path))
        self.summary = self.path.with_suffix(".json")
        self.frames, self.lost, self.message = 0, 0, ""
        self._first, self._last, self._gap = None, -1, 33  # second, milliseconds
        self._on_error = on_error or (lambda message: None)
        self._mailbox = Mailbox(QUEUE, patient=patient)
        self._thread = threading.Thread(target=self._write, daemon=True, name="live recorder")
        self._thread.start()

    @property
    def seconds(self) -> float:
        """The length of the recording so far."""
        return (self._last + self._gap) / 1000 if self.frames else 0.0

    def add(self, frame: np.ndarray, when: float) -> None:
        """Add an RGB frame (h, w, 3) with its time in seconds; the first one is the beginning.

        A frame of another size is fitted into the size of the first. One that the encoder has no time for is `lost`.
        """
        self.lost += len(self._mailbox.put((frame, when)))

    def finish(self, **facts) -> Saved:
        """Wait until all is written, and write the summary with these facts."""
        self._mailbox.finish()
        self._thread.join()
        if not self.frames:
            self.path.unlink(missing_ok=True)
            return Saved(None, None, 0.0, 0, self.message or "Nothing was recorded: no frame came.")
        content = {
            "recording": self.path.name, "seconds": self.seconds, "frames": self.frames, "lost": self.lost,
            "ended": self.message or "completed", **facts,
        }  # fmt: skip
        summary, message = self.summary, self.message
        try:
            write_json(self.summary, content)
        except InputError as error:
            summary, message = None, f"{message} {error}".strip()
        return Saved(self.path, summary, self.seconds, self.frames, message)

    # -- the thread

    def _write(self):
        container = track = size = None
        try:
            with self._file:
                while (item := self._mailbox.take()) is not None:
                    frame = fit_frame(item[0], size)
                    if container is None:
                        size = frame.shape[1::-1]
                        container = av.open(self._file, "w", format="mp4", options=CONTAINER, buffer_size=BUFFER)
                        track = container.add_stream("libx264", rate=30, options=ENCODER)
                        (track.width, track.height), track.pix_fmt = size, "yuv420p"
                        track.time_base = track.codec_context.time_base = MILLISECONDS
                    self._encode(container, track, frame, item[1])
                if container is not None:
                    container.mux(track.encode(None))
                    container.close()
        except (OSError, av.error.FFmpegError) as error:
            self._file.close()  # before the container: what it would still write would spoil what is there
            if container is not None:
                with contextlib.suppress(OSError, ValueError, av.error.FFmpegError):
                    container.close()
            self.message = f"The recording ended: {error.strerror}. What was written is kept."
            self._on_error(self.message)
        finally:
            self.lost += len(self._mailbox.close())

    def _encode(self, container, track, frame, when):
        self._first = when if self._first is None else self._first
        stamp = max(self._last + 1, round(1000 * (when - self._first)))
        picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
        picture.pts, picture.time_base = stamp, MILLISECONDS
        container.mux(track.encode(picture))
        self._gap = stamp - self._last if self.frames else self._gap
        self._last = stamp
        self.frames += 1


def facts(statistics: dict, settings: LiveSettings) -> dict:
    """Return what a summary tells about a run, given the statistics of a `Meter`, as plain values."""
    names = ("dropped", "unreadable", "frames_with_faces", "emotions", "timeline")
    caution = {"caution": CAUTION} if settings.emotion == "expressions" else {}
    return {
        "fps": statistics["fps_mean"], "latency_ms": {name: statistics[name] for name in ("p50", "p95")},
        **{name: statistics[name] for name in names}, **caution, "settings": asdict(settings),
        "versions": versions() | {"av": av.__version__}, "date": time.strftime("%Y-%m-%d %H:%M"),
    }  # fmt: skip


def write_json(path: Path, content: dict) -> None:
    """Write plain values to a file that is whole or not there."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as partial:
            partial.write_text(json.dumps(plain(content), indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}).") from None


def fit_frame(frame: np.ndarray, size: tuple[int, int] | None = None) -> np.ndarray:
    """Return a frame (h, w, 3) of an even size (width, height), by default its own, with black beside it if need be.

    >>> fit_frame(np.zeros((5, 8, 3), np.uint8)).shape
    (6, 8, 3)
    >>> fit_frame(np.ones((10, 10, 3), np.uint8), (40, 20))[10, [0, 20, 39], 0].tolist()
    [0, 1, 0]
    """
    height, width = frame.shape[:2]
    even = cv2.copyMakeBorder(frame, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
    if size in (None, even.shape[1::-1]):
        return even
    scale = min(size[0] / width, size[1] / height)
    inside = [min(side, max(1, round(scale * old))) for side, old in zip(size, (width, height), strict=True)]
    left, top = ((side - part) // 2 for side, part in zip(size, inside, strict=True))
    whole = np.zeros((size[1], size[0], 3), np.uint8)
    whole[top : top + inside[1], left : left + inside[0]] = cv2.resize(frame, inside, interpolation=cv2.INTER_AREA)
    return whole


def _new_file(path):
    if path.suffix.lower() != ".mp4":
        raise InputError(f"{path}: expected a name ending in .mp4")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for number in count(1):
            free = path if number == 1 else path.with_stem(f"{path.stem}-{number}")
            with contextlib.suppress(FileExistsError):
                if not free.with_suffix(".json").exists():
                    return free, free.open("xb", buffering=0)  # x: never an older file, not even of another process
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror})") from None
