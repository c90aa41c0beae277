"""What every test has: a cache folder of its own, never the user's."""

import platformdirs
import pytest


@pytest.fixture(autouse=True)
def cache_folder(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda *_: folder)
    return folder
