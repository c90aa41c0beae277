"""Atomic file writes, the cache folder of the user, and text."""

import contextlib
import os
import warnings
from collections.abc import Callable, Container, Iterator
from pathlib import Path
from typing import Any

from fkd_helpers.core.errors import InputError

MAX_CACHED = 10_000_000_000  # bytes per kind; what was not used for longest goes first


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a path to write to, which becomes `path` when the block ends well and goes away when it does not."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def cache_folder() -> Path:
    """Return the user's cache folder of the course, which may not exist yet."""
    from platformdirs import user_cache_path  # slow to import

    return user_cache_path("fkd_helpers")


def cached(kind: str, key: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return the arrays that `make` returns, memory-mapped from the user's cache; made if the key is new."""
    import joblib  # slow to import

    try:
        memory = joblib.Memory(cache_folder() / kind, mmap_mode="r", verbose=0)
        remembered = memory.cache(_made, ignore=["make"])
        known = remembered.check_call_in_cache(key, make)
        arrays = remembered(key, make)
        if not known:
            memory.reduce_size(bytes_limit=MAX_CACHED)
        return arrays
    except OSError as error:
        warnings.warn(f"no cache in {cache_folder()} ({error.strerror}): made again next time", stacklevel=2)
        return make()


def _made(key, make):
    return make()


def read_text(path: str | Path) -> str:
    """Return the text of a file in UTF-8."""
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not a text in UTF-8; save a table as CSV UTF-8") from None


def free_path(path: Path, taken: Container[Path] = ()) -> Path:
    """Return the path, with a number added to its name if it is there or among the taken ones."""
    number, wanted = 1, path
    while path.exists() or path in taken:
        number += 1
        path = wanted.with_stem(f"{wanted.stem}-{number}")
    return path
