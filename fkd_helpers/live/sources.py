"""Where the frames of the live demo come from: a browser, a camera, a film, a folder, the puppet. Built in notebook 05.

Every source is a `Source`, whose frames are RGB (h, w, 3) uint8 with the second at which each belongs on the source's
own clock, None where it has none: then it belongs to when it arrives.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path

import av
import cv2
import numpy as np

from fkd_helpers.core.errors import InputError, unknown
from fkd_helpers.data.puppets import stream
from fkd_helpers.faces.images import SUFFIXES, read_photo

MAX_SIDE = 1920  # pixels; longer frames are made this small
RETRIES = 5  # reads that may fail before a camera counts as unplugged


@dataclass(eq=False)
class Source:
    """Frames with their seconds, and what is to be said when they end.

    kind: the name it was opened by; frames: a generator that may end; None for the browser
    live: frames come when they come; otherwise they can be had as fast as they are asked for
    film: they follow one another; otherwise each is a picture of its own
    trouble: what went wrong on the way and did not end it, in words
    ended: what is to be said at the end
    """

    kind: str
    frames: Generator[tuple[np.ndarray, float | None], None, None] | None = None
    live: bool = False
    film: bool = True
    trouble: list[str] = field(default_factory=list)
    ended: str = "The source ended."


def open_source(kind: str, address: str | int | Path = "") -> Source:
    """Open a source.

    kind: "browser" (frames are submitted, it has none of its own), "camera" (address: number or URL), "file" (path of
        a film), "images" (path of a folder), "puppet"

    Raises:
        InputError: an unknown kind, or one that cannot be opened; the message says what came and what to do next.
    """
    if kind not in SOURCES:
        raise unknown("source", kind, SOURCES)
    return SOURCES[kind](address)


def _browser(address):
    return Source("browser", live=True)


def _puppet(address):
    return Source("puppet", ((frame, i / 30) for i, (frame, _, _) in enumerate(stream(fps=30))))


def _camera(address):
    place = int(address or 0) if str(address or 0).isdecimal() else str(address)
    logging = getattr(cv2.utils, "logging", cv2)  # older OpenCV has the two functions at its top
    before = logging.getLogLevel()
    logging.setLogLevel(0)  # silent: a camera that is not there would write five lines of warnings
    try:
        capture = cv2.VideoCapture(place)
    finally:
        logging.setLogLevel(before)
    if not capture.isOpened():
        capture.release()
        raise InputError(f"camera {place!r} cannot be opened: try another number, or the source 'puppet'")
    source = Source("camera", live=True, ended=f"Camera {place!r} gives no more frames: was it unplugged?")
    source.frames = _captured(capture)
    return source


def _captured(capture):
    try:
        failed = 0
        while failed < RETRIES:
            good, frame = capture.read()
            failed = 0 if good and frame is not None and frame.size else failed + 1
            if not failed:
                yield cv2.cvtColor(frame, cv2.COLOR_GRAY2RGB if frame.ndim == 2 else cv2.COLOR_BGR2RGB), None
    finally:
        capture.release()


def _file(address):
    path = Path(address)
    wanted = "expected a film such as .mp4, .webm or .avi"
    if not path.exists():
        raise InputError(f"{path}: no such file, {wanted}")
    if path.is_dir() or not str(address):
        raise InputError(f"{path}: {'a folder' if str(address) else 'no path'}, {wanted}")
    try:
        if not path.stat().st_size:
            raise InputError(f"{path}: an empty file, {wanted}")
        container = av.open(str(path))
    except av.error.FFmpegError as error:
        raise InputError(f"{path}: not a film that can be read ({error.strerror}), {wanted}") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    films = [track for track in container.streams.video if not track.disposition & av.stream.Disposition.attached_pic]
    if not films:
        container.close()
        raise InputError(f"{path}: sound without a picture, {wanted}")
    source = Source("file", ended=f"{path.name} came to its end.")
    source.frames = _decoded(container, films[0], source)
    first = next(source.frames, None)
    if first is None:
        raise InputError(f"{path}: no frame in it can be read, {wanted}")
    source.frames = _again(first, source.frames)
    return source


def _again(first, rest):
    yield first
    yield from rest


def _decoded(container, film, source):
    film.thread_type = "AUTO"
    step = 1 / float(film.average_rate or 30)
    broken, when, name = 0, -step, Path(container.name).name
    with container:
        packets = container.demux(film)
        while True:
            try:
                packet = next(packets, None)
                if packet is None:
                    break
                for frame in packet.decode():
                    when = when + step if frame.time is None else float(frame.time)
                    yield _rgb(frame, source), when
            except (av.error.FFmpegError, ValueError) as error:
                if isinstance(error, av.error.EOFError):
                    break
                broken += 1
                if broken > 1000:
                    break
    if broken:
        source.trouble.append(f"{name}: {broken} damaged parts were left out.")


def fitting(width: int, height: int) -> tuple[tuple[int, int], str]:
    """Return the size (width, height) in which a frame is looked at, and what is to be said when that is another.

    >>> fitting(7680, 4320)
    ((1920, 1080), 'Frames of 7680x4320 pixels are made 1920x1080.')
    """
    scale = MAX_SIDE / max(width, height)
    if scale >= 1:
        return (width, height), ""
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return size, f"Frames of {width}x{height} pixels are made {size[0]}x{size[1]}."


def _rgb(frame, source):
    (width, height), words = fitting(frame.width, frame.height)
    source.trouble += [words] if words else []
    size = {"width": width, "height": height} if words else {}
    return np.ascontiguousarray(np.rot90(frame.to_ndarray(format="rgb24", **size), round(frame.rotation / 90)))


def _images(address):
    folder = Path(address)
    try:
        if not str(address):
            raise InputError("images: expected the path of a folder, got none")
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    except OSError as error:
        raise InputError(f"{folder}: cannot be read ({error.strerror}), expected a folder of pictures") from None
    if not paths:
        raise InputError(f"{folder}: no picture in this folder, expected files ending in {', '.join(SUFFIXES)}")
    source = Source("images", film=False, ended=f"All {len(paths)} pictures of {folder} were shown.")
    source.frames = _pictures(paths, source)
    return source


def _pictures(paths, source):
    shown = 0
    for path in paths:
        try:
            frame = read_photo(path)
        except InputError as error:
            source.trouble.append(f"left out: {error}")
            continue
        yield frame, float(shown)  # a second each
        shown += 1


SOURCES: dict[str, Callable[[object], Source]] = {
    "browser": _browser, "camera": _camera, "file": _file, "images": _images, "puppet": _puppet,
}  # fmt: skip
