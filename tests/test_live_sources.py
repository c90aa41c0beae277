"""Sources of the live demo and what goes wrong there; the command that runs it without a notebook."""

import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from unittest.mock import Mock

import cv2
import numpy as np
import pytest

from fkd_helpers import cli
from fkd_helpers.core.errors import InputError
from fkd_helpers.data.puppets import stream
from fkd_helpers.faces.landmarks import EXPRESSIONS
from fkd_helpers.live.engine import LiveEngine
from fkd_helpers.live.moods import CAUTION
from fkd_helpers.live.sources import open_source


@pytest.fixture(scope="session")
def film(tmp_path_factory):
    """A film of 40 puppet frames, 30 a second."""
    path = tmp_path_factory.mktemp("film") / "film.mkv"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 30, (320, 240))
    for frame, _, _ in stream(n=40, size=(320, 240)):
        writer.write(frame[..., ::-1])
    writer.release()
    return path


def process(kind, address, *, every=True, **settings):
    """Run to the end; return results and the engine."""
    engine = LiveEngine(on_result=(results := []).append, every=every, **settings)
    engine.start(kind, address)
    assert engine.wait(60)
    return results, engine


def test_film_gives_every_frame_at_its_own_time(film):
    results, engine = process("file", film)
    assert [round(1000 * result.when) for result in results] == [round(1000 * i / 30) for i in range(40)]
    assert engine.message == "film.mkv came to its end." and engine.run.meter.read()["dropped"] == 0
    assert all(len(result.faces) == 1 for result in results)


def test_film_plays_at_its_own_speed_and_loses_no_frame_silently(film):
    results, engine = process("file", film, every=False)
    statistics = engine.run.meter.read()
    assert statistics["seconds"] > 1.2  # 39 gaps of a thirtieth
    assert len(results) == statistics["frames"] and statistics["frames"] + statistics["dropped"] == 40


@pytest.mark.parametrize("content, message", [(b"", "no film; expected"), (b"Dear diary" * 99, "no film; expected"),
                                              (None, "no such file")])  # fmt: skip
def test_what_is_no_film_is_one_message(content, message, tmp_path):
    if content is not None:
        (tmp_path / "thing.mp4").write_bytes(content)
    with pytest.raises(InputError, match=f"thing.mp4: {message}"):
        open_source("file", tmp_path / "thing.mp4")


def test_camera_that_is_unplugged_ends_with_a_message(monkeypatch):
    camera = Mock(**{"read.side_effect": [(True, np.full((48, 64, 3), (200, 100, 0), np.uint8))] * 3 + [(False, None)]})
    monkeypatch.setattr(cv2, "VideoCapture", opened := Mock(return_value=camera))
    results, engine = process("camera", "1")
    statistics = engine.run.meter.read()
    opened.assert_called_once_with(1)
    assert camera.release.called and statistics["frames"] + statistics["dropped"] == 3
    assert engine.message == "Camera 1 gives no more frames: was it unplugged?"
    assert results[0].frame[0, 0].tolist() == [0, 100, 200]


def test_missing_camera_is_one_message_and_no_warnings(capfd):
    with pytest.raises(InputError, match=r"camera 99 cannot be opened.*'puppet'"):
        open_source("camera", 99)
    assert capfd.readouterr().err == ""


# -- the command


def run(capsys, *arguments):
    code = cli.main(["live", *map(str, arguments)])
    out, err = capsys.readouterr()
    return code, out, err


@pytest.mark.parametrize("emotion, known, caution", [("expressions", EXPRESSIONS, True), ("none", (), False)])
def test_live_command_records_and_sums_up(film, tmp_path, capsys, emotion, known, caution):
    made = tmp_path / "new" / "seen.mp4"
    code, out, err = run(capsys, "--source", film, "--record", made, "--filter", "sunglasses", "--calm", 0.1,
                         "--max-seconds", 0.5, "--emotion", emotion)  # fmt: skip
    assert code == 0 and not err and (CAUTION in out) == caution
    assert "15 frames in" in out and "Ended after 0.5 seconds." in out and str(made) in out
    said = re.search(r"^emotions: (.*)$", out, re.M)[1]
    assert set(re.findall(r"[a-z]+(?= \d)", said)) <= set(known) and (known or said == "none was read")
    assert len(list(open_source("file", made).frames)) == 15


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--source", "no.mp4"], "no such file"),
        (["--source", "puppet", "--record", "film.avi"], r"ending in \.mp4"),
        (["--source", "puppet", "--show"], "no screen"),
        (["--source", "puppet", "--max-seconds", "-1"], "seconds: expected more than 0"),
        (["--source", "puppet", "--max-seconds", "0.1", "--record", "file/film.mp4"], "file: File exists"),
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
    film = tmp_path / "film.mp4"
    child = subprocess.Popen(
        [sys.executable, "-m", "fkd_helpers", "live", "--record", film],
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
    assert len(list(open_source("file", film).frames)) > 0


def test_window_shows_the_latest_frame_and_q_ends_it(monkeypatch, capsys):
    shown = []
    monkeypatch.setenv("DISPLAY", ":0")
    for name, stand_in in {
        "namedWindow": lambda *rest: None, "getWindowProperty": lambda *rest: 1.0,
        "imshow": lambda name, frame: shown.append(frame), "waitKey": lambda ms: ord("q") if len(shown) > 2 else -1,
    }.items():  # fmt: skip
        monkeypatch.setattr(cv2, name, stand_in)
    code, out, _ = run(capsys, "--source", "puppet", "--show")
    assert code == 0 and len(shown) == 3 and shown[0].shape == (480, 640, 3) and "frames in" in out
