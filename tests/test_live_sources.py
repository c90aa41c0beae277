"""Sources of the live demo and what goes wrong there; the command that runs it without a notebook."""

import functools
import http.server
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import wave
from fractions import Fraction
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

MATRICES = {  # a, b, c, d of a display matrix, and what it does
    "as it is": ((1, 0, 0, 1), lambda image: image),
    "a quarter to the right": ((0, 1, -1, 0), lambda image: np.rot90(image, -1)),
    "upside down": ((-1, 0, 0, -1), lambda image: np.rot90(image, 2)),
    "mirrored": ((-1, 0, 0, 1), lambda image: image[:, ::-1]),
    "mirrored and turned": ((0, 1, 1, 0), lambda image: image.swapaxes(0, 1)),
}

RNG = np.random.default_rng(0)


@pytest.fixture(scope="session")
def film(tmp_path_factory):
    """A film of 40 puppet frames, 30 a second."""
    recorder = Recorder(tmp_path_factory.mktemp("film") / "film.mp4", patient=True)
    for i, (frame, _, _) in enumerate(stream(n=40, size=(320, 240))):
        recorder.add(frame, i / 30)
    return recorder.finish().path


@pytest.fixture
def server(film):
    """The address of a web server that has the film as film.mkv."""
    with av.open(str(film)) as given, av.open(str(film.with_suffix(".mkv")), "w") as made:
        track = made.add_stream_from_template(given.streams.video[0])
        for packet in given.demux(video=0):
            if packet.dts is not None:
                packet.stream = track
                made.mux(packet)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=film.parent)) as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{serving.server_address[1]}"
        serving.shutdown()


def encode(path, codec, frames, *, jump=0.0, ratio=1, sound=False, **options):
    """Write a film of 30 frames a second whose time stamps jump (seconds) in its middle."""
    with av.open(str(path), "w", **options) as made:
        track = made.add_stream(codec, rate=30)
        track.height, track.width = frames[0].shape[:2]
        track.pix_fmt, track.codec_context.sample_aspect_ratio = "yuv420p", Fraction(ratio)
        if sound:
            made.add_stream("aac", rate=8000)
        for i, frame in enumerate([*frames, None]):
            picture = frame if frame is None else av.VideoFrame.from_ndarray(frame, format="rgb24")
            for packet in track.encode(picture):
                late = round(jump / packet.time_base) if i > len(frames) // 2 else 0
                packet.pts, packet.dts = packet.pts + late, packet.dts + late
                made.mux(packet)


def process(kind, address, *, every=True, **settings):
    """Run to the end; return results, end messages, notes, and the engine."""
    results, ends, notes = [], [], []
    engine = LiveEngine(on_result=results.append, on_end=ends.append, on_note=notes.append, every=every, **settings)
    engine.start(kind, address)
    assert engine.wait(60)
    return results, ends, notes, engine


@pytest.mark.parametrize(
    "kind, address", [("file", "{path}.mp4"), ("camera", "file://{path}.mp4"), ("camera", "{server}/film.mkv")]
)
def test_film_gives_every_frame_at_its_own_time_wherever_it_lies(film, server, kind, address):
    results, ends, notes, engine = process(kind, address.format(path=film.with_suffix(""), server=server))
    assert [round(1000 * result.when) for result in results] == [round(1000 * i / 30) for i in range(40)]
    assert ends == [f"film{address[-4:]} came to its end."] and not notes and engine.statistics()["dropped"] == 0
    assert all(len(result.faces) == 1 for result in results)


def test_film_plays_at_its_own_speed_and_loses_no_frame_silently(film):
    results, _, _, engine = process("file", film, every=False)
    statistics = engine.statistics()
    assert statistics["seconds"] > 1.2  # 39 gaps of a thirtieth
    assert len(results) == statistics["frames"] and statistics["frames"] + statistics["dropped"] == 40


def test_address_that_never_answers_is_given_up_after_a_moment(monkeypatch):
    monkeypatch.setattr(sources, "TIMEOUT", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/film.mp4"
        with pytest.raises(InputError, match=f"{url}: no answer within 0.3 seconds"):
            open_source("camera", url)


def test_address_without_an_end_is_a_camera(film):
    def broadcast(connection):
        connection.recv(4096)
        boundary = b"--frame\r\nContent-Type: image/jpeg\r\n\r\n"
        jpeg = cv2.imencode(".jpg", np.full((48, 64, 3), 90, np.uint8))[1].tobytes()
        connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n")
        for _ in range(400):
            connection.sendall(boundary + jpeg + b"\r\n")
        connection.close()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=lambda: broadcast(listening.accept()[0]), daemon=True).start()
        source = open_source("camera", f"http://127.0.0.1:{listening.getsockname()[1]}/video")
        frame, when = next(source.frames)
        assert source.live and when is None and frame.shape == (48, 64, 3)
        source.frames.close()


def test_film_with_damage_is_read_around_it(film, tmp_path):
    content = bytearray(film.read_bytes())
    middle, damage = len(content) // 2, RNG.integers(0, 256, len(content) // 3, np.uint8).tobytes()
    content[middle : middle + len(damage)] = damage
    path = tmp_path / "damaged.mp4"
    path.write_bytes(content)
    results, ends, notes, engine = process("file", path)
    assert 10 <= len(results) <= 40 and ends == ["damaged.mp4 came to its end."] and engine.error is None
    assert len(notes) == 1 and "damaged parts were left out" in notes[0]


def test_film_without_its_tail_plays_up_to_there(tmp_path):
    whole, path = tmp_path / "whole.mkv", tmp_path / "cut.mkv"
    encode(whole, "mpeg4", [np.full((48, 64, 3), 5 * i, np.uint8) for i in range(40)])
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])
    results, ends, _, engine = process("file", path)
    assert 15 < len(results) < 40 and ends == ["cut.mkv came to its end."] and engine.error is None


def test_film_that_changes_its_size_goes_on_and_so_does_its_recording(tmp_path):
    path = tmp_path / "both.h264"
    for size in ((320, 240), (160, 120)):
        encode(tmp_path / "part.h264", "libx264", [frame for frame, _, _ in stream(n=8, size=size)], format="h264")
        with path.open("ab") as both:
            both.write((tmp_path / "part.h264").read_bytes())
    engine = LiveEngine(every=True, on_result=(results := []).append)
    engine.record(tmp_path / "film.mp4")
    engine.start("file", path)
    assert engine.wait(60) and engine.error is None
    sizes = [result.frame.shape[:2] for result in results]
    assert len(sizes) >= 14 and sizes[0] == (240, 320) and sizes[-1] == (120, 160)
    assert all(result.faces for result in results)
    assert {frame.shape for frame, _ in open_source("file", engine.finish().path).frames} == {(240, 320, 3)}


@pytest.mark.parametrize("kind", MATRICES)
def test_film_is_turned_and_mirrored_as_its_display_matrix_says(film, tmp_path, kind):
    (a, b, c, d), turn = MATRICES[kind]
    content = bytearray(film.read_bytes())
    at = content.rindex(b"tkhd") + 4 + 4 + 20 + 16  # the matrix in the header of the track
    values = (a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
    content[at : at + 36] = b"".join(value.to_bytes(4, "big", signed=True) for value in values)
    (tmp_path / "phone.mp4").write_bytes(content)
    plain, turned = (next(open_source("file", path).frames)[0] for path in (film, tmp_path / "phone.mp4"))
    assert np.array_equal(turned, turn(plain))


@pytest.mark.parametrize("ratio, width", [(2, 640), (0.5, 160), (1, 320)])
def test_film_of_pixels_that_are_not_square_is_stretched(tmp_path, ratio, width):
    encode(tmp_path / "film.mkv", "mpeg4", [np.full((240, 320, 3), 90, np.uint8)] * 3, ratio=ratio)
    assert next(open_source("file", tmp_path / "film.mkv").frames)[0].shape == (240, width, 3)


def test_film_with_a_jump_in_its_time_stamps_is_as_long_as_its_frames(tmp_path):
    grays = [np.full((48, 64, 3), 10 * i, np.uint8) for i in range(20)]
    encode(tmp_path / "late.ts", "mpeg4", grays, jump=3600)
    encode(tmp_path / "part.ts", "mpeg4", grays[:10])
    (tmp_path / "twice.ts").write_bytes(2 * (tmp_path / "part.ts").read_bytes())  # begins again at 0
    for name in ("late.ts", "twice.ts"):
        source = open_source("file", tmp_path / name)
        times = [when for _, when in source.frames]
        np.testing.assert_allclose(np.diff(times), 1 / 30, atol=1e-3)
        assert len(times) == 20 and len(source.notes) == 1 and "a jump of" in source.notes[0]


def test_recording_of_a_film_with_sound_says_that_it_has_none(tmp_path):
    encode(tmp_path / "talk.mkv", "mpeg4", [np.full((48, 64, 3), 90, np.uint8)] * 3, sound=True)
    engine = LiveEngine(every=True, on_note=(notes := []).append)
    for path, expected in ((None, []), (tmp_path / "film.mp4", ["A recording has no sound; the film's is left out."])):
        if path:
            engine.record(path)
        engine.start("file", tmp_path / "talk.mkv")
        assert engine.wait(60) and notes == expected


@pytest.mark.parametrize("kind", ["empty", "text", "sound", "folder", "missing", "nothing", "frameless"])
def test_what_is_no_film_is_one_message(kind, film, tmp_path):
    path = tmp_path / "thing.mp4"
    content = film.read_bytes()
    moov = content.rindex(b"moov") - 4
    files = {"empty": b"", "text": b"Dear diary" * 99, "frameless": content[:48] + bytes(moov - 48) + content[moov:]}
    if kind == "sound":
        path = tmp_path / "sound.wav"
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, 8000, 0, "NONE", ""))
            file.writeframes(bytes(16000))
    elif kind == "folder":
        path.mkdir()
    elif kind in files:
        path.write_bytes(files[kind])
    with pytest.raises(InputError, match="expected a film such as"):
        open_source("file", "" if kind == "nothing" else path)


# -- folders


def test_images_are_each_processed_alone(tmp_path):
    known = next(stream(n=1, size=(320, 240)))[0]
    for name, frame in (("b.png", known), ("a.jpg", np.zeros((60, 80, 3), np.uint8)), ("c.png", known)):
        write_photo(tmp_path / name, frame)
    (tmp_path / "d.png").write_bytes(b"no picture")
    (tmp_path / "notes.txt").write_text("no picture either")
    results, ends, notes, _ = process("images", tmp_path)
    assert [(len(result.faces), result.when) for result in results] == [(0, 0.0), (1, 1.0), (1, 2.0)]
    assert notes[0] == "left out 1 files that are no photos: 1 .txt" and "d.png: not an image" in notes[1]
    assert ends == [f"All 4 pictures of {tmp_path} were shown."]


def test_images_refuse_a_folder_without_a_picture(tmp_path):
    for place, message in ((tmp_path, "no photo in this folder"), (tmp_path / "gone", "No such file"), ("", "no path")):
        with pytest.raises(InputError, match=message):
            open_source("images", place)


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


def test_camera_that_is_unplugged_ends_with_a_message(monkeypatch):
    camera = Camera([BGR, None, None, BGR, BGR])
    monkeypatch.setattr(cv2, "VideoCapture", camera)
    results, ends, _, engine = process("camera", "1")
    statistics = engine.statistics()
    assert camera.asked == 1 and camera.released and statistics["frames"] + statistics["dropped"] == 3
    assert ends == ["Camera 1 gives no more frames: was it unplugged?"]
    assert results[0].frame[0, 0].tolist() == [0, 100, 200]


def test_stop_turns_the_camera_off(monkeypatch):
    camera = Camera(iter(lambda: BGR, None))
    monkeypatch.setattr(cv2, "VideoCapture", camera)
    engine = LiveEngine()
    engine.start("camera", "/dev/video1")
    engine.stop()
    assert camera.asked == "/dev/video1" and camera.released


def test_missing_camera_is_one_message_and_no_warnings(capfd):
    with pytest.raises(InputError, match=r"camera 99 cannot be opened.*'puppet'"):
        open_source("camera", 99)
    assert capfd.readouterr().err == ""


# -- the command


def run(capsys, *arguments):
    code = cli.main(["live", *map(str, arguments)])
    out, err = capsys.readouterr()
    return code, out, err


def test_live_command_records_and_logs(film, tmp_path, capsys):
    made = tmp_path / "new" / "seen.mp4"
    code, out, err = run(capsys, "--source", film, "--record", made, "--log", tmp_path / "new" / "log.json",
                         "--filter", "sunglasses", "--smooth", 0.2, "--emotion-hold", 0.1,
                         "--max-seconds", 1)  # fmt: skip
    assert code == 0 and not err
    assert "30 frames in" in out and "Ended after 1 seconds." in out and str(made) in out
    log = json.loads((tmp_path / "new" / "log.json").read_text())
    assert (log["frames"], log["dropped"], log["source"]) == (30, 0, "file")
    assert log["settings"] | {"smooth": 0.2, "hold": 0.1, "filter": "sunglasses"} == log["settings"]
    assert len(list(open_source("file", made).frames)) == 30 and made.with_suffix(".json").exists()


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--source", "no.mp4"], "no such file"),
        (["--source", "browser"], "needs the notebook"),
        (["--source", "http://127.0.0.1:1/film.mp4"], "http://127.0.0.1:1/film.mp4: Connection refused"),
        (["--source", "puppet", "--filter", "sunglases"], "did you mean 'sunglasses'"),
        (["--source", "puppet", "--record", "film.avi"], r"ending in \.mp4"),
        (["--source", "puppet", "--emotion-hold", "15"], "hold: expected 0 to 10, got 15"),
        (["--source", "puppet", "--max-seconds", "0"], "seconds: expected more than 0"),
        (["--source", "puppet", "--show"], "no screen"),
        (["--source", "puppet", "--max-seconds", "0.1", "--log", "file/log.json"], "log.json cannot be written"),
    ],
)
def test_live_command_refuses_in_one_line(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    (tmp_path / "file").write_text("")
    code, _, err = run(capsys, *arguments)
    assert code == 2 and len(err.splitlines()) == 1
    assert re.search(message, err), err
    assert [path.name for path in tmp_path.iterdir()] == ["file"], "nothing is left"


def test_ctrl_c_finishes_the_recording(tmp_path):
    film, log = tmp_path / "film.mp4", tmp_path / "log.json"
    child = subprocess.Popen(
        [sys.executable, "-m", "fkd_helpers", "live", "--record", film, "--log", log],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1],
    )  # fmt: skip
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
    assert json.loads(log.read_text())["frames"] >= frames


def test_window_shows_the_latest_frame_and_q_ends_it(monkeypatch, capsys):
    shown = []
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(cv2, "namedWindow", lambda *rest: None)
    monkeypatch.setattr(cv2, "destroyAllWindows", lambda: None)
    monkeypatch.setattr(cv2, "getWindowProperty", lambda *rest: 1.0)
    monkeypatch.setattr(cv2, "imshow", lambda name, frame: shown.append(frame))
    monkeypatch.setattr(cv2, "waitKey", lambda ms: ord("q") if len(shown) > 2 else -1)
    code, out, _ = run(capsys, "--source", "puppet", "--show")
    assert code == 0 and len(shown) == 3 and shown[0].shape == (480, 640, 3) and "frames in" in out


def test_engine_needs_no_notebook():
    heavy = "{'IPython', 'ipywidgets', 'matplotlib', 'torch'}"
    code = f"import sys, fkd_helpers.live.command; print({heavy} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"
