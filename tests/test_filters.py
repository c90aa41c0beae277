"""Filters: sprites sit where their keypoints are, on any tilt; nothing that a video brings stops them."""

import json
import tomllib
import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from fkd_helpers import data
from fkd_helpers.core.errors import InputError
from fkd_helpers.data import puppets
from fkd_helpers.data.puppets import shapes
from fkd_helpers.faces import pose, sprites
from fkd_helpers.faces.landmarks import OUTER_EYES
from fkd_helpers.filters import filters
from fkd_helpers.filters.filters import FILTERS, FilterWarning, face_filter, filter_named, sprite_filter, wear

TILTS = (-45, -20, 0, 20, 45)
NAMES = list(FILTERS)


@pytest.fixture(autouse=True)
def same_registry():
    before = dict(FILTERS)
    yield
    FILTERS.clear()
    FILTERS.update(before)


@pytest.fixture(scope="module")
def faces():
    return data.load("puppets", n=16)


def tilted(roll, *, yaw=0, side=110, seed=3, centre=(160, 150)):
    return puppets.make_face(
        seed, size=(320, 300), side=side, centre=centre, pose=(roll, yaw, 0), knobs={"smile": 0.3}, plain=True
    )[:2]


def touched(before, after):
    return (before != after).any(-1)


def dotted(name):
    """Return a shipped sprite's anchors on a picture of its own: a red dot at each, nothing else."""
    with Image.open(sprites.FOLDER / f"{name}.png") as image:
        picture = np.zeros((image.height + 30, image.width + 30, 4), np.uint8)
    anchors = json.loads((sprites.FOLDER / f"{name}.json").read_text())["anchors"]
    for anchor in anchors:
        anchor["pixel"] = np.add(anchor["pixel"], 15)  # room for the dots
        place = np.round(np.array(anchor["pixel"]) * 16).astype(int).tolist()
        cv2.circle(picture, place, 9 * 16, (255, 0, 0, 255), -1, cv2.LINE_AA, shift=4)
    return sprites.make_sprite("dots", picture, anchors)


# Where sprites land


@pytest.mark.parametrize("name", sprites.SPRITES)
@pytest.mark.parametrize("roll", TILTS)
def test_anchors_land_on_their_keypoints_at_any_tilt(name, roll):
    _, keypoints = tilted(roll, yaw=roll / 4)
    sprite = sprites.load_sprite(name)
    matrix = sprites.place(sprite, keypoints)
    landed = sprite.anchors @ matrix[:, :2].T + matrix[:, 2]
    wanted = np.stack([keypoints[list(follows)].mean(0) for follows in sprite.follows])
    assert np.abs(landed - wanted).max() < 0.01


@pytest.mark.parametrize("name", ["sunglasses", "moustache", "hat"])
@pytest.mark.parametrize("roll", TILTS)
@pytest.mark.parametrize("side", [40, 110, 170])
def test_the_painted_pixels_are_where_the_anchors_land(name, roll, side):
    """Through all of it: trimming, the smaller levels, the cut to the frame's part, the warp."""
    _, keypoints = tilted(roll, side=side)
    black = np.zeros((300, 320, 3), np.uint8)
    sprite = dotted(name)
    sprites.paint(black, sprite, sprites.place(sprite, keypoints))
    wanted = np.stack([keypoints[list(follows)].mean(0) for follows in sprite.follows])
    nearest = np.linalg.norm(np.indices((300, 320))[::-1].reshape(2, -1).T[:, None] - wanted, axis=-1).argmin(1)
    light, pixels = black[..., 0].ravel().astype(float), np.indices((300, 320))[::-1].reshape(2, -1).T
    for i, place in enumerate(wanted):
        mine = light * (nearest == i)
        assert np.linalg.norm((mine[:, None] * pixels).sum(0) / mine.sum() - place) < 0.35


def test_a_sprite_grows_with_the_face():
    sizes = []
    for side in (60, 120):
        frame, keypoints = tilted(0, side=side)
        sizes.append(touched(frame, FILTERS["sunglasses"](frame, keypoints)).sum())
    assert 3.5 < sizes[1] / sizes[0] < 4.5


def test_glasses_on_a_turned_head_are_narrower_and_no_lower():
    """What the third anchor is for: a similarity would shrink both sides."""
    sprite = sprites.load_sprite("sunglasses")
    maps = [sprites.place(sprite, shapes.face_shape([], {}, yaw=yaw) * 100 + 200) for yaw in (0, 40)]
    (wide, _), (narrow, _) = (np.linalg.norm(matrix[:, :2], axis=0) for matrix in maps)
    assert narrow / wide < 0.85
    heights = [matrix[1, 1] for matrix in maps]
    assert heights[1] == pytest.approx(heights[0], rel=0.05)
    leans = [abs(matrix[0, 1] / matrix[1, 1]) for matrix in maps]
    assert max(leans) < 0.1


@pytest.mark.parametrize("name", sprites.SPRITES)
def test_every_shipped_sprite_is_transparent_somewhere_and_has_its_drawing(name):
    assert (sprites.FOLDER / f"{name}.svg").exists()
    with Image.open(sprites.FOLDER / f"{name}.png") as image:
        assert image.mode == "RGBA" and image.getchannel("A").getextrema()[0] == 0
        assert (sprites.FOLDER / f"{name}.png").stat().st_size < 100_000


def test_the_sprites_travel_with_an_installed_package():
    root = Path(__file__).parents[1]
    patterns = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["fkd_helpers"]
    shipped = {path for pattern in patterns for path in (root / "fkd_helpers").glob(pattern)}
    for name in sprites.SPRITES:
        assert {sprites.FOLDER / f"{name}.{kind}" for kind in ("png", "json", "svg")} <= shipped


# How they are laid over


def test_nothing_transparent_leaves_a_fringe():
    """White edges on white stay white: a colour that is not multiplied by alpha would darken them."""
    picture = np.zeros((64, 64, 4), np.uint8)  # transparent black around a white disc
    cv2.circle(picture, (32, 32), 20, (255, 255, 255, 255), -1)
    anchors = [{"pixel": [12, 32], "keypoints": [36]}, {"pixel": [52, 32], "keypoints": [45]}]
    frame = np.full((300, 320, 3), 255, np.uint8)
    for roll in TILTS:
        _, keypoints = tilted(roll, side=73)
        worn = sprite_filter(sprites.make_sprite("disc", picture, anchors))(frame, keypoints)
        assert worn.min() >= 254


def test_a_half_transparent_sprite_is_half_seen():
    picture = np.full((64, 64, 4), (200, 100, 0, 128), np.uint8)
    anchors = [{"pixel": [0, 32], "keypoints": [36]}, {"pixel": [63, 32], "keypoints": [45]}]
    frame, (_, keypoints) = np.full((300, 320, 3), 50, np.uint8), tilted(10)
    worn = sprite_filter(sprites.make_sprite("glass", picture, anchors))(frame, keypoints)
    x, y = keypoints[list(OUTER_EYES)].mean(0).round().astype(int)
    assert np.abs(worn[y, x].astype(int) - [125, 75, 25]).max() <= 2


@pytest.mark.parametrize("name", NAMES)
def test_a_face_at_the_edge_is_cut_and_one_outside_changes_nothing(name):
    frame, keypoints = tilted(0)
    for shift in ([-150, 0], [160, 0], [0, -150], [0, 160]):
        assert FILTERS[name](frame, keypoints + shift).shape == frame.shape
    for shift in ([-2000, 0], [0, 3000]):
        np.testing.assert_array_equal(FILTERS[name](frame, keypoints + shift), frame)


def test_a_face_moved_by_whole_pixels_moves_the_sprite():
    frame, (_, keypoints) = np.full((300, 320, 3), 90, np.uint8), tilted(15)
    for name in ("sunglasses", "pixelate"):
        here, there = FILTERS[name](frame, keypoints), FILTERS[name](frame, keypoints + np.array([8, 5]))
        np.testing.assert_allclose(here[40:240, 60:260].astype(int), there[45:245, 68:268].astype(int), atol=2)


# All that are registered


@pytest.mark.parametrize("name", NAMES)
def test_every_filter_paints_each_face_and_leaves_its_arguments(name, faces):
    frame = np.hstack([faces.images[0], faces.images[5]])
    both = np.stack([faces.keypoints[0], faces.keypoints[5] + [160, 0]])
    before = frame.copy(), both.copy()
    worn = filter_named(name)(frame, both)
    assert worn.shape == frame.shape and worn.dtype == np.uint8
    assert touched(frame, worn)[:, :160].any() and touched(frame, worn)[:, 160:].any()
    np.testing.assert_array_equal(frame, before[0])
    np.testing.assert_array_equal(both, before[1])
    np.testing.assert_array_equal(filter_named(name)(frame, both[:0]), frame)
    assert filter_named(name).__doc__


@pytest.mark.parametrize("name", NAMES)
def test_every_filter_takes_gray_and_rgba_frames(name, faces):
    frame, keypoints = faces.images[2], faces.keypoints[2]
    gray = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    for given, as_rgb in ((gray, np.dstack([gray] * 3)), (gray[..., None], np.dstack([gray] * 3)),
                          (np.dstack([frame, gray]), frame)):  # fmt: skip
        np.testing.assert_array_equal(FILTERS[name](given, keypoints), FILTERS[name](as_rgb, keypoints))


@pytest.mark.parametrize("name", NAMES)
def test_no_face_of_a_video_stops_a_filter(name, faces):
    frame, good = faces.images[1], faces.keypoints[1]
    missing, spot, line = good.copy(), np.full_like(good, 50), good.copy()
    missing[30] = np.nan
    line[:, 1] = 70
    for bad in (missing, spot, np.full_like(good, np.inf), good * 1e6, good * 1e30):
        with pytest.warns(FilterWarning, match="left as it is"):
            worn = FILTERS[name](frame, np.stack([bad, good]))
        np.testing.assert_array_equal(worn, FILTERS[name](frame, good))  # the other face has its own
    wild = np.random.default_rng(0).uniform(-200, 400, (20, 68, 2)).astype(np.float32)
    for odd in (line, line[:, ::-1], good * [1, -1], *wild):
        assert FILTERS[name](frame, odd).shape == frame.shape


@pytest.mark.parametrize("name", NAMES)
def test_a_face_of_ten_pixels_is_painted_in_its_place(name):
    frame = np.full((300, 320, 3), 200, np.uint8)
    _, keypoints = tilted(0)
    small = (keypoints - keypoints.mean(0)) / np.ptp(keypoints, axis=0).max() * 10 + 100
    changed = np.argwhere(touched(frame, FILTERS[name](frame, small.astype(np.float32))))
    if name in ("blur", "pixelate"):  # nothing to hide on one colour
        assert not len(changed)
    else:
        assert len(changed) and (np.abs(changed - 100) < 20).all()


# Several


def test_the_last_filter_lies_on_top(faces):
    frame, keypoints = faces.images[3], faces.keypoints[3]
    masked, bare = wear(frame, keypoints, ["sunglasses", "mask"]), wear(frame, keypoints, ["mask", "sunglasses"])
    np.testing.assert_array_equal(masked, FILTERS["mask"](FILTERS["sunglasses"](frame, keypoints), keypoints))
    assert touched(masked, bare).any()


def test_a_video_goes_on_when_a_filter_fails(faces):
    frame, keypoints = faces.images[3], faces.keypoints[3]

    @face_filter
    def broken(frame, keypoints):
        raise RuntimeError("oh")

    @face_filter
    def forgetful(frame, keypoints):
        frame[:] = 0

    for name, words in (("broken", "RuntimeError: oh"), ("forgetful", "return a uint8 frame")):
        with pytest.warns(FilterWarning, match=words):
            worn = wear(frame, keypoints, ["hat", name])
        np.testing.assert_array_equal(worn, FILTERS["hat"](frame, keypoints))
    with pytest.raises(RuntimeError):
        FILTERS["broken"](frame, keypoints)


def test_a_learner_adds_a_filter_in_a_few_lines(faces):
    @face_filter
    def clown_nose(frame, keypoints):
        cv2.circle(frame, keypoints[30].round().astype(int).tolist(), 12, (220, 30, 30), -1, cv2.LINE_AA)
        return frame

    x, y = faces.keypoints[4, 30].round().astype(int)
    assert wear(faces.images[4], faces.keypoints[4], "clown_nose")[y, x].tolist() == [220, 30, 30]
    assert wear(faces.images[4], faces.keypoints[4], clown_nose)[y, x].tolist() == [220, 30, 30]


def test_no_filter_or_no_face_changes_nothing(faces):
    np.testing.assert_array_equal(wear(faces.images[4], faces.keypoints[4], []), faces.images[4])
    np.testing.assert_array_equal(wear(faces.images[4], [], "hat"), faces.images[4])


# Wrong on purpose


def test_a_wrong_name_suggests_the_near_one(faces):
    with pytest.raises(InputError, match="did you mean 'sunglasses'"):
        filter_named("sunglases")
    with pytest.raises(InputError, match="did you mean 'moustache'"):
        wear(faces.images[0], faces.keypoints[0], ["hat", "mustache"])
    with pytest.raises(InputError, match="did you mean 'crown'"):
        sprites.load_sprite("crow")


@pytest.mark.parametrize(
    ("frame", "keypoints", "words"),
    [
        (np.zeros((9, 9, 3), np.float32), np.zeros((68, 2)), "expected uint8, got float32"),
        (np.zeros((9, 9, 2), np.uint8), np.zeros((68, 2)), "got \\(9, 9, 2\\)"),
        (np.zeros((9, 9, 3), np.uint8), np.zeros((15, 2)), "got \\(15, 2\\)"),
        (np.zeros((9, 9, 3), np.uint8), np.zeros((1, 1, 68, 2)), "got \\(1, 1, 68, 2\\)"),
    ],
)
def test_what_is_no_frame_or_no_keypoints_is_said(frame, keypoints, words):
    for apply in (lambda: wear(frame, keypoints, "hat"), lambda: FILTERS["axes"](frame, keypoints)):
        with pytest.raises(InputError, match=words):
            apply()


GOOD = [{"pixel": [1, 2], "keypoints": [36]}, {"pixel": [7, 2], "keypoints": [45]}]
PICTURE = np.full((8, 10, 4), 255, np.uint8)


@pytest.mark.parametrize(
    ("picture", "anchors", "words"),
    [
        (PICTURE[..., :3], GOOD, "expected uint8 RGBA"),
        (PICTURE / 255, GOOD, "expected uint8 RGBA"),
        (PICTURE * 0, GOOD, "alpha 0 everywhere"),
        (PICTURE, GOOD[:1], "two anchors or more, got 1"),
        (PICTURE, [GOOD[0], {"pixel": [10, 2], "keypoints": [45]}], "outside the 10x8 picture"),
        (PICTURE, [GOOD[0], {"pixel": [np.nan, 2], "keypoints": [45]}], "outside the 10x8 picture"),
        (PICTURE, [GOOD[0], {"pixel": [7, 2], "keypoints": [68]}], "expected keypoints 0 to 67"),
        (PICTURE, [GOOD[0], {"pixel": [7, 2], "keypoints": []}], "expected keypoints 0 to 67"),
        (PICTURE, [GOOD[0], {"pixel": [7, 2], "keypoint": [3]}], "expected anchors"),
        (PICTURE, [GOOD[0], {"pixel": [1, 2], "keypoints": [45]}], "all in one place"),
        (PICTURE, [*GOOD, {"pixel": [4, 2], "keypoints": [30]}], "on one line"),
    ],
)
def test_a_sprite_that_cannot_be_worn_is_refused(picture, anchors, words):
    with pytest.raises(InputError, match=words):
        sprites.make_sprite("mine", picture, anchors)


def test_the_files_of_a_sprite_are_checked(tmp_path):
    path = tmp_path / "mine.png"
    with pytest.raises(InputError, match=r"mine\.png: no such file"):
        sprites.load_sprite(path)
    Image.fromarray(PICTURE).save(path)
    with pytest.raises(InputError, match=r"mine\.json: no such file"):
        sprites.load_sprite(path)
    for text in ("{", "[]", '{"anchor": []}', '{"anchors": 3}'):
        path.with_suffix(".json").write_text(text)
        with pytest.raises(InputError, match="mine"):
            sprites.load_sprite(path)
    path.with_suffix(".json").write_text(json.dumps({"anchors": GOOD}))
    assert sprites.load_sprite(path).follows == ((36,), (45,))
    Image.fromarray(PICTURE[..., :3]).save(path)
    with pytest.raises(InputError, match="expected a picture with transparency"):
        sprites.load_sprite(path)
    path.write_bytes(b"no picture")
    with pytest.raises(InputError, match="cannot be read as a sprite"):
        sprites.load_sprite(path)


# Hiding


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


@pytest.mark.parametrize("roll", TILTS)
def test_the_outline_holds_every_keypoint_and_the_forehead(roll):
    _, keypoints = tilted(roll)
    outline = filters.face_outline(keypoints)
    down = keypoints[8] - keypoints[27]
    forehead = keypoints[27] - 0.45 * down
    for x, y in [*keypoints, forehead]:
        assert cv2.pointPolygonTest(outline.astype(np.float32), (float(x), float(y)), False) > 0


# Pose and eyes


@pytest.mark.parametrize(
    "angles", [(0, 0, 0), (30, 0, 0), (-45, 0, 0), (0, 30, 0), (0, -30, 0), (0, 0, 15), (20, 25, -10)]
)
def test_the_pose_of_the_generic_face_is_found(angles):
    keypoints = shapes.face_shape([], {}, roll=angles[0], yaw=angles[1], pitch=angles[2]) * 120 + [330, 220]
    found = pose.angles_of(pose.head_pose(keypoints, (640, 480)))
    assert np.abs(np.subtract(found, angles)).max() < 8  # a camera sees a near head a little from above or below


def test_the_pose_of_puppets_is_found(faces):
    errors = []
    for seed in range(12):
        _, keypoints, info = puppets.make_face(seed)
        errors.append(np.subtract(pose.angles_of(pose.head_pose(keypoints, (160, 160))), info.pose))
    assert (np.abs(errors).max(0) < [4, 12, 15]).all() and (np.abs(np.mean(errors, 0)) < 5).all()


def test_the_generic_face_projects_onto_itself():
    keypoints = shapes.face_shape([], {}, yaw=10) * 120 + [330, 220]
    found = pose.head_pose(keypoints, (640, 480))
    seen = pose.project(shapes.shape_model().mean, found, (640, 480))
    assert np.abs(seen - keypoints)[list(pose.STIFF)].max() < 4


def test_no_pose_where_there_is_no_face():
    for bad in (np.full((68, 2), np.nan), np.full((68, 2), 5.0), np.column_stack([np.arange(68.0), np.full(68, 7)])):
        assert pose.head_pose(bad, (640, 480)) is None


def test_eyes_are_as_open_at_any_size_and_tilt():
    closed, half, wide = (
        [pose.eye_open_ratio(shapes.face_shape([], {"eye_close": v}, roll=r) * s) for r, s in ((0, 50), (40, 400))]
        for v in (1, 0.5, 0)
    )
    for ratios in (closed, half, wide):
        np.testing.assert_allclose(ratios[0], ratios[1], rtol=1e-3)
    assert (closed[0] < half[0]).all() and (half[0] < wide[0]).all() and (closed[0] < 0.05).all()


def test_blinks_of_a_moving_face_are_counted():
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


def test_nothing_is_warned_of_a_good_face(faces):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in NAMES:
            FILTERS[name](faces.images[6], faces.keypoints[6])
