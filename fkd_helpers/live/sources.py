"""Frame sources of the live demo: the browser, a camera, a film, a folder of pictures, the puppet.

A frame is RGB (h, w, 3) uint8 and comes with its time in seconds on the source's own clock; None means that the frame
belongs to the moment at which it arrives.
"""

import io
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import av
import cv2
import numpy as np
from av.sidedata.sidedata import Type
from PIL import Image

from fkd_helpers.core.errors import InputError, unknown
from fkd_helpers.data.puppets import stream
from fkd_helpers.faces.images import find_photos, read_photo

MAX_SIDE = 1920  # pixels; longer frames are scaled down to this
MAX_BYTES = 20 * 2**20  # of a submitted JPEG
MAX_PIXELS = 8192 * 8192  # of a submitted JPEG
MAX_RETRIES = 5  # failed reads in a row after which a camera counts as unplugged
MAX_DAMAGED = 1000  # packets that cannot be decoded, after which a film has ended
MAX_GAP = 10.0  # seconds between two frames of a film; a longer gap is a fault of its time stamps
TIMEOUT = 5.0  # seconds that an address may take to answer
FILM = "expected a film such as .mp4, .webm or .avi"


@dataclass(eq=False)
class Source:
    """Frames with their times, and what to tell the user about them."""

    kind: str
    frames: Generator[tuple[np.ndarray, float | None], None, None] | None = None  # None: they are submitted
    live: bool = False  # frames arrive on their own; otherwise they can be read as fast as they are asked for
    film: bool = True  # frames follow one another; otherwise each is a picture of its own
    sound: bool = False  # which no recording keeps
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
    logging = getattr(cv2.utils, "logging", cv2)  # older OpenCV has the two functions at its top
    level = logging.getLogLevel()
    logging.setLogLevel(0)  # silent: a missing camera writes five lines of warnings
    try:
        capture = cv2.VideoCapture(device)
    finally:
        logging.setLogLevel(level)
    if not capture.isOpened():
        capture.release()
        raise InputError(f"camera {device!r} cannot be opened: try another number, or the source 'puppet'")
    message = f"Camera {device!r} gives no more frames: was it unplugged?"
    return Source("camera", _capture(capture), live=True, end_message=message)


def _capture(capture):
    try:
        failed = 0
        while failed < MAX_RETRIES:
            good, frame = capture.read()
            failed = 0 if good and frame is not None and frame.size else failed + 1
            if not failed:
                yield cv2.cvtColor(frame, cv2.COLOR_GRAY2RGB if frame.ndim == 2 else cv2.COLOR_BGR2RGB), None
    finally:
        capture.release()


def _open_film(address):
    url = urlsplit(str(address))
    address = url2pathname(url.path) if url.scheme == "file" else str(address)
    remote = "://" in address
    try:
        container = av.open(address, timeout=(TIMEOUT, 2 * TIMEOUT) if remote else None)
    except av.error.ExitError:
        raise InputError(f"{address}: no answer within {TIMEOUT:g} seconds; check the address") from None
    except (av.error.FFmpegError, OSError) as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else error.strerror
        raise InputError(f"{address or 'no path'}: {reason}, {FILM}") from None
    tracks = [t for t in container.streams.video if not t.disposition & av.stream.Disposition.attached_pic]
    if not tracks:
        container.close()
        raise InputError(f"{address}: sound without a picture, {FILM}")
    live = remote and not container.duration and container.size <= 0  # a camera or a broadcast has no end
    source = Source("camera" if live else "file", live=live, sound=bool(container.streams.audio))
    source.end_message = f"{address} gives no more frames." if live else f"{Path(address).name} came to its end."
    frames = _decode(container, tracks[0], source, Path(address).name)
    first = next(frames, None)
    if first is None:
        raise InputError(f"{address}: no frame in it can be read, {FILM}")
    source.frames = _put_back(first, frames)
    return source


def _put_back(first, rest):
    yield first
    yield from rest


def _decode(container, track, source, name):
    """Yield the frames of a film with their times, which neither run backwards nor jump."""
    track.thread_type = "AUTO"
    step = 1 / float(track.average_rate or 30)
    pixel = float(track.sample_aspect_ratio or 1)  # its width in heights
    damaged, stamp, now = 0, None, 0.0
    with container:
        packets = container.demux(track)
        while damaged <= MAX_DAMAGED:
            try:
                packet = next(packets, None)
                for frame in packet.decode() if packet is not None else ():
                    if stamp is None:
                        now = stamp = frame.time or 0.0
                    else:
                        gap = step if frame.time is None else frame.time - stamp
                        stamp += gap
                        if not 0 <= gap <= MAX_GAP:
                            source.notes.append(f"{name}: a jump of {gap:.0f} s in its time stamps was left out.")
                            gap = step
                        now += gap
                    yield _to_rgb(frame, pixel, source), None if source.live else now
                if packet is None:
                    break
            except (av.error.EOFError, av.error.ExitError):  # the end, or an address that went silent
                break
            except (av.error.FFmpegError, ValueError):
                damaged += 1
    if damaged:
        source.notes.append(f"{name}: {damaged} damaged parts were left out.")


def _to_rgb(frame, pixel, source):
    """Return a decoded frame as it is to be seen: upright, of square pixels, no longer than MAX_SIDE."""
    size, note = fit_size(round(frame.width * pixel), frame.height)
    source.notes += [note] if note else []
    scaled = {} if size == (frame.width, frame.height) else {"width": size[0], "height": size[1]}
    image = frame.to_ndarray(format="rgb24", **scaled)
    matrix = frame.side_data.get(Type.DISPLAYMATRIX)
    if matrix is not None:
        a, b, _, c, d = np.frombuffer(bytes(matrix), np.int32)[:5].tolist()  # x' = a x + c y, y' = b x + d y
        if abs(b) > abs(a):  # a quarter turn
            image, a, d = image.swapaxes(0, 1), c, b
        image = image[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]
    return np.ascontiguousarray(image)


def fit_size(width: int, height: int) -> tuple[tuple[int, int], str]:
    """Return the size (width, height) in which a frame is processed, and a note when that is another one.

    >>> fit_size(7680, 4320)
    ((1920, 1080), 'Frames of 7680x4320 pixels are made 1920x1080.')
    """
    scale = MAX_SIDE / max(width, height)
    if scale >= 1:
        return (width, height), ""
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return size, f"Frames of {width}x{height} pixels are made {size[0]}x{size[1]}."


def _open_images(address):
    photos = find_photos(address or "no path")
    source = Source("images", film=False, end_message=f"All {len(photos.found)} pictures of {address} were shown.")
    source.notes += [photos.left_out_line()]
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


def read_jpeg(jpeg: bytes) -> np.ndarray:
    """Decode a JPEG that an untrusted page has sent into an RGB frame (h, w, 3)."""
    if len(jpeg) > MAX_BYTES:
        raise InputError(f"frame: expected at most {MAX_BYTES} bytes, got {len(jpeg)}")
    try:
        with Image.open(io.BytesIO(jpeg), formats=["JPEG"]) as image:
            if image.width * image.height > MAX_PIXELS:  # before the memory is taken
                raise InputError(f"frame: expected at most {MAX_PIXELS} pixels, got {image.width} x {image.height}")
            return np.array(image.convert("RGB"))
    except (OSError, SyntaxError) as error:  # Pillow's ways of saying that a file is damaged
        raise InputError(f"frame: not a whole JPEG ({error})") from None


SOURCES: dict[str, Callable[[object], Source]] = {
    "browser": lambda _: Source("browser", live=True),
    "camera": _open_camera,
    "file": _open_film,
    "images": _open_images,
    "puppet": lambda _: Source("puppet", ((frame, i / 30) for i, (frame, *_) in enumerate(stream(fps=30)))),
}
