"""Files that are whole or not there, and the user's cache folder."""

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def whole_file(path: Path, *, shared: bool = False) -> Iterator[Path]:
    """Give a path to write to, which becomes `path` when the block ends well and goes away when it does not.

    shared: other processes may be writing the same file; each writes its own, and the last one stays
    """
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial" if shared else f"{path.name}.partial")
    try:
        yield partial
        partial.replace(path)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def cache_folder() -> Path:
    """Return the user's cache folder of the course, which may not be there yet."""
    from platformdirs import user_cache_path

    return user_cache_path("fkd_helpers")


def cache_file(kind: str, key: str, ending: str) -> Path:
    """Return the file of a key in the cache folder's part for such files, which may not be there yet."""
    return cache_folder() / kind / f"{hashlib.sha256(key.encode()).hexdigest()[:16]}{ending}"


def free_path(path: Path) -> Path:
    """Return the path, or with a number at the end of its name if there is such a file.

    >>> free_path(Path("no such folder") / "film.mp4").name
    'film.mp4'
    """
    number, wanted = 1, path
    while path.exists():
        number += 1
        path = wanted.with_stem(f"{wanted.stem}-{number}")
    return path
