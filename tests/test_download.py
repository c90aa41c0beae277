"""The download against a server on this machine that cuts, corrupts, redirects, refuses and lies."""

import errno
import hashlib
import io
import re
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from fkd_helpers import data
from fkd_helpers.core.errors import InputError
from fkd_helpers.data import download
from fkd_helpers.data.download import BLOCK, check, fetch

FILES = {
    "test/Ann_00.jpg": b"test face of Ann" * 4000,
    "test_frames_keypoints.csv": b",0,1\nAnn_00.jpg,1,2\n",
    "training/Ann_00.jpg": b"training face of Ann" * 4000,
    "training/Ben_Al-i_10.jpg": b"training face of Ben" * 4000,
    "training_frames_keypoints.csv": b",0,1\nAnn_00.jpg,3,4\nBen_Al-i_10.jpg,5,6\n",
}
DIGESTS = {name: hashlib.sha256(content).digest()[:8] for name, content in FILES.items()}


def zipped(files, prefix="", compression=zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(prefix + name), content, compression)
    return buffer.getvalue()


class Server:
    """Files by path, with faults: `cuts` bytes of the next answers, `ranges`, redirects, kinds and codes."""

    def __init__(self):
        self.files, self.redirects, self.kinds, self.codes = {}, {}, {}, {}
        self.cuts, self.ranges, self.lengths, self.asked = [], True, True, []
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                owner.answer(self)

            def log_message(self, *args):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.base = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()

    def answer(self, to):
        path, wanted = to.path, to.headers.get("Range")
        self.asked.append((path, wanted))
        if path in self.redirects:
            to.send_response(302)
            to.send_header("Location", self.redirects[path])
            to.send_header("Content-Length", "0")
            return to.end_headers()
        if path in self.codes or path not in self.files:
            return to.send_error(self.codes.get(path, 404))
        content, start = self.files[path], 0
        if wanted and self.ranges:
            start = int(re.fullmatch(r"bytes=(\d+)-", wanted).group(1))
            if start >= len(content):
                to.send_response(416)
                to.send_header("Content-Length", "0")
                return to.end_headers()
            to.send_response(206)
            to.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            to.send_response(200)
        to.send_header("Content-Type", self.kinds.get(path, "application/zip"))
        if self.lengths:
            to.send_header("Content-Length", str(len(content) - start))
        to.end_headers()
        cut = self.cuts.pop(0) if self.cuts else None
        to.wfile.write(content[start:][:cut])

    def times(self, path):
        return [wanted for asked, wanted in self.asked if asked == path]


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(download, "WAIT", 0.01)
    monkeypatch.setattr(download, "TIMEOUT", 5.0)
    server = Server()
    yield server
    server.http.shutdown()
    server.http.server_close()


@pytest.fixture
def go(server, tmp_path):
    """Fetch into tmp_path/ytf from the paths given and return the lines that were said."""

    def run(*paths):
        said = []
        urls = [server.base + path for path in paths]
        fetch(tmp_path / "ytf", urls=urls, digests=DIGESTS, progress=False, say=said.append)
        return said

    return run


def there(folder: Path) -> dict:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("prefix", ["", "data/", "P1_Facial_Keypoints-6e55adc/data/"])
def test_fetch_unpacks_an_archive_and_leaves_nothing_else(server, go, tmp_path, prefix):
    extra = {"__MACOSX/test/._Ann_00.jpg": b"x", "README.md": b"x", "images/Ann_00.jpg": b"other"}
    server.files["/a.zip"] = zipped(FILES | extra, prefix, zipfile.ZIP_DEFLATED if prefix else zipfile.ZIP_STORED)
    go("/a.zip")
    assert there(tmp_path / "ytf") == FILES
    asked = len(server.asked)
    assert "all 5 files" in go("/a.zip")[-1] and len(server.asked) == asked  # nothing is asked for again


def test_fetch_resumes_a_cut_download(server, go, tmp_path):
    server.files["/a.zip"], server.cuts = zipped(FILES), [BLOCK + 9, 3 * BLOCK]
    go("/a.zip")
    assert server.times("/a.zip") == [None, f"bytes={BLOCK}-", f"bytes={4 * BLOCK}-"]
    assert there(tmp_path / "ytf") == FILES


def test_fetch_resumes_what_an_earlier_call_left(server, go, tmp_path):
    server.files["/a.zip"], server.cuts = zipped(FILES), [BLOCK, 0, 0]
    with pytest.raises(InputError, match="cut"):
        go("/a.zip")
    assert there(tmp_path / "ytf") == {"a.zip.partial": server.files["/a.zip"][:BLOCK]}
    go("/a.zip")
    assert server.times("/a.zip")[-1] == f"bytes={BLOCK}-"
    assert there(tmp_path / "ytf") == FILES


def test_fetch_starts_again_where_a_server_knows_no_ranges(server, go, tmp_path):
    server.files["/a.zip"], server.cuts, server.ranges = zipped(FILES), [BLOCK], False
    go("/a.zip")
    assert server.times("/a.zip") == [None, f"bytes={BLOCK}-"]
    assert there(tmp_path / "ytf") == FILES


@pytest.mark.parametrize("name, asked", [("a.zip.partial", 1), ("a.zip", 0)])
def test_fetch_takes_a_whole_part_or_an_archive_put_there_by_hand(server, go, tmp_path, name, asked):
    server.files["/a.zip"] = zipped(FILES)
    (tmp_path / "ytf").mkdir()
    (tmp_path / "ytf" / name).write_bytes(server.files["/a.zip"])
    go("/a.zip")
    assert len(server.asked) == asked and there(tmp_path / "ytf") == FILES


def test_fetch_begins_again_where_the_archive_has_changed(server, go, tmp_path):
    server.files["/a.zip"] = zipped(FILES)
    (tmp_path / "ytf").mkdir()
    (tmp_path / "ytf" / "a.zip.partial").write_bytes(b"another archive" * 999)
    with pytest.raises(InputError, match=r"not a zip|other than published"):
        go("/a.zip")
    go("/a.zip")
    assert server.times("/a.zip")[-1] is None and there(tmp_path / "ytf") == FILES


def test_fetch_follows_redirects_and_needs_no_length(server, go, tmp_path):
    server.redirects["/old.zip"], server.files["/new"], server.lengths = "/new", zipped(FILES), False
    go("/old.zip")
    assert there(tmp_path / "ytf") == FILES


@pytest.mark.parametrize(
    "fault, said, asked",
    [
        ("missing", "404", 1), ("web page", "web page", 1), ("no zip", "not a zip", 1), ("error 500", "500", 3),
        ("not an address", "not an address", 0), ("cut for good", "cut", 3), ("damaged member", "1 of 5 files", 1),
    ],
)  # fmt: skip
def test_fetch_tries_the_next_address(server, go, tmp_path, fault, said, asked):
    server.files["/b.zip"], first = zipped(FILES, "top/data/"), "/a.zip"
    if fault == "web page":
        server.files["/a.zip"], server.kinds["/a.zip"] = b"<html>sorry</html>", "text/html; charset=utf-8"
    elif fault == "no zip":
        server.files["/a.zip"] = b"<html>sorry</html>"
    elif fault == "error 500":
        server.codes["/a.zip"] = 500
    elif fault == "cut for good":
        server.files["/a.zip"], server.cuts = zipped(FILES), [BLOCK, 0, 0]
    elif fault == "not an address":
        first = ":nonsense"
    elif fault == "damaged member":
        server.files["/a.zip"] = zipped(FILES).replace(b"test face of Ann" * 4, b"best face of Ann" * 4, 1)
    assert any(said in line for line in go(first, "/b.zip")[1:-1])
    assert len(server.times("/a.zip")) == asked and there(tmp_path / "ytf") == FILES


def test_fetch_names_a_damaged_file_and_keeps_the_others(server, go, tmp_path):
    server.files["/a.zip"] = zipped(FILES)
    go("/a.zip")
    (tmp_path / "ytf/training/Ann_00.jpg").write_bytes(b"damaged")
    assert check(tmp_path / "ytf", DIGESTS) == ["training/Ann_00.jpg"]
    kept = (tmp_path / "ytf/test/Ann_00.jpg").stat().st_mtime_ns
    assert "1 of 5 files missing or other than published, first training/Ann_00.jpg" in go("/a.zip")[0]
    assert there(tmp_path / "ytf") == FILES
    assert (tmp_path / "ytf/test/Ann_00.jpg").stat().st_mtime_ns == kept


def test_fetch_leaves_no_file_of_a_wrong_digest_under_its_name(server, go, tmp_path):
    name = "test/Ann_00.jpg"
    server.files["/a.zip"] = zipped(FILES | {name: b"other"})
    with pytest.raises(InputError, match=rf"^1 of 5 files could not be fetched \(first {name}\): other than published"):
        go("/a.zip")
    assert there(tmp_path / "ytf") == {n: c for n, c in FILES.items() if n != name}


@pytest.mark.parametrize("name", ["../evil.txt", "data/../../test/Ann_00.jpg", "/evil.txt", "C:\\evil.txt"])
def test_fetch_writes_nothing_outside_its_folder(server, go, tmp_path, name):
    server.files["/a.zip"] = zipped({name: b"evil"} | FILES)
    go("/a.zip")
    assert {path.split("/", 1)[1]: content for path, content in there(tmp_path).items()} == FILES


def test_fetch_without_network_says_what_to_do_next(server, go, tmp_path):
    server.http.shutdown()
    server.http.server_close()
    with pytest.raises(InputError, match=r"no answer, .*run it again .*by other means") as caught:
        go("/a.zip", "/b.zip")
    assert "\n" not in str(caught.value) and there(tmp_path) == {}


def refuse_writes(monkeypatch, code, of):
    """Let the disk take `of` only in part: the first 100 bytes, then the error."""
    real = Path.open

    def opened(self, mode="r", *args, **kwargs):
        stream = real(self, mode, *args, **kwargs)
        if of in self.name and "r" not in mode:
            write = stream.write

            class Full:
                def __enter__(self):
                    return self

                def __exit__(self, *_):
                    stream.close()

                def write(self, content):
                    write(bytes(content[:100]))
                    raise OSError(code, "No space left on device")

            return Full()
        return stream

    monkeypatch.setattr(Path, "open", opened)


@pytest.mark.parametrize("full, asked", [("a.zip.partial", "bytes=100-"), ("Ben_Al-i_10.jpg.partial", None)])
def test_fetch_on_a_full_disk_keeps_what_came(server, go, tmp_path, monkeypatch, full, asked):
    server.files["/a.zip"] = zipped(FILES)
    with monkeypatch.context() as patch:
        refuse_writes(patch, errno.ENOSPC, full)
        with pytest.raises(InputError, match=r"ytf: No space left on device\. What came is kept"):
            go("/a.zip", "/b.zip")
    assert (tmp_path / "ytf" / ("a.zip.partial" if asked else "a.zip")).exists()
    go("/a.zip")
    assert server.times("/a.zip")[-1] == asked and there(tmp_path / "ytf") == FILES


def test_fetch_names_a_file_in_the_place_of_the_folder(go, tmp_path):
    (tmp_path / "ytf").write_text("a file")
    with pytest.raises(InputError, match="ytf: File exists"):
        go("/a.zip")


def test_known_digests_are_those_of_the_whole_set():
    digests = download.known_digests()
    folders = [name.rpartition("/")[0] for name in digests]
    assert {folder: folders.count(folder) for folder in set(folders)} == {"training": 3462, "test": 2308, "": 2}
    assert len(set(digests.values())) > 5700 and {len(digest) for digest in digests.values()} == {8}
    assert list(digests) == sorted(digests)


def test_default_folder_is_where_load_looks(tmp_path, monkeypatch):
    monkeypatch.setenv("FKD_DATA_DIR", str(tmp_path))
    folder = download.default_folder()
    folder.mkdir()
    (folder / "training_frames_keypoints.csv").write_text("x")
    with pytest.raises(InputError, match="make data"):  # half of it is not it
        data.find("ytf")
    (folder / "test_frames_keypoints.csv").write_text("x")
    assert data.find("ytf") == folder == tmp_path / "ytf"
