"""The download against a server on this machine that cuts, corrupts, refuses and lies."""

import errno
import hashlib
import io
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
    "training_frames_keypoints.csv": b",0,1\nAnn_00.jpg,3,4\n",
}
DIGESTS = {name: hashlib.sha256(content).digest()[:8] for name, content in FILES.items()}


def zipped(files, prefix="") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(prefix + name), content)
    return buffer.getvalue()


@pytest.fixture
def server(monkeypatch):
    """Serve `files` by path; `cuts` are the bytes that the next answers are cut to, `asked` what was asked for."""

    class Handler(BaseHTTPRequestHandler):
        files, cuts, asked, codes, ranges, kind = {}, [], [], {}, True, "application/zip"

        def do_GET(self):
            wanted = self.headers.get("Range")
            self.asked.append((self.path, wanted))
            if self.path not in self.files:
                return self.send_error(self.codes.get(self.path, 404))
            content = self.files[self.path]
            start = int(wanted[6:-1]) if wanted and self.ranges else 0
            self.send_response(416 if start >= len(content) else 206 if start else 200)
            self.send_header("Content-Type", self.kind)
            self.send_header("Content-Length", str(max(len(content) - start, 0)))
            self.end_headers()
            self.wfile.write(content[start:][: self.cuts.pop(0) if self.cuts else None])

        def log_message(self, *args):
            pass

    monkeypatch.setattr(download, "WAIT", 0.01)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        Handler.base = f"http://127.0.0.1:{http.server_port}"
        threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True).start()
        yield Handler
        http.shutdown()


@pytest.fixture
def go(server, tmp_path):
    """Fetch into tmp_path/ytf from the paths given and return the lines that were said."""

    def run(*paths):
        said = []
        urls = [server.base + path if path.startswith("/") else path for path in paths]
        fetch(tmp_path / "ytf", urls=urls, digests=DIGESTS, progress=False, say=said.append)
        return said

    return run


def there(folder: Path) -> dict:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("prefix", ["", "P1_Facial_Keypoints-6e55adc/data/"])
def test_fetch_unpacks_an_archive_and_leaves_nothing_else(server, go, tmp_path, prefix):
    extra = {"__MACOSX/test/._Ann_00.jpg": b"x", "README.md": b"x", "images/Ann_00.jpg": b"other"}
    server.files["/a.zip"] = zipped(FILES | extra, prefix)
    go("/a.zip")
    assert there(tmp_path / "ytf") == FILES
    assert "all 4 files" in go("/a.zip")[-1] and len(server.asked) == 1  # nothing is asked for again


def test_fetch_resumes_a_cut_download_of_this_call_and_of_an_earlier_one(server, go, tmp_path):
    server.files["/a.zip"], server.cuts[:] = zipped(FILES), [BLOCK + 9, 3 * BLOCK, 0, 0]
    with pytest.raises(InputError, match="cut"):
        go("/a.zip")
    assert there(tmp_path / "ytf") == {"a.zip.partial": server.files["/a.zip"][: 4 * BLOCK]}
    go("/a.zip")
    assert [wanted for _, wanted in server.asked] == [None, f"bytes={BLOCK}-", *[f"bytes={4 * BLOCK}-"] * 3]
    assert there(tmp_path / "ytf") == FILES


@pytest.mark.parametrize("ranges", [True, False])
def test_fetch_begins_again_where_a_server_knows_no_ranges_or_the_archive_has_changed(server, go, tmp_path, ranges):
    server.files["/a.zip"], server.ranges = zipped(FILES), ranges
    (tmp_path / "ytf").mkdir()
    (tmp_path / "ytf" / "a.zip.partial").write_bytes(b"another archive" * 999)
    if ranges:
        with pytest.raises(InputError, match=r"not a zip|other than published"):
            go("/a.zip")
    go("/a.zip")
    assert there(tmp_path / "ytf") == FILES


@pytest.mark.parametrize("name, asked", [("a.zip.partial", 1), ("a.zip", 0)])
def test_fetch_takes_a_whole_part_or_an_archive_put_there_by_hand(server, go, tmp_path, name, asked):
    server.files["/a.zip"] = zipped(FILES)
    (tmp_path / "ytf").mkdir()
    (tmp_path / "ytf" / name).write_bytes(server.files["/a.zip"])
    go("/a.zip")
    assert len(server.asked) == asked and there(tmp_path / "ytf") == FILES


@pytest.mark.parametrize(
    "first, content, said, asked",
    [
        ("/a.zip", None, "404", 1), ("/busy.zip", None, "503", 3), ("no-address", None, "Invalid URL", 0),
        ("/a.zip", b"<html>sorry</html>", "not a zip", 1),
        ("/a.zip", zipped(FILES).replace(b"test face of Ann", b"best face of Ann", 1), "1 of 4 files", 1),
    ],
)  # fmt: skip
def test_fetch_tries_the_next_address(server, go, tmp_path, first, content, said, asked):
    server.files["/b.zip"], server.codes["/busy.zip"] = zipped(FILES, "top/data/"), 503
    if content:
        server.files["/a.zip"] = content
    assert any(said in line for line in go(first, "/b.zip")[1:-1])
    assert len(server.asked) == asked + 1 and there(tmp_path / "ytf") == FILES


def test_fetch_refuses_a_web_page(server, go):
    server.files["/a.zip"], server.kind = b"<html>sorry</html>", "text/html; charset=utf-8"
    with pytest.raises(InputError, match="sent a web page"):
        go("/a.zip")


def test_fetch_brings_a_damaged_file_again_and_keeps_the_others(server, go, tmp_path):
    server.files["/a.zip"] = zipped(FILES)
    go("/a.zip")
    (tmp_path / "ytf/training/Ann_00.jpg").write_bytes(b"damaged")
    assert check(tmp_path / "ytf", DIGESTS) == ["training/Ann_00.jpg"]
    kept = (tmp_path / "ytf/test/Ann_00.jpg").stat().st_mtime_ns
    assert "1 of 4 files missing or other than published, first training/Ann_00.jpg" in go("/a.zip")[0]
    assert there(tmp_path / "ytf") == FILES and (tmp_path / "ytf/test/Ann_00.jpg").stat().st_mtime_ns == kept


def test_fetch_leaves_no_file_of_a_wrong_digest_under_its_name(server, go, tmp_path):
    name = "test/Ann_00.jpg"
    server.files["/a.zip"] = zipped(FILES | {name: b"other"})
    with pytest.raises(InputError, match=rf"^1 of 4 files could not be fetched \(first {name}\): other than published"):
        go("/a.zip")
    assert there(tmp_path / "ytf") == {n: c for n, c in FILES.items() if n != name}


@pytest.mark.parametrize("name", ["../evil.txt", "data/../../test/Ann_00.jpg", "/evil.txt", "C:\\evil.txt"])
def test_fetch_writes_nothing_outside_its_folder(server, go, tmp_path, name):
    server.files["/a.zip"] = zipped({name: b"evil"} | FILES)
    go("/a.zip")
    assert {path.split("/", 1)[1]: content for path, content in there(tmp_path).items()} == FILES


def test_fetch_without_network_says_what_to_do_next(tmp_path, monkeypatch):
    monkeypatch.setattr(download, "WAIT", 0.01)
    with pytest.raises(InputError, match=r"^[^\n]*no answer, .*run it again .*by other means[^\n]*$"):
        fetch(tmp_path / "ytf", urls=["http://127.0.0.1:9/a.zip"], digests=DIGESTS, progress=False, say=str)
    assert there(tmp_path) == {}


def test_fetch_names_the_trouble_of_the_disk(server, go, tmp_path, monkeypatch):
    def full(self, content):
        raise OSError(errno.ENOSPC, "No space left on device")

    server.files["/a.zip"] = zipped(FILES)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(InputError, match=r"ytf: No space left on device\. What came is kept"):
            go("/a.zip")
    assert list(there(tmp_path / "ytf")) == ["a.zip"]


def test_known_digests_are_those_of_the_whole_set():
    digests = download.known_digests()
    folders = [name.rpartition("/")[0] for name in digests]
    assert {folder: folders.count(folder) for folder in set(folders)} == {"training": 3462, "test": 2308, "": 2}
    assert len(set(digests.values())) > 5700 and list(digests) == sorted(digests)


def test_default_folder_is_where_load_looks(tmp_path, monkeypatch):
    monkeypatch.setenv("FKD_DATA_DIR", str(tmp_path))
    folder = download.default_folder()
    folder.mkdir()
    (folder / "training_frames_keypoints.csv").write_text("x")
    with pytest.raises(InputError, match="make data"):  # half of it is not it
        data.find("ytf")
    (folder / "test_frames_keypoints.csv").write_text("x")
    assert data.find("ytf") == folder == tmp_path / "ytf"
