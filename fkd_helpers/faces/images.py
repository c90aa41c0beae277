"""Photos from files to frames and back: a frame is uint8 RGB (h, w, 3)."""

import os
import warnings
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from fkd_helpers.core.errors import InputError
from fkd_helpers.core.files import whole_file
from fkd_helpers.faces.decode import FORMATS, HAS_HEIF, HEIC, HEIC_HINT, read_photo, read_scaled, rgb_of

SUFFIXES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".avif", ".bmp", ".tif", ".tiff", ".gif", ".jp2", ".ppm", ".pgm",
    *(HEIC if HAS_HEIF else ()),
)  # fmt: skip
__all__ = [
    "SUFFIXES", "Photos", "find_photos", "read_photo", "read_scaled", "shrunk", "software_of", "to_gray", "to_rgb",
    "write_photo",
]  # fmt: skip


class Photos(NamedTuple):
    """The photos of a folder, sorted, and how many other files lie there, by their ending."""

    found: list[Path]
    left_out: dict[str, int]

    def left_out_line(self) -> str:
        """Return a line for the user, "" where nothing was left out.

        >>> Photos([], {".txt": 2, "no ending": 1}).left_out_line()
        'left out 3 files that are no photos: 2 .txt, 1 no ending'
        """
        kinds = ", ".join(f"{count} {ending}" for ending, count in self.left_out.items())
        hint = f" ({HEIC_HINT})" if set(self.left_out) & set(HEIC) else ""
        return f"left out {sum(self.left_out.values())} files that are no photos: {kinds}{hint}" if kinds else ""


def find_photos(folder: str | Path) -> Photos:
    """Return the photos in a folder and its subfolders, by their ending, or by their content where they have none.

    Hidden files and folders (a Mac's `._name.jpg`) are skipped and not counted. Links to folders are not followed;
    a subfolder that may not be read is left out with a warning.
    """
    found, left_out = [], Counter()

    def unreadable(error: OSError):
        if Path(error.filename) == Path(folder):
            raise InputError(f"{folder}: cannot be read ({error.strerror}), expected a folder of photos")
        warnings.warn(f"left out: {error.filename}: cannot be read ({error.strerror})", stacklevel=3)

    for parent, folders, names in os.walk(folder, onerror=unreadable):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for path in (Path(parent, name) for name in names if not name.startswith(".")):
            ending = path.suffix.lower()
            if ending in SUFFIXES or (not ending and _facts_of(path).get("format") in FORMATS):
                found.append(path)
            else:
                left_out[ending or "no ending"] += 1
    photos = Photos(sorted(found), dict(left_out.most_common()))
    if not found:
        others = photos.left_out_line() or "it is empty"
        endings = ", ".join(SUFFIXES)
        raise InputError(f"{folder}: no photo in this folder ({others}), expected files ending in {endings}")
    return photos


def _facts_of(path: str | Path) -> dict:
    """Return what an image file says of itself, and its format; nothing where it is no image."""
    try:
        with Image.open(path) as image:
            return {**image.info, "format": image.format}
    except (OSError, SyntaxError, ValueError):
        return {}


def write_photo(path: str | Path, frame: np.ndarray, *, software: str = "") -> None:
    """Write an RGB or gray uint8 frame to an image file; the suffix names the format. Half a file is never left.

    `software` is a note in a PNG file of what drew it, see `software_of`.
    """
    path = Path(path)
    kind = Image.registered_extensions().get(path.suffix.lower())
    if kind not in Image.SAVE:
        raise InputError(f"{path}: expected a name ending in .png, .jpg or another image format, got {path.suffix!r}")
    note = PngInfo()
    if software:
        note.add_text("Software", software)
    try:
        with whole_file(path) as partial:
            Image.fromarray(frame).save(partial, format=kind, pnginfo=note)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from None


def software_of(path: str | Path) -> str:
    """Return the program that a PNG file says it was written by, "" where it does not."""
    return _facts_of(path).get("Software", "")


def to_gray(frame: np.ndarray) -> np.ndarray:
    """Return the gray uint8 image (h, w) of a frame (h, w), (h, w, 1), (h, w, 3) or (h, w, 4), or a Pillow image."""
    frame = _checked(frame)
    if frame.ndim == 2:
        return frame
    if frame.shape[2] == 1:
        return frame[..., 0]
    return cv2.cvtColor(np.ascontiguousarray(frame[..., :3]), cv2.COLOR_RGB2GRAY)


def shrunk(image: np.ndarray, longest: float) -> np.ndarray:
    """Return an image at a smaller size, if its longer side is more than `longest` pixels."""
    height, width = image.shape[:2]
    scale = longest / max(height, width)
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA) if scale < 1 else image


def to_rgb(frame: np.ndarray) -> np.ndarray:
    """Return the RGB uint8 frame (h, w, 3) of one that is gray, RGB, RGBA (alpha is left out) or a Pillow image."""
    frame = _checked(frame)
    if frame.ndim == 3 and frame.shape[2] > 1:
        return np.ascontiguousarray(frame[..., :3])
    return np.repeat(to_gray(frame)[..., None], 3, 2)


def _checked(frame) -> np.ndarray:
    if isinstance(frame, Image.Image):
        return rgb_of(frame)
    if not isinstance(frame, np.ndarray):
        came = f"the text {frame!r}: read_photo reads a file" if isinstance(frame, str | Path) else f"{frame!r:.60}"
        raise InputError(f"frame: expected a uint8 array (h, w, 3), got {came}")
    if not frame.size:
        raise InputError(f"frame: expected at least one pixel, got {frame.shape}")
    if frame.dtype != np.uint8:
        hint = ": of 0..1, (255 * frame).round().astype(np.uint8)" if frame.dtype.kind == "f" else ""
        raise InputError(f"frame: expected uint8, got {frame.dtype}{hint}")
    if frame.ndim not in (2, 3) or (frame.ndim == 3 and frame.shape[2] not in (1, 3, 4)):
        raise InputError(f"frame: expected (h, w), (h, w, 3) or (h, w, 4), got {frame.shape}")
    return frame
