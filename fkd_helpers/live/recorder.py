"""Recordings: H.264 in an MP4 that browsers play, with the frames' own times, and a JSON summary beside it.

The file is written in fragments of half a second, so that a process that is killed leaves one that plays.
"""

import contextlib
import json
import time
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageOps

from fkd_helpers.core.errors import InputError
from fkd_helpers.core.files import free_path, whole_file
from fkd_helpers.core.records import plain, versions
from fkd_helpers.live.moods import CAUTION
from fkd_helpers.live.settings import LiveSettings
from fkd_helpers.live.timing import Meter

MILLISECONDS = Fraction(1, 1000)
CONTAINER = {"movflags": "hybrid_fragmented", "frag_duration": "500000", "video_track_timescale": "1000",
             "flush_packets": "1"}  # fmt: skip
ENCODER = {"preset": "ultrafast", "tune": "zerolatency", "crf": "23", "g": "60"}


class Recorder:
    """Write frames to a new MP4 file; there is no sound.

    `frames` and `seconds` are the length so far, `message` says why the disk ended it, and `meter` counts the results
    that the caller gives it, for the summary. A taken `path` gets a number added to its name.
    """

    def __init__(self, path: str | Path):
        self.path = free_path(Path(path))
        if self.path.suffix.lower() != ".mp4":
            raise InputError(f"{path}: expected a name ending in .mp4")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("xb", buffering=0)
        except OSError as error:
            raise InputError(f"{path}: cannot be written ({error.strerror})") from None
        self.frames, self.message, self.meter = 0, "", Meter()
        self._film = self._track = self._first = None
        self._last, self._gap = -1, 33  # milliseconds

    @property
    def seconds(self) -> float:
        """The length of the recording so far."""
        return (self._last + self._gap) / 1000 if self.frames else 0.0

    def add(self, frame: np.ndarray, when: float) -> None:
        """Add an RGB frame (h, w, 3) with its time in seconds; the first one is the beginning.

        A frame of another size is fitted into the size of the first.
        """
        with self._disk():
            if self._film is None:
                self._first, self._film = when, av.open(self._file, "w", format="mp4", options=CONTAINER)
                self._track = track = self._film.add_stream("libx264", rate=30, options=ENCODER)
                track.height, track.width = (max(2, side - side % 2) for side in frame.shape[:2])
                track.pix_fmt, track.codec_context.time_base = "yuv420p", MILLISECONDS
            size = (self._track.width, self._track.height)
            if frame.shape[1::-1] != size:  # black beside it, if need be
                frame = np.asarray(ImageOps.pad(Image.fromarray(frame), size))
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            stamp = max(self._last + 1, round(1000 * (when - self._first)))
            picture.pts, picture.time_base = stamp, MILLISECONDS
            self._film.mux(self._track.encode(picture))
            self._gap = stamp - self._last if self.frames else self._gap
            self._last, self.frames = stamp, self.frames + 1

    def finish(self, settings: LiveSettings | None = None) -> "Recorder":
        """End the file, write the summary beside it, and return self; without a frame there is no file."""
        self.meter.end()
        if self._film is not None and not self.message:
            with self._disk():
                self._film.mux(self._track.encode(None))
                self._film.close()
        self._file.close()
        if not self.frames:
            self.path.unlink(missing_ok=True)
            self.message = self.message or "Nothing was recorded: no frame came."
            return self
        what = {"recording": self.path.name, "ended": self.message or "completed", "seconds": self.seconds}
        content = summary(self.meter, settings or LiveSettings()) | what | {"frames": self.frames}
        with self._disk():
            write_json(self.path.with_suffix(".json"), content)
        return self

    @contextlib.contextmanager
    def _disk(self):
        try:
            yield
        except (OSError, av.error.FFmpegError) as error:
            self._file.close()  # before the film: what it would still write would spoil what is there
            with contextlib.suppress(OSError, ValueError, av.error.FFmpegError):
                self._film.close()
            self.message = f"The recording ended: {error.strerror}. What was written is kept."


def summary(meter: Meter, settings: LiveSettings) -> dict:
    """Return what a summary file tells about a run, as plain values."""
    caution = {"caution": CAUTION} if settings.emotion == "expressions" else {}
    made = {"settings": asdict(settings), "versions": versions() | {"av": av.__version__}}
    return meter.read() | caution | made | {"date": time.strftime("%Y-%m-%d %H:%M")}


def write_json(path: Path, content: dict) -> None:
    """Write plain values to a file that is whole or not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as partial:
        partial.write_text(json.dumps(plain(content), indent=1) + "\n", encoding="utf-8")
