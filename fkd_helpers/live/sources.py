"""Frame sources of the live demo: the browser, a camera, a film, a folder of pictures, the puppet.

A frame is RGB (h, w, 3) uint8 and comes with its time in seconds on the source's own clock; None means that the frame
belongs to the moment at which it arrives.
"""

from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from fkd_helpers.core.errors import InputError, unknown
from fkd_helpers.data.puppets import stream
from fkd_helpers.faces.images import find_photos, read_photo

SOURCES = {  # what it is, and what its address means
    "browser": ("this page's camera", ""),
    "camera": ("a camera at the kernel", "number or URL"),
    "file": ("a video file", "path of the file, or its URL"),
    "images": ("a folder of pictures", "path of the folder"),
    "puppet": ("a moving puppet face", ""),
}
TIMEOUT = 5.0  # seconds that an address may take to answer


@dataclass(eq=False)
class Source:
    """Frames with their times, and what to tell the user about them."""

    kind: str
    frames: Generator[tuple[np.ndarray, float | None], None, None] | None = None  # None: they are submitted
    live: bool = False  # frames arrive on their own; otherwise they can be read as fast as they are asked for
    film: bool = True  # frames follow one another; otherwise each is a picture of its own
    notes: list[str] = field(default_factory=list)  # problems on the way that did not end it
    end_message: str = "The source ended."


def open_source(kind: str, address: str | int | Path = "") -> Source:
    """Open a source of one of the kinds in SOURCES."""
    if kind not in SOURCES:
        raise unknown("source", kind, SOURCES)
    if kind == "browser":
        return Source(kind, live=True)
    if kind == "puppet":
        return Source(kind, ((frame, i / 30) for i, (frame, *_) in enumerate(stream(fps=30))))
    if kind == "images":
        return _open_images(address or "no path")
    return _open_camera(address) if kind == "camera" and "://" not in str(address) else _open_film(str(address))


def _open_camera(address):
    device = int(address or 0) if str(address or 0).isdecimal() else str(address)
    level = cv2.utils.logging.setLogLevel(0)  # silent: a missing camera writes five lines of warnings
    capture = cv2.VideoCapture(device)
    cv2.utils.logging.setLogLevel(level)
    if not capture.isOpened():
        raise InputError(f"camera {device!r} cannot be opened: try another number, or the source 'puppet'")
    end = f"Camera {device!r} gives no more frames: was it unplugged?"
    return Source("camera", _frames(capture, live=True), live=True, end_message=end)


def _open_film(address):
    remote, milliseconds = "://" in address, round(1000 * TIMEOUT)
    if not remote and not Path(address).is_file():
        raise InputError(f"{address or 'no path'}: no such file")
    limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, milliseconds, cv2.CAP_PROP_READ_TIMEOUT_MSEC, 2 * milliseconds]
    capture = cv2.VideoCapture(address, cv2.CAP_FFMPEG, limits)
    if not capture.isOpened():
        fault = f"no answer within {TIMEOUT:g} s, or no film" if remote else "no film"
        raise InputError(f"{address}: {fault}; expected one such as .mp4, .webm or .avi")
    live = remote and capture.get(cv2.CAP_PROP_FRAME_COUNT) <= 0  # a camera or a broadcast has no end
    end = f"{address} gives no more frames." if live else f"{Path(address).name} came to its end."
    return Source("camera" if live else "file", _frames(capture, live=live), live=live, end_message=end)


def _frames(capture, *, live):
    try:
        while (read := capture.read())[0]:
            when = None if live else capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            yield cv2.cvtColor(read[1], cv2.COLOR_BGR2RGB), when
    finally:
        capture.release()  # a camera's light goes off


def _open_images(folder):
    photos, notes = find_photos(folder), []

    def pictures():
        for second, path in enumerate(photos):
            try:
                yield read_photo(path), float(second)
            except InputError as error:
                notes.append(f"left out: {error}")

    end = f"All {len(photos)} pictures of {folder} were shown."
    return Source("images", pictures(), film=False, notes=notes, end_message=end)
