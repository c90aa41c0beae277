"""Download the real 68-point set: an archive, resumed where it was cut, of which each file is checked by its digest."""

import gzip
import hashlib
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

import requests
from requests.adapters import HTTPAdapter
from tqdm import tqdm
from urllib3 import Retry

from fkd_helpers.core.errors import InputError
from fkd_helpers.core.files import whole_file
from fkd_helpers.data.loading import data_dirs

ARCHIVES = (  # the course's own, then the GitHub archive of the same files
    "https://s3.amazonaws.com/video.udacity-data.com/topher/2018/May/5aea1b91_train-test-data/train-test-data.zip",
    "https://github.com/udacity/P1_Facial_Keypoints/archive/6e55adc6bd032d9fb1ad41a4c3e68aae847cdf81.zip",
)
RETRIES = Retry(3, backoff_factor=1, status_forcelist=(408, 429, 500, 502, 503, 504))
TIMEOUT = 30.0  # seconds without an answer
ASSETS = Path(__file__).parents[1] / "assets"
NAMES, DIGESTS = ASSETS / "ytf_names.txt.gz", ASSETS / "ytf_digests.bin"
DIGEST_BYTES = 8  # of SHA-256, in the order of the names


def known_digests() -> dict[str, bytes]:
    """Return the first 8 bytes of the SHA-256 of each of the 5,772 files, by name below the data folder."""
    names, digests = gzip.decompress(NAMES.read_bytes()).decode().split("\n"), DIGESTS.read_bytes()
    return {name: digests[i * DIGEST_BYTES : (i + 1) * DIGEST_BYTES] for i, name in enumerate(names)}


def check(folder: str | Path, digests: Mapping[str, bytes]) -> list[str]:
    """Return the names of the files that are missing from a folder or differ from the published ones."""
    files = {name: Path(folder) / name for name in digests}
    return [name for name, file in files.items() if not file.is_file() or _digest(file.read_bytes()) != digests[name]]


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()[:DIGEST_BYTES]


def fetch(
    folder: str | Path | None = None, *, urls: Sequence[str] = ARCHIVES, digests: Mapping[str, bytes] | None = None
) -> Path:
    """Bring the real set into a folder and return it; None = `ytf` in the first of `data_dirs()`.

    The archives `urls` are tried in order; one that lies in the folder already is not asked for.
    """
    folder = Path(folder).expanduser() if folder is not None else data_dirs()[0] / "ytf"
    digests = known_digests() if digests is None else digests
    bad, reasons = check(folder, digests), []
    for url in urls if bad else ():
        print(f"{folder}: {len(bad)} of {len(digests)} files missing or other than published, first {bad[0]}")
        folder.mkdir(parents=True, exist_ok=True)
        archive = folder / PurePosixPath(url).name
        try:
            transfer(url, archive)
            unpack(archive, folder, {name: digests[name] for name in bad})
        except requests.RequestException as error:
            cut = f"no answer, or the connection was cut ({type(error).__name__})"
            reasons.append(f"{url}: {cut if error.response is None else error}")
        except (zipfile.BadZipFile, zlib.error) as error:
            reasons.append(f"{url}: {error}")
        bad = check(folder, {name: digests[name] for name in bad})
        if not bad:
            break
    if bad:
        raise InputError(
            f"{len(bad)} of {len(digests)} files could not be fetched (first {', '.join(bad[:3])}): "
            f"{'; '.join(reasons) or 'other than published'}. What came is kept: run it again to go on, or "
            f"download {urls[0]} by other means and put it into {folder} first"
        )
    print(f"{folder}: all {len(digests)} files are there and whole")
    return folder


def transfer(url: str, path: Path) -> None:
    """Bring one file to `path` through `path.partial`, going on where an earlier call was cut."""
    partial = Path(f"{path}.partial")
    have = partial.stat().st_size if partial.exists() else 0
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    if path.exists():
        return
    with requests.Session() as session:
        session.mount("https://", HTTPAdapter(max_retries=RETRIES))
        with session.get(url, headers=headers, stream=True, timeout=TIMEOUT) as answer:
            if answer.status_code != 416:  # then nothing is left to send
                answer.raise_for_status()
                have = have if answer.status_code == 206 else 0
                total = have + int(answer.headers.get("Content-Length", 0))
                bar = tqdm(total=total or None, initial=have, unit="B", unit_scale=True, disable=None)
                with bar, partial.open("ab" if have else "wb") as out:
                    for block in answer.iter_content(2**16):
                        bar.update(out.write(block))
    partial.replace(path)


def unpack(archive: Path, folder: Path, digests: Mapping[str, bytes]) -> None:
    """Take the named files out of an archive, each only if its digest fits, and delete the archive.

    Files are written by our own names only, the tables last: a folder that has them is a data set.
    """
    try:
        with zipfile.ZipFile(archive) as members:
            for member in sorted(members.infolist(), key=lambda member: member.filename.endswith(".csv")):
                parts = PurePosixPath(member.filename).parts
                for name in digests.keys() & {"/".join(parts[-2:]), parts[-1]}:
                    content = members.read(member)
                    if _digest(content) == digests[name]:
                        (folder / name).parent.mkdir(parents=True, exist_ok=True)
                        with whole_file(folder / name) as partial:
                            partial.write_bytes(content)
    finally:
        archive.unlink()
