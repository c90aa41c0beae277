"""Where live frames come from, and what goes wrong there; the command that runs it without a notebook. Notebook 05."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import wave
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from fkd_helpers import cli
from fkd_helpers.core.errors import InputError
from fkd_helpers.data.puppets import stream
from fkd_helpers.faces.images import write_photo
from fkd_helpers.live import sources
from fkd_helpers.live.engine import LiveEngine
from fkd_helpers.live.recorder import Recorder
from fkd_helpers.live.sources import open_source


@pytest.fixture(scope="session")
def film(tmp_path_factory):
    """A film of 40 puppet frames, 30 a second."""
    recorder = Recorder(tmp_path_factory.mktemp("film") / "film.mp4", patient=True)
    for i, (frame, _, _) in enumerate(stream(n=40, size=(320, 240))):
        recorder.add(frame, i / 30)
    return recorder.finish().path


def look(kind, address, *, every=True, **settings):
    """Run to the end; return results, end words, notes, and the engine."""
    results, ends, notes = [], [], []
    engine = LiveEngine(on_result=results.append, on_end=ends.append, on_note=notes.append, every=every, **settings)
    engine.start(kind, address)
    assert engine.wait(60)
    return results, ends, notes, engine


def test_every_frame_of_a_film_at_its_own_time(film):
    results, ends, notes, engine = look("file", film)
    assert [round(1000 * result.when) for result in results] == [round(1000 * i / 30) for i in range(40)]
    assert ends == ["film.mp4 came to its end."] and not notes and engine.statistics()["dropped"] == 0
    assert all(len(result.faces) == 1 for result in results)


def test_a_film_plays_at_its_own_speed_and_loses_no_frame_silently(film):
    results, _, _, engine = look("file", film, every=False)
    statistics = engine.statistics()
    assert statistics["seconds"] > 1.2  # 39 gaps of a thirtieth
    assert len(results) == statistics["frames"] and statistics["frames"] + statistics["dropped"] == 40


def test_a_film_with_damage_in_it_is_read_around_it(film, tmp_path):
    content = bytearray(film.read_bytes())
    moov = content.rindex(b"moov")
    damaged = np.random.default_rng(0).integers(0, 256, moov // 3, np.uint8).tobytes()
    content[moov // 2 : moov // 2 + len(damaged)] = damaged
    path = tmp_path / "damaged.mp4"
    path.write_bytes(content)
    results, ends, notes, engine = look("file", path)
    assert 10 <= len(results) <= 40 and ends == ["damaged.mp4 came to its end."] and engine.fault is None
    assert len(notes) == 1 and "damaged parts were left out" in notes[0]


def test_a_film_whose_tail_is_missing_plays_up_to_there(tmp_path):
    whole = tmp_path / "whole.mkv"
    encode(whole, "mpeg4", [np.full((48, 64, 3), 5 * i, np.uint8) for i in range(40)])
    path = tmp_path / "cut.mkv"
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])
    results, ends, _, engine = look("file", path)
    assert 15 < len(results) < 40 and ends == ["cut.mkv came to its end."] and engine.fault is None


def encode(path, codec, frames, **options):
    with av.open(str(path), "w", **options) as film:
        track = film.add_stream(codec, rate=30)
        track.height, track.width = frames[0].shape[:2]
        track.pix_fmt = "yuv420p"
        for frame in frames:
            film.mux(track.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        film.mux(track.encode(None))


def test_a_film_that_changes_its_size_goes_on_and_so_does_its_recording(tmp_path):
    parts = []
    for number, size in enumerate([(320, 240), (160, 120)]):
        part = tmp_path / f"{number}.h264"
        encode(part, "libx264", [frame for frame, _, _ in stream(n=8, size=size)], format="h264")
        parts.append(part.read_bytes())
    path = tmp_path / "both.h264"
    path.write_bytes(b"".join(parts))
    engine = LiveEngine(every=True, on_result=(results := []).append)
    engine.record(tmp_path / "film.mp4")
    engine.start("file", path)
    assert engine.wait(60) and engine.fault is None
    sizes = [result.frame.shape[:2] for result in results]
    assert len(sizes) >= 14 and sizes[0] == (240, 320) and sizes[-1] == (120, 160)
    assert all(result.faces for result in results)
    shapes = {frame.shape for frame, _ in open_source("file", engine.finish().path).frames}
    assert shapes == {(240, 320, 3)}


def test_a_film_of_large_frames_is_made_smaller_and_that_is_said_once(tmp_path):
    path = tmp_path / "large.mkv"
    encode(path, "mpeg4", [np.full((1440, 2560, 3), 90, np.uint8)] * 3)
    results, _, notes, _ = look("file", path)
    assert [result.frame.shape for result in results] == [(1080, 1920, 3)] * 3
    assert notes == ["Frames of 2560x1440 pixels are made 1920x1080."]


def test_a_film_taken_upright_is_shown_upright(film, tmp_path):
    content = bytearray(film.read_bytes())
    at = content.rindex(b"tkhd") + 4 + 4 + 20 + 16  # the matrix of the track's head
    content[at : at + 36] = b"".join(
        value.to_bytes(4, "big", signed=True) for value in (0, 1 << 16, 0, -(1 << 16), 0, 0, 240 << 16, 0, 1 << 30)
    )
    path = tmp_path / "phone.mp4"
    path.write_bytes(content)
    lying, upright = (next(open_source("file", place).frames)[0] for place in (film, path))
    assert np.array_equal(upright, np.rot90(lying, -1)), "a quarter to the right"


@pytest.mark.parametrize("kind", ["empty", "text", "sound", "folder", "missing", "nothing", "frameless"])
def test_what_is_no_film_is_said_in_one_sentence(kind, film, tmp_path, capsys):
    path = tmp_path / "thing.mp4"
    if kind == "empty":
        path.write_bytes(b"")
    elif kind == "text":
        path.write_text("Dear diary\n" * 100)
    elif kind == "sound":
        path = tmp_path / "sound.wav"
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, 8000, 0, "NONE", ""))
            file.writeframes(bytes(16000))
    elif kind == "folder":
        path.mkdir()
    elif kind == "frameless":
        content = bytearray(film.read_bytes())
        content[48 : content.rindex(b"moov") - 4] = bytes(content.rindex(b"moov") - 52)
        path.write_bytes(content)
    with pytest.raises(InputError, match="expected a film such as"):
        open_source("file", "" if kind == "nothing" else path)


def test_a_wrong_kind_suggests_the_near_one():
    with pytest.raises(InputError, match="did you mean 'puppet'"):
        open_source("pupet")


# -- folders


def test_pictures_of_a_folder_are_each_looked_at_alone(tmp_path):
    known = next(stream(n=1, size=(320, 240)))[0]
    for name, frame in (("b.png", known), ("a.jpg", np.zeros((60, 80, 3), np.uint8)), ("c.png", known)):
        write_photo(tmp_path / name, frame)
    (tmp_path / "d.png").write_bytes(b"no picture")
    (tmp_path / "notes.txt").write_text("no picture either")
    results, ends, notes, _ = look("images", tmp_path)
    assert [len(result.faces) for result in results] == [0, 1, 1]
    assert [result.when for result in results] == [0.0, 1.0, 2.0]
    assert len(notes) == 1 and "d.png: not an image" in notes[0] and "All 4 pictures" in ends[0]


def test_a_folder_that_cannot_be_read_or_holds_nothing(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    for place, words in ((tmp_path, "no picture in this folder"), (tmp_path / "gone", "No such file"),
                         (tmp_path / "file", "Not a directory"), ("", "got none")):  # fmt: skip
        with pytest.raises(InputError, match=words):
            open_source("images", place)

    def denied(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", denied)
    with pytest.raises(InputError, match="cannot be read"):
        open_source("images", tmp_path)


# -- cameras


class Camera:
    """Stand in for cv2.VideoCapture: frames, or None for a read that fails."""

    def __init__(self, frames, opened=True):
        self.frames, self.opened, self.released, self.asked = iter(frames), opened, False, None

    def __call__(self, place):
        self.asked = place
        return self

    def isOpened(self):
        return self.opened

    def read(self):
        frame = next(self.frames, None)
        return frame is not None, frame

    def release(self):
        self.released = True


BGR = np.full((48, 64, 3), (200, 100, 0), np.uint8)


def test_a_camera_that_is_unplugged_ends_with_a_plain_sentence(monkeypatch):
    camera = Camera([BGR, None, None, BGR, BGR])
    monkeypatch.setattr(cv2, "VideoCapture", camera)
    results, ends, _, engine = look("camera", "1")
    statistics = engine.statistics()
    assert camera.asked == 1 and camera.released and statistics["frames"] + statistics["dropped"] == 3
    assert ends == ["Camera 1 gives no more frames: was it unplugged?"]
    assert results[0].frame[0, 0].tolist() == [0, 100, 200]


def test_stop_turns_the_camera_off(monkeypatch):
    camera = Camera(iter(lambda: BGR, None))
    monkeypatch.setattr(cv2, "VideoCapture", camera)
    engine = LiveEngine()
    engine.start("camera", "rtsp://door/1")
    assert camera.asked == "rtsp://door/1"
    engine.stop()
    assert camera.released


def test_no_camera_is_one_sentence_and_no_warnings(monkeypatch, capfd):
    with pytest.raises(InputError, match=r"camera 99 cannot be opened.*'puppet'"):
        open_source("camera", 99)
    assert capfd.readouterr().err == ""
    camera = Camera([], opened=False)
    monkeypatch.setattr(cv2, "VideoCapture", camera)
    with pytest.raises(InputError, match="camera 0"):
        open_source("camera")
    assert camera.released


# -- the command


def run(capsys, *arguments):
    code = cli.main(["live", *map(str, arguments)])
    out, err = capsys.readouterr()
    return code, out, err


def test_the_command_looks_records_and_logs(film, tmp_path, capsys):
    made = tmp_path / "new" / "seen.mp4"
    code, out, err = run(capsys, "--source", film, "--record", made, "--log", tmp_path / "new" / "log.json",
                         "--filter", "sunglasses", "--smooth", 0.2, "--emotion-hold", 3,
                         "--max-seconds", 1)  # fmt: skip
    assert code == 0 and not err
    assert "30 frames in" in out and "Ended after 1 seconds." in out and str(made) in out
    log = json.loads((tmp_path / "new" / "log.json").read_text())
    assert (log["frames"], log["dropped"], log["source"]) == (30, 0, "file")
    assert (
        log["settings"]["smooth"] == 0.2 and log["settings"]["hold"] == 3 and log["settings"]["filter"] == "sunglasses"
    )
    assert len(list(open_source("file", made).frames)) == 30 and made.with_suffix(".json").exists()


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--source", "no.mp4"], "no such file"),
        (["--source", "browser"], "needs the notebook"),
        (["--source", "puppet", "--filter", "sunglases"], "did you mean 'sunglasses'"),
        (["--source", "puppet", "--record", "film.avi"], r"ending in \.mp4"),
        (["--source", "puppet", "--smooth", "1"], "expected m from 0"),
        (["--source", "puppet", "--max-seconds", "0"], "seconds: expected more than 0"),
        (["--source", "puppet", "--detector", "har"], "did you mean 'haar'"),
        (["--source", "puppet", "--show"], "no screen"),
        (["--source", "puppet", "--max-seconds", "0.1", "--log", "file/log.json"], "cannot be written"),
    ],
)
def test_the_command_refuses_in_one_line(arguments, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    (tmp_path / "file").write_text("")
    code, _, err = run(capsys, *arguments)
    assert code == 2 and len(err.splitlines()) == 1
    assert re.search(words, err), err
    assert [path.name for path in tmp_path.iterdir()] == ["file"], "nothing is left"


def test_ctrl_c_finishes_the_recording(tmp_path):
    command = [
        sys.executable,
        "-m",
        "fkd_helpers",
        "live",
        "--record",
        tmp_path / "film.mp4",
        "--log",
        tmp_path / "log.json",
    ]
    child = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1]
    )
    film = tmp_path / "film.mp4"
    for _ in range(6000):
        if film.exists() and film.stat().st_size > 20_000:
            break
        time.sleep(0.01)
    child.send_signal(signal.SIGINT)
    try:
        out, err = child.communicate(timeout=60)
    finally:
        child.kill()  # one that goes on would run for ever
    assert child.returncode == 130 and "interrupted" in err and str(film) in out
    frames = len(list(open_source("file", film).frames))
    assert frames == json.loads((tmp_path / "film.json").read_text())["frames"] > 0
    assert json.loads((tmp_path / "log.json").read_text())["frames"] >= frames


def test_a_window_shows_the_latest_and_q_ends_it(monkeypatch, capsys):
    shown = []
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(cv2, "namedWindow", lambda *rest: None)
    monkeypatch.setattr(cv2, "destroyAllWindows", lambda: None)
    monkeypatch.setattr(cv2, "getWindowProperty", lambda *rest: 1.0)
    monkeypatch.setattr(cv2, "imshow", lambda name, frame: shown.append(frame))
    monkeypatch.setattr(cv2, "waitKey", lambda ms: ord("q") if len(shown) > 2 else -1)
    code, out, _ = run(capsys, "--source", "puppet", "--show")
    assert code == 0 and len(shown) == 3 and shown[0].shape == (480, 640, 3) and "frames in" in out


def test_every_source_of_the_widget_can_be_opened():
    controls = pytest.importorskip("fkd_helpers.live.controls")
    assert set(controls.SOURCES) == set(sources.SOURCES)


def test_the_engine_needs_no_notebook():
    names = "{'IPython', 'ipywidgets', 'matplotlib'}"
    code = f"import sys, fkd_helpers.live.engine; sys.exit(bool({names} & set(sys.modules)))"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    assert subprocess.run([sys.executable, "-c", code], env=environment).returncode == 0
