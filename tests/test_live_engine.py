"""The live engine without a browser: every key is answered, the latest frame wins, nothing is lost silently."""

import threading
import time

import cv2
import numpy as np
import pytest
import skimage.data
from PIL import Image

from fkd_helpers import nets
from fkd_helpers.core.errors import InputError
from fkd_helpers.data.puppets import stream
from fkd_helpers.faces.boxes import box_of
from fkd_helpers.live.engine import LiveEngine
from fkd_helpers.live.moods import Mood
from fkd_helpers.live.picture import to_jpeg
from fkd_helpers.live.pipeline import Pipeline, Result
from fkd_helpers.live.recorder import Meter
from fkd_helpers.live.settings import LiveSettings
from fkd_helpers.live.sources import open_source
from fkd_helpers.predict import Face


@pytest.fixture(scope="module")
def jpegs():
    return [to_jpeg(frame) for frame, _, _ in stream(n=20, size=(320, 240))]


class Watched(LiveEngine):
    """An engine that keeps what it reports."""

    def __init__(self, work=lambda result: None, **settings):
        self.results, self.dropped = [], []
        note = lambda result: (self.results.append(result), work(result))  # noqa: E731
        super().__init__(on_result=note, on_drop=self.dropped.append, **settings)

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


def test_engine_finds_the_keypoints_of_every_puppet_frame_and_finds_them_again(engine):
    watched, found = engine(every=True, seconds=0.5, smooth=0), []
    for _ in range(2):
        watched.results.clear()
        watched.start("puppet")
        assert watched.wait(60) and not watched.running and watched.message == "Ended after 0.5 seconds."
        found.append([(result.faces[0].keypoints.tolist(), result.labels) for result in watched.results])
    assert found[0] == found[1] and [result.when for result in watched.results] == [i / 30 for i in range(15)]
    for result, (frame, known, _) in zip(watched.results, stream(n=15), strict=True):
        assert np.array_equal(result.frame, frame) and result.key is None and result.shown is None
        error = np.linalg.norm(result.faces[0].keypoints - known[0], axis=1).mean()
        assert error < 0.05 * box_of(known)[0, 2:].max()
    statistics = watched.run.meter.read()
    assert (statistics["frames"], statistics["dropped"], sum(statistics["emotions"].values())) == (15, 0, 15)


def test_submit_answers_every_key_once_and_the_latest_frame_wins(engine, jpegs):
    slow = threading.Event()
    watched = engine(lambda result: slow.wait(0.03))
    watched.submit(jpegs[0], -1)
    assert watched.dropped == [-1], "nothing runs yet"
    watched.start("browser")
    spoilt = {10: b"", 20: b"hello" * 50, 30: jpegs[0][: len(jpegs[0]) // 2]}
    for key in range(40):
        watched.submit(spoilt.get(key, jpegs[key % 20]), key)
        time.sleep(0.01)
    watched.until(lambda: len(watched.answered()) == 41)
    shown = [result.key for result in watched.results]
    assert shown == sorted(shown) and shown[0] == 0 and shown[-1] == 39 and len(shown) < 35
    assert not spoilt.keys() & set(shown)
    watched.stop()
    watched.submit(jpegs[0], 40)
    assert watched.answered() == list(range(-1, 41))
    statistics = watched.run.meter.read()
    assert statistics["frames"] + statistics["dropped"] == 41  # not the one before the start


def test_submit_from_many_threads_is_answered_once_whenever_it_stops(engine, jpegs):
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


def test_stop_is_quick_safe_twice_and_final(engine):
    watched = engine()
    watched.stop()
    watched.start("puppet")
    watched.until(lambda: watched.results)
    started = time.monotonic()
    watched.stop()
    watched.stop()
    assert time.monotonic() - started < 2  # 0.2 s on an idle machine
    seen = len(watched.results)
    time.sleep(0.1)
    assert len(watched.results) == seen and not watched.running
    watched.start("puppet")
    watched.until(lambda: len(watched.results) > seen)


WRONG = [({"filter": "sunglases"}, "did you mean 'sunglasses'"), ({"model": "smal"}, "did you mean 'small'"),
         ({"emotion": "rule"}, "did you mean 'rules'"),
         ({"smooth": 11}, "smooth and calm: expected 0 to 10 seconds, got 11 and 3"),
         ({"max_fps": 0}, "max_fps: expected more than 0, got 0")]  # fmt: skip


def test_change_takes_effect_in_mid_stream_all_or_none(engine, jpegs):
    watched = engine()
    watched.start("browser")
    watched.submit(jpegs[0], 0)
    watched.until(lambda: len(watched.results) == 1)
    watched.change(filter="sunglasses", smooth=0.8, max_fps=9)
    for wrong, message in WRONG:
        with pytest.raises(InputError, match=message):
            watched.change(**{"calm": 3, **wrong})
    assert watched.settings == LiveSettings(filter="sunglasses", smooth=0.8, max_fps=9)
    watched.submit(jpegs[1], 1)
    watched.until(lambda: len(watched.results) == 2)
    plain, worn = watched.results
    assert plain.shown is None and np.abs(worn.shown - worn.frame.astype(int)).max() > 50


def test_a_fault_ends_the_run_with_a_message_and_an_answer(engine, jpegs, monkeypatch):
    watched = engine()
    watched.start("browser")

    def fail(*rest, **settings):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(Pipeline, "__call__", fail)
    watched.submit(jpegs[0], 0)
    assert watched.wait(10) and watched.message == "Stopped by a fault: out of memory" and watched.dropped == [0]
    assert not watched.running and isinstance(watched.run.error, RuntimeError)


def test_record_keeps_what_was_seen(engine, tmp_path):
    watched = engine(every=True, seconds=1.5, filter="sunglasses", max_fps=10)
    path = watched.record(tmp_path / "film.mp4")
    watched.start("puppet")
    assert watched.wait(60)
    saved = watched.finish()
    assert (saved.path, saved.frames) == (path, 15) and watched.finish() is None
    recorded = [frame for frame, _ in open_source("file", path).frames]
    assert np.abs(recorded[7] - watched.results[7].drawn().astype(int)).mean() < 6
    assert np.abs(recorded[7] - watched.results[7].frame.astype(int)).mean() > 6


def test_record_keeps_the_arrival_times_of_live_frames_and_a_second_one_is_a_new_file(engine, jpegs, tmp_path):
    watched = engine()
    watched.start("browser")
    for name in ("film.mp4", "film-2.mp4"):
        watched.record(tmp_path / "film.mp4")
        watched.results.clear()
        for key in range(5):
            watched.submit(jpegs[key], key)
            watched.until(lambda key=key: watched.recording.frames == key + 1)
            time.sleep(0.02 * key)
        saved = watched.finish()
        assert saved.path.name == name and watched.running
        came = [round(1000 * result.when) - round(1000 * watched.results[0].when) for result in watched.results]
        times = [round(1000 * when) for _, when in open_source("file", saved.path).frames]
        np.testing.assert_allclose(times, came, atol=1)


def test_snapshot_is_what_is_shown_and_overwrites_nothing(engine, tmp_path):
    watched = engine(every=True, seconds=0.1)
    with pytest.raises(InputError, match="no frame"):
        watched.snapshot(tmp_path / "shot.png")
    watched.start("puppet")
    assert watched.wait(60)
    paths = [watched.snapshot(tmp_path / "new" / "shot.png") for _ in range(2)]
    assert [path.name for path in paths] == ["shot.png", "shot-2.png"]
    assert np.array_equal(np.asarray(Image.open(paths[0])), watched.results[-1].drawn())


# -- the parts


def test_pipeline_takes_a_network_of_any_number_of_keypoints(tmp_path):
    frame, _, _ = next(stream(n=1, size=(320, 240)))
    path = nets.export_onnx(nets.build("small", keypoints=106).eval(), tmp_path / "own.onnx")
    (face,), (mood,), _ = Pipeline(LiveSettings(model=path))(frame, 0.0)
    assert face.keypoints.shape == (106, 2) and mood is None
    with pytest.raises(InputError, match=r"filter: expected a network of 68 keypoints, .*own.onnx has 106"):
        Pipeline(LiveSettings(model=path, filter="crown"))


def test_pipeline_finds_a_small_still_face():
    small = cv2.resize(skimage.data.astronaut(), None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)  # of 45 pixels
    frame = np.full((480, 640, 3), 128, np.uint8)
    frame[: small.shape[0], : small.shape[1]] = small
    line = Pipeline()
    assert [len(line(frame, i / 30)[0]) for i in range(20)] == [1] * 20


def test_meter_reads_rates_and_latencies():
    now, faces = [10.0], [Face(np.zeros(4), np.zeros((68, 2)), 1.0, 7)]
    meter = Meter(lambda: now[0])
    assert meter.read() | {"p50": None, "frames": 0, "emotions": {}} == meter.read()
    for i in range(20):
        now[0] = 10 + i / 10
        mood = Mood("neutral" if i < 15 else "positive")
        meter.add(Result(None, None, faces, [mood], None, (i + 1) / 1000, 100 + i / 10))
    meter.drop()
    read = meter.read()
    assert [read[name] for name in ("frames", "dropped")] == [20, 1]
    assert [read[name] for name in ("fps_mean", "seconds", "p50", "p95")] == pytest.approx([20 / 1.9, 1.9, 10.5, 19.05])
    assert read["emotions"] == {"neutral": 15, "positive": 5}
