"""Frame sources of the live demo: the browser, a camera, a film, a folder of pictures, the puppet.

A frame is RGB (h, w, 3) uint8 and comes with its time in seconds on the source's own clock; None means that the frame
belongs to the moment at which it arrives.
"""

import contextlib
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import av
import cv2
import numpy as np

from fkd_helpers.core.errors import InputError, unknown
from fkd_helpers.data.puppets import stream
from fkd_helpers.faces.images import find_photos, read_photo

MAX_SIDE = 1920  # pixels; longer frames are scaled down to this
TIMEOUT = 5.0  # seconds that an address may take to answer
FILM = "expected a film such as .mp4, .webm or .avi"


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
    """Open a source: "browser", "camera" (number or URL), "file" (path or URL), "images" (folder) or "puppet"."""
    if kind not in SOURCES:
        raise unknown("source", kind, SOURCES)
    return SOURCES[kind](address)


def _open_camera(address):
    if "://" in str(address):
        return _open_film(address)
    device = int(address or 0) if str(address or 0).isdecimal() else str(address)
    level = cv2.utils.logging.setLogLevel(0)  # silent: a missing camera writes five lines of warnings
    try:
        capture = cv2.VideoCapture(device)
    finally:
        cv2.utils.logging.setLogLevel(level)
    if not capture.isOpened():
        raise InputError(f"camera {device!r} cannot be opened: try another number, or the source 'puppet'")
    message = f"Camera {device!r} gives no more frames: was it unplugged?"
    return Source("camera", _capture(capture), live=True, end_message=message)


def _capture(capture):
    try:
        while (read := capture.read())[0]:
            yield cv2.cvtColor(read[1], cv2.COLOR_BGR2RGB), None
    finally:
        capture.release()  # its light goes off


def _open_film(address):
    address = str(address)
    remote = "://" in address
    try:
        container = av.open(address, timeout=(TIMEOUT, 2 * TIMEOUT) if remote else None)
    except av.error.ExitError:
        raise InputError(f"{address}: no answer within {TIMEOUT:g} seconds; check the address") from None
    except (av.error.FFmpegError, OSError) as error:
        raise InputError(f"{address or 'no path'}: {error.strerror}, {FILM}") from None
    if not container.streams.video:
        raise InputError(f"{address}: no pictures in it, {FILM}")
    live = remote and not container.duration  # a camera or a broadcast has no end
    end = f"{address} gives no more frames." if live else f"{Path(address).name} came to its end."
    return Source("camera" if live else "file", _decode(container, live), live=live, end_message=end)


def _decode(container, live):
    """Yield the frames of a film, upright, with their times; damaged parts are left out."""
    track = container.streams.video[0]
    track.thread_type = "AUTO"
    with container, contextlib.suppress(av.error.EOFError, av.error.ExitError):  # an address may go silent
        packets = container.demux(track)
        while True:
            try:
                packet = next(packets, None)
                for frame in packet.decode() if packet is not None else ():
                    image = np.rot90(frame.to_ndarray(format="rgb24"), frame.rotation // 90)
                    yield np.ascontiguousarray(image), None if live else frame.time
            except av.error.InvalidDataError:
                continue
            if packet is None:
                return


def fit(frame: np.ndarray) -> np.ndarray:
    """Return a frame (h, w, 3) whose longer side is at most MAX_SIDE."""
    scale = MAX_SIDE / max(frame.shape)
    return frame if scale >= 1 else cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def _open_images(address):
    photos = find_photos(address or "no path")
    source = Source("images", film=False, end_message=f"All {len(photos.found)} pictures of {address} were shown.")
    source.notes += filter(None, [photos.left_out_line()])
    source.frames = _read_pictures(photos.found, source.notes)
    return source


def _read_pictures(paths, notes):
    seconds = count()
    for path in paths:
        try:
            frame = read_photo(path)
        except InputError as error:
            notes.append(f"left out: {error}")
        else:
            yield frame, float(next(seconds))


SOURCES: dict[str, Callable[[object], Source]] = {
    "browser": lambda _: Source("browser", live=True),
    "camera": _open_camera,
    "file": _open_film,
    "images": _open_images,
    "puppet": lambda _: Source("puppet", ((frame, i / 30) for i, (frame, *_) in enumerate(stream(fps=30)))),
}
