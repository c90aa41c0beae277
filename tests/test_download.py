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
from fkd_helpers.data.download import check, fetch
from fkd_helpers.data.transfer import BLOCK

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
    """Files by path, with faults: `cuts` bytes of the next answers, `ranges`, ETags, redirects, kinds and codes."""

    def __init__(self):
        self.files, self.redirects, self.kinds, self.codes, self.tags = {}, {}, {}, {}, {}
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
        content, start, tag = self.files[path], 0, self.tags.get(path)
        if wanted and self.ranges and to.headers.get("If-Range", tag) == tag:
            start = int(re.fullmatch(r"bytes=(\d+)-", wanted).group(1))
            if start >= len(content):
                to.send_response(416)
                to.send_header("Content-Range", f"bytes */{len(content)}")
                to.send_header("Content-Length", "0")
                return to.end_headers()
            to.send_response(206)
            to.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            to.send_response(200)
        if tag:
            to.send_header("ETag", tag)
        to.send_header("Content-Type", self.kinds.get(path, "application/zip"))
        if self.lengths:
            to.send_header("Content-Length", str(len(content) - start))
        to.end_headers()
        cut = self.cuts.pop(0) if self.cuts else None
        to.wfile.write(content[start:][:cut])

    def times(self, path):
        return [wanted for asked, wanted in self.asked if asked == path]


@pytest.fixture
def server():
    server = Server()
    yield server
    server.http.shutdown()
    server.http.server_close()


@pytest.fixture
def go(server, tmp_path):
    """Fetch into tmp_path/ytf from the paths given and return the lines that were said."""

    def run(*paths, single=None, **options):
        said = []
        options = {"digests": DIGESTS, "progress": False, "wait": 0.01, "timeout": 5.0, **options}
        urls = [server.base + path for path in paths]
        fetch(tmp_path / "ytf", urls=urls, single_files=single and server.base + single, say=said.append, **options)
        return said

    return run


def there(folder: Path) -> dict:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("prefix", ["", "data/", "P1_Facial_Keypoints-6e55adc/data/"])
def test_archive_is_unpacked_and_nothing_else_is_left(server, go, tmp_path, prefix):
    extra = {"__MACOSX/test/._Ann_00.jpg": b"x", "README.md": b"x", "images/Ann_00.jpg": b"other"}
    server.files["/a.zip"] = zipped(FILES | extra, prefix, zipfile.ZIP_DEFLATED if prefix else zipfile.ZIP_STORED)
    go("/a.zip")
    assert there(tmp_path / "ytf") == FILES


def test_complete_folder_asks_for_nothing(server, go):
    server.files["/a.zip"] = zipped(FILES)
    go("/a.zip")
    asked = len(server.asked)
    assert "all 5 files" in go("/a.zip")[-1]
    assert len(server.asked) == asked


def test_a_cut_download_goes_on_from_where_it_was(server, go, tmp_path):
    server.files["/a.zip"], server.cuts = zipped(FILES), [BLOCK + 9, 3 * BLOCK]
    go("/a.zip")
    assert server.times("/a.zip") == [None, f"bytes={BLOCK}-", f"bytes={4 * BLOCK}-"]
    assert there(tmp_path / "ytf") == FILES


def test_a_server_without_ranges_is_asked_from_the_start(server, go, tmp_path):
    server.files["/a.zip"], server.cuts, server.ranges = zipped(FILES), [BLOCK], False
    go("/a.zip")
    assert server.times("/a.zip") == [None, f"bytes={BLOCK}-"]
    assert there(tmp_path / "ytf") == FILES


def test_a_later_call_goes_on_from_where_an_earlier_one_was_cut(server, go, tmp_path):
    server.files["/a.zip"], server.cuts, server.tags["/a.zip"] = zipped(FILES), [BLOCK, 0], '"one"'
    with pytest.raises(InputError, match="cut"):
        go("/a.zip", tries=1)
    assert (tmp_path / "ytf" / "a.zip.partial").stat().st_size == BLOCK
    assert not (tmp_path / "ytf" / "a.zip").exists()
    server.cuts = []
    go("/a.zip")
    assert server.times("/a.zip")[-1] == f"bytes={BLOCK}-"
    assert there(tmp_path / "ytf") == FILES


def test_a_file_that_changed_in_between_is_begun_again(server, go, tmp_path):
    server.files["/a.zip"], server.cuts, server.tags["/a.zip"] = b"another file" * 5000, [BLOCK], '"old"'
    with pytest.raises(InputError):
        go("/a.zip", tries=1)
    server.files["/a.zip"], server.tags["/a.zip"] = zipped(FILES), '"new"'
    go("/a.zip")
    assert there(tmp_path / "ytf") == FILES


def test_a_part_longer_than_the_file_is_begun_again(server, go, tmp_path):
    server.files["/a.zip"] = zipped(FILES)
    (tmp_path / "ytf").mkdir()
    (tmp_path / "ytf" / "a.zip.partial").write_bytes(bytes(len(server.files["/a.zip"]) + 10))
    go("/a.zip")
    assert there(tmp_path / "ytf") == FILES


def test_a_finished_part_is_not_asked_for_again(server, go, tmp_path):
    server.files["/a.zip"] = zipped(FILES)
    (tmp_path / "ytf").mkdir()
    (tmp_path / "ytf" / "a.zip.partial").write_bytes(server.files["/a.zip"])
    go("/a.zip")
    assert server.times("/a.zip") == [f"bytes={len(server.files['/a.zip'])}-"]
    assert there(tmp_path / "ytf") == FILES


def test_an_archive_put_there_by_hand_is_used(server, go, tmp_path):
    (tmp_path / "ytf").mkdir()
    (tmp_path / "ytf" / "a.zip").write_bytes(zipped(FILES))
    go("/a.zip")
    assert server.asked == []
    assert there(tmp_path / "ytf") == FILES


def test_redirects_are_followed(server, go, tmp_path):
    server.redirects["/old.zip"], server.files["/new"] = "/new", zipped(FILES)
    go("/old.zip")
    assert there(tmp_path / "ytf") == FILES


def test_no_length_from_the_server(server, go, tmp_path):
    server.files["/a.zip"], server.lengths = zipped(FILES), False
    go("/a.zip")
    assert there(tmp_path / "ytf") == FILES


@pytest.mark.parametrize("fault", ["missing", "web page", "no zip", "error 500", "not an address", "cut for good"])
def test_the_next_address_helps_out(server, go, tmp_path, fault):
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
    said = go(first, "/b.zip")
    expected = {"missing": "404", "web page": "web page", "no zip": "not a zip", "error 500": "500"}
    expected |= {"not an address": "not an address", "cut for good": "cut"}
    assert expected[fault] in said[-2]
    assert len(server.times("/a.zip")) == {"error 500": 3, "cut for good": 3, "not an address": 0}.get(fault, 1)
    assert there(tmp_path / "ytf") == FILES


def test_a_damaged_file_is_named_and_only_it_is_fetched_again(server, go, tmp_path):
    server.files["/a.zip"] = zipped(FILES)
    server.files["/raw/training/Ann_00.jpg"] = FILES["training/Ann_00.jpg"]
    go("/a.zip")
    (tmp_path / "ytf/training/Ann_00.jpg").write_bytes(b"damaged")
    assert check(tmp_path / "ytf", DIGESTS) == ["training/Ann_00.jpg"]
    kept = (tmp_path / "ytf/test/Ann_00.jpg").stat().st_mtime_ns
    server.asked.clear()
    said = go("/a.zip", single="/raw/")
    assert "training/Ann_00.jpg: other than published" in said[0]
    assert server.asked == [("/raw/training/Ann_00.jpg", None)]
    assert there(tmp_path / "ytf") == FILES
    assert (tmp_path / "ytf/test/Ann_00.jpg").stat().st_mtime_ns == kept


@pytest.mark.parametrize("fault", ["other bytes", "bad checksum", "left out"])
def test_a_file_that_one_archive_has_damaged_comes_from_the_next(server, go, tmp_path, fault):
    name = "training/Ben_Al-i_10.jpg"
    if fault == "bad checksum":
        content = bytearray(zipped(FILES))
        content[content.index(FILES[name]) + 9] ^= 1
        server.files["/a.zip"] = bytes(content)
    else:
        worse = FILES | {name: b"other"} if fault == "other bytes" else {n: FILES[n] for n in FILES if n != name}
        server.files["/a.zip"] = zipped(worse)
    server.files["/b.zip"] = zipped(FILES)
    said = go("/a.zip", "/b.zip")
    assert f"1 files missing or other than published, first {name}" in said[-2]
    assert there(tmp_path / "ytf") == FILES


def test_many_bad_files_come_by_archive(server, go, monkeypatch):
    monkeypatch.setattr(download, "FEW", 2)
    server.files["/a.zip"] = zipped(FILES)
    go("/a.zip", single="/raw/")
    assert [path for path, _ in server.asked] == ["/a.zip"]


def test_a_wrong_digest_everywhere_leaves_no_file_under_its_name(server, go, tmp_path):
    name = "test/Ann_00.jpg"
    server.files["/a.zip"] = zipped(FILES | {name: b"other"})
    server.files[f"/raw/{name}"] = b"other"
    with pytest.raises(InputError) as caught:
        go("/a.zip", single="/raw/")
    assert name in str(caught.value) and "1 of 5 files" in str(caught.value) and "\n" not in str(caught.value)
    assert there(tmp_path / "ytf") == {n: c for n, c in FILES.items() if n != name}


@pytest.mark.parametrize("name", ["../evil.txt", "data/../../evil.txt", "/evil.txt", "..\\evil.txt", "C:\\evil.txt"])
def test_an_archive_that_points_outside_is_refused_by_name(server, go, tmp_path, name):
    server.files["/a.zip"] = zipped(FILES | {name: b"evil"})
    with pytest.raises(InputError, match=r"evil\.txt.* points outside"):
        go("/a.zip")
    assert there(tmp_path) == {}


def test_no_network_is_one_line_with_what_to_do_next(server, go, tmp_path):
    server.http.shutdown()
    server.http.server_close()
    with pytest.raises(InputError) as caught:
        go("/a.zip", "/b.zip")
    message = str(caught.value)
    assert "the connection failed" in message and "run it again" in message and "by other means" in message
    assert "\n" not in message
    assert there(tmp_path) == {}


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
                    raise OSError(code, "")

            return Full()
        return stream

    monkeypatch.setattr(Path, "open", opened)


def test_a_full_disk_in_the_download_keeps_what_came(server, go, tmp_path, monkeypatch):
    server.files["/a.zip"] = zipped(FILES)
    with monkeypatch.context() as patch:
        refuse_writes(patch, errno.ENOSPC, "a.zip.partial")
        with pytest.raises(InputError, match="disk is full"):
            go("/a.zip", "/b.zip")
    assert there(tmp_path / "ytf") == {"a.zip.partial": server.files["/a.zip"][:100]}
    go("/a.zip")
    assert server.times("/a.zip")[-1] == "bytes=100-"
    assert there(tmp_path / "ytf") == FILES


def test_a_full_disk_in_the_unpacking_keeps_the_archive(server, go, tmp_path, monkeypatch):
    server.files["/a.zip"] = zipped(FILES)
    with monkeypatch.context() as patch:
        refuse_writes(patch, errno.ENOSPC, "Ben_Al-i_10.jpg.partial")
        with pytest.raises(InputError, match="disk is full"):
            go("/a.zip")
    names = set(there(tmp_path / "ytf"))
    assert names == {"a.zip", "test/Ann_00.jpg", "training/Ann_00.jpg"}
    go("/a.zip")
    assert len(server.asked) == 1
    assert there(tmp_path / "ytf") == FILES


def test_a_folder_without_permission_says_so(server, go, monkeypatch):
    server.files["/a.zip"] = zipped(FILES)
    refuse_writes(monkeypatch, errno.EACCES, "a.zip.partial")
    with pytest.raises(InputError, match="no permission to write"):
        go("/a.zip")


def test_a_file_in_the_place_of_the_folder_says_so(go, tmp_path):
    (tmp_path / "ytf").write_text("a file")
    with pytest.raises(InputError, match="cannot be written"):
        go("/a.zip")


def test_the_shipped_digests_are_those_of_the_whole_set():
    digests = download.known_digests()
    folders = [name.rpartition("/")[0] for name in digests]
    assert {folder: folders.count(folder) for folder in set(folders)} == {"training": 3462, "test": 2308, "": 2}
    assert len(set(digests.values())) > 5700 and {len(digest) for digest in digests.values()} == {8}
    assert list(digests) == sorted(digests)


def test_the_default_folder_is_where_load_looks(tmp_path, monkeypatch):
    monkeypatch.setenv("FKD_DATA_DIR", str(tmp_path))
    folder = download.default_folder()
    folder.mkdir()
    (folder / "training_frames_keypoints.csv").write_text("x")
    with pytest.raises(InputError, match="make data"):  # half of it is not it
        data.find("ytf")
    (folder / "test_frames_keypoints.csv").write_text("x")
    assert data.find("ytf") == folder == tmp_path / "ytf"
