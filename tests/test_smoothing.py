"""Facts of the One-Euro filter."""

import numpy as np
import pytest

from fkd_helpers.predict import Face, FaceSmoother, OneEuro
from fkd_helpers.predict.smoothing import GAIN, REST

POINTS = np.random.default_rng(0).uniform(0, 100, (68, 2)).astype(np.float32)


def smoothed(points, times, *, unit=100.0, rest=REST):
    euro = OneEuro(rest)
    return np.stack([euro(frame, when, unit=unit) for frame, when in zip(points, times, strict=True)])


def test_points_at_rest_stay_and_zero_is_the_identity():
    np.testing.assert_array_equal(smoothed([POINTS] * 30, np.arange(30) / 30), [POINTS] * 30)
    noisy = POINTS + np.random.default_rng(1).normal(0, 1, (30, 68, 2)).astype(np.float32)
    np.testing.assert_array_equal(smoothed(noisy, np.arange(30) / 30, rest=0), noisy)


@pytest.mark.parametrize("fps", [15, 30, 60])
@pytest.mark.parametrize("speed", [0.2, 1.0, 5.0])
def test_points_at_constant_speed_are_never_far_behind(fps, speed):
    times = np.arange(4 * fps) / fps
    moving = POINTS + 100 * speed * times[:, None, None] * [1.0, 0.0]
    behind = (moving - smoothed(moving, times))[-1, :, 0]  # pixels, of a face of 100
    assert (behind > 0).all() and (behind < 100 / (2 * np.pi * GAIN)).all()


def test_noise_at_rest_becomes_a_third_at_most():
    for fps in (30, 60):
        noisy = POINTS + np.random.default_rng(2).normal(0, 0.25, (200, 68, 2))
        still = smoothed(noisy, np.arange(200) / fps)[30:]
        assert np.diff(still, 2, axis=0).std() < np.diff(noisy, 2, axis=0).std() / 3


def test_each_face_is_smoothed_by_itself_and_forgotten_when_it_is_gone():
    smoother = FaceSmoother()
    one, other = (Face(np.array([0.0, 0, 100, 100]), POINTS + shift, 1.0, i) for i, shift in enumerate((0, 200)))
    for when, faces in enumerate(([one, other], [other, one], [other])):
        found = smoother(faces, when / 30)
        assert [face.id for face in found] == [face.id for face in faces]
        assert all(np.array_equal(new.keypoints, old.keypoints) for new, old in zip(found, faces, strict=True))
    moved = Face(one.box, POINTS + 30, 1.0, 0)
    assert np.array_equal(smoother([moved], 3 / 30)[0].keypoints, moved.keypoints)
