"""Puppets: exact labels, no folds, knobs that do what they say, one seed one face."""

from dataclasses import replace

import numpy as np
import pytest

from fkd_helpers.core.errors import InputError
from fkd_helpers.data.puppets import (
    Puppet,
    looks,
    make_face,
    make_puppet,
    make_set,
    portraits,
    put_face,
    shapes,
    stream,
)
from fkd_helpers.data.puppets.puppet import LEAST_STRETCH

PLAIN = {"pose": (0.0, 0.0, 0.0), "side": 100.0, "centre": (80.0, 80.0), "plain": True}


def plain_face(name="astronaut", mirrored=False, **knobs):
    """A front view of the mean face with given knobs: (keypoints (68, 2) in face sides, Info)."""
    _, keypoints, info = make_face(0, person=Puppet(name, mirrored, np.zeros(12)), knobs=knobs, **PLAIN)
    return keypoints / 100, info


@pytest.fixture(scope="module")
def faces():
    return make_set(80, seed=3)


def test_make_set_has_the_promised_form(faces):
    assert len(faces) == 80
    assert all(image.shape == (160, 160, 3) and image.dtype == np.uint8 for image in faces.images)
    assert faces.keypoints.shape == (80, 68, 2) and faces.complete.all() and len(set(faces.names)) == 80
    assert np.bincount(faces.extras["expression"], minlength=8).tolist() == [10] * 8
    for name in ("valence", "arousal"):
        assert np.abs(faces.extras[name]).max() <= 1 and np.ptp(faces.extras[name]) > 0.5
    sides = faces.boxes[:, 2:].max(1)
    assert 55 < sides.min() and sides.max() < 125


def test_make_set_same_seed_same_bits_and_a_larger_one_begins_with_a_smaller(faces):
    small, other = make_set(3, seed=3), make_set(3, seed=2)
    assert small.names == faces.names[:3] and np.array_equal(small.keypoints, faces.keypoints[:3])
    assert all(np.array_equal(a, b) for a, b in zip(small.images, faces.images, strict=False))
    assert not any(np.array_equal(a, b) for a, b in zip(small.images, other.images, strict=True))


def test_markers_on_the_portrait_are_found_again_at_the_labels():
    real = portraits.portrait("admiral")
    far_apart = [0, 3, 6, 8, 10, 13, 16, 17, 21, 22, 26, 28, 30, 36, 39, 42, 45, 48, 54, 57]
    rng, errors = np.random.default_rng(0), []
    for point in far_apart:
        rows, columns = np.mgrid[:600, :512]
        x, y = real.keypoints[point]
        spot = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 3.0**2))
        picture = np.repeat((spot * 255).round().astype(np.uint8)[..., None], 3, -1)
        marked = portraits.prepare("marked", picture, np.full((600, 512), 255, np.uint8), real.keypoints)
        shape = shapes.face_shape(rng.normal(0, 0.7, 12), {"smile": 0.5}, yaw=6, roll=5, opening=real.opening)
        keypoints = shape * 150 + 120
        warp = portraits.warp_onto(marked, keypoints, (240, 240))
        shown = portraits.sample(marked, warp, (240, 240))[..., 0].astype(float)
        shown[shown < 0.6 * shown.max()] = 0  # the peak: a wide spot bends with the face
        y, x = (np.mgrid[:240, :240] * shown).sum((1, 2)) / shown.sum()
        errors.append(np.hypot(*(keypoints[point] - (x, y))))
    assert max(errors) < 1.0 and np.median(errors) < 0.3


def test_no_face_folds():
    infos = [make_face([7, seed])[2] for seed in range(120)]
    assert min(info.stretch for info in infos) >= LEAST_STRETCH
    assert np.mean([info.damped > 0 for info in infos]) < 0.05
    wild = Puppet("astronaut", False, np.full(12, 6.0))
    shape = shapes.face_shape(wild.coefficients, {}, opening=0.07, parting=0.03) * 80 + 80
    assert portraits.warp_onto(portraits.portrait("astronaut"), shape, (160, 160)).stretch(shape) < 0
    _, _, info = make_face(0, person=wild, knobs={}, **PLAIN)
    assert info.damped > 0 and info.stretch >= LEAST_STRETCH


def test_portrait_mirrored_has_left_and_right_labels_swapped():
    face, mirrored = (portraits.portrait("admiral", flip) for flip in (False, True))
    width = face.levels[0].shape[1]
    assert np.array_equal(mirrored.levels[0], face.levels[0][:, ::-1])
    assert np.allclose(mirrored.keypoints[36], [width - 1, 0] + face.keypoints[45] * [-1, 1])


def test_closed_eyes_are_covered_and_an_open_mouth_is_dark():
    person, wall = Puppet("astronaut", False, np.zeros(12)), np.full((160, 160, 3), 128, np.uint8)
    shown = {}
    for knobs in ({}, {"eye_close": 1.0}, {"mouth_open": 1.0}):
        frame, keypoints, _ = put_face(wall, person, knobs, (0, 0, 0), 100, (80, 80))
        shown[next(iter(knobs), "rest")] = (frame.astype(float).mean(-1), keypoints)
    gray, keypoints = shown["rest"]
    eye = np.s_[int(keypoints[37, 1]) : int(keypoints[41, 1]), int(keypoints[37, 0]) : int(keypoints[38, 0])]
    # the pupil is the darkest thing in an open eye; on the lid there is only the line of lashes, at its lower end
    assert shown["eye_close"][0][eye].mean() > gray[eye].mean() + 10
    gray, keypoints = shown["mouth_open"]
    below_teeth = (0.3 * keypoints[62] + 0.7 * keypoints[66]).round().astype(int)
    assert gray[below_teeth[1], below_teeth[0]] < 0.6 * gray[int(keypoints[8, 1]) - 6, int(keypoints[8, 0])]


@pytest.mark.parametrize("number, name", list(enumerate(shapes.EXPRESSIONS)))
def test_expression_of_follows_from_the_knobs(number, name):
    for seed in range(20):
        assert shapes.expression_of(shapes.draw_knobs(np.random.default_rng(seed), number)) == number
    _, info = plain_face(**shapes.PROTOTYPES[name])
    assert info.expression == number


def test_valence_arousal_have_the_signs_of_the_expression():
    felt = {name: shapes.valence_arousal(knobs) for name, knobs in shapes.PROTOTYPES.items()}
    assert felt["neutral"] == (0, 0) and felt["happy"][0] > 0.5
    assert all(felt[name][0] < -0.2 for name in ("sad", "fear", "disgust", "anger", "contempt"))
    assert felt["sad"][1] < 0 < felt["disgust"][1] and min(felt[n][1] for n in ("surprise", "fear", "anger")) > 0.3


def test_stream_is_smooth_lively_and_repeatable():
    played = list(stream(seed=4, size=(320, 240), n=120, faces=2))
    keypoints = np.array([k for _, k, _ in played])
    assert keypoints.shape == (120, 2, 68, 2) and played[0][0].shape == (240, 320, 3)
    assert keypoints[:, 0, :, 0].max() < keypoints[:, 1, :, 0].min()
    steps = np.linalg.norm(np.diff(keypoints, axis=0), axis=-1)
    assert steps.max() < 5 and np.linalg.norm(np.ptp(keypoints[:, 0, 30], axis=0)) > 4
    assert any(infos[0].knobs["eye_close"] > 0.8 for _, _, infos in played)
    again, _, _ = next(stream(seed=4, size=(320, 240), faces=2))
    assert np.array_equal(again, played[0][0])


@pytest.mark.parametrize(
    "wrong, says",
    [
        (lambda: make_face(0, knobs={"smlie": 1}), "did you mean 'smile'"),
        (lambda: make_face(0, knobs={"smile": 1.5}), "expected 0..1, got 1.5"),
        (lambda: portraits.portrait("astronut"), "did you mean 'astronaut'"),
        (lambda: make_set(0), "n: expected"),
    ],
)
def test_puppets_name_wrong_input(wrong, says):
    with pytest.raises(InputError, match=says):
        wrong()


def test_looks_change_neither_shape_nor_expression():
    plain, dressed = make_set(15, seed=3, size=96), make_set(15, seed=3, size=96, looks=True)
    assert dressed.names == plain.names and (dressed.extras["expression"] == plain.extras["expression"]).all()
    wall, rest = np.zeros((160, 160, 3), np.uint8), ((0, 0, 0), 100, (80, 80))
    for seed in range(4):
        frame, keypoints, _ = put_face(wall, make_puppet(seed), {"smile": 0.5}, *rest)
        other, same, _ = put_face(wall, make_puppet(seed, looks=True), {"smile": 0.5}, *rest)
        assert np.array_equal(keypoints, same) and not np.array_equal(frame, other)


@pytest.mark.parametrize("name", portraits.PORTRAITS)
@pytest.mark.parametrize("style", looks.STYLES)
def test_a_look_covers_the_head_and_leaves_the_eyes(name, style):
    look = replace(looks.draw_look(np.random.default_rng(0)), style=style, glasses="", make_up=0.0, freckles=0)
    face, picture = portraits.portrait(name), looks.dressed(name, False, 1, look)
    spots = (face.keypoints[[30, 19, 24, 37]] * face.zoom / 2).astype(int)
    assert (picture[spots[:, 1], spots[:, 0], 3] == 255).all()
    pupil = ((face.keypoints[36:42].mean(0) + 0.5) * face.zoom / 2).astype(int)
    assert np.abs(picture[pupil[1], pupil[0], :3].astype(int) - face.levels[1][pupil[1], pupil[0], :3]).max() < 12
