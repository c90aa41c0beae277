"""Atomic file writes, and the cache folder of the user."""

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from fkd_helpers.core.errors import InputError

if TYPE_CHECKING:
    import numpy as np

MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}  # byte order marks
BINARY = {b"PK": "an Excel workbook or a ZIP file; save it as CSV", b"PAR1": "a Parquet file, which ends in .parquet"}
MAX_CACHED = 3_000_000_000  # bytes per kind; the entry that was not used for longest goes first


@contextlib.contextmanager
def whole_file(path: Path, *, shared: bool = False) -> Iterator[Path]:
    """Give a path to write to, which becomes `path` when the block ends well and goes away when it does not.

    Args:
        shared: Other processes may be writing the same file; each writes its own, and the last one stays.
    """
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial" if shared else f"{path.name}.partial")
    try:
        yield partial
        partial.replace(path)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def cache_folder() -> Path:
    """Return the user's cache folder of the course, which may not exist yet."""
    from platformdirs import user_cache_path  # slow to import

    return user_cache_path("fkd_helpers")


def cache_file(kind: str, key: str, ending: str = "") -> Path:
    """Return the path of a cache entry, which may not exist yet."""
    return cache_folder() / kind / f"{hashlib.sha256(key.encode()).hexdigest()[:16]}{ending}"


def cached(kind: str, key: str, make: "Callable[[], dict[str, np.ndarray]]") -> "dict[str, np.ndarray]":
    """Return the arrays that `make` returned for this key, memory-mapped from the user's cache; make them if need be.

    A damaged or incomplete entry is made again. Where the disk does not allow a cache, warn and return what was made.
    A list of flat arrays counts as one array, joined on the disk.
    """
    import numpy as np  # slow to import, and `check` runs without it

    entry = cache_file(kind, key)
    try:
        arrays = _read_entry(entry)
        os.utime(entry)  # used just now
        return arrays
    except (OSError, ValueError, EOFError):  # none yet, or damaged
        arrays = make()
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=entry.parent, prefix="partial-", ignore_cleanup_errors=True) as partial:
            for name, array in arrays.items():
                with (Path(partial) / f"{name}.npy").open("wb") as stream:
                    _save(stream, array)
            (Path(partial) / "names.json").write_text(json.dumps(list(arrays)), encoding="utf-8")
            shutil.rmtree(entry, ignore_errors=True)
            with contextlib.suppress(OSError):  # another process was faster
                Path(partial).rename(entry)
        _evict(entry)
        return _read_entry(entry)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        warnings.warn(f"no cache in {entry.parent} ({reason}): made again next time", stacklevel=2)
        return {name: np.concatenate(array) if isinstance(array, list) else array for name, array in arrays.items()}


def _save(stream: BinaryIO, array: "np.ndarray | list[np.ndarray]") -> None:
    import numpy as np  # slow to import, and `check` runs without it

    if not isinstance(array, list):
        return np.save(stream, array, allow_pickle=False)
    header = {"descr": array[0].dtype.str, "fortran_order": False, "shape": (sum(map(len, array)),)}
    np.lib.format.write_array_header_1_0(stream, header)
    for part in array:
        stream.write(part)


def _read_entry(entry: Path) -> "dict[str, np.ndarray]":
    import numpy as np  # slow to import, and `check` runs without it

    names = json.loads((entry / "names.json").read_text(encoding="utf-8"))
    return {name: np.load(entry / f"{name}.npy", mmap_mode="r") for name in names}


def _evict(newest: Path) -> None:
    """Delete the entries that were not used for longest until the rest fits into MAX_CACHED."""
    entries = sorted(newest.parent.iterdir(), key=lambda entry: entry.stat().st_mtime)
    sizes = {entry: sum(file.stat().st_size for file in (entry, *entry.glob("*"))) for entry in entries}
    for entry in entries:
        if sum(sizes.values()) > MAX_CACHED and entry != newest:
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
            sizes[entry] = 0


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
    """Return the path, with a number added to its name if it is taken.

    >>> free_path(Path("no such folder") / "film.mp4").name
    'film.mp4'
    """
    number, wanted = 1, path
    while path.exists():
        number += 1
        path = wanted.with_stem(f"{wanted.stem}-{number}")
    return path
