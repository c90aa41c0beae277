"""Fetch the real 68-point set: continued where it was cut, unpacked safely, every file checked by its digest.

The course's public archive is tried first, then the GitHub archive of the same files; a few bad files are fetched
one by one. What came so far stays on disk as `*.partial`, and no file gets its own name before its digest fits.
"""

import errno
import gzip
import hashlib
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import quote, urlsplit

from fkd_helpers.core.errors import InputError
from fkd_helpers.core.files import whole_file
from fkd_helpers.data.faceset import CLASSIC
from fkd_helpers.data.loading import data_dirs
from fkd_helpers.data.transfer import Refused, transfer

COMMIT = "6e55adc6bd032d9fb1ad41a4c3e68aae847cdf81"
ARCHIVES = (
    "https://s3.amazonaws.com/video.udacity-data.com/topher/2018/May/5aea1b91_train-test-data/train-test-data.zip",
    f"https://github.com/udacity/P1_Facial_Keypoints/archive/{COMMIT}.zip",
)
SINGLE_FILES = f"https://raw.githubusercontent.com/udacity/P1_Facial_Keypoints/{COMMIT}/data/"
FEW = 40  # up to so many bad files are fetched one by one, more by a whole archive
MAX_FILE = 20_000_000  # bytes; the largest file of the set has 2.7 million
ASSETS = Path(__file__).parents[1] / "assets"
NAMES, DIGESTS = ASSETS / "ytf_names.txt.gz", ASSETS / "ytf_digests.bin"  # made by benchmarks/make_digests.py
DIGEST_BYTES = 8  # of SHA-256, in the order of the names


def known_digests() -> dict[str, bytes]:
    """Return the first 8 bytes of the SHA-256 of each of the 5,772 files, by name below the data folder.

    >>> known_digests()["training_frames_keypoints.csv"].hex()
    '9f3d1213429893d4'
    """
    names, digests = gzip.decompress(NAMES.read_bytes()).decode().split("\n"), DIGESTS.read_bytes()
    return {name: digests[i * DIGEST_BYTES : (i + 1) * DIGEST_BYTES] for i, name in enumerate(names)}


def default_folder() -> Path:
    """Return where `data.load("ytf")` looks first: `ytf` in $FKD_DATA_DIR, else in `data/` of this course."""
    place = data_dirs()[0]
    return place if (place / CLASSIC["training"]).exists() else place / "ytf"


def check(folder: str | Path, digests: Mapping[str, bytes] | None = None) -> list[str]:
    """Return the names of the files that are missing from a folder or differ from the published ones.

    Raises:
        InputError: a file or folder that may not be read.
    """
    digests = known_digests() if digests is None else digests
    bad = []
    for name, digest in digests.items():
        try:
            if _digest((Path(folder) / name).read_bytes()) != digest:
                bad.append(name)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            bad.append(name)
        except PermissionError as error:
            raise InputError(f"{error.filename}: no permission to read it") from None
    return bad


def fetch(
    folder: str | Path | None = None,
    *,
    urls: Sequence[str] = ARCHIVES,
    single_files: str | None = SINGLE_FILES,
    digests: Mapping[str, bytes] | None = None,
    progress: bool = True,
    say: Callable[[str], None] = print,
    tries: int = 3,
    wait: float = 1.0,
    timeout: float = 30.0,
) -> Path:
    """Bring the real set into a folder and return the folder; only files that are missing or differ are fetched.

    folder: None = `default_folder()`
    urls: archives, tried in order; single_files: where `folder/name` is found one by one, None = nowhere
    say: takes each line of news
    tries, wait: so often without a new byte before an address is given up; seconds before the second try, then doubled
    timeout: seconds without an answer

    Raises:
        InputError: no address gave all files, a full disk, no permission. Run it again to go on.
    """
    folder = Path(folder).expanduser() if folder is not None else default_folder()
    digests = known_digests() if digests is None else digests
    bad = check(folder, digests)
    if not bad:
        say(f"{folder}: all {len(digests)} files are there and whole")
        return folder
    ask = {"progress": progress, "tries": tries, "wait": wait, "timeout": timeout}
    reasons = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _name_them(bad, folder, digests, say)
        for url in [*urls, None]:
            if single_files and 0 < len(bad) <= FEW:
                bad = _fetch_single(bad, single_files, folder, digests, reasons, ask)
            if not bad or url is None:
                break
            try:
                bad = _unpack(transfer(url, folder / _archive_name(url), **ask), folder, bad, digests)
                reason = f"{len(bad)} files missing or other than published, first {bad[0]}" if bad else ""
            except Refused as refusal:
                reason = str(refusal)
            if reason:
                reasons.append(f"{url}: {reason}")
                say(reasons[-1])
    except OSError as error:
        raise _disk_error(error, folder) from None
    if bad:
        raise InputError(
            f"{len(bad)} of {len(digests)} files could not be fetched (first {', '.join(bad[:3])}): "
            f"{'; '.join(dict.fromkeys(reasons)) or 'no address'}. What came is kept: run it again to go on, or "
            f"download {urls[0] if urls else 'the archive'} by other means, put it into {folder} and run it again"
        )
    for left in [*folder.glob("*.partial*"), *(folder / _archive_name(url) for url in urls)]:
        left.unlink(missing_ok=True)
    say(f"{folder}: all {len(digests)} files are there and whole")
    return folder


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()[:DIGEST_BYTES]


def _archive_name(url: str) -> str:
    return PurePosixPath(urlsplit(url).path).name or "archive.zip"


def _name_them(bad: list[str], folder: Path, digests: Mapping[str, bytes], say: Callable[[str], None]) -> None:
    damaged = [name for name in bad if (folder / name).exists()]
    for name in damaged[:10]:
        say(f"{folder / name}: other than published, fetched again")
    if damaged[10:]:
        say(f"{folder}: {len(damaged) - 10} more files are other than published")
    if missing := len(bad) - len(damaged):
        first = next(name for name in bad if name not in set(damaged))
        say(f"{folder}: {missing} of {len(digests)} files missing, first {first}")


def _disk_error(error: OSError, folder: Path) -> InputError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return InputError(f"{folder}: the disk is full. What came is kept: make room and run it again, or use --out")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return InputError(f"{folder}: no permission to write there: choose another folder by --out or FKD_DATA_DIR")
    return InputError(f"{folder}: cannot be written ({error.strerror or error}): choose another folder by --out")


def _unpack(archive: Path, folder: Path, names: Iterable[str], digests: Mapping[str, bytes]) -> list[str]:
    """Take the wanted files out of an archive, each only if its digest fits; return those that are still bad.

    The archive goes away once it has been read to its end: what it could not give, it cannot give next time.
    """
    bad = dict.fromkeys(names)
    try:
        with zipfile.ZipFile(archive) as members:
            for member in members.infolist():
                _refuse_escape(member.filename)
            # the tables last: a folder that has them is a data set
            for member in sorted(members.infolist(), key=lambda m: m.filename.endswith(".csv")):
                parts = PurePosixPath(member.filename).parts
                name = next((n for n in ("/".join(parts[-2:]), *parts[-1:]) if n in bad), None)
                if name is None or member.file_size > MAX_FILE:
                    continue
                try:
                    content = members.read(member)
                except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError):
                    continue  # one damaged member; the others may be whole
                if _digest(content) == digests[name]:
                    _write(folder / name, content)
                    del bad[name]
    except zipfile.BadZipFile:
        archive.unlink()
        raise Refused("not a zip archive, or one that was cut off") from None
    except Refused:
        archive.unlink()
        raise
    archive.unlink()
    return list(bad)


def _refuse_escape(name: str) -> None:
    parts = name.replace("\\", "/").split("/")
    if ".." in parts or name.startswith(("/", "\\")) or ":" in parts[0]:
        raise Refused(f"refused, its member {name!r} points outside the folder")


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as partial:
        partial.write_bytes(content)


def _fetch_single(
    bad: list[str], base: str, folder: Path, digests: Mapping[str, bytes], reasons: list[str], ask: dict
) -> list[str]:
    """Fetch files one by one; return those that are still bad, and add why to `reasons`."""
    left = []
    for i, name in enumerate(bad):
        fresh = folder / f"{name.replace('/', '-')}.single"
        try:
            content = transfer(base + quote(name), fresh, **{**ask, "progress": False}).read_bytes()
        except Refused as refusal:
            reasons.append(f"{base}{name}: {refusal}")
            return left + bad[i:]
        fresh.unlink()
        if _digest(content) == digests[name]:
            _write(folder / name, content)
        else:
            reasons.append(f"{base}{name}: other than published")
            left.append(name)
    return left
