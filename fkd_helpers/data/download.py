"""Download the real 68-point set: resumed where it was cut, every file checked by its digest.

What came so far stays on disk as `*.partial`, and no file gets its own name before its digest fits.
"""

import contextlib
import gzip
import hashlib
import time
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import requests
from tqdm import tqdm

from fkd_helpers.core.errors import InputError
from fkd_helpers.core.files import whole_file
from fkd_helpers.data.faceset import CLASSIC
from fkd_helpers.data.loading import data_dirs

ARCHIVES = (  # the course's own, then the GitHub archive of the same files
    "https://s3.amazonaws.com/video.udacity-data.com/topher/2018/May/5aea1b91_train-test-data/train-test-data.zip",
    "https://github.com/udacity/P1_Facial_Keypoints/archive/6e55adc6bd032d9fb1ad41a4c3e68aae847cdf81.zip",
)
MAX_FILE = 20_000_000  # bytes; the largest file of the set has 2.7 million
BLOCK = 8192  # bytes
TRIES, WAIT = 3, 1.0  # without a new byte before an address is given up; seconds before the second, then doubled
TIMEOUT = 30.0  # seconds without an answer
BUSY = (408, 429, 500, 502, 503, 504)  # HTTP status codes after which the same address is asked again
ASSETS = Path(__file__).parents[1] / "assets"
NAMES, DIGESTS = ASSETS / "ytf_names.txt.gz", ASSETS / "ytf_digests.bin"  # made by tools/make_digests.py
DIGEST_BYTES = 8  # of SHA-256, in the order of the names


class Refused(Exception):
    """An address gave nothing usable; the message says what it gave."""


def known_digests() -> dict[str, bytes]:
    """Return the first 8 bytes of the SHA-256 of each of the 5,772 files, by name below the data folder.

    >>> known_digests()["training_frames_keypoints.csv"].hex()
    '9f3d1213429893d4'
    """
    names, digests = gzip.decompress(NAMES.read_bytes()).decode().split("\n"), DIGESTS.read_bytes()
    return {name: digests[i * DIGEST_BYTES : (i + 1) * DIGEST_BYTES] for i, name in enumerate(names)}


def default_folder() -> Path:
    """Return where `data.load("ytf")` looks first: `ytf` in $FKD_DATA_DIR, else in `data/` of this course."""
    folder = data_dirs()[0]
    return folder if (folder / CLASSIC["training"]).exists() else folder / "ytf"


def check(folder: str | Path, digests: Mapping[str, bytes] | None = None) -> list[str]:
    """Return the names of the files that are missing from a folder or differ from the published ones."""
    digests = known_digests() if digests is None else digests
    files = {name: Path(folder) / name for name in digests}
    return [name for name, file in files.items() if not file.is_file() or _digest(file.read_bytes()) != digests[name]]


def fetch(
    folder: str | Path | None = None,
    *,
    urls: Sequence[str] = ARCHIVES,
    digests: Mapping[str, bytes] | None = None,
    progress: bool = True,
    say: Callable[[str], None] = print,
) -> Path:
    """Bring the real set into a folder (None = `default_folder()`) and return the folder.

    The archives `urls` are tried in order; `say` takes each line of news.
    """
    folder = Path(folder).expanduser() if folder is not None else default_folder()
    digests = known_digests() if digests is None else digests
    reasons = []
    try:
        bad = check(folder, digests)
        for url in urls if bad else ():
            say(f"{folder}: {len(bad)} of {len(digests)} files missing or other than published, first {bad[0]}")
            folder.mkdir(parents=True, exist_ok=True)
            archive = folder / (PurePosixPath(urlsplit(url).path).name or "archive.zip")
            try:
                transfer(url, archive, progress=progress)
                bad = _unpack(archive, folder, bad, digests)
            except Refused as refusal:
                reasons.append(f"{url}: {refusal}")
                say(reasons[-1])
            if not bad:
                break
    except OSError as error:
        what_next = "What came is kept: run it again, or choose another folder by --out"
        raise InputError(f"{folder}: {error.strerror or error}. {what_next}") from None
    if bad:
        raise InputError(
            f"{len(bad)} of {len(digests)} files could not be fetched (first {', '.join(bad[:3])}): "
            f"{'; '.join(reasons) or 'other than published'}. What came is kept: run it again to go on, or "
            f"download {urls[0]} by other means, put it into {folder} and run it again"
        )
    for left in folder.glob("*.partial"):
        left.unlink()
    say(f"{folder}: all {len(digests)} files are there and whole")
    return folder


def transfer(url: str, path: Path, *, progress: bool = False) -> None:
    """Bring one file to `path` through `path.partial`, going on where it was cut, in this call or an earlier one."""
    partial, tries, most = Path(f"{path}.partial"), 0, 0
    while not path.exists():
        try:
            _append(url, partial, progress)
            partial.replace(path)
        except requests.RequestException as error:
            size = partial.stat().st_size if partial.exists() else 0
            tries, most = (1, size) if size > most else (tries + 1, most)
            code = getattr(error.response, "status_code", None)
            hopeless = isinstance(error, ValueError) or code not in (None, *BUSY)  # a ValueError: no address at all
            if hopeless or tries >= TRIES:
                cut = f"no answer, or the connection was cut ({type(error).__name__})"
                raise Refused(str(error) if hopeless or code else cut) from None
            time.sleep(WAIT * 2 ** (tries - 1))


def _append(url: str, partial: Path, progress: bool) -> None:
    """Send one request, for the missing range where there is a part already, and append the body."""
    have = partial.stat().st_size if partial.exists() else 0
    headers = {"Accept-Encoding": "identity"}  # bytes on the wire = bytes in the file, or ranges mean nothing
    headers |= {"Range": f"bytes={have}-"} if have else {}
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as answer:
        if answer.status_code == 416:  # nothing is left to send; the digests will tell whether it is the file
            return
        answer.raise_for_status()
        if answer.headers.get("Content-Type", "").startswith("text/html"):
            raise Refused("sent a web page, expected a file")
        have = have if answer.status_code == 206 else 0
        total = have + int(answer.headers.get("Content-Length", -have))  # 0 where the server does not say
        bar = tqdm(total=total or None, initial=have, unit="B", unit_scale=True, disable=not progress)
        with bar, partial.open("ab" if have else "wb") as out:
            for block in answer.iter_content(BLOCK):
                out.write(block)
                bar.update(len(block))
    if partial.stat().st_size < total:
        raise requests.exceptions.ChunkedEncodingError("cut")


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()[:DIGEST_BYTES]


def _unpack(archive: Path, folder: Path, names: Sequence[str], digests: Mapping[str, bytes]) -> list[str]:
    """Take the wanted files out of an archive, each only if its digest fits; return those that are still bad.

    Files are written by our own names only, whatever an archive calls its members. The archive goes away once it has
    been read: what it could not give, it cannot give next time.
    """
    bad = dict.fromkeys(names)
    try:
        with zipfile.ZipFile(archive) as members:
            # the tables last: a folder that has them is a data set
            for member in sorted(members.infolist(), key=lambda member: member.filename.endswith(".csv")):
                parts = PurePosixPath(member.filename).parts
                name = next((name for name in ("/".join(parts[-2:]), *parts[-1:]) if name in bad), None)
                if name is None or member.file_size > MAX_FILE:
                    continue
                with contextlib.suppress(zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError):
                    content = members.read(member)  # where it is damaged, the other members may be whole
                    if _digest(content) == digests[name]:
                        (folder / name).parent.mkdir(parents=True, exist_ok=True)
                        with whole_file(folder / name) as partial:
                            partial.write_bytes(content)
                        del bad[name]
    except zipfile.BadZipFile:
        archive.unlink()
        raise Refused("not a zip archive, or one that was cut off") from None
    archive.unlink()
    return list(bad)
