"""What every test has: a cache folder of its own, never the user's."""

import os

import platformdirs
import pytest

# As fkd.setup() does, for all processes that tests start: a core that somebody else keeps busy holds no thread up.
os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) - 1)))


@pytest.fixture(autouse=True)
def cache_folder(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda *_: folder)
    return folder
