"""The live engine without a browser: every key is answered, the latest wins, nothing is lost silently. Notebook 05."""

import io
import json
import threading
import time

import cv2
import numpy as np
import pytest
from PIL import Image

from fkd_helpers.core.errors import InputError
from fkd_helpers.data.puppets import stream
from fkd_helpers.faces.boxes import box_of
from fkd_helpers.faces.landmarks import BY_KEYPOINT
from fkd_helpers.live import frames, pipeline, sources
from fkd_helpers.live.engine import LiveEngine
from fkd_helpers.live.mailbox import Mailbox
from fkd_helpers.live.meter import CHANGES, Meter
from fkd_helpers.live.moods import Mood
from fkd_helpers.live.picture import to_jpeg
from fkd_helpers.live.pipeline import Pipeline, overlay
from fkd_helpers.predict.predictor import Face


@pytest.fixture(scope="module")
def puppet():
    """Frames (240, 320, 3) and their keypoints (68, 2)."""
    return [(frame, keypoints[0]) for frame, keypoints, _ in stream(n=20, size=(320, 240))]


@pytest.fixture(scope="module")
def jpegs(puppet):
    return [to_jpeg(frame) for frame, _ in puppet]


class Watched(LiveEngine):
    """An engine that notes what it says."""

    def __init__(self, work=lambda result: None, **settings):
        self.results, self.dropped, self.ends, self.notes = [], [], [], []
        super().__init__(
            on_result=lambda result: (self.results.append(result), work(result)), on_drop=self.dropped.append,
            on_end=self.ends.append, on_note=self.notes.append, **settings,
        )  # fmt: skip

    def answered(self):
        return sorted([result.key for result in self.results] + self.dropped)

    def until(self, done, seconds=30):
        deadline = time.monotonic() + seconds
        while not done() and time.monotonic() < deadline:
            time.sleep(0.005)
        assert done()


@pytest.fixture
def engine():
    """Make engines that are stopped at the end."""
    made = []

    def make(*work, **settings):
        made.append(Watched(*work, **settings))
        return made[-1]

    yield make
    for one in made:
        one.stop()


def test_every_frame_of_the_puppet_is_looked_at_and_its_keypoints_found(engine):
    watched = engine(every=True, seconds=0.5)
    watched.start("puppet")
    assert watched.wait(60) and watched.ends == ["Ended after 0.5 seconds."] and not watched.running
    assert [result.when for result in watched.results] == [i / 30 for i in range(15)]
    for result, (frame, known, _) in zip(watched.results, stream(n=15), strict=True):
        assert np.array_equal(result.frame, frame) and result.key is None and result.shown is None
        assert len(result.faces) == 1 and result.labels[0] in ("negative", "neutral", "positive")
        error = np.linalg.norm(result.faces[0].keypoints - known[0], axis=1).mean()
        assert error < 0.05 * box_of(known)[0, 2:].max()
    statistics = watched.statistics()
    assert (statistics["frames"], statistics["frames_with_faces"], statistics["dropped"]) == (15, 15, 0)
    assert sum(statistics["emotions"].values()) == 15 and statistics["fps_mean"] > 0
    json.dumps(statistics)


def test_two_runs_find_the_same(engine):
    found = []
    watched = engine(every=True, seconds=0.3)
    for _ in range(2):
        watched.start("puppet")
        assert watched.wait(60)
        found.append([(result.faces[0].keypoints.tolist(), result.labels) for result in watched.results])
        watched.results.clear()
    assert found[0] == found[1]


def test_every_key_is_answered_once_and_the_latest_frame_wins(engine, jpegs):
    slow = threading.Event()
    watched = engine(lambda result: slow.wait(0.03))
    watched.submit(jpegs[0], -1)
    assert watched.dropped == [-1], "nothing runs yet"
    watched.start("browser")
    for key in range(40):
        watched.submit(b"no picture" if key == 20 else jpegs[key % 20], key)
        time.sleep(0.01)
    watched.until(lambda: len(watched.answered()) == 41)
    shown = [result.key for result in watched.results]
    assert shown == sorted(shown) and shown[-1] == 39, "the last one that came is shown"
    assert 0 in shown and len(shown) < 35, "some of the frames in between are not"
    watched.stop()
    watched.submit(jpegs[0], 40)
    assert watched.answered() == list(range(-1, 41))
    statistics = watched.statistics()
    # the two that came before and after are nobody's but the last run's
    assert statistics["frames"] + statistics["dropped"] + statistics["unreadable"] == 41


def test_keys_of_many_givers_are_answered_once_whenever_it_stops(engine, jpegs):
    watched = engine()
    watched.start("browser")

    def give(number):
        for count in range(50):
            watched.submit(jpegs[count % 20], 1000 * number + count)
            time.sleep(0.002)

    givers = [threading.Thread(target=give, args=(number,)) for number in range(3)]
    for giver in givers:
        giver.start()
    time.sleep(0.06)
    watched.stop()
    for giver in givers:
        giver.join()
    assert watched.answered() == [1000 * number + count for number in range(3) for count in range(50)]


def absurd():
    """Return a small JPEG whose header claims 60000 x 60000 pixels."""
    jpeg = bytearray(to_jpeg(np.zeros((16, 16, 3), np.uint8)))
    at = jpeg.index(b"\xff\xc0") + 5
    jpeg[at : at + 4] = bytes([0xEA, 0x60, 0xEA, 0x60])
    return bytes(jpeg)


def a_png():
    file = io.BytesIO()
    Image.new("RGB", (16, 16)).save(file, "PNG")
    return file.getvalue()


BAD = {
    "nothing": lambda jpeg: b"", "words": lambda jpeg: b"hello" * 50, "half": lambda jpeg: jpeg[: len(jpeg) // 2],
    "head": lambda jpeg: jpeg[:20], "png": lambda jpeg: a_png(), "absurd": lambda jpeg: absurd(),
    "scrambled": lambda jpeg: jpeg[:4] + bytes(len(jpeg) - 6) + jpeg[-2:],
    "100 MB": lambda jpeg: jpeg + bytes(100 * 2**20),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
def test_a_frame_that_is_none_is_dropped_and_counted_and_the_next_one_is_looked_at(engine, jpegs, kind):
    watched = engine()
    watched.start("browser")
    watched.submit(BAD[kind](jpegs[0]), 1)
    watched.until(lambda: watched.dropped == [1])
    watched.submit(jpegs[0], 2)
    watched.until(lambda: watched.results)
    assert watched.running and [result.key for result in watched.results] == [2]
    assert watched.statistics()["unreadable"] == 1 and watched.statistics()["dropped"] == 0


def test_a_huge_frame_is_made_smaller_and_that_is_said_once(engine, puppet):
    huge = to_jpeg(cv2.resize(puppet[0][0], (7680, 4320)))
    watched = engine()
    watched.start("browser")
    for key in range(2):
        watched.submit(huge, key)
        watched.until(lambda key=key: len(watched.results) == key + 1)
    assert [result.frame.shape for result in watched.results] == [(1080, 1920, 3)] * 2
    assert watched.notes == ["Frames of 7680x4320 pixels are made 1920x1080."]
    assert len(watched.results[0].faces) == 1


def test_stop_is_quick_safe_twice_and_final(engine, puppet):
    watched = engine()
    watched.stop()
    watched.start("puppet")
    watched.until(lambda: watched.results)
    started = time.monotonic()
    watched.stop()
    watched.stop()
    assert time.monotonic() - started < 2  # the house's figure is 0.2 s on an idle machine
    seen = len(watched.results)
    time.sleep(0.1)
    assert len(watched.results) == seen and not watched.running and not watched.ends, "nobody but us has ended it"
    watched.start("puppet")
    watched.until(lambda: len(watched.results) > seen)


def test_stop_from_its_own_callbacks(engine):
    stopping = []
    watched = engine(lambda result: (watched.stop(), stopping.append(1)))
    watched.start("puppet")
    watched.until(lambda: stopping)
    assert watched.wait(10) and not watched.running


def test_settings_change_in_mid_stream_all_or_none(engine, jpegs):
    watched = engine()
    watched.start("browser")
    watched.submit(jpegs[0], 0)
    watched.until(lambda: len(watched.results) == 1)
    watched.change(filter="sunglasses", smooth=0.8, max_fps=9)
    for wrong in ({"filter": "sunglases"}, {"smooth": 1.0}, {"hold": 0}, {"model": "smal"}, {"max_fps": 0},
                  {"detector": "har"}, {"smoth": 0.1}, {"emotion": "rule"}, {"calm": -1}):  # fmt: skip
        with pytest.raises(InputError):
            watched.change(hold=3, **wrong) if "hold" not in wrong else watched.change(**wrong)
    assert watched.settings == {"model": "small", "device": "cpu", "detector": "haar", "filter": "sunglasses",
                                "emotion": "rules", "smooth": 0.8, "hold": 15, "calm": 0.5, "max_fps": 9}  # fmt: skip
    watched.submit(jpegs[1], 1)
    watched.until(lambda: len(watched.results) == 2)
    plain, worn = watched.results
    assert plain.shown is None and np.abs(worn.shown - worn.frame.astype(int)).max() > 50
    watched.change(filter=None)
    watched.submit(jpegs[1], 2)
    watched.until(lambda: len(watched.results) == 3)
    assert watched.results[-1].shown is None


@pytest.mark.parametrize("wrong", [{"model": "smal"}, {"max_fps": -1}, {"seconds": 0}, {"filter": "hatt"}])
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(InputError):
        LiveEngine(**wrong)


def test_a_fault_ends_the_run_with_words_and_an_answer(engine, jpegs, monkeypatch):
    watched = engine()
    watched.start("browser")

    def fail(*rest, **settings):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(Pipeline, "__call__", fail)
    watched.submit(jpegs[0], 0)
    watched.until(lambda: watched.ends)
    assert watched.ends == ["Stopped by a fault: RuntimeError: out of memory"] and watched.dropped == [0]
    assert not watched.running and isinstance(watched.fault, RuntimeError)


def test_a_clock_that_runs_backwards_harms_nothing(engine, tmp_path):
    times = iter(np.concatenate([np.arange(100, 100.3, 0.01), np.arange(40, 140, 0.01)]))
    lock = threading.Lock()

    def clock():
        with lock:
            return float(next(times))

    watched = engine(clock=clock, every=True, seconds=0.5)
    path = watched.record(tmp_path / "film.mp4")
    watched.start("puppet")
    assert watched.wait(60)
    statistics = watched.statistics()
    assert statistics["frames"] == 15 and statistics["p50"] >= 0 and statistics["seconds"] >= 0
    assert watched.finish().path == path


def test_max_fps_leaves_frames_out(engine):
    watched = engine(every=True, seconds=1, max_fps=10)
    watched.start("puppet")
    assert watched.wait(60)
    assert [round(result.when, 3) for result in watched.results] == [i / 10 for i in range(10)]


def test_a_recording_shows_what_was_seen_with_its_statistics(engine, tmp_path):
    watched = engine(every=True, seconds=0.5, filter="sunglasses")
    path = watched.record(tmp_path / "film.mp4")
    assert watched.recording == path
    with pytest.raises(InputError, match="still being recorded"):
        watched.record(tmp_path / "other.mp4")
    watched.start("puppet")
    assert watched.wait(60) and watched.recording is None
    saved = watched.finish()
    assert (saved.path, saved.frames, saved.words) == (path, 15, "") and watched.finish() is None
    summary = json.loads(saved.summary.read_text())
    assert summary["frames"] == 15 and sum(summary["emotions"].values()) == 15 and summary["dropped"] == 0
    assert summary["settings"]["filter"] == "sunglasses" and summary["versions"]["av"]
    assert summary["latency_ms"]["p50"] <= summary["latency_ms"]["p95"]
    recorded = [frame for frame, _ in sources.open_source("file", path).frames]
    seen = overlay(watched.results[7].shown, watched.results[7].faces, watched.results[7].moods)
    assert np.abs(recorded[7] - seen.astype(int)).mean() < 6
    assert np.abs(recorded[7] - watched.results[7].frame.astype(int)).mean() > 6


def test_a_recording_of_live_frames_has_their_arrival_times(engine, jpegs, tmp_path):
    watched = engine()
    watched.start("browser")
    watched.record(tmp_path / "film.mp4")
    for key in range(5):
        watched.submit(jpegs[key], key)
        watched.until(lambda key=key: len(watched.results) == key + 1)
        time.sleep(0.02 * key)
    watched.stop()
    film = sources.open_source("file", watched.finish().path)
    came = [result.when - watched.results[0].when for result in watched.results]
    assert [round(1000 * when) for _, when in film.frames] == [round(1000 * when) for when in came]


def test_a_second_recording_is_a_new_file(engine, tmp_path):
    watched = engine()
    watched.start("puppet")
    paths = []
    for _ in range(2):
        watched.record(tmp_path / "film.mp4")
        seen = len(watched.results)
        watched.until(lambda seen=seen: len(watched.results) > seen + 3)
        assert watched.recorded >= 0 and watched.statistics()["recording"]
        saved = watched.finish()
        paths.append(saved.path.name)
        assert saved.frames >= 2 and saved.summary.exists()
    assert paths == ["film.mp4", "film-2.mp4"] and watched.running


def test_snapshots_never_write_over_another(engine, tmp_path):
    watched = engine(every=True, seconds=0.1)
    with pytest.raises(InputError, match="no frame"):
        watched.snapshot(tmp_path / "shot.png")
    watched.start("puppet")
    assert watched.wait(60)
    paths = [watched.snapshot(tmp_path / "shot.png") for _ in range(2)]
    assert [path.name for path in paths] == ["shot.png", "shot-2.png"]
    last = watched.results[-1]
    assert np.array_equal(np.asarray(Image.open(paths[0])), overlay(last.frame, last.faces, last.moods))
    with pytest.raises(InputError):
        watched.snapshot(tmp_path / "shot.docx")


# -- the parts


def test_a_frame_without_a_face_and_one_with_25(monkeypatch, puppet):
    line = Pipeline()
    assert line(np.zeros((240, 320, 3), np.uint8), 0.0) == ([], [], None)
    wall = np.tile(puppet[0][0], (5, 5, 1))
    known = [puppet[0][1] + [320 * x, 240 * y] for y in range(5) for x in range(5)]
    monkeypatch.setitem(pipeline.DETECTORS, "haar", lambda frame: box_of(np.stack(known)))
    line = Pipeline(filter="sunglasses,blur")
    for second in range(2):
        faces, moods, shown = line(wall, second)
        assert len(moods) == 25 and sorted(face.id for face in faces) == list(range(25)) and shown.shape == wall.shape
    middles = np.array([face.keypoints.mean(0) for face in faces])
    gaps = np.linalg.norm(middles[:, None] - np.array(known).mean(1), axis=-1).min(0)
    assert gaps.max() < 10


def test_without_a_detector_the_picture_is_a_face(puppet):
    frame, known = puppet[0]
    left, top, width, height = box_of(known[None])[0]
    side = round(1.3 * max(width, height))
    crop = np.ascontiguousarray(frame[max(0, int(top - 0.2 * side)) :, max(0, int(left - 0.15 * side)) :][:side, :side])
    faces, _, _ = Pipeline(detector="none")(crop, 0.0)
    assert len(faces) == 1


def test_the_overlay_draws_where_the_keypoints_are(puppet):
    frame, known = puppet[0]
    face = Face(box_of(known[None])[0], known)
    drawn = overlay(np.zeros_like(frame), [face], [Mood("neutral")])
    colours = drawn[np.round(known[:, 1]).astype(int), np.round(known[:, 0]).astype(int)]
    assert (np.abs(colours - np.array(BY_KEYPOINT)).max(1) < 60).mean() > 0.8
    assert overlay(frame, [])[..., 0].sum() == frame[..., 0].sum()
    with pytest.raises(InputError):
        overlay(frame, [face], [Mood("neutral"), Mood("positive")])


def test_a_mailbox_gives_each_item_out_once():
    box = Mailbox()
    assert box.put(1) == [] and box.put(2) == [1] and box.take() == 2
    box.put(3)
    box.finish()
    assert box.put(4) == [4] and box.take() == 3 and box.take() is None
    patient, out = Mailbox(2, patient=True), []
    giver = threading.Thread(target=lambda: out.extend(item for i in range(5) for item in patient.put(i)))
    giver.start()
    assert [patient.take() for _ in range(3)] == [0, 1, 2]
    giver.join(10)
    assert patient.close() == [3, 4] and not out and not giver.is_alive()
    assert patient.put(5) == [5] and patient.take() is None


def test_the_meter_reads_what_was_put_in():
    now = [10.0]
    meter = Meter(lambda: now[0])
    assert meter.read() | {"fps": 0.0, "p50": None, "frames": 0, "emotions": {}} == meter.read()
    face = Face(np.zeros(4), np.zeros((68, 2)), 1.0, 7)
    for i in range(20):
        now[0] = 10 + i / 10
        meter.add([face], ["neutral" if i < 15 else "positive"], when=100 + i / 10, seconds=(i + 1) / 1000)
    meter.add([], [], when=102.0, seconds=0.021)
    meter.count("dropped", 3)
    read = meter.read()
    assert (
        read["fps"] == pytest.approx(10.5, abs=0.6)
        and read["p50"] == pytest.approx(11)
        and read["p95"] == pytest.approx(20)
    )
    assert read["emotions"] == {"neutral": 15, "positive": 5} and read["faces"] == 0 and read["dropped"] == 3
    assert read["timeline"] == [(0.0, 7, "neutral"), (1.5, 7, "positive")]
    assert (read["frames"], read["frames_with_faces"], read["seconds"]) == (21, 20, pytest.approx(1.9))
    for i in range(CHANGES + 10):
        meter.add([face], [str(i)], when=1000.0 + i, seconds=0)
    assert len(meter.read()["timeline"]) == CHANGES, "a run of days does not fill the memory"


def test_a_jpeg_is_read_as_it_was_sent(puppet):
    frame = frames.read_jpeg(to_jpeg(puppet[0][0], quality=95))
    assert frame.shape == (240, 320, 3) and np.abs(frame - puppet[0][0].astype(int)).mean() < 4
