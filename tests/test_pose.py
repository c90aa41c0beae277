"""Head pose, eye opening and blinks."""

import numpy as np
import pytest

from fkd_helpers.core.errors import InputError
from fkd_helpers.data import puppets
from fkd_helpers.data.puppets import shapes
from fkd_helpers.faces import pose


@pytest.mark.parametrize(
    "angles", [(0, 0, 0), (30, 0, 0), (-45, 0, 0), (0, 30, 0), (0, -30, 0), (0, 0, 15), (20, 25, -10)]
)
def test_head_pose_of_the_generic_face(angles):
    keypoints = shapes.face_shape([], {}, roll=angles[0], yaw=angles[1], pitch=angles[2]) * 120 + [330, 220]
    found = pose.angles_of(pose.head_pose(keypoints, (640, 480)))
    assert np.abs(np.subtract(found, angles)).max() < 8  # a camera sees a near head a little from above or below


def test_head_pose_of_puppets():
    errors = []
    for seed in range(12):
        _, keypoints, info = puppets.make_face(seed)
        errors.append(np.subtract(pose.angles_of(pose.head_pose(keypoints, (160, 160))), info.pose))
    assert (np.abs(errors).max(0) < [4, 12, 15]).all() and (np.abs(np.mean(errors, 0)) < 5).all()


def test_head_pose_is_none_where_there_is_no_face():
    for bad in (np.full((68, 2), np.nan), np.full((68, 2), 5.0), np.column_stack([np.arange(68.0), np.full(68, 7)])):
        assert pose.head_pose(bad, (640, 480)) is None


@pytest.mark.parametrize("roll", [-170, -45, 0, 30])
def test_level_rotation_undoes_the_roll(roll):
    level, rolled = (shapes.face_shape([], {}, roll=angle) for angle in (0, roll))
    turned = rolled @ pose.level_rotation(rolled).T
    assert turned[36:42, 1].mean() == pytest.approx(turned[42:48, 1].mean()) and turned[45, 0] > turned[36, 0]
    np.testing.assert_allclose(turned - turned.mean(0), level - level.mean(0), atol=0.02)


def test_eye_open_ratio_is_the_same_at_any_size_and_tilt():
    closed, half, wide = (
        [pose.eye_open_ratio(shapes.face_shape([], {"eye_close": v}, roll=r) * s) for r, s in ((0, 50), (40, 400))]
        for v in (1, 0.5, 0)
    )
    for ratios in (closed, half, wide):
        np.testing.assert_allclose(ratios[0], ratios[1], rtol=1e-3)
    assert (closed[0] < half[0]).all() and (half[0] < wide[0]).all() and (closed[0] < 0.05).all()


def test_blink_counter_counts_the_blinks_of_a_moving_face():
    counter, closed, blinks = pose.BlinkCounter(), False, 0
    for frame in range(300):
        shut = 1.0 if frame % 60 in (30, 31, 32) else 0.2 if frame % 60 in (29, 33, 50) else 0.0  # 50: a squint
        keypoints = shapes.face_shape([], {"eye_close": shut, "smile": frame % 100 / 100}, roll=frame / 10) * 100
        blinks += closed and shut == 0
        closed = shut == 1 or (closed and shut > 0)
        count = counter(keypoints if frame % 7 else np.full((68, 2), np.nan))
    assert count == blinks == 5
    with pytest.raises(InputError, match="0 < closed < open < 1"):
        pose.BlinkCounter(closed=0.9, open=0.5)
