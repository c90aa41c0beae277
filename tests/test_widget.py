"""The live picture without a browser: what it sends, and what it makes of whatever a page may send."""

import json
import re
import time
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection
from jupyter_server.services.kernels.websocket import KernelWebsocketHandler
from traitlets.utils.importstring import import_item

from fkd_helpers.core.errors import InputError
from fkd_helpers.live import live_demo
from fkd_helpers.live.moods import Mood
from fkd_helpers.live.picture import WINDOW, Picture
from fkd_helpers.live.pipeline import Result
from fkd_helpers.live.recorder import Recorder
from fkd_helpers.predict import Face

FRAME = np.full((48, 64, 3), (200, 90, 20), np.uint8)
KEYPOINTS = np.arange(136, dtype=np.float32).reshape(68, 2)
FACE = Face(np.array([1.25, 2, 30, 40]), KEYPOINTS, 0.9, 0, np.linspace(0.01, 0.03, 68))


class Page:
    """A picture, what it sent, and what its events were."""

    def __init__(self, monkeypatch, source="browser"):
        self.events, self.sent = [], []
        self.picture = Picture({kind: self.note(kind) for kind in ("frame", "stop", "hello")})
        monkeypatch.setattr(self.picture, "send", lambda content, buffers=None: self.sent.append((content, buffers)))
        self.picture.begin(source)
        self.session = self.picture.session

    def note(self, kind):
        return lambda *values: self.events.append((kind, *values))

    def sends(self, buffers=(), **content):
        self.picture._handle_custom_msg({"session": self.session, **content}, list(buffers))

    def received(self, kind):
        return [content for content, _ in self.sent if content["type"] == kind]


@pytest.fixture
def page(monkeypatch):
    return Page(monkeypatch)


def test_picture_passes_a_frame_on_and_sends_its_keypoints_back(page):
    page.sends([memoryview(b"jpeg")], type="frame", id=3)
    assert page.events == [("frame", b"jpeg", (page.session, 3))]
    mood = Mood("happy", valence=0.61, arousal=0.2)
    page.picture.show(Result(page.events[0][2], FRAME, [FACE], [mood], None, 0.01, 0.0))
    content, buffers = page.sent[-1]
    assert (content["type"], content["id"], content["session"]) == ("result", 3, page.session)
    expected = {"box": [1.2, 2.0, 30.0, 40.0], "points": 68, "label": "happy", "reason": "", "valence": 0.61}
    expected |= {"scales": "valence +0.6 arousal +0.2", "error": 0.02}
    assert content["faces"][0] | expected == content["faces"][0]
    assert np.array_equal(np.frombuffer(buffers[0], "<f4").reshape(68, 2), KEYPOINTS) and len(buffers) == 1
    json.dumps(content)
    page.picture.show(Result((page.session, 4), FRAME, [replace(FACE, errors=np.full(68, np.nan))], [mood], None, 0, 0))
    assert page.sent[-1][0]["faces"][0]["error"] is None, "a network whose errors nobody measured"


def test_picture_ignores_messages_of_an_earlier_session(page):
    page.sends([b"jpeg"], type="frame", id=1, session=page.session - 1)
    page.sends(type="stop", message="", session=page.session - 1)
    assert not page.events and len(page.sent) == 1


def test_frames_of_the_kernel_wait_for_the_page(monkeypatch):
    page = Page(monkeypatch, "puppet")
    result = Result(None, FRAME, [FACE], [None], None, 0.01, 0.0)

    def shown(count):
        for _ in range(count):
            page.picture.show(result)
        return len(page.received("frame"))

    assert shown(WINDOW + 2) == WINDOW and page.picture.skipped == 2
    page.sends(type="ack", id=page.received("frame")[0]["id"])
    assert shown(2) == WINDOW + 1


# -- the whole demo, with the engine, without a page


def until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.02)


@pytest.fixture
def demo(tmp_path):
    made = live_demo("puppet", max_fps=8, folder=tmp_path / "recordings")
    made.picture.send = lambda *_, **__: None
    yield made
    made.stop()


def test_buttons_report_what_makes_no_sense(demo, tmp_path):
    for name, message in (("Record", "press Start"), ("Snapshot", "no frame")):
        demo.buttons[name].click()
        assert message in demo.picture.status
    demo.folder = tmp_path / "file"
    demo.folder.write_text("a file where the folder should be")
    demo.start()
    demo.buttons["Record"].click()
    assert "File exists" in demo.picture.status and demo.engine.running


def test_a_source_that_ends_stops_the_demo_and_a_missing_one_never_starts(demo, tmp_path):
    film = Recorder(tmp_path / "film.mp4")
    film.add(FRAME, 0.0)
    film.finish()
    demo.controls["address"].value = str(film.path)
    demo.controls["source"].value = "file"
    demo.start()
    until(lambda: "film.mp4 came to its end" in demo.picture.status)
    until(lambda: not demo.picture.showing and not demo.buttons["Start"].disabled)
    demo.controls["address"].value = "nothing.mp4"
    demo.buttons["Start"].click()
    assert "no such file" in demo.picture.status and not demo.picture.showing


def test_live_demo_names_its_sources():
    assert live_demo("file").controls["source"].value == "file"
    with pytest.raises(InputError, match="did you mean 'puppet'"):
        live_demo("pupet")


def test_without_a_page_everything_goes_off(demo, monkeypatch):
    monkeypatch.setattr("fkd_helpers.live.widget.GONE_AFTER", 0.2)
    demo.start()
    until(lambda: "no page" in demo.picture.status)
    assert not demo.engine.running and not demo.picture.showing


def test_make_lab_sends_each_message_at_once(monkeypatch):
    makefile = (Path(__file__).parents[1] / "Makefile").read_text()
    connection = import_item(re.search(r"kernel_websocket_connection_class=(\S+)", makefile)[1])
    monkeypatch.setattr(ZMQChannelsWebsocketConnection, "connect", lambda self: "connected")
    handler = Mock(spec=KernelWebsocketHandler)
    assert connection(websocket_handler=handler).connect() == "connected"
    handler.set_nodelay.assert_called_once_with(True)
