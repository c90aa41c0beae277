"""One file over HTTP to disk: continued where it was cut, tried again where the network fails."""

import time
from pathlib import Path

import requests
from tqdm import tqdm

BLOCK = 8192  # bytes; what had come of a block is lost when the connection is cut within it


class Refused(Exception):
    """An address gave nothing usable; the message says what it gave."""


def transfer(
    url: str, path: Path, *, progress: bool = False, tries: int = 3, wait: float = 1.0, timeout: float = 30.0
) -> Path:
    """Bring one file to `path` through `path.partial`, going on where an earlier call was cut; return `path`.

    tries, wait: so often without a new byte before it is given up; seconds before the second try, then doubled
    timeout: seconds without an answer

    Raises:
        Refused: no such address, no network, a web page in the place of a file.
        OSError: the disk is full, or no permission; `path.partial` stays.
    """
    if path.exists():
        return path
    partial, tag = Path(f"{path}.partial"), Path(f"{path}.partial.tag")
    failures, most = 0, 0
    while True:
        try:
            _stream(url, partial, tag, progress, timeout)
            tag.unlink(missing_ok=True)
            return partial.replace(path)
        except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
            reason = "no answer in time" if isinstance(error, requests.Timeout) else "the connection failed or was cut"
        except requests.HTTPError as error:
            reason = f"the server says {error.response.status_code} {error.response.reason}"
            if error.response.status_code < 500 and error.response.status_code not in (408, 416, 429):
                raise Refused(reason) from None
        except requests.RequestException as error:
            raise Refused(f"not an address that can be asked ({type(error).__name__})") from None
        size = partial.stat().st_size if partial.exists() else 0
        failures, most = (1, size) if size > most else (failures + 1, most)
        if failures >= tries:
            raise Refused(reason)
        time.sleep(wait * 2 ** (failures - 1))


def _stream(url: str, partial: Path, tag: Path, progress: bool, timeout: float) -> None:
    """Ask once, for the part that is still missing where there is one, and write what comes."""
    have = partial.stat().st_size if partial.exists() else 0
    headers = {"Accept-Encoding": "identity"}  # bytes on the wire = bytes in the file, or ranges mean nothing
    if have:
        headers["Range"] = f"bytes={have}-"
        if tag.exists():
            headers["If-Range"] = tag.read_text()
    with requests.get(url, headers=headers, stream=True, timeout=timeout) as answer:
        if answer.status_code == 416:  # our part is longer than the file, or all of it
            if have and answer.headers.get("Content-Range") == f"bytes */{have}":
                return
            partial.unlink(missing_ok=True)
        answer.raise_for_status()
        kind = answer.headers.get("Content-Type", "")
        if kind.startswith("text/html"):
            raise Refused(f"sent a web page ({kind}), expected a file")
        goes_on = answer.status_code == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        if answer.status_code == 206 and not goes_on:
            partial.unlink(missing_ok=True)
            raise requests.ConnectionError("another range than asked for")
        have = have if goes_on else 0
        validator = answer.headers.get("ETag", "")
        if validator.startswith('"'):  # a weak one (W/) does not vouch for bytes
            tag.write_text(validator)
        elif not goes_on:
            tag.unlink(missing_ok=True)
        length = answer.headers.get("Content-Length", "")
        total = have + int(length) if length.isdigit() else None
        with (
            tqdm(total=total, initial=have, unit="B", unit_scale=True, desc=partial.stem, disable=not progress) as bar,
            partial.open("ab" if goes_on else "wb") as out,
        ):
            for block in answer.iter_content(BLOCK):
                out.write(block)
                bar.update(len(block))
        if total is not None and partial.stat().st_size != total:
            raise requests.ConnectionError("cut")
