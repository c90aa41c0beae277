"""Files that are whole or not there, the cache, and run records."""

import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest

from fkd_helpers.core import files, records
from fkd_helpers.core.errors import InputError
from fkd_helpers.core.files import cached, read_text, whole_file

# Files


@pytest.mark.parametrize("error", [OSError(), KeyboardInterrupt()])
def test_whole_file_is_whole_or_as_it_was(tmp_path, error):
    path = tmp_path / "a.txt"
    with whole_file(path) as partial:
        partial.write_text("one")
    with pytest.raises(type(error)), whole_file(path) as partial:
        partial.write_text("tw")
        raise error
    assert path.read_text() == "one" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
def test_read_text_knows_what_windows_writes(tmp_path, encoding):
    (tmp_path / "a.csv").write_bytes("Käthe;1,5\n".encode(encoding))
    assert read_text(tmp_path / "a.csv") == "Käthe;1,5\n"


# The cache


def arrays():
    return {"a": np.arange(5.0), "names": np.array(["x", "yy"]), "none": np.zeros((0, 3)), "one": np.array(3)}


def same(a, b):
    return a.keys() == b.keys() and all(np.array_equal(a[key], b[key]) for key in a)


def no_making():
    pytest.fail("made again")


def test_cached_makes_an_entry_once_and_maps_it_into_memory():
    made = cached("things", "key", arrays)
    assert same(made, arrays()) and isinstance(made["a"], np.memmap)
    assert same(cached("things", "key", no_making), arrays())
    assert same(cached("things", "other key", lambda: {"a": np.ones(2)}), {"a": np.ones(2)})


@pytest.mark.parametrize("file, content", [("a.npy", b""), ("a.npy", 90), ("a.npy", None), ("names.json", b'["a')])
def test_cached_makes_a_damaged_entry_again(cache_folder, file, content):
    cached("things", "key", arrays)
    (path,) = cache_folder.rglob(file)
    if content is None:
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:content] if isinstance(content, int) else content)
    assert same(cached("things", "key", arrays), arrays())
    assert same(cached("things", "key", no_making), arrays())


@pytest.mark.parametrize("where", ["mkdir", "write_text"])
def test_cached_warns_where_the_disk_is_full(cache_folder, monkeypatch, where):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, where, full)
    with pytest.warns(UserWarning, match="no cache in .*No space left on device"):
        assert same(cached("things", "key", arrays), arrays())
    assert not [file for file in cache_folder.rglob("*") if file.is_file()]


def test_cached_evicts_what_was_not_used_for_longest(cache_folder, monkeypatch):
    for age, key in enumerate(("old", "used", "new")):
        cached("things", key, arrays)
        os.utime(files.cache_file("things", key), (1000 + age, 1000 + age))
    cached("things", "old", no_making)  # so that "used" is the one that was not used for longest
    one = sum(file.stat().st_size for file in files.cache_file("things", "new").iterdir())
    monkeypatch.setattr(files, "MAX_CACHED", 3 * one + 3 * 4096 + 4096)
    (cache_folder / "things" / "of an earlier edition.pixels").write_bytes(bytes(one))
    os.utime(cache_folder / "things" / "of an earlier edition.pixels", (1, 1))
    cached("things", "newest", arrays)
    held = {path.name for path in (cache_folder / "things").iterdir()}
    assert held == {files.cache_file("things", key).name for key in ("old", "new", "newest")}


# Records


def test_record_comes_back_with_plain_numbers(tmp_path):
    path = records.write(
        "speed", "here", folder=tmp_path / "new", nme=np.float32(0.0123456789), n=np.int64(7), best=np.bool_(True),
        curve=np.array([[1.0, 2.0]]), one=np.array(3), gap=float("nan"), top=-np.inf, none=None, pair=(1, "a"),
    )  # fmt: skip
    assert path == tmp_path / "new" / "speed-here.json"
    record = records.read(path)
    assert record["kind"] == "speed" and record["name"] == "here"
    assert record["nme"] == 0.012346 and record["n"] == 7 and record["curve"] == [[1.0, 2.0]] and record["one"] == 3
    assert record["best"] is True and record["none"] is None and record["pair"] == [1, "a"]
    assert record["gap"] == "nan" and record["top"] == "-inf"  # strict JSON has no such numbers
    json.loads(path.read_text(), parse_constant=pytest.fail)
    assert {"python", "numpy", "torch"} <= set(record["versions"])
    assert set(record["machine"]) == {"system", "processor", "cores"}  # neither name nor address
    assert records.find("speed", folder=tmp_path / "new") == [record]


@pytest.mark.parametrize(
    "content, message",
    [
        (b'{"record": 1, "ki', "not a record"), (b'{"record": 99}', "expected a record of version 1, got 99"),
        (b"[1, 2]", "version 1, got list"), (b"\xff\xfe", "not a record"), (None, "cannot be read"),
    ],
)  # fmt: skip
def test_damaged_record_is_named_and_left_out_of_all(tmp_path, content, message):
    records.write("speed", "a", folder=tmp_path)
    path = tmp_path / "speed-b.json"
    path.mkdir() if content is None else path.write_bytes(content)
    with pytest.raises(InputError, match=rf"speed-b\.json: .*{message}"):
        records.read(path)
    with pytest.warns(UserWarning, match=f"left out: .*{message}"):
        assert [record["name"] for record in records.find("speed", folder=tmp_path)] == ["a"]
