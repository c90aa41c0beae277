"""Frames that strangers send: read with care, made small enough. Built in notebook 05."""

import io

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from fkd_helpers.core.errors import InputError
from fkd_helpers.live.sources import fitting

LARGEST = 20 * 2**20  # bytes of a submitted frame
MAX_PIXELS = 8192 * 8192


def read_jpeg(jpeg: bytes) -> np.ndarray:
    """Return the RGB frame (h, w, 3) of a JPEG that somebody sent.

    Raises:
        InputError: it is no JPEG, cut off, or of an absurd size.
    """
    if not 0 < len(jpeg) <= LARGEST:
        raise InputError(f"frame: expected a JPEG of at most {LARGEST} bytes, got {len(jpeg)}")
    try:
        with Image.open(io.BytesIO(jpeg), formats=["JPEG"]) as header:  # its size only, before the memory is taken
            pixels = header.width * header.height
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise InputError(f"frame: not a JPEG ({error})") from None
    if pixels > MAX_PIXELS or b"\xff\xd9" not in jpeg[-16:]:
        raise InputError(f"frame: a JPEG of {pixels} pixels that is too large or cut off")
    try:
        frame = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        frame = None
    if frame is None:
        raise InputError("frame: a damaged JPEG")
    return cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)


def small_enough(frame: np.ndarray) -> tuple[np.ndarray, str]:
    """Return a frame (h, w, 3) in the size of `sources.fitting`, and what is to be said when that is another."""
    size, words = fitting(*frame.shape[1::-1])
    return (cv2.resize(frame, size, interpolation=cv2.INTER_AREA) if words else frame), words
