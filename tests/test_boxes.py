"""Boxes, crops and the way between their coordinates."""

import numpy as np
import pytest

from fkd_helpers.faces.boxes import box_of, crop, iou, surest, to_crop, to_frame


def noise(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def dot(height, width, x, y, spread):
    """A black frame with one soft bright dot whose centre of light is (x, y)."""
    columns, rows = np.arange(width), np.arange(height)[:, None]
    return (255 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * spread**2))).round().astype(np.uint8)


def centre_of_light(image):
    light = image.astype(np.float64)
    rows, columns = np.indices(image.shape)
    return np.array([(light * columns).sum(), (light * rows).sum()]) / light.sum()


@pytest.mark.parametrize("rolls", [None, np.linspace(-3, 3, 20)])
def test_to_frame_undoes_to_crop(rolls):
    rng = np.random.default_rng(0)
    keypoints = rng.uniform(-50, 500, (20, 68, 2)).astype(np.float32)
    squares = np.concatenate([rng.uniform(-100, 400, (20, 2)), np.repeat(rng.uniform(5, 900, (20, 1)), 2, 1)], 1)
    assert np.abs(to_frame(to_crop(keypoints, squares, 112, rolls), squares, 112, rolls) - keypoints).max() < 1e-3


def test_to_crop_maps_the_outer_edges_of_a_square_to_those_of_the_crop():
    edges = np.array([[9.5, 19.5], [59.5, 69.5]])
    assert to_crop(edges, np.array([10.0, 20.0, 50.0, 50.0]), 112).tolist() == [[-0.5, -0.5], [111.5, 111.5]]


def test_crop_repeats_the_edge_of_the_frame():
    frame = noise(40, 40, 3)
    assert (crop(frame, np.array([0, 0, 40, 40]), 40) == frame).all()
    cut = crop(frame, np.array([-10, 0, 40, 40]), 40)
    assert (cut[:, 10:] == frame[:, :30]).all() and (cut[:, :10] == frame[:, :1]).all()


@pytest.mark.parametrize("side", [60, 250, 333.3, 700])  # enlarged, and shrunk by up to 6
@pytest.mark.parametrize("where", ["inside", "at the first corner", "at the last corner"])
def test_crop_puts_a_dot_where_to_crop_says(side, where):
    spread = max(side / 80, 1.5)
    gap = 5 * spread + 0.3  # as near to the corner as leaves the dot whole
    centre = {"inside": (300.4, 250.7), "at the first corner": (gap, gap), "at the last corner": (600 - gap, 499 - gap)}
    x, y = centre[where]
    square = np.array([x - 0.37 * side, y - 0.55 * side, side, side])
    expected = to_crop(np.array([[x, y]]), square, 112)[0]
    assert np.abs(centre_of_light(crop(dot(499, 600, x, y, spread), square)) - expected).max() < 0.05


def test_crop_averages_a_large_face_down():
    frame = np.zeros((800, 800), np.uint8)
    frame[::2] = 255  # stripes finer than the crop's pixels
    assert np.abs(crop(frame, np.array([0, 0, 800, 800]), 100).astype(int) - 127).max() <= 1


def test_crop_takes_a_frame_wider_than_opencv_can_warp():
    frame = noise(60, 40_000)
    assert (crop(frame, np.array([38_000, 5, 50, 50]), 50) == frame[5:55, 38_000:38_050]).all()


def test_box_of_is_nan_where_every_point_is_missing_and_nothing_can_be_cut_there():
    box = box_of(np.full((3, 2), np.nan))
    assert box.shape == (4,) and np.isnan(box).all()
    with pytest.raises(ValueError, match="expected a finite position and a positive side"):
        crop(noise(20, 20), box)


def test_iou():
    a, b = np.array([[0, 0, 10, 10]]), np.array([[5, 0, 10, 10], [0, 0, 10, 10], [20, 20, 5, 5], [0, 0, 0, 0]])
    assert np.allclose(iou(a, b), [[1 / 3, 1, 0, 0]])


PAIR, NESTED = [[0, 0, 10, 10], [2, 0, 10, 10]], [[30, 30, 20, 20], [0, 0, 100, 100]]


@pytest.mark.parametrize(
    ("boxes", "scores", "kept"),
    [
        (PAIR, [0.2, 0.9], [1]),
        (PAIR, [0.9, 0.2], [0]),
        ([[0, 0, 10, 10], [6, 0, 10, 10]], [1, 2], [1, 0]),  # a quarter shared: two faces
        (NESTED, [1, 1], [1]),
        (NESTED, [5, 1], [0]),
        (np.zeros((0, 4)), [], []),
    ],
)
def test_surest_keeps_one_box_per_face(boxes, scores, kept):
    assert surest(np.array(boxes), scores) == kept
