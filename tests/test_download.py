"""The download against a server on this machine that cuts, corrupts and refuses."""

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
from fkd_helpers.data.download import fetch

FILES = {
    "test/Ann_00.jpg": b"test face of Ann" * 40_000,
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
def server():
    """Serve `files` by path; `cuts` are the bytes that the next answers are cut to, `asked` what was asked for."""

    class Handler(BaseHTTPRequestHandler):
        files, cuts, asked = {}, [], []

        def do_GET(self):
            self.asked.append(self.path)
            if self.path not in self.files:
                return self.send_error(404)
            content = self.files[self.path]
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: self.cuts.pop(0) if self.cuts else None])

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        Handler.base = f"http://127.0.0.1:{http.server_port}"
        threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True).start()
        yield Handler
        http.shutdown()


@pytest.fixture
def go(server, tmp_path, capsys):
    """Fetch into tmp_path/ytf from the paths given and return the lines that were printed."""

    def run(*paths):
        urls = [server.base + path if path.startswith("/") else path for path in paths]
        fetch(tmp_path / "ytf", urls=urls, digests=DIGESTS)
        return capsys.readouterr().out.splitlines()

    return run


def there(folder: Path) -> dict:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("prefix", ["", "P1_Facial_Keypoints-6e55adc/data/"])
def test_fetch_unpacks_an_archive_and_leaves_nothing_else(server, go, tmp_path, prefix):
    extra = {"__MACOSX/test/._Ann_00.jpg": b"x", "README.md": b"x", "images/Ann_00.jpg": b"other", "../evil": b"x"}
    server.files["/a.zip"] = zipped(FILES | extra, prefix)
    go("/a.zip")
    assert there(tmp_path) == {f"ytf/{name}": content for name, content in FILES.items()}
    assert "all 4 files" in go("/a.zip")[-1] and len(server.asked) == 1  # nothing is asked for again


def test_fetch_leaves_nothing_of_a_download_that_was_cut_and_takes_an_archive_put_there(server, go, tmp_path):
    server.files["/a.zip"], server.cuts[:] = zipped(FILES), [400_000]
    with pytest.raises(InputError, match=r"^4 of 4 files .*/a\.zip: \w+Error\. Run it again[^\n]*$"):
        go("/a.zip")
    assert there(tmp_path / "ytf") == {}
    (tmp_path / "ytf" / "a.zip").write_bytes(server.files["/a.zip"])
    go("/a.zip")
    assert len(server.asked) == 1 and there(tmp_path / "ytf") == FILES


@pytest.mark.parametrize(
    "first, content",
    [
        ("/a.zip", None), ("no-address", None), ("/a.zip", b"<html>sorry</html>"),
        ("/a.zip", zipped(FILES).replace(b"test face of Ann", b"best face of Ann", 1)),
    ],
)  # fmt: skip
def test_fetch_tries_the_next_address(server, go, tmp_path, first, content):
    server.files["/b.zip"] = zipped(FILES, "top/data/")
    if content:
        server.files["/a.zip"] = content
    go(first, "/b.zip")
    assert server.asked[-1] == "/b.zip" and there(tmp_path / "ytf") == FILES


def test_fetch_brings_a_damaged_file_again_and_keeps_the_others(server, go, tmp_path):
    server.files["/a.zip"] = zipped(FILES)
    go("/a.zip")
    (tmp_path / "ytf/training/Ann_00.jpg").write_bytes(b"damaged")
    kept = (tmp_path / "ytf/test/Ann_00.jpg").stat().st_mtime_ns
    assert "1 of 4 files missing or other than published, first training/Ann_00.jpg" in go("/a.zip")[0]
    assert there(tmp_path / "ytf") == FILES and (tmp_path / "ytf/test/Ann_00.jpg").stat().st_mtime_ns == kept


def test_fetch_leaves_no_file_of_a_wrong_digest_under_its_name(server, go, tmp_path):
    name = "test/Ann_00.jpg"
    server.files["/a.zip"] = zipped(FILES | {name: b"other"})
    with pytest.raises(InputError, match=rf"^1 of 4 files could not be fetched \(first {name}\): other than published"):
        go("/a.zip")
    assert there(tmp_path / "ytf") == {n: c for n, c in FILES.items() if n != name}


def test_known_digests_are_those_of_the_whole_set():
    digests = download.known_digests()
    folders = [name.rpartition("/")[0] for name in digests]
    assert {folder: folders.count(folder) for folder in set(folders)} == {"training": 3462, "test": 2308, "": 2}
    assert len(set(digests.values())) > 5700 and list(digests) == sorted(digests)


def test_fetch_brings_the_set_to_where_load_looks(server, tmp_path, monkeypatch):
    monkeypatch.setenv("FKD_DATA_DIR", str(tmp_path))
    server.files["/a.zip"] = zipped(FILES)
    assert fetch(urls=[f"{server.base}/a.zip"], digests=DIGESTS) == data.find("ytf")
