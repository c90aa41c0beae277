"""The live picture without a browser: what it says, and what it makes of whatever a page may say. Notebook 05."""

import json
import threading
import time
from contextvars import ContextVar, copy_context
from dataclasses import replace

import cv2
import numpy as np
import pytest

from fkd_helpers.core.errors import InputError
from fkd_helpers.faces.images import write_photo
from fkd_helpers.faces.landmarks import EXPRESSIONS
from fkd_helpers.live import live_demo
from fkd_helpers.live.moods import CAUTION, Mood, expression_reader
from fkd_helpers.live.picture import CHUNK, LARGEST, WINDOW, Picture, to_jpeg
from fkd_helpers.predict.predictor import Face

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
    page.picture.answer(page.events[0][2], [FACE], [Mood("happy", valence=0.61, arousal=0.2)])
    content, buffers = page.sent[-1]
    assert (content["type"], content["id"], content["session"]) == ("result", 3, page.session)
    (said,) = content["faces"]
    assert said == {"box": [1.2, 2.0, 30.0, 40.0], "points": 68, "label": "happy", "reason": "", "valence": 0.61,
                    "scales": "valence +0.6 arousal +0.2"}  # fmt: skip
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


def test_a_thread_speaks_as_if_it_answered_the_page(page):
    request = ContextVar("request", default="the cell that runs")
    in_reply = copy_context()
    in_reply.run(request.set, "a message of the page")
    in_reply.run(page.says, [b"jpeg"], type="frame", id=1)
    heard = []
    thread = threading.Thread(target=lambda: heard.extend([request.get(), page.picture.as_heard(request.get)]))
    thread.start()
    thread.join()
    assert heard == ["the cell that runs", "a message of the page"]


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


def test_a_recording_and_a_snapshot_are_files_that_are_offered(demo, tmp_path):
    demo.start()
    until(lambda: demo.statistics["frames"] > 2)
    demo.snapshot()
    demo.record()
    assert demo.buttons.by_name["Record"].description == "Stop recording" and "Recording to" in demo.picture.status
    until(lambda: demo.engine.recorded > 0.3)
    demo.record()
    assert demo.buttons.by_name["Record"].description == "Record"
    film, shot = demo.picture.saved
    assert (film["kind"], shot["kind"]) == ("video", "image") and film["seconds"] > 0.2
    assert {file["name"] for file in (film, shot)} <= {path.name for path in (tmp_path / "recordings").iterdir()}
    demo.record()
    until(lambda: demo.engine.recorded > 0)
    demo.stop()
    assert len(demo.picture.saved) == 3 and demo.picture.status.startswith("Stopped") and "Saved" in demo.picture.status
    assert not demo.engine.running and not demo.buttons.by_name["Start"].disabled


def test_a_recording_that_ends_by_itself_is_offered_too(demo, tmp_path):
    demo.start()
    demo.record()
    until(lambda: demo.engine.recorded > 0)
    saved = demo.engine.finish()  # as when the disk is full: nobody has pressed a button
    demo.engine.finish = lambda: demo.engine.__dict__.pop("finish") and replace(saved, words="The disk is full.")
    until(lambda: demo.picture.saved)
    until(lambda: demo.picture.status == "The disk is full.")
    assert demo.engine.running and demo.buttons.by_name["Record"].description == "Record"


def test_what_makes_no_sense_now_is_one_sentence(demo, tmp_path):
    for name, words in (("Record", "press Start"), ("Snapshot", "no frame")):
        demo.buttons.by_name[name].click()
        assert words in demo.picture.status
    demo.folder = tmp_path / "file"
    demo.folder.write_text("a file where the folder should be")
    demo.start()
    demo.buttons.by_name["Record"].click()
    assert "choose another folder" in demo.picture.status and demo.engine.running


def test_a_source_that_ends_stops_the_demo_and_one_that_is_not_there_never_starts(demo, tmp_path):
    write_photo(tmp_path / "face.png", np.full((64, 64, 3), 90, np.uint8))
    demo.settings.by_name["address"].value = str(tmp_path)
    demo.settings.by_name["source"].value = "images"
    demo.start()
    until(lambda: "were shown" in demo.picture.status)
    until(lambda: not demo.picture.showing and not demo.buttons.by_name["Start"].disabled)
    demo.settings.by_name["source"].value = "file"
    demo.buttons.by_name["Start"].click()
    assert "expected a film" in demo.picture.status and not demo.picture.showing
    demo.settings.by_name["source"].value = "puppet"
    demo.start()
    assert demo.engine.running


def test_settings_change_the_engine_while_it_runs(demo):
    demo.start()
    demo.settings.by_name["filter"].value = "crown"
    demo.settings.by_name["hold"].value = 3
    demo.settings.by_name["smooth"].value = 0.0
    demo.settings.by_name["mirror"].value = True
    assert {"filter": "crown", "hold": 3, "smooth": 0.0}.items() <= demo.engine.settings.items()
    assert demo.picture.mirror and demo.engine.running
    demo.settings.by_name["filter"].value = ""
    assert demo.engine.settings["filter"] is None


def test_the_network_is_a_choice_that_says_what_it_is_not(demo):
    def shown():
        return {name for name, widget in demo.settings.by_name.items() if widget in demo.settings.children}

    assert demo.picture.caution == "" and {"smooth", "hold"} <= shown() and "calm" not in shown()
    demo.start()
    demo.settings.by_name["emotion"].value = "expressions"
    demo.settings.by_name["calm"].value = 0.2
    assert "eight, by a network" in demo.picture.status
    assert demo.picture.caution == CAUTION and "calm" in shown() and not {"smooth", "hold"} & shown()
    assert {"emotion": "expressions", "calm": 0.2}.items() <= demo.engine.settings.items()
    until(lambda: set(demo.statistics["emotions"]) & set(EXPRESSIONS) - {"neutral"})
    demo.settings.by_name["emotion"].value = "none"
    assert demo.picture.caution == "" and not {"smooth", "hold", "calm"} & shown()
    assert live_demo("puppet", emotion="expressions").picture.caution == CAUTION


def test_a_network_that_is_missing_is_said_and_the_rules_stay(demo, monkeypatch, tmp_path):
    expression_reader.cache_clear()
    monkeypatch.setattr("fkd_helpers.live.moods.WEIGHTS", tmp_path)
    demo.start()
    demo.settings.by_name["emotion"].value = "expressions"
    assert "is missing in this install" in demo.picture.status and demo.engine.running
    assert demo.settings["emotion"] == demo.engine.settings["emotion"] == "rules" and demo.picture.caution == ""


def test_another_demo_stops_the_one_before(demo):
    demo.start()
    other = live_demo("puppet")
    assert not demo.engine.running and "another demo" in demo.picture.status
    assert not other.engine.running, "it waits for Start"


def test_the_source_may_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("FKD_LIVE_SOURCE", "puppet")
    assert live_demo().settings["source"] == "puppet" and live_demo("file").settings["source"] == "file"
    with pytest.raises(InputError, match="did you mean 'puppet'"):
        live_demo("pupet")


def test_without_a_page_everything_goes_off(demo, monkeypatch):
    monkeypatch.setattr("fkd_helpers.live.widget.GONE_AFTER", 0.2)
    demo.start()
    until(lambda: "no page" in demo.picture.status)
    assert not demo.engine.running and not demo.picture.showing
