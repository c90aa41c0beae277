"""Roll and head pose."""

import numpy as np
import pytest

from fkd_helpers.data import puppets
from fkd_helpers.data.puppets import shapes
from fkd_helpers.faces import pose


@pytest.mark.parametrize("angles", [(0, 0, 0), (-45, 0, 0), (0, 30, 0), (0, 0, 15), (20, 25, -10)])
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
    assert np.degrees(pose.roll_of(rolled)) == pytest.approx(roll, abs=1)
