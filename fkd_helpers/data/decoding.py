"""Decode the image files of a set in parallel, once: later calls map the pixels from the cache into memory."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from tqdm import tqdm

from fkd_helpers.core.errors import InputError
from fkd_helpers.core.files import cached
from fkd_helpers.faces.images import read_scaled

CACHE_VERSION = 2


def read_images(files: list[Path], *, progress: bool = False) -> tuple[list[np.ndarray | str], np.ndarray]:
    """Return n images, a line where a file cannot be read, and their scales (n,), see `images.read_scaled`."""

    def make() -> dict:
        decoded, scales = zip(*_decode(files, progress), strict=True)
        shapes = [(0, 0, 0) if isinstance(image, str) else image.shape for image in decoded]
        pixels = [np.empty(0, np.uint8) if isinstance(image, str) else image.ravel() for image in decoded]
        return {"pixels": np.concatenate(pixels), "shapes": np.array(shapes), "scales": np.array(scales, np.float32)}

    if not files:
        return [], np.ones(0, np.float32)
    key = json.dumps([CACHE_VERSION, [(str(file), *_stamp(file)) for file in files]])
    held = cached("images", key, make)
    pixels, shapes, scales = np.asarray(held["pixels"]), np.asarray(held["shapes"]), np.array(held["scales"])
    images, start = [], 0
    for i, (file, shape, size) in enumerate(zip(files, shapes.tolist(), shapes.prod(1).tolist(), strict=True)):
        image = pixels[start : start + size].reshape(shape)
        if not size:  # it could not be read then; a permission, say, may have been given since
            image, scales[i] = _read_or_say(file)
        images.append(image)
        start += size
    return images, scales


def _stamp(file: Path) -> tuple[int, int]:
    try:
        found = file.stat()
        return found.st_size, found.st_mtime_ns
    except OSError:
        return -1, -1


def _decode(files: list[Path], progress: bool) -> list[tuple[np.ndarray | str, float]]:
    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        return list(tqdm(pool.map(_read_or_say, files), "decoding", len(files), disable=not progress))
    finally:
        pool.shutdown(cancel_futures=True)  # Ctrl-C waits for no file that is not begun


def _read_or_say(file: Path) -> tuple[np.ndarray | str, float]:
    """Return an image, or what is wrong with its file, and the scale."""
    try:
        return read_scaled(file)
    except InputError as error:
        return str(error), 1.0
