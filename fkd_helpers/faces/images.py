"""Photos from files to frames and back: a frame is uint8 RGB (h, w, 3)."""

import importlib.util
import io
import os
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from fkd_helpers.core.errors import InputError
from fkd_helpers.core.files import whole_file

HAS_HEIF = importlib.util.find_spec("pillow_heif") is not None  # the extra [heic]
HEIC = (".heic", ".heif")
HEIC_HINT = "pip install 'fkd-helpers[heic]' reads .heic"
FORMATS = "JPEG, PNG, WEBP, AVIF, BMP, TIFF, GIF, JPEG2000, PPM"
SUFFIXES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".avif", ".bmp", ".tif", ".tiff", ".gif", ".jp2", ".ppm", ".pgm",
    *(HEIC if HAS_HEIF else ()),
)  # fmt: skip
MAX_PIXELS = 50_000_000  # of a frame; a larger photo is decoded at a half, a quarter ... of its size
MAX_DECODED = 200_000_000  # pixels of a photo, the largest of today's phones
Image.MAX_IMAGE_PIXELS = None  # our own limit gives a plain error in the place of Pillow's warning


def read_photo(source: str | Path | bytes) -> np.ndarray:
    """Read a photo from a path or from the bytes of a file and return an RGB frame (h, w, 3), uint8.

    Gray, palette, RGBA (laid over white), CMYK and 16-bit files are converted; a camera's EXIF rotation is applied. A
    photo of more than MAX_PIXELS comes at a smaller scale, see `read_scaled`.
    """
    return read_scaled(source)[0]


def read_scaled(source: str | Path | bytes) -> tuple[np.ndarray, float]:
    """Read a photo and return (frame, scale): 1 up to MAX_PIXELS, else 1/2 or 1/4.

    The point x of the frame is the point (x + 0.5) / scale - 0.5 of the photo.
    """
    name = "photo" if isinstance(source, bytes) else str(source)
    if HAS_HEIF:
        import pillow_heif  # slow to import

        pillow_heif.register_heif_opener()
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
            width, height = image.size
            if width * height > MAX_DECODED:
                limit = f"{MAX_DECODED / 1e6:.3g} megapixels"
                raise InputError(f"{name}: {width}x{height} pixels, expected at most {limit}")
            shrink = 1
            while width * height > MAX_PIXELS * shrink**2:
                shrink *= 2
            image.draft(None, (width // shrink, height // shrink))  # JPEG decodes at a smaller scale by itself
            frame = rgb_of(ImageOps.exif_transpose(image))
            rest = round(max(frame.shape[:2]) * shrink / max(width, height))  # what JPEG has not done itself
            if rest > 1:
                frame = cv2.resize(frame, None, fx=1 / rest, fy=1 / rest, interpolation=cv2.INTER_AREA)
            return frame, 1 / shrink
    except InputError:
        raise
    except UnidentifiedImageError:
        hint = f"; {HEIC_HINT}" if name.lower().endswith(HEIC) and not HAS_HEIF else ""
        raise InputError(f"{name}: not an image that can be read (expected {FORMATS}{hint})") from None
    except (OSError, SyntaxError, ValueError) as error:  # Pillow's ways of saying that a file is damaged
        reason = getattr(error, "strerror", None)  # the system's own
        raise InputError(f"{name}: {reason.lower() if reason else f'damaged or cut off ({error})'}") from None


def rgb_of(image: Image.Image) -> np.ndarray:
    """Return the RGB pixels (h, w, 3) uint8 of a Pillow image of any mode."""
    if image.mode.startswith(("I", "F")):  # 16 bits or floats, gray
        values = np.nan_to_num(np.asarray(image, np.float32), posinf=0, neginf=0)
        peak = values.max(initial=0)
        top = next((limit for limit in (1, 255, 1023, 4095, 65535) if peak <= limit), peak)
        return to_rgb((255 * np.clip(values / top, 0, 1)).round().astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.array(image.convert("RGB"))


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
    """Return the photos in a folder and its subfolders, by their ending.

    Hidden files and folders (a Mac's `._name.jpg`) are skipped and not counted; links to folders are not followed.
    """
    found, left_out = [], Counter()

    def unreadable(error: OSError):
        raise InputError(f"{error.filename}: cannot be read ({error.strerror}), expected a folder of photos")

    for parent, folders, names in os.walk(folder, onerror=unreadable):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for path in (Path(parent, name) for name in names if not name.startswith(".")):
            if path.suffix.lower() in SUFFIXES:
                found.append(path)
            else:
                left_out[path.suffix.lower() or "no ending"] += 1
    photos = Photos(sorted(found), dict(left_out.most_common()))
    if not found:
        others, endings = photos.left_out_line() or "it is empty", ", ".join(SUFFIXES)
        raise InputError(f"{folder}: no photo in this folder ({others}), expected files ending in {endings}")
    return photos


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
    try:
        with Image.open(path) as image:
            return image.info.get("Software", "")
    except (OSError, SyntaxError, ValueError):
        return ""


def to_gray(frame: np.ndarray) -> np.ndarray:
    """Return the gray uint8 image (h, w) of a frame (h, w), (h, w, 1), (h, w, 3) or (h, w, 4), or a Pillow image."""
    frame = _checked(frame)
    if frame.ndim == 2 or frame.shape[2] == 1:
        return frame.reshape(frame.shape[:2])
    return cv2.cvtColor(np.ascontiguousarray(frame[..., :3]), cv2.COLOR_RGB2GRAY)


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
    if frame.dtype != np.uint8:
        hint = ": of 0..1, (255 * frame).round().astype(np.uint8)" if frame.dtype.kind == "f" else ""
        raise InputError(f"frame: expected uint8, got {frame.dtype}{hint}")
    if not frame.size or frame.ndim not in (2, 3) or (*frame.shape, 1)[2] not in (1, 3, 4):
        raise InputError(f"frame: expected (h, w), (h, w, 3) or (h, w, 4), got {frame.shape}")
    return frame


def shrunk(image: np.ndarray, longest: float) -> np.ndarray:
    """Return an image at a smaller size, if its longer side is more than `longest` pixels."""
    height, width = image.shape[:2]
    scale = longest / max(height, width)
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA) if scale < 1 else image
