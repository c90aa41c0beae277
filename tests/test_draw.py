"""The painter: dots in the colours of the regions, boxes, ids, captions."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import ImageColor

from fkd_helpers.data import puppets
from fkd_helpers.faces.boxes import box_of
from fkd_helpers.faces.draw import draw_faces
from fkd_helpers.faces.landmarks import BY_KEYPOINT, PREDICTED

COLOUR = ImageColor.getrgb(PREDICTED)
FRAME, KEYPOINTS, _ = puppets.make_face(3, size=320, side=150, centre=(160, 170))


def test_draw_faces_puts_a_dot_of_its_colour_on_each_keypoint_of_a_copy():
    before = FRAME.copy()
    drawn = draw_faces(FRAME, KEYPOINTS[None], boxes=False)
    columns, rows = np.round(KEYPOINTS).astype(int).T
    assert (np.abs(drawn[rows, columns] - np.array(BY_KEYPOINT)).max(1) < 60).all()
    np.testing.assert_array_equal(FRAME, before)


def test_draw_faces_draws_box_id_and_caption():
    blank, box = np.full((320, 320, 3), 255, np.uint8), box_of(KEYPOINTS)
    face = SimpleNamespace(keypoints=KEYPOINTS, box=box, id=7)
    top = round(float(box[1]))
    vermilion = (draw_faces(blank, [face]) == COLOUR).all(-1)
    assert vermilion[top].any() and vermilion[: top - 1].any()  # an edge of the box, and the id above it
    assert not (draw_faces(blank, [face], boxes=False) == COLOUR).all(-1).any()
    heights = [
        (draw_faces(blank, [face], captions=[lines]) == 30).all(-1).any(1).sum()
        for lines in ([], ["happy"], ["happy", "valence +0.6"])
    ]
    assert heights[0] == 0 < heights[1] + 8 < heights[2]


@pytest.mark.parametrize("points", [5, 106])
def test_draw_faces_takes_any_number_of_points_and_skips_missing_ones(points):
    blank = np.zeros((100, 100, 3), np.uint8)
    keypoints = np.random.default_rng(0).uniform(20, 80, (points, 2))
    keypoints[0] = np.nan
    assert draw_faces(blank, [keypoints]).any()
    for bad in (np.nan * keypoints, keypoints * 1e9):
        assert not draw_faces(blank, [bad]).any()
