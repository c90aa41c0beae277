"""Recordings of the live demo: times, sizes, names, killed processes."""

import contextlib
import multiprocessing

import av
import numpy as np
import pytest

from fkd_helpers.core.errors import InputError
from fkd_helpers.live.recorder import Recorder

RNG = np.random.default_rng(0)
FRAME = np.repeat(np.repeat(RNG.integers(0, 256, (12, 16, 3), np.uint8), 10, 0), 10, 1)  # 160 x 120
TIMES = np.cumsum([0, 0.033, 0.05, 0.017, 0.4, 0.0334])  # seconds


def write(path, times, *frames):
    recorder = Recorder(path)
    for i, when in enumerate(times):
        recorder.add(frames[i] if i < len(frames) else FRAME, when)
    return recorder.finish()


def played(path):
    """Return the frames of a film up to where it may be torn, and their times in milliseconds."""
    frames = []
    with av.open(str(path)) as film, contextlib.suppress(av.error.InvalidDataError):
        frames.extend(film.decode(video=0))
    return [frame.to_ndarray(format="rgb24") for frame in frames], [round(1000 * frame.time) for frame in frames]


def test_recorder_keeps_the_times_of_the_frames(tmp_path):
    saved = write(tmp_path / "film.mp4", 1e6 + TIMES)
    frames, times = played(saved.path)
    assert times == [0, 33, 83, 100, 500, 533] and np.abs(frames[0] - FRAME.astype(int)).mean() < 12
    assert saved.frames == 6 and saved.seconds == pytest.approx(0.533)
    with av.open(str(saved.path)) as film:
        context = film.streams.video[0].codec_context
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p"), "what browsers play"


@pytest.mark.parametrize("shape", [(119, 161, 3), (1, 1, 3)])
def test_recorder_makes_odd_sizes_even(tmp_path, shape):
    frames, _ = played(write(tmp_path / "film.mp4", TIMES, *[RNG.integers(0, 256, shape, np.uint8)] * 6).path)
    assert len(frames) == 6 and frames[0].shape == (max(2, shape[0] // 2 * 2), max(2, shape[1] // 2 * 2), 3)


def test_recorder_fits_a_frame_of_another_size_to_the_first(tmp_path):
    wide, tall = (np.full((height, 160, 3), 200, np.uint8) for height in (120, 240))
    (first, second), _ = played(write(tmp_path / "film.mp4", [0, 0.1], wide, tall).path)
    assert first.shape == second.shape and second.min() > 180


def test_recorder_leaves_no_empty_file_and_takes_no_other_format(tmp_path):
    assert not write(tmp_path / "none.mp4", []).frames and not list(tmp_path.glob("none*"))
    with pytest.raises(InputError, match=r"expected a name ending in \.mp4"):
        Recorder(tmp_path / "film.avi")


def record_noise(path, reached):
    recorder, noise = Recorder(path), RNG.integers(0, 256, (60, 120, 160, 3), np.uint8)
    for i in range(9000):
        recorder.add(noise[i % 60], i / 30)
        reached.value = i


def test_a_killed_process_leaves_a_film_up_to_the_last_second(tmp_path):
    context = multiprocessing.get_context("spawn")
    reached = context.Value("i", 0)
    child = context.Process(target=record_noise, args=(tmp_path / "film.mp4", reached))
    child.start()
    while child.is_alive() and reached.value < 180:
        pass
    child.kill()
    child.join()
    _, times = played(tmp_path / "film.mp4")
    assert times[-1] > 1000 * 180 / 30 - 1000 and times == [round(1000 * i / 30) for i in range(len(times))]
