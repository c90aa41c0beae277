"""Photos from files to frames and back: a frame is uint8 RGB (h, w, 3)."""

import io
import warnings
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from fkd_helpers.core.errors import InputError
from fkd_helpers.core.files import whole_file

SUFFIXES = (".jpg", ".jpeg", ".jfif", ".png", ".webp", ".avif", ".bmp", ".tif", ".tiff", ".gif", ".jp2", ".ppm", ".pgm")
FORMATS = "JPEG, PNG, WEBP, AVIF, BMP, TIFF, GIF, JPEG2000, PPM"
MAX_PIXELS = 200_000_000  # of a photo, the largest of today's phones
Image.MAX_IMAGE_PIXELS = None  # our own limit gives a plain error in the place of Pillow's warning


def read_photo(source: str | Path | bytes) -> np.ndarray:
    """Read a photo from a path or from the bytes of a file and return an RGB frame (h, w, 3), uint8.

    RGBA is laid over white, a camera's rotation applied.
    """
    name = "photo" if isinstance(source, bytes) else str(source)
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
            width, height = image.size
            if width * height > MAX_PIXELS:
                limit = f"{MAX_PIXELS / 1e6:.3g} megapixels"
                raise InputError(f"{name}: {width}x{height} pixels, expected at most {limit}")
            return _rgb_of(ImageOps.exif_transpose(image))
    except InputError:
        raise
    except UnidentifiedImageError:
        raise InputError(f"{name}: not an image that can be read (expected {FORMATS})") from None
    except (OSError, SyntaxError, ValueError) as error:  # Pillow's ways of saying that a file is damaged
        reason = getattr(error, "strerror", None)  # the system's own
        raise InputError(f"{name}: {reason.lower() if reason else f'damaged or cut off ({error})'}") from None


def _rgb_of(image: Image.Image) -> np.ndarray:
    """Return the RGB pixels (h, w, 3) uint8 of a Pillow image; gray of 16 bits becomes 8."""
    if image.mode.startswith("I"):
        return to_rgb((np.asarray(image).clip(0, 65535) / 257).round().astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.array(image.convert("RGB"))


def find_photos(folder: str | Path, *, skip: Path | None = None) -> list[Path]:
    """Return the photos in a folder and its subfolders, sorted; warn of other files, but not of hidden ones.

    `skip` is a subfolder that is left out.
    """
    skip = None if skip == Path(folder) else skip
    paths = (path for path in Path(folder).rglob("*") if path.is_file() and skip not in path.parents)
    files = [path for path in paths if "/." not in f"/{path.relative_to(folder).as_posix()}"]
    found = sorted(path for path in files if path.suffix.lower() in SUFFIXES)
    if not found:
        raise InputError(f"{folder}: no photo in this folder, expected files ending in {', '.join(SUFFIXES)}")
    if others := {path.suffix.lower() or "no ending" for path in set(files) - set(found)}:
        kinds = ", ".join(sorted(others))
        warnings.warn(f"{folder}: left out {len(files) - len(found)} files that are no photos ({kinds})", stacklevel=2)
    return found


def write_photo(path: str | Path, frame: np.ndarray) -> None:
    """Write an RGB or gray uint8 frame to a whole file."""
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
    """Return the gray uint8 image (h, w) of a frame (h, w), (h, w, 1), (h, w, 3) or (h, w, 4)."""
    _check(frame)
    if frame.ndim == 2 or frame.shape[2] == 1:
        return frame.reshape(frame.shape[:2])
    return cv2.cvtColor(np.ascontiguousarray(frame[..., :3]), cv2.COLOR_RGB2GRAY)


def to_rgb(frame: np.ndarray) -> np.ndarray:
    """Return the RGB uint8 frame (h, w, 3) of one that is gray, RGB, or RGBA (alpha is left out)."""
    _check(frame)
    if frame.ndim == 3 and frame.shape[2] > 1:
        return np.ascontiguousarray(frame[..., :3])
    return np.repeat(to_gray(frame)[..., None], 3, 2)


def _check(frame) -> None:
    if not isinstance(frame, np.ndarray):
        raise InputError(f"frame: expected a uint8 array (h, w, 3), as read_photo returns it, got {frame!r:.60}")
    is_image = frame.size and frame.ndim in (2, 3) and (*frame.shape, 1)[2] in (1, 3, 4)
    if frame.dtype != np.uint8 or not is_image:
        raise InputError(f"frame: expected uint8 (h, w), (h, w, 3) or (h, w, 4), got {frame.dtype} {frame.shape}")


def shrunk(image: np.ndarray, longest: float) -> np.ndarray:
    """Return an image at a smaller size, if its longer side is more than `longest` pixels."""
    height, width = image.shape[:2]
    scale = longest / max(height, width)
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA) if scale < 1 else image
