"""Photos from files to frames and back: a frame is uint8 RGB (h, w, 3)."""

import io
import os
import warnings
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from fkd_helpers.core.errors import InputError
from fkd_helpers.core.files import whole_file

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif")
MAX_PIXELS = 50_000_000
LISTED = 4096  # entries of a folder that are held and sorted at once
Image.MAX_IMAGE_PIXELS = None  # our own limit below gives a plain error in the place of Pillow's warning


def find_photos(folder: str | Path) -> Iterator[Path]:
    """Yield the photos in a folder and its subfolders, known by their suffix; at least one.

    They come sorted, as far as LISTED entries of a folder go: no more are held at once, however many there are. Links
    to folders are not followed; a subfolder that may not be read is left out with a warning.

    Raises:
        InputError: no such folder, one that cannot be read, or no photo in it.
    """
    found = False
    try:
        for path in _walk(folder):
            found = True
            yield path
    except OSError as error:
        raise InputError(f"{folder}: cannot be read ({error.strerror}), expected a folder of photos") from None
    if not found:
        raise InputError(f"{folder}: no photo in this folder, expected files ending in {', '.join(SUFFIXES)}")


def _walk(folder):
    with os.scandir(folder) as entries:
        while listed := sorted(islice(entries, LISTED), key=lambda entry: entry.name):
            for entry in listed:
                if entry.is_dir(follow_symlinks=False):
                    try:
                        yield from _walk(entry.path)
                    except OSError as error:
                        warnings.warn(f"left out: {entry.path}: cannot be read ({error.strerror})", stacklevel=2)
                elif entry.name.lower().endswith(SUFFIXES):
                    yield Path(entry.path)


def read_photo(source: str | Path | bytes, *, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Read a photo from a path or from the bytes of a file and return an RGB frame (h, w, 3), uint8.

    Gray, palette, RGBA (laid over white), CMYK and 16-bit files are converted; a camera's EXIF rotation is applied.

    Raises:
        InputError: no such file, not an image, cut off, or larger than `max_pixels`.
    """
    name = "photo" if isinstance(source, bytes) else str(source)
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
            if image.width * image.height > max_pixels:
                raise InputError(
                    f"{name}: {image.width}x{image.height} pixels, expected at most {max_pixels / 1e6:.3g} megapixels"
                )
            image.load()
            return _to_rgb(ImageOps.exif_transpose(image))
    except FileNotFoundError:
        raise InputError(f"{name}: no such file") from None
    except IsADirectoryError:
        raise InputError(f"{name}: a folder, expected a photo") from None
    except PermissionError:
        raise InputError(f"{name}: no permission to read it") from None
    except UnidentifiedImageError:
        kinds = "JPEG, PNG, WebP, TIFF, BMP or GIF"
        raise InputError(f"{name}: not an image that can be read (expected {kinds})") from None
    except (OSError, SyntaxError, ValueError) as error:  # Pillow's ways of saying that a file is damaged
        if isinstance(error, InputError):
            raise
        if isinstance(error, OSError) and error.strerror:  # the system's own
            raise InputError(f"{name}: cannot be read ({error.strerror})") from None
        raise InputError(f"{name}: damaged or cut off ({error})") from None


def _to_rgb(image: Image.Image) -> np.ndarray:
    if image.mode.startswith(("I", "F")):  # 16 or 32 bit gray: the file's own range where it is 16 bit, else its spread
        values = np.nan_to_num(np.asarray(image).astype(np.float64), posinf=0, neginf=0)
        top = 65535.0 if image.mode.startswith("I") and 255 < values.max() <= 65535 else max(values.max(), 1e-9)
        top = 255.0 if image.mode.startswith("I") and values.max() <= 255 else top
        return np.repeat((np.clip(values / top, 0, 1) * 255).round().astype(np.uint8)[..., None], 3, -1)
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        if image.getextrema()[3][0] < 255:
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.array(image.convert("RGB"))


def write_photo(path: str | Path, frame: np.ndarray) -> None:
    """Write an RGB or gray uint8 frame to an image file; the suffix names the format. Half a file is never left.

    Raises:
        InputError: a suffix of no image format that can be written, or the disk does not allow it.
    """
    path = Path(path)
    kind = Image.registered_extensions().get(path.suffix.lower())
    if kind not in Image.SAVE:
        raise InputError(f"{path}: expected a name ending in .png, .jpg or another image format, got {path.suffix!r}")
    try:
        with whole_file(path) as partial:
            Image.fromarray(frame).save(partial, format=kind)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from None


def to_gray(frame: np.ndarray) -> np.ndarray:
    """Return the gray uint8 image (h, w) of a frame (h, w), (h, w, 1), (h, w, 3) or (h, w, 4).

    Raises:
        InputError: another shape or another type than uint8.
    """
    if frame.dtype != np.uint8:
        raise InputError(f"frame: expected uint8, got {frame.dtype}")
    if frame.ndim == 2:
        return frame
    if frame.ndim == 3 and frame.shape[2] in (1, 3, 4):
        if frame.shape[2] == 1:
            return frame[..., 0]
        return cv2.cvtColor(np.ascontiguousarray(frame[..., :3]), cv2.COLOR_RGB2GRAY)
    raise InputError(f"frame: expected (h, w), (h, w, 3) or (h, w, 4), got {frame.shape}")


def to_rgb(frame: np.ndarray) -> np.ndarray:
    """Return the RGB uint8 frame (h, w, 3) of one that is gray (h, w), (h, w, 1), RGB or RGBA (alpha is left out).

    Raises:
        InputError: another shape or another type than uint8.
    """
    if frame.ndim == 3 and frame.shape[2] in (3, 4) and frame.dtype == np.uint8:
        return np.ascontiguousarray(frame[..., :3])
    return np.repeat(to_gray(frame)[..., None], 3, 2)
