"""Recordings: H.264 in an MP4 that browsers play, with the frames' own times. Built in notebook 05.

The file is written in fragments of half a second, so that a process that is killed leaves one that plays; when it ends
well it becomes a plain MP4.
"""

import contextlib
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from fkd_helpers.core.errors import InputError
from fkd_helpers.core.files import whole_file
from fkd_helpers.core.records import plain
from fkd_helpers.live.mailbox import Mailbox
from fkd_helpers.live.pacing import Elapsed

WAITING = 16  # frames that wait for the encoder; when it is behind for longer, the oldest go
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
    """A recording that has ended: its file and summary (None where no frame came), length, frames, what went wrong."""

    path: Path | None
    summary: Path | None
    seconds: float
    frames: int
    words: str = ""


class Recorder:
    """Write frames to a new file, in a thread of its own.

    path: where; a number is added to the name rather than an older file, or its summary, be written over
    patient: `add` waits for the encoder rather than lose a frame
    on_trouble(words): called from the recorder's thread when the disk ends the recording

    Raises:
        InputError: a name that does not end in .mp4, or the disk does not allow it.
    """

    def __init__(self, path: str | Path, *, patient: bool = False, on_trouble: Callable[[str], None] | None = None):
        self.path, self._file = _new_file(Path(path))
        self.summary = self.path.with_suffix(".json")
        self.frames, self.lost, self.words = 0, 0, ""
        self._last, self._gap, self._elapsed = -1, 33, Elapsed()
        self._on_trouble = on_trouble or (lambda words: None)
        self._mailbox = Mailbox(WAITING, patient=patient)
        self._thread = threading.Thread(target=self._write, daemon=True, name="live recorder")
        self._thread.start()

    @property
    def seconds(self) -> float:
        """How long the recording is so far."""
        return (self._last + self._gap) / 1000 if self.frames else 0.0

    def add(self, frame: np.ndarray, when: float) -> None:
        """Add an RGB frame (h, w, 3) that belongs to a second, by any clock; the first one is the beginning.

        A frame of another size is fitted into the size of the first. One for which there is no time is counted `lost`.
        """
        self.lost += len(self._mailbox.put((frame, when)))

    def finish(self, **facts) -> Saved:
        """Wait until all is written, write the summary with these facts beside it, and return what there is."""
        self._mailbox.finish()
        self._thread.join()
        if not self.frames:
            self.path.unlink(missing_ok=True)
            return Saved(None, None, 0.0, 0, self.words or "Nothing was recorded: no frame came.")
        content = {
            "recording": self.path.name, "seconds": self.seconds, "frames": self.frames, "lost": self.lost,
            "ended": self.words or "as wished", **facts,
        }  # fmt: skip
        try:
            with whole_file(self.summary) as partial:
                partial.write_text(json.dumps(plain(content), indent=1) + "\n", encoding="utf-8")
        except OSError as error:
            words = f"{self.words} {self.summary.name} cannot be written: {error.strerror}.".strip()
            return Saved(self.path, None, self.seconds, self.frames, words)
        return Saved(self.path, self.summary, self.seconds, self.frames, self.words)

    # -- the thread

    def _write(self):
        container = None
        try:
            with self._file:
                track, size = None, None
                while (item := self._mailbox.take()) is not None:
                    frame = to_even(item[0]) if size is None else fit(item[0], size)
                    if container is None:
                        size = frame.shape[1::-1]
                        container = av.open(self._file, "w", format="mp4", options=CONTAINER, buffer_size=BUFFER)
                        track = _track(container, *size)
                    self._encode(container, track, frame, item[1])
                if container is not None:
                    container.mux(track.encode(None))
                    container.close()
        except (OSError, av.error.FFmpegError) as error:
            self._file.close()  # before the container: what it would still write would spoil what is there
            if container is not None:
                with contextlib.suppress(OSError, ValueError, av.error.FFmpegError):
                    container.close()
                trim(self.path)
            self.words = f"The recording ended: {error.strerror}. What was written is kept."
            self._on_trouble(self.words)
        finally:
            self.lost += len(self._mailbox.close())

    def _encode(self, container, track, frame, when):
        stamp = max(self._last + 1, round(1000 * self._elapsed(when)))
        picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
        picture.pts, picture.time_base = stamp, MILLISECONDS
        container.mux(track.encode(picture))
        self._gap = stamp - self._last if self.frames else self._gap
        self._last = stamp
        self.frames += 1


def _track(container, width, height):
    track = container.add_stream("libx264", rate=30, options=ENCODER)
    track.width, track.height, track.pix_fmt = width, height, "yuv420p"
    track.time_base = track.codec_context.time_base = MILLISECONDS
    return track


def to_even(frame: np.ndarray) -> np.ndarray:
    """Return a frame (h, w, 3) with even sides, as H.264 wants them: an odd last row or column comes twice.

    >>> to_even(np.zeros((5, 8, 3), np.uint8)).shape
    (6, 8, 3)
    """
    height, width = frame.shape[:2]
    if height % 2 or width % 2:
        frame = cv2.copyMakeBorder(frame, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
    return frame


def fit(frame: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return a frame (h, w, 3) of this size (width, height): as it is, or scaled into its middle with black beside it.

    >>> fit(np.ones((10, 10, 3), np.uint8), (40, 20))[10, [0, 20, 39], 0].tolist()
    [0, 1, 0]
    """
    height, width = frame.shape[:2]
    even = to_even(frame)
    if even.shape[1::-1] == tuple(size):
        return even
    scale = min(size[0] / width, size[1] / height)
    inside = [min(side, max(1, round(scale * old))) for side, old in zip(size, (width, height), strict=True)]
    left, top = ((side - part) // 2 for side, part in zip(size, inside, strict=True))
    whole = np.zeros((size[1], size[0], 3), np.uint8)
    whole[top : top + inside[1], left : left + inside[0]] = cv2.resize(frame, inside, interpolation=cv2.INTER_AREA)
    return whole


def trim(path: Path) -> None:
    """Cut the half-written fragment off the end of an MP4 file."""
    size, end, whole = path.stat().st_size, 0, 0
    with path.open("r+b") as file:
        while end + 8 <= size:
            file.seek(end)
            head = file.read(8)
            end += int.from_bytes(head[:4], "big") or size
            if head[4:] == b"mdat" and end <= size:
                whole = end
        file.truncate(whole or size)


def _new_file(path):
    if path.suffix.lower() != ".mp4":
        raise InputError(f"{path}: expected a name ending in .mp4")
    number, wanted = 1, path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            with contextlib.suppress(FileExistsError):
                if not path.with_suffix(".json").exists():
                    return path, path.open("xb", buffering=0)  # x: never an older file, not even of another process
            number += 1
            path = wanted.with_stem(f"{wanted.stem}-{number}")
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror})") from None
