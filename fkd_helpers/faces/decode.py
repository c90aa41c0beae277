"""Decode photo files of every kind to RGB frames (h, w, 3) uint8."""

import importlib.util
import io
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from fkd_helpers.core.errors import InputError

HAS_HEIF = importlib.util.find_spec("pillow_heif") is not None  # the extra [heic]
HEIC = (".heic", ".heif")
HEIC_HINT = "pip install 'fkd-helpers[heic]' reads .heic"
FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "BMP", "TIFF", "GIF", "JPEG2000", "PPM")  # Pillow's names
MAX_PIXELS = 50_000_000  # of a frame; a larger photo is decoded at a half, a quarter ... of its size
MAX_DECODED = 200_000_000  # pixels of a photo, the largest of today's phones
ORIENTATION = 0x0112  # EXIF tag
Image.MAX_IMAGE_PIXELS = None  # our own limit gives a plain error in the place of Pillow's warning


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
        with _open(source if isinstance(source, bytes) else Path(source).read_bytes()) as image:
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
        raise InputError(f"{name}: not an image that can be read (expected {', '.join(FORMATS)}{hint})") from None
    except FileNotFoundError:
        raise InputError(f"{name}: no such file") from None
    except (OSError, SyntaxError, ValueError) as error:  # Pillow's ways of saying that a file is damaged
        reason = getattr(error, "strerror", None)  # the system's own
        raise InputError(f"{name}: {reason.lower() if reason else f'damaged or cut off ({error})'}") from None


def _open(data: bytes) -> Image.Image:
    """Open a photo by Pillow, or by OpenCV where Pillow reads no floats in colour or drops the low byte of 16 bits."""
    if HAS_HEIF:
        import pillow_heif  # slow to import

        pillow_heif.register_heif_opener()
    try:
        image = Image.open(io.BytesIO(data))
        is_deep = image.mode in ("RGB", "RGBA") and any(";16" in str(tile.args) for tile in image.tile)
        if not is_deep or image.width * image.height > MAX_DECODED:
            return image
    except UnidentifiedImageError:
        if not data.startswith((b"II*\0", b"MM\0*", b"\x89PNG")):
            raise
        image = None
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:  # too large
        pixels = None
    if pixels is None:
        if image is None:
            raise UnidentifiedImageError
        return image
    deep = Image.fromarray(_to_eight_bit(pixels[..., [2, 1, 0, 3][: pixels.shape[2]]] if pixels.ndim == 3 else pixels))
    if image is not None:
        deep.getexif()[ORIENTATION] = image.getexif().get(ORIENTATION, 1)
    return deep


def _to_eight_bit(values: np.ndarray) -> np.ndarray:
    """Return uint8 from deeper values: of 0..1, 8, 10, 12 or 16 bits, whatever the largest value fits into."""
    ranges = (1, 255, 1023, 4095, 65535) if values.dtype.kind == "f" else (255, 1023, 4095, 65535)
    values = np.nan_to_num(values.astype(np.float32), posinf=0, neginf=0)
    peak = values.max(initial=0)
    top = next((limit for limit in ranges if peak <= limit), peak)
    return (np.clip(values / top, 0, 1) * 255).round().astype(np.uint8)


def rgb_of(image: Image.Image) -> np.ndarray:
    """Return the RGB pixels (h, w, 3) uint8 of a Pillow image of any mode."""
    if image.mode.startswith(("I", "F")):
        return np.repeat(_to_eight_bit(np.asarray(image))[..., None], 3, -1)
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        if image.getextrema()[3][0] < 255:
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.array(image if image.mode == "RGB" else image.convert("RGB"))
