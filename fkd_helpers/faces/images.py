"""Photos from files to frames and back: a frame is uint8 RGB (h, w, 3)."""

import importlib.util
import io
from collections import Counter
from pathlib import Path

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
MAX_PIXELS = 200_000_000  # of a photo, the largest of today's phones
Image.MAX_IMAGE_PIXELS = None  # our own limit gives a plain error in the place of Pillow's warning


def read_photo(source: str | Path | bytes) -> np.ndarray:
    """Read a photo from a path or from the bytes of a file and return an RGB frame (h, w, 3), uint8.

    RGBA is laid over white, a camera's rotation applied.
    """
    name = "photo" if isinstance(source, bytes) else str(source)
    if HAS_HEIF:
        import pillow_heif  # slow to import

        pillow_heif.register_heif_opener()
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
            width, height = image.size
            if width * height > MAX_PIXELS:
                limit = f"{MAX_PIXELS / 1e6:.3g} megapixels"
                raise InputError(f"{name}: {width}x{height} pixels, expected at most {limit}")
            return rgb_of(ImageOps.exif_transpose(image))
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


def find_photos(folder: str | Path) -> tuple[list[Path], str]:
    """Return the photos in a folder and its subfolders, sorted, and a line on other files, "" where there are none.

    Hidden files and folders (a Mac's `._name.jpg`) are skipped; links to folders are not followed.
    """
    if not Path(folder).is_dir():
        raise InputError(f"{folder}: not a folder, expected one with photos")
    found, others = [], Counter()
    for path in Path(folder).rglob("*"):
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts):
            if path.suffix.lower() in SUFFIXES:
                found.append(path)
            else:
                others[path.suffix.lower() or "no ending"] += 1
    kinds = ", ".join(f"{count} {ending}" for ending, count in others.most_common())
    hint = f" ({HEIC_HINT})" if set(others) & set(HEIC) else ""
    left_out = f"left out {others.total()} files that are no photos: {kinds}{hint}" if others else ""
    if not found:
        what, endings = left_out or "it is empty", ", ".join(SUFFIXES)
        raise InputError(f"{folder}: no photo in this folder ({what}), expected files ending in {endings}")
    return sorted(found), left_out


def write_photo(path: str | Path, frame: np.ndarray, *, software: str = "") -> None:
    """Write an RGB or gray uint8 frame to a whole file; `software` is a note in a PNG of what drew it."""
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
    """Return the note of `write_photo` in a PNG file, "" where there is none."""
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
        raise InputError(f"frame: expected a uint8 array (h, w, 3), as read_photo returns it, got {frame!r:.60}")
    is_image = frame.size and frame.ndim in (2, 3) and (*frame.shape, 1)[2] in (1, 3, 4)
    if frame.dtype != np.uint8 or not is_image:
        raise InputError(f"frame: expected uint8 (h, w), (h, w, 3) or (h, w, 4), got {frame.dtype} {frame.shape}")
    return frame


def shrunk(image: np.ndarray, longest: float) -> np.ndarray:
    """Return an image at a smaller size, if its longer side is more than `longest` pixels."""
    height, width = image.shape[:2]
    scale = longest / max(height, width)
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA) if scale < 1 else image
