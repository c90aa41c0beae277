"""The live picture without a browser: what it says, and what it makes of whatever a page may say. Notebook 05."""

import json

import cv2
import numpy as np
import pytest

from fkd_helpers.live.picture import CHUNK, LARGEST, WINDOW, Picture, to_jpeg
from fkd_helpers.predict import Face

FRAME = np.full((48, 64, 3), (200, 90, 20), np.uint8)
KEYPOINTS = np.arange(136, dtype=np.float32).reshape(68, 2)
FACE = Face(np.array([1.25, 2, 30, 40]), KEYPOINTS, 0.9, 0)


class Page:
    """A picture, what it sent, and what its events were."""

    def __init__(self, monkeypatch, source="browser"):
        self.events, self.sent = [], []
        on = {kind: self.note(kind) for kind in ("frame", "stop", "trouble", "cameras", "hello")}
        self.picture = Picture(on)
        monkeypatch.setattr(self.picture, "send", lambda content, buffers=None: self.sent.append((content, buffers)))
        self.picture.begin(source)
        self.session = self.picture.session

    def note(self, kind):
        return lambda *values: self.events.append((kind, *values))

    def says(self, buffers=(), **content):
        self.picture._handle_custom_msg({"client": "a", "session": self.session, **content}, list(buffers))

    def heard(self, kind):
        return [content for content, _ in self.sent if content["type"] == kind]


@pytest.fixture
def page(monkeypatch):
    return Page(monkeypatch)


def test_a_frame_goes_to_the_engine_and_its_keypoints_back(page):
    page.says([memoryview(b"jpeg")], type="frame", id=3)
    assert page.events == [("frame", b"jpeg", (page.session, 3))]
    page.picture.answer(page.events[0][2], [FACE], ["positive"])
    content, buffers = page.sent[-1]
    assert (content["type"], content["id"], content["session"]) == ("result", 3, page.session)
    assert content["faces"] == [{"box": [1.2, 2.0, 30.0, 40.0], "points": 68, "label": "positive"}]
    assert np.array_equal(np.frombuffer(buffers[0], "<f4").reshape(68, 2), KEYPOINTS) and len(buffers) == 1
    json.dumps(content)


def test_a_filtered_frame_goes_along_as_a_jpeg(page):
    page.picture.answer((page.session, 1), [], [], FRAME)
    _, (points, jpeg) = page.sent[-1]
    shown = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert points == b"" and np.abs(shown - FRAME.astype(int)).max() < 9
    assert to_jpeg(FRAME) == jpeg


@pytest.mark.parametrize(
    "content, buffers",
    [
        ({}, []),
        ({"type": "frame"}, [b"x"]),
        ({"type": "frame", "id": "two"}, [b"x"]),
        ({"type": "frame", "id": None}, [b"x"]),
        ({"type": "frame", "id": float("inf")}, [b"x"]),
        ({"type": "nothing"}, []),
        ({"type": ["frame"]}, []),
        ({"type": "heard_message"}, []),
        ({"type": "stop", "session": None}, []),
        ({"type": "stop"}, []),
        ({"type": "seen", "fps": "fast"}, []),
        ({"type": "cameras", "cameras": 7}, []),
        ({"type": "cameras", "cameras": [["a"]]}, []),
        ({"type": "ack"}, []),
        ({"type": "fetch", "name": "../../secret", "offset": 0}, []),
        ({"type": "fetch", "name": ["a"], "offset": 0}, []),
    ],
)
def test_garbage_is_counted_and_nothing_else(page, content, buffers):
    sent = len(page.sent)
    page.says(buffers, **content)
    assert page.picture.garbage == 1 and not page.events and len(page.sent) == sent
    page.says([b"jpeg"], type="frame", id=1)  # and the picture goes on
    assert len(page.events) == 1


@pytest.mark.parametrize("content", [None, [], "start", 7])
def test_what_is_no_message_is_counted(page, content):
    page.picture._handle_custom_msg(content, [])
    assert page.picture.garbage == 1 and not page.events


@pytest.mark.parametrize(
    "buffers", [[], [b""], [b"x", b"y"], [bytes(LARGEST + 1)]], ids=["none", "empty", "two", "large"]
)
def test_a_frame_that_is_none_is_dropped_so_that_the_page_goes_on(page, buffers):
    page.says(buffers, type="frame", id=5)
    assert page.picture.garbage == 1 and not page.events
    assert [drop["id"] for drop in page.heard("drop")] == [5]


def test_frames_of_an_earlier_showing_are_no_ones(page):
    page.picture.end("Stopped.")
    page.says([b"jpeg"], type="frame", id=1)
    assert not page.events and page.heard("stop")[-1]["words"] == "Stopped."
    page.picture.begin("browser")
    page.says([b"jpeg"], type="frame", id=1)
    assert not page.events, "the session of before"


def test_the_camera_is_open_in_one_page_only(page):
    page.says(type="opened", client="a")
    page.says(type="opened", client="b")
    assert [stop["client"] for stop in page.heard("stop")] == ["b"]
    page.says([b"jpeg"], type="frame", id=1, client="b")
    assert not page.events
    page.says([b"jpeg"], type="frame", id=1, client="a")
    assert len(page.events) == 1


def test_frames_out_wait_for_the_page(monkeypatch):
    page = Page(monkeypatch, "puppet")
    shown = [page.picture.push(FRAME, [FACE], [None], spent=0.01) for _ in range(WINDOW + 2)]
    assert shown == [True] * WINDOW + [False] * 2
    page.says(type="ack", id=page.heard("frame")[0]["id"])
    assert page.picture.push(FRAME, [], [], spent=0.01)
    assert not page.picture.push(FRAME, [], [], spent=0.01)
    monkeypatch.setattr("fkd_helpers.live.picture.LOST", 0.0)  # a page that was loaded again never answers
    assert page.picture.push(FRAME, [], [], spent=0.01)


def test_only_files_that_were_offered_are_given(page, tmp_path):
    film, picture = tmp_path / "film.mp4", tmp_path / "shot.png"
    film.write_bytes(bytes(range(256)) * (CHUNK // 256) + b"end")
    picture.write_bytes(b"png")
    page.picture.offer(film, seconds=2.5)
    page.picture.offer(picture)
    assert [file["name"] for file in page.picture.saved] == ["shot.png", "film.mp4"]
    assert page.picture.saved[1] | {"seconds": 2.5, "size": CHUNK + 3, "kind": "video"} == page.picture.saved[1]
    for offset in (0, CHUNK):
        page.says(type="fetch", name="film.mp4", offset=offset)
    parts = [buffers[0] for content, buffers in page.sent if content["type"] == "chunk"]
    assert b"".join(parts) == film.read_bytes() and len(parts[1]) == 3
    (tmp_path / "other.mp4").write_bytes(b"secret")
    page.says(type="fetch", name="other.mp4", offset=0)
    page.says(type="fetch", name="../x/film.mp4", offset=0)
    assert page.picture.garbage == 2


def test_a_file_that_is_gone_is_no_fault(page, tmp_path):
    film = tmp_path / "film.mp4"
    film.write_bytes(b"film")
    page.picture.offer(film)
    film.unlink()
    page.says(type="fetch", name="film.mp4", offset=0)
    assert page.picture.saved == [] and str(film) in page.picture.status
