"""Atomic file writes, the cache folder of the user, and text in the usual encodings."""

import contextlib
import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from fkd_helpers.core.errors import InputError

MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}  # byte order marks
BINARY = {b"PK": "an Excel workbook or a ZIP file; save it as CSV", b"PAR1": "a Parquet file, which ends in .parquet"}
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
        arrays = memory.cache(_made, ignore=["make"])(key, make)
        memory.reduce_size(bytes_limit=MAX_CACHED)
        return arrays
    except OSError as error:
        warnings.warn(f"no cache in {cache_folder()} ({error.strerror}): made again next time", stacklevel=2)
        return make()


def _made(key, make):
    return make()


def read_text(path: str | Path) -> str:
    """Return the text of a file in UTF-8 or UTF-16, with or without a byte order mark, or in Windows-1252."""
    return read_encoded(path)[0]


def read_encoded(path: str | Path) -> tuple[str, str]:
    """Return the text of a file and its encoding; see `read_text`."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    return decoded(content, path)


def decoded(content: bytes, path: str | Path) -> tuple[str, str]:
    """Return the text of a file's bytes and its encoding; the path names the file in errors."""
    marked = next((encoding for mark, encoding in MARKS.items() if content.startswith(mark)), "utf-8")
    for encoding in (marked, "utf-16-le", "cp1252"):
        with contextlib.suppress(UnicodeDecodeError):
            text = content.decode(encoding)
            if "\0" not in text and (encoding != "utf-16-le" or b"\0" in content):
                return text, encoding
    kind = next((f", but {kind}" for start, kind in BINARY.items() if content.startswith(start)), "")
    raise InputError(f"{path}: not a text file{kind}")


def free_path(path: Path) -> Path:
    """Return the path, with a number added to its name if it is taken."""
    number, wanted = 1, path
    while path.exists():
        number += 1
        path = wanted.with_stem(f"{wanted.stem}-{number}")
    return path
