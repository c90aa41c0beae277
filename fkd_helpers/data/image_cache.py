"""Image files decoded once: later readings map the same pixels into memory from the user's cache folder."""

import contextlib
import json
import math
import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from tqdm import tqdm

from fkd_helpers.core.errors import InputError
from fkd_helpers.core.files import cache_file, whole_file
from fkd_helpers.faces.images import read_photo

CACHE_VERSION = 1
MAX_BYTES = 3_000_000_000  # of all sets together; the one that was not used for longest goes first


def read_images(files: list[Path], problems: list[str], *, progress: bool = False) -> list[np.ndarray | None]:
    """Decode image files in parallel, once: later calls map the cached pixels into memory.

    problems: files that are missing or damaged are appended here; their place in the list is None
    """
    stats = [(str(f), s.st_size, s.st_mtime_ns) if (s := _stat(f)) else (str(f), -1, -1) for f in files]
    cache = cache_file("images", json.dumps([CACHE_VERSION, stats]), ".pixels")
    index = cache.with_suffix(".json")
    try:
        images = _mapped(cache, index, files)
    except (OSError, ValueError, KeyError, TypeError):  # none yet, or a damaged one
        images = _decode(files, progress)
        if _store(cache, index, images):
            images = _mapped(cache, index, files)
    problems.extend(image for image in images if isinstance(image, str))
    return [None if isinstance(image, str) else image for image in images]


def _stat(file: Path):
    try:
        return file.stat()
    except OSError:
        return None


def _decode(files: list[Path], progress: bool) -> list[np.ndarray | str]:
    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        return list(tqdm(pool.map(_read_or_say, files), "decoding", len(files), disable=not progress))
    finally:
        pool.shutdown(cancel_futures=True)  # Ctrl-C waits for no file that is not begun


def _read_or_say(file: Path) -> np.ndarray | str:
    """Return an image, or what is wrong with its file."""
    try:
        return np.ascontiguousarray(read_photo(file))
    except InputError as error:
        return str(error)


def _store(cache: Path, index: Path, images: list[np.ndarray | str]) -> bool:
    """Write pixels to `cache`, then shapes to `index`; warn and return False where the disk does not allow it."""
    if all(isinstance(image, str) for image in images):
        return False
    places, offset = [], 0
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(index, shared=True) as shapes, whole_file(cache, shared=True) as pixels:
            with pixels.open("wb") as stream:
                for image in images:
                    if isinstance(image, str):
                        places.append(None)
                        continue
                    places.append([offset, *image.shape])
                    offset += stream.write(image.data)
            shapes.write_text(json.dumps({"shapes": places}))
        _make_room(cache)
        return True
    except OSError as error:
        what = f"no cache in {cache.parent} ({error.strerror}): the images stay in memory, decoded again next time"
        warnings.warn(what, stacklevel=5)
        return False


def _make_room(newest: Path) -> None:
    """Delete the sets that were not used for longest, until all that stay fit into MAX_BYTES."""
    held = sorted(newest.parent.glob("*.pixels"), key=lambda path: path.stat().st_mtime)
    total = sum(path.stat().st_size for path in held)
    for path in held:
        if total > MAX_BYTES and path != newest:
            total -= path.stat().st_size
            path.with_suffix(".json").unlink(missing_ok=True)
            path.unlink(missing_ok=True)


def _mapped(cache: Path, index: Path, files: list[Path]) -> list[np.ndarray | str]:
    places = json.loads(index.read_text())["shapes"]
    pixels = np.memmap(cache, np.uint8, "r")
    with contextlib.suppress(OSError):
        os.utime(cache)  # used just now
    images = []
    for file, place in zip(files, places, strict=True):
        if place is None:  # it could not be read then; a permission, say, may have been given since
            images.append(_read_or_say(file))
            continue
        offset, *shape = place
        images.append(pixels[offset : offset + math.prod(shape)].reshape(shape))
    return images
