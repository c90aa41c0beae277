"""Download the real 68-point set: an archive, of which each file is checked by its digest."""

import gzip
import hashlib
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

import pooch

from fkd_helpers.core.errors import InputError
from fkd_helpers.core.files import whole_file
from fkd_helpers.data.loading import data_dirs

ARCHIVES = (  # the course's own, then the GitHub archive of the same files
    "https://s3.amazonaws.com/video.udacity-data.com/topher/2018/May/5aea1b91_train-test-data/train-test-data.zip",
    "https://github.com/udacity/P1_Facial_Keypoints/archive/6e55adc6bd032d9fb1ad41a4c3e68aae847cdf81.zip",
)
ASSETS = Path(__file__).parents[1] / "assets"
NAMES, DIGESTS = ASSETS / "ytf_names.txt.gz", ASSETS / "ytf_digests.bin"
DIGEST_BYTES = 8  # of SHA-256, in the order of the names


def known_digests() -> dict[str, bytes]:
    """Return the first 8 bytes of the SHA-256 of each of the 5,772 files, by name below the data folder."""
    names, digests = gzip.decompress(NAMES.read_bytes()).decode().split("\n"), DIGESTS.read_bytes()
    return {name: digests[i * DIGEST_BYTES : (i + 1) * DIGEST_BYTES] for i, name in enumerate(names)}


def fetch(
    folder: str | Path | None = None, *, urls: Sequence[str] = ARCHIVES, digests: Mapping[str, bytes] | None = None
) -> Path:
    """Bring the real set into a folder and return it; None = `ytf` in the first of `data_dirs()`.

    The archives `urls` are tried in order; one that lies in the folder already is not asked for.
    """
    folder = Path(folder).expanduser() if folder is not None else data_dirs()[0] / "ytf"
    digests = known_digests() if digests is None else digests
    pooch.get_logger().setLevel("WARNING")  # it would ask for the archive's digest, which is not known
    bad, reasons = _missing(folder, digests), []
    for url in urls if bad else ():
        print(f"{folder}: {len(bad)} of {len(digests)} files missing or other than published, first {next(iter(bad))}")
        try:
            unpack(Path(pooch.retrieve(url, None, PurePosixPath(url).name, folder, progressbar=True)), folder, bad)
        except (OSError, ValueError, zipfile.BadZipFile, zlib.error) as error:  # no network, an odd address, damage
            reasons.append(f"{url}: {type(error).__name__}")
        if not (bad := _missing(folder, bad)):
            break
    if bad:
        raise InputError(
            f"{len(bad)} of {len(digests)} files could not be fetched (first {next(iter(bad))}): "
            f"{'; '.join(reasons) or 'other than published'}. Run it again, or download {urls[0]} by other means and "
            f"put it into {folder} first"
        )
    print(f"{folder}: all {len(digests)} files are there and whole")
    return folder


def _missing(folder: Path, digests: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return those of the files that are missing from a folder or differ from the published ones."""
    found = {name: _digest((folder / name).read_bytes()) for name in digests if (folder / name).is_file()}
    return {name: digest for name, digest in digests.items() if found.get(name) != digest}


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()[:DIGEST_BYTES]


def unpack(archive: Path, folder: Path, digests: Mapping[str, bytes]) -> None:
    """Take the named files out of an archive, each only if its digest fits, and delete the archive.

    Files are written by our own names only, the tables last: a folder that has them is a data set.
    """
    try:
        with zipfile.ZipFile(archive) as members:
            for member in sorted(members.namelist(), key=lambda member: member.endswith(".csv")):
                parts = PurePosixPath(member).parts
                for name in digests.keys() & {"/".join(parts[-2:]), parts[-1]}:
                    content = members.read(member)
                    if _digest(content) == digests[name]:
                        (folder / name).parent.mkdir(parents=True, exist_ok=True)
                        with whole_file(folder / name) as partial:
                            partial.write_bytes(content)
    finally:
        archive.unlink()
