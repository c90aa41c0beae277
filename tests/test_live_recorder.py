"""Recordings of the live demo: times, sizes, names, full disks, killed processes."""

import contextlib
import json
import signal
import subprocess
import sys

import av
import numpy as np
import pytest

from fkd_helpers.core.errors import InputError
from fkd_helpers.live.recorder import Recorder
from fkd_helpers.live.settings import LiveSettings

RNG = np.random.default_rng(0)
FRAME = np.repeat(np.repeat(RNG.integers(0, 256, (12, 16, 3), np.uint8), 10, 0), 10, 1)  # 160 x 120
TIMES = np.cumsum([0, 0.033, 0.05, 0.017, 0.4, 0.0334])  # seconds


def write(path, times, *frames):
    recorder = Recorder(path)
    for i, when in enumerate(times):
        recorder.add(frames[i] if i < len(frames) else FRAME, when)
    return recorder.finish(LiveSettings(calm=0.4))


def played(path):
    """Return the frames of a film up to where it may be torn, and their times in milliseconds."""
    frames = []
    with av.open(str(path)) as film, contextlib.suppress(av.error.InvalidDataError):
        frames.extend(film.decode(video=0))
    return [frame.to_ndarray(format="rgb24") for frame in frames], [round(1000 * frame.time) for frame in frames]


def test_recorder_keeps_the_times_of_the_frames_and_writes_a_summary(tmp_path):
    saved = write(tmp_path / "film.mp4", 1e6 + TIMES)
    frames, times = played(saved.path)
    assert times == [0, 33, 83, 100, 500, 533] and np.abs(frames[0] - FRAME.astype(int)).mean() < 12
    assert saved.frames == 6 and saved.seconds == pytest.approx(0.533 + 0.033)  # the last one lasts as the one before
    with av.open(str(saved.path)) as film:
        track = film.streams.video[0]
        assert (track.codec_context.name, track.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert float(track.duration * track.time_base) == pytest.approx(saved.seconds)
    summary = json.loads((tmp_path / "film.json").read_text())
    assert (summary["recording"], summary["frames"], summary["ended"]) == ("film.mp4", 6, "completed")
    assert summary["settings"]["calm"] == 0.4


@pytest.mark.parametrize("shape", [(119, 161, 3), (1, 1, 3), (2, 3, 3)])
def test_recorder_makes_odd_sizes_even(tmp_path, shape):
    frames, _ = played(write(tmp_path / "film.mp4", TIMES, *[RNG.integers(0, 256, shape, np.uint8)] * 6).path)
    assert len(frames) == 6 and frames[0].shape == (max(2, shape[0] // 2 * 2), max(2, shape[1] // 2 * 2), 3)


def test_recorder_fits_a_frame_of_another_size_into_the_first(tmp_path):
    tall = np.full((240, 160, 3), 200, np.uint8)
    (first, second), _ = played(
        write(tmp_path / "film.mp4", [0, 0.1], np.full((120, 160, 3), 200, np.uint8), tall).path
    )
    assert first.shape == second.shape and second[60, 80].min() > 180 and second[60, 5].max() < 40


def test_recorder_overwrites_nothing_and_leaves_no_empty_file(tmp_path):
    assert [write(tmp_path / "film.mp4", TIMES).path.name for _ in range(2)] == ["film.mp4", "film-2.mp4"]
    saved = write(tmp_path / "none.mp4", [])
    assert not saved.frames and "no frame" in saved.message and not list(tmp_path.glob("none*"))


@pytest.mark.parametrize("name", ["film.avi", "file/film.mp4", "."])
def test_recorder_refuses_a_place_where_it_cannot_write(tmp_path, name):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot be written|ending in \.mp4"):
        Recorder(tmp_path / name)


LONG = """
import sys, time
import numpy as np
from fkd_helpers.live.recorder import Recorder
{before}
recorder = Recorder(sys.argv[1])
noise = np.random.default_rng(0).integers(0, 256, (60, 120, 160, 3), np.uint8)
for i in range({frames}):
    if not recorder.message:
        recorder.add(noise[i % 60], i / 30)
    if not i % 30:
        print(i, flush=True)
print(recorder.finish().message)
"""


def test_a_killed_process_leaves_a_film_up_to_the_last_second(tmp_path):
    code = LONG.format(before="", frames=9000)
    child = subprocess.Popen([sys.executable, "-c", code, tmp_path / "film.mp4"], stdout=subprocess.PIPE, text=True)
    for line in child.stdout:
        if line.strip() == "180":
            break
    child.send_signal(signal.SIGKILL)
    child.wait()
    _, times = played(tmp_path / "film.mp4")
    assert times[-1] > 1000 * 180 / 30 - 1000 and times == [round(1000 * i / 30) for i in range(len(times))]


def test_a_full_disk_ends_the_recording_and_keeps_what_was_written(tmp_path):
    before = "import resource, signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    before += "resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, 1_500_000))"
    command = [sys.executable, "-c", LONG.format(before=before, frames=400), tmp_path / "film.mp4"]
    answer = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=120, check=True)
    told = answer.stdout.splitlines()[-1]
    assert told.startswith("The recording ended: ") and "kept" in told
    frames, times = played(tmp_path / "film.mp4")
    assert len(frames) > 20 and times == [round(1000 * i / 30) for i in range(len(times))]
    assert json.loads((tmp_path / "film.json").read_text())["ended"] == told
