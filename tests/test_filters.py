"""Filters: sprites sit where their keypoints are, on any tilt; nothing that a video brings stops them."""

import json
import warnings

import cv2
import numpy as np
import pytest
from PIL import Image

from fkd_helpers import data, filters
from fkd_helpers.core.errors import InputError
from fkd_helpers.data import puppets
from fkd_helpers.faces import sprites
from fkd_helpers.faces.landmarks import OUTER_EYES
from fkd_helpers.filters import FILTERS, face_filter, wear

TILTS = (-45, 0, 20)
NAMES = list(FILTERS)


@pytest.fixture(autouse=True)
def same_registry():
    yield
    for name in FILTERS.keys() - set(NAMES):
        del FILTERS[name]


@pytest.fixture(scope="module")
def faces():
    return data.load("puppets", n=8)


def tilted(roll, *, yaw=0, side=110):
    """Return a puppet's frame (300, 320, 3) and its keypoints."""
    return puppets.make_face(
        3, size=(320, 300), side=side, centre=(160, 150), pose=(roll, yaw, 0), knobs={"smile": 0.3}, plain=True
    )[:2]


def anchored(sprite, keypoints):
    return np.stack([keypoints[list(follows)].mean(0) for follows in sprite.follows])


def dotted(name):
    """Return a shipped sprite's anchors on a picture of its own: a red dot at each, nothing else."""
    with Image.open(sprites.FOLDER / f"{name}.png") as image:
        picture = np.zeros((image.height + 30, image.width + 30, 4), np.uint8)
    anchors = json.loads((sprites.FOLDER / f"{name}.json").read_text())["anchors"]
    for anchor in anchors:
        anchor["pixel"] = np.add(anchor["pixel"], 15)  # room for the dots
        centre = np.round(np.array(anchor["pixel"]) * 16).astype(int).tolist()
        cv2.circle(picture, centre, 9 * 16, (255, 0, 0, 255), -1, cv2.LINE_AA, shift=4)
    return sprites.make_sprite("dots", picture, anchors)


@pytest.mark.parametrize("name", sprites.SPRITES)
@pytest.mark.parametrize("roll", TILTS)
def test_anchors_land_on_their_keypoints_at_any_tilt(name, roll):
    keypoints, sprite = tilted(roll, yaw=roll / 4)[1], sprites.load_sprite(name)
    matrix = sprites.place(sprite, keypoints)
    landed = sprite.anchors @ matrix[:, :2].T + matrix[:, 2]
    np.testing.assert_allclose(landed, anchored(sprite, keypoints), atol=0.01)
    with Image.open(sprites.FOLDER / f"{name}.png") as image:
        assert image.mode == "RGBA" and image.getchannel("A").getextrema()[0] == 0


@pytest.mark.parametrize("name", ["sunglasses", "hat"])
@pytest.mark.parametrize("roll", TILTS)
@pytest.mark.parametrize("side", [40, 170])
def test_paint_puts_pixels_where_the_anchors_land(name, roll, side):
    """Through all of it: trimming, the smaller levels, the cut to the frame's part, the warp."""
    keypoints, sprite, black = tilted(roll, side=side)[1], dotted(name), np.zeros((300, 320, 3), np.uint8)
    sprites.paint(black, sprite, sprites.place(sprite, keypoints))
    wanted = anchored(sprite, keypoints)
    light, pixels = black[..., 0].ravel().astype(float), np.indices((300, 320))[::-1].reshape(2, -1).T
    nearest = np.linalg.norm(pixels[:, None] - wanted, axis=-1).argmin(1)
    for i, position in enumerate(wanted):
        mine = light * (nearest == i)
        assert np.linalg.norm((mine[:, None] * pixels).sum(0) / mine.sum() - position) < 0.35


def test_paint_blends_what_is_half_transparent_and_leaves_no_fringe():
    """A half white disc makes white of white at its edge too: colours not multiplied by alpha would darken it."""
    picture = np.zeros((64, 64, 4), np.uint8)  # transparent black around the disc
    cv2.circle(picture, (32, 32), 20, (255, 255, 255, 128), -1)
    anchors = [{"pixel": [12, 32], "keypoints": [36]}, {"pixel": [52, 32], "keypoints": [45]}]
    disc = sprites.make_sprite("disc", picture, anchors)
    for roll in TILTS:
        keypoints = tilted(roll, side=73)[1]
        white, dark = (np.full((300, 320, 3), gray, np.uint8) for gray in (255, 50))
        for frame in (white, dark):
            sprites.paint(frame, disc, sprites.place(disc, keypoints))
        x, y = keypoints[list(OUTER_EYES)].mean(0).round().astype(int)
        assert white.min() >= 254
        np.testing.assert_allclose(dark[y, x], 153, atol=2)


@pytest.mark.parametrize("name", NAMES)
def test_a_filter_paints_each_face_of_a_copy(name, faces):
    frame = np.hstack([faces.images[0], faces.images[5]])
    both = np.stack([faces.keypoints[0], faces.keypoints[5] + [160, 0]])
    before = frame.copy(), both.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        worn = FILTERS[name](frame, both)
    touched = (frame != worn).any(-1)
    assert worn.shape == frame.shape and touched[:, :160].any() and touched[:, 160:].any() and FILTERS[name].__doc__
    np.testing.assert_array_equal(frame, before[0])
    np.testing.assert_array_equal(both, before[1])
    np.testing.assert_array_equal(FILTERS[name](frame, both - [2000, 0]), frame)  # outside
    assert FILTERS[name](frame, both + np.array([-250, 90])).shape == frame.shape  # cut by the edge


@pytest.mark.parametrize("name", NAMES)
def test_no_face_of_a_video_stops_a_filter(name, faces):
    frame, good = faces.images[1], faces.keypoints[1]
    missing, line = good.copy(), good.copy()
    missing[30], line[:, 1] = np.nan, 70
    for bad in (missing, np.full_like(good, 50), good * 1e30):
        with pytest.warns(UserWarning, match="left as it is"):
            worn = FILTERS[name](frame, np.stack([bad, good]))
        np.testing.assert_array_equal(worn, FILTERS[name](frame, good))  # the other face has its own
    wild = np.random.default_rng(0).uniform(-200, 400, (20, 68, 2)).astype(np.float32)
    for odd in (line, line[:, ::-1], good * [1, -1], *wild):
        assert FILTERS[name](frame, odd).shape == frame.shape


def test_wear_takes_a_learners_function_and_goes_on_when_one_fails(faces):
    frame, keypoints = faces.images[3], faces.keypoints[3]

    @face_filter
    def clown_nose(frame, keypoints):
        return cv2.circle(frame, keypoints[30].round().astype(int).tolist(), 12, (220, 30, 30), -1)

    @face_filter
    def broken(frame, keypoints):
        raise RuntimeError("oh")

    @face_filter
    def forgetful(frame, keypoints):
        frame[:] = 0

    for name, message in (("broken", "RuntimeError: oh"), ("forgetful", "return a uint8 frame")):
        with pytest.warns(UserWarning, match=message):
            worn = wear(frame, keypoints, ["hat", name])
        np.testing.assert_array_equal(worn, FILTERS["hat"](frame, keypoints))
    masked, bare = wear(frame, keypoints, ["sunglasses", "mask"]), wear(frame, keypoints, ["mask", "sunglasses"])
    np.testing.assert_array_equal(masked, FILTERS["mask"](FILTERS["sunglasses"](frame, keypoints), keypoints))
    assert (masked != bare).any()  # the last filter is on top
    x, y = keypoints[30].round().astype(int)
    for chosen in ("clown_nose", clown_nose):
        assert wear(frame, keypoints, chosen)[y, x].tolist() == [220, 30, 30]


FRAME = np.zeros((9, 9, 3), np.uint8)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: wear(FRAME, [], ["hat", "mustache"]), "did you mean 'moustache'"),
        (lambda: wear(FRAME.astype(np.float32), [], "hat"), "expected uint8 .*, got float32"),
        (lambda: wear(FRAME, np.zeros((15, 2)), "hat"), r"got \(15, 2\)"),
    ],
)
def test_filters_name_what_is_wrong(call, message):
    with pytest.raises(InputError, match=message):
        call()


@pytest.mark.parametrize("roll", TILTS)
def test_a_hidden_face_has_no_detail_left(roll):
    frame, keypoints = tilted(roll)
    inside = np.zeros(frame.shape[:2], np.uint8)
    cv2.fillConvexPoly(inside, cv2.convexHull(keypoints.round().astype(np.int32)), 1)
    inside = cv2.erode(inside, np.ones((3, 3), np.uint8)) > 0
    colours = np.unique(FILTERS["pixelate"](frame, keypoints)[inside], axis=0)
    assert len(colours) < 120 < len(np.unique(frame[inside], axis=0))
    detail = [cv2.Laplacian(image, cv2.CV_64F)[inside].std() for image in (frame, FILTERS["blur"](frame, keypoints))]
    assert detail[1] < 0.2 * detail[0]
    outline = filters.face_outline(keypoints).astype(np.float32)
    forehead = keypoints[27] - 0.45 * (keypoints[8] - keypoints[27])
    for x, y in [*keypoints, forehead]:
        assert cv2.pointPolygonTest(outline, (float(x), float(y)), False) > 0
