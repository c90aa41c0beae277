"""Frame sources of the live demo: the browser, a camera, a film, the puppet.

A frame is RGB (h, w, 3) uint8 and comes with its time in seconds on the source's own clock; None means that the frame
belongs to the moment at which it arrives.
"""

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from fkd_helpers.core.errors import InputError, unknown
from fkd_helpers.data.puppets import stream

SOURCES = {  # what it is, and what its address means
    "browser": ("this page's camera", ""),
    "camera": ("a camera at the kernel", "number or URL"),
    "file": ("a video file", "path of the file"),
    "puppet": ("a moving puppet face", ""),
}


@dataclass(eq=False)
class Source:
    """Frames with their times, and what to tell the user at their end."""

    kind: str
    frames: Generator[tuple[np.ndarray, float | None], None, None] | None = None  # None: they are submitted
    live: bool = False  # frames arrive on their own; otherwise they can be read as fast as they are asked for
    end_message: str = "The source ended."


def open_source(kind: str, address: str | int | Path = "") -> Source:
    """Open a source of one of the kinds in SOURCES."""
    if kind not in SOURCES:
        raise unknown("source", kind, SOURCES)
    if kind == "browser":
        return Source(kind, live=True)
    if kind == "puppet":
        return Source(kind, ((frame, i / 30) for i, (frame, *_) in enumerate(stream())))
    if kind == "file":
        if not Path(address).is_file():
            raise InputError(f"{address or 'no path'}: no such file")
        capture, end = cv2.VideoCapture(str(address), cv2.CAP_FFMPEG), f"{Path(address).name} came to its end."
        fault = f"{address}: no film; expected one such as .mp4, .webm or .avi"
    else:
        device = int(address or 0) if str(address or 0).isdecimal() else str(address)
        level = cv2.utils.logging.setLogLevel(0)  # silent: a missing camera writes five lines of warnings
        capture, end = cv2.VideoCapture(device), f"Camera {device!r} gives no more frames: was it unplugged?"
        cv2.utils.logging.setLogLevel(level)
        fault = f"camera {device!r} cannot be opened: try another number, or the source 'puppet'"
    if not capture.isOpened():
        raise InputError(fault)
    return Source(kind, _frames(capture, kind == "camera"), kind == "camera", end)


def _frames(capture, live):
    try:
        while (read := capture.read())[0]:
            when = None if live else capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            yield cv2.cvtColor(read[1], cv2.COLOR_BGR2RGB), when
    finally:
        capture.release()  # a camera's light goes off
