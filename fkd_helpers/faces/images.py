"""Photos from files to frames and back: a frame is uint8 RGB (h, w, 3)."""

import importlib.util
import io
import os
import warnings
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
SUFFIXES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".avif", ".bmp", ".tif", ".tiff", ".gif", ".jp2", ".ppm", ".pgm",
    *(HEIC if HAS_HEIF else ()),
)  # fmt: skip
FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "BMP", "TIFF", "GIF", "JPEG2000", "PPM")  # Pillow's names
HEIC_HINT = "pip install 'fkd-helpers[heic]' reads .heic"
MAX_PIXELS = 50_000_000  # of a frame; a larger photo is decoded at a half, a quarter ... of its size
MAX_DECODED = 200_000_000  # pixels of a photo, the largest of today's phones
ORIENTATION = 0x0112  # EXIF tag
Image.MAX_IMAGE_PIXELS = None  # our own limit gives a plain error in the place of Pillow's warning


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
            if ending in SUFFIXES or (not ending and _looks_like_photo(path)):
                found.append(path)
            else:
                left_out[ending or "no ending"] += 1
    photos = Photos(sorted(found), dict(left_out.most_common()))
    if not found:
        others = photos.left_out_line() or "it is empty"
        endings = ", ".join(SUFFIXES)
        raise InputError(f"{folder}: no photo in this folder ({others}), expected files ending in {endings}")
    return photos


def _looks_like_photo(path: Path) -> bool:
    try:
        with Image.open(path) as image:
            return image.format in FORMATS
    except (OSError, SyntaxError, ValueError):
        return False


def read_photo(source: str | Path | bytes) -> np.ndarray:
    """Read a photo from a path or from the bytes of a file and return an RGB frame (h, w, 3), uint8.

    Gray, palette, RGBA (laid over white), CMYK, 16-bit and float files are converted; a camera's EXIF rotation is
    applied. A photo of more than MAX_PIXELS comes at a smaller scale, see `read_scaled`.
    """
    return read_scaled(source)[0]


def read_scaled(source: str | Path | bytes) -> tuple[np.ndarray, float]:
    """Read a photo and return (frame, scale): 1 up to MAX_PIXELS, else 1/2 or 1/4.

    The point x of the frame is the point (x + 0.5) / scale - 0.5 of the photo.
    """
    if not isinstance(source, str | Path | bytes):
        raise InputError(f"photo: expected a path or the bytes of a file, got {type(source).__name__}")
    name = "photo" if isinstance(source, bytes) else str(source)
    try:
        with _open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
            width, height = image.size
            if width * height > MAX_DECODED:
                limit = f"{MAX_DECODED / 1e6:.3g} megapixels"
                raise InputError(f"{name}: {width}x{height} pixels, expected at most {limit}")
            shrink = 1
            while width * height > MAX_PIXELS * shrink**2:
                shrink *= 2
            if shrink > 1:
                image.draft(None, (width // shrink, height // shrink))  # JPEG decodes at a smaller scale by itself
            image.load()
            rest = shrink // round(width / image.width)  # what JPEG has not done itself
            ImageOps.exif_transpose(image, in_place=True)
            if rest > 1 and image.mode in ("L", "RGB", "RGBA", "CMYK"):
                image, rest = image.reduce(rest), 1
            frame = _to_rgb(image)
            if rest > 1:
                frame = cv2.resize(frame, None, fx=1 / rest, fy=1 / rest, interpolation=cv2.INTER_AREA)
            return frame, 1 / shrink
    except InputError:
        raise
    except UnidentifiedImageError:
        hint = f"; {HEIC_HINT}" if name.lower().endswith(HEIC) and not HAS_HEIF else ""
        raise InputError(f"{name}: not an image that can be read (expected {', '.join(FORMATS)}{hint})") from None
    except FileNotFoundError:
        raise InputError(f"{name}: no such file") from None
    except (OSError, SyntaxError, ValueError) as error:  # Pillow's ways of saying that a file is damaged
        reason = getattr(error, "strerror", None)  # the system's own
        raise InputError(f"{name}: {reason.lower() if reason else f'damaged or cut off ({error})'}") from None


def _open(source) -> Image.Image:
    """Open a photo by Pillow, or by OpenCV where Pillow reads no floats in colour or drops the low byte of 16 bits."""
    if HAS_HEIF:
        import pillow_heif  # slow to import

        pillow_heif.register_heif_opener()
    try:
        image = Image.open(source)
    except UnidentifiedImageError:
        image = _decode_deep(source)
        if image is None:
            raise
        return image
    deep = image.mode in ("RGB", "RGBA") and any(";16" in str(tile.args) for tile in image.tile)
    if deep and image.width * image.height <= MAX_DECODED:
        orientation = image.getexif().get(ORIENTATION, 1)
        image = _decode_deep(source) or image
        image.getexif()[ORIENTATION] = orientation
    return image


def _decode_deep(source) -> Image.Image | None:
    """Return the image of a PNG or TIFF of 16 bits or floats, None for another file."""
    data = source.getvalue() if isinstance(source, io.BytesIO) else Path(source).read_bytes()
    if not data.startswith((b"II*\0", b"MM\0*", b"\x89PNG")):
        return None
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:  # too large
        return None
    if pixels is None:
        return None
    return Image.fromarray(_to_eight_bit(pixels[..., [2, 1, 0, 3][: pixels.shape[2]]] if pixels.ndim == 3 else pixels))


def _to_eight_bit(values: np.ndarray) -> np.ndarray:
    """Return uint8 from deeper values: of 0..1, 8, 10, 12 or 16 bits, whatever the largest value fits into."""
    ranges = (1, 255, 1023, 4095, 65535) if values.dtype.kind == "f" else (255, 1023, 4095, 65535)
    values = np.nan_to_num(values.astype(np.float32), posinf=0, neginf=0)
    peak = values.max(initial=0)
    top = next((limit for limit in ranges if peak <= limit), peak)
    return (np.clip(values / top, 0, 1) * 255).round().astype(np.uint8)


def _to_rgb(image: Image.Image) -> np.ndarray:
    if image.mode.startswith(("I", "F")):
        return np.repeat(_to_eight_bit(np.asarray(image))[..., None], 3, -1)
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        if image.getextrema()[3][0] < 255:
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.array(image if image.mode == "RGB" else image.convert("RGB"))


def write_photo(path: str | Path, frame: np.ndarray, *, software: str = "") -> None:
    """Write an RGB or gray uint8 frame to an image file; the suffix names the format. Half a file is never left.

    Args:
        software: a note in a PNG file of what drew it, see `software_of`
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
    if frame.ndim == 2:
        return frame
    if frame.shape[2] == 1:
        return frame[..., 0]
    return cv2.cvtColor(np.ascontiguousarray(frame[..., :3]), cv2.COLOR_RGB2GRAY)


def to_rgb(frame: np.ndarray) -> np.ndarray:
    """Return the RGB uint8 frame (h, w, 3) of one that is gray, RGB, RGBA (alpha is left out) or a Pillow image."""
    frame = _checked(frame)
    if frame.ndim == 3 and frame.shape[2] > 1:
        return np.ascontiguousarray(frame[..., :3])
    return np.repeat(to_gray(frame)[..., None], 3, 2)


def _checked(frame) -> np.ndarray:
    if isinstance(frame, Image.Image):
        return _to_rgb(frame)
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
