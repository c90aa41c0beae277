"""Files that are whole or not there, the cache, and run records."""

import json

import numpy as np
import pytest

from fkd_helpers.core import files, records
from fkd_helpers.core.errors import InputError
from fkd_helpers.core.files import cached, read_text, whole_file


@pytest.mark.parametrize("error", [OSError(), KeyboardInterrupt()])
def test_whole_file_is_whole_or_as_it_was(tmp_path, error):
    path = tmp_path / "a.txt"
    with whole_file(path) as partial:
        partial.write_text("one")
    with pytest.raises(type(error)), whole_file(path) as partial:
        partial.write_text("tw")
        raise error
    assert path.read_text() == "one" and list(tmp_path.iterdir()) == [path]


def test_read_text_takes_utf_8_and_names_what_is_not(tmp_path):
    (tmp_path / "a.csv").write_bytes("Käthe,1\n".encode("utf-8-sig"))
    assert read_text(tmp_path / "a.csv") == "Käthe,1\n"
    (tmp_path / "a.csv").write_bytes("Käthe;1\n".encode("cp1252"))
    with pytest.raises(InputError, match=r"a\.csv: not a text in UTF-8"):
        read_text(tmp_path / "a.csv")


def arrays():
    return {"a": np.arange(5.0), "names": np.array(["x", "yy"]), "none": np.zeros((0, 3)), "one": np.array(3)}


def same(a, b):
    return a.keys() == b.keys() and all(np.array_equal(a[key], b[key]) for key in a)


def no_making():
    pytest.fail("made again")


def test_cached_makes_an_entry_once_and_maps_it_into_memory(cache_folder):
    made = cached("things", "key", arrays)
    assert same(made, arrays()) and isinstance(made["a"], np.memmap)
    assert same(cached("things", "key", no_making), arrays())
    assert same(cached("things", "other key", lambda: {"a": np.ones(2)}), {"a": np.ones(2)})
    for entry in cache_folder.rglob("output.pkl"):
        entry.write_bytes(entry.read_bytes()[:90])  # damaged
    assert same(cached("things", "key", arrays), arrays())


@pytest.mark.filterwarnings("ignore:Unable to write")
def test_cached_warns_where_there_can_be_no_cache(cache_folder):
    (cache_folder / "things").write_text("a file in the folder's place")
    with pytest.warns(UserWarning, match=r"no cache in .*: made again next time"):
        assert same(cached("things", "key", arrays), arrays())


def test_cached_evicts_what_was_not_used_for_longest(cache_folder, monkeypatch):
    monkeypatch.setattr(files, "MAX_CACHED", 50_000)
    for key in ("old", "new"):
        cached("things", key, lambda: {"a": np.ones(4000)})
    cached("things", "new", no_making)
    assert len(list(cache_folder.rglob("output.pkl"))) == 1


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
    assert set(record["machine"]) == {"system", "processor", "cores"}  # neither name nor address
    assert records.find("speed", folder=tmp_path / "new") == [record]


@pytest.mark.parametrize("content", [b'{"record": 1, "ki', b'{"record": 99}', b"[1, 2]"])
def test_damaged_record_is_named(tmp_path, content):
    (tmp_path / "speed-b.json").write_bytes(content)
    with pytest.raises(InputError, match=r"speed-b\.json: not a record"):
        records.read(tmp_path / "speed-b.json")
