"""Facts about our face detector: its map, upright crops, and the faces it finds whatever their turn and size."""

import cv2
import numpy as np
import pytest
import skimage.data
import torch

from fkd_helpers.core.config import load_config
from fkd_helpers.core.errors import InputError
from fkd_helpers.data.puppets import make_set
from fkd_helpers.faces.boxes import box_of, crop, iou, square_of, to_crop, to_frame
from fkd_helpers.faces.face_map import decode, encode, places_of
from fkd_helpers.faces.pose import roll_of
from fkd_helpers.nets.detector import FaceDetector, export_detector
from fkd_helpers.predict import KeypointPredictor, Tracker, find_faces, find_fast
from fkd_helpers.train.detector import DetectorTask, detector_loss
from fkd_helpers.train.run import learn
from fkd_helpers.train.scenes import Sources, compose

pytestmark = pytest.mark.slow
ASTRONAUT = skimage.data.astronaut()
HEAD = ASTRONAUT[0:230, 110:340]
PREDICTOR = KeypointPredictor()


def turned_head(degrees, fill=128):
    """The astronaut's head turned clockwise in a frame of 400 pixels."""
    turn = cv2.getRotationMatrix2D((115, 115), -degrees, 1.0)
    turn[:, 2] += 85
    return cv2.warpAffine(HEAD, turn, (400, 400), borderMode=cv2.BORDER_CONSTANT, borderValue=(fill,) * 3)


def logits(maps):
    """The answer of a network that has learned these maps."""
    heat = np.clip(maps[:1], 1e-4, 1 - 1e-4)
    return np.concatenate([np.log(heat / (1 - heat)), maps[2:7]])


# the map and the upright crop


def test_decode_undoes_encode():
    places = np.array([[100, 80, 40, 1.0], [200.3, 150.7, 90, -2.5], [40, 200, 15, 0.1]])
    boxes, scores = decode(logits(encode(places, np.ones((256, 320), bool))))
    found = np.column_stack([boxes[:, :2] + boxes[:, 2:4] / 2, boxes[:, 2], boxes[:, 4]])
    np.testing.assert_allclose(found[np.argsort(found[:, 0])], places[np.argsort(places[:, 0])], atol=1e-3)
    assert (scores > 0.99).all()


@pytest.mark.parametrize("degrees", [0, 30, 90, 180, -120])
def test_roll_and_size_follow_a_turn(degrees):
    keypoints = make_set(3).keypoints
    turn = cv2.getRotationMatrix2D((50, 60), -degrees, 1.0)
    before, after = places_of(keypoints), places_of(keypoints @ turn[:, :2].T + turn[:, 2])
    change = np.angle(np.exp(1j * (after[:, 3] - before[:, 3])) * np.exp(-1j * np.radians(degrees)))
    np.testing.assert_allclose(change, 0, atol=1e-4)
    np.testing.assert_allclose(after[:, 2], before[:, 2], rtol=1e-4)
    np.testing.assert_allclose(after[:, :2], before[:, :2] @ turn[:, :2].T + turn[:, 2], atol=0.02)


def test_points_come_back_from_a_turned_crop_and_lie_where_the_pixels_do():
    frame, point = np.zeros((200, 300), np.uint8), np.array([[[180.0, 90]]])
    cv2.circle(frame, (180, 90), 4, 255, -1)
    square, roll = square_of(np.array([130.0, 40, 80, 80])), 2.2
    moved = to_crop(point, square[None], 112, np.array([roll]))
    np.testing.assert_allclose(to_frame(moved, square[None], 112, np.array([roll])), point, atol=1e-3)
    for big in (1, 4):  # a large face is averaged down first
        large = cv2.resize(frame, None, fx=big, fy=big, interpolation=cv2.INTER_NEAREST)
        cut = crop(large, square * big, 112, roll).astype(float)
        middle = [cut.sum(axis) @ np.arange(112) / cut.sum() for axis in (0, 1)]
        np.testing.assert_allclose(middle, moved[0, 0], atol=0.8)


# what it finds


@pytest.mark.parametrize("degrees", [0, 45, 180, 270])
def test_finds_a_head_of_any_turn_and_its_keypoints(degrees):
    (face,) = PREDICTOR(turned_head(degrees))
    roll = np.degrees(roll_of(face.keypoints))
    assert abs((roll - degrees + 180) % 360 - 180) < 15


def test_finds_a_dark_head_a_gray_one_and_a_tilted_one_beside_an_upright_one():
    frames = turned_head(20) // 8, cv2.cvtColor(HEAD, cv2.COLOR_RGB2GRAY), np.hstack([turned_head(0), turned_head(30)])
    assert [len(PREDICTOR(frame)) for frame in frames] == [1, 1, 2]


@pytest.mark.parametrize("side", [60, 160, 440])
def test_one_look_finds_faces_of_any_size(side):
    turn = cv2.getRotationMatrix2D((115, 130), 0, side / 92)
    turn[:, 2] += [205, 110]
    frame = cv2.warpAffine(HEAD, turn, (640, 480), borderMode=cv2.BORDER_CONSTANT, borderValue=(120,) * 3)
    assert iou(find_fast(frame)[:1, :4], np.array([[320 - side / 2, 240 - side / 2, side, side]]))[0, 0] > 0.4


def test_finds_small_sharp_faces_in_a_large_photo():
    photo = np.full((1500, 2000, 3), 120, np.uint8)
    small = cv2.resize(ASTRONAUT, (225, 225), interpolation=cv2.INTER_AREA)
    for x in range(6):
        for y in range(4):
            photo[75 + 360 * y :, 100 + 310 * x :][:225, :225] = small
    assert len(PREDICTOR(photo)) >= 22
    assert len(find_faces(photo, min_face=0.2)) == 0  # none is as large


@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (10, 20000), (300, 300, 3), (31, 500)])
def test_finds_nothing_in_frames_of_one_colour(shape):
    assert find_faces(np.full(shape, 90, np.uint8)).shape == (0, 5)


def test_boxes_lie_on_the_faces_of_puppets():
    faces = make_set(12, size=160)
    for image, keypoints in zip(faces.images, faces.keypoints, strict=True):
        assert iou(find_faces(image)[:1, :4], box_of(keypoints)[None])[0, 0] > 0.4


def test_tracker_follows_a_head_through_a_full_turn():
    tracker = Tracker(PREDICTOR, detect_every=1000)
    for degrees in range(0, 360, 8):
        (face,) = tracker(turned_head(degrees))
        assert face.id == 0


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: find_faces(HEAD, min_face=2), "find_faces: expected min_face"),
        (lambda: find_faces(HEAD, max_side=9), "max_side >= 32"),
        (lambda: find_faces(HEAD, model="small"), r"small.onnx: expected a face detector, got a model from \['n', 1"),
    ],
)
def test_wrong_input_is_named(call, message):
    with pytest.raises(InputError, match=message):
        call()


# training


def test_composed_faces_lie_where_the_places_say():
    faces = make_set(8, size=160)
    photos = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in faces.images]
    sources = Sources(photos, places_of(faces.keypoints), [np.full((90, 120), 128, np.uint8)])
    rng, found = np.random.default_rng(0), []
    for i in range(40):
        picture, places, known = compose(sources, i % 8, (192, 160), rng)
        assert picture.shape == known.shape == (160, 192) and picture.dtype == np.uint8
        assert ((places[:, :2] > 0) & (places[:, :2] < (192, 160))).all()
        boxes = find_faces(picture)[:, :4]
        large = places[places[:, 2] > 50]
        squares = np.column_stack([large[:, :2] - large[:, 2:3] / 2, large[:, 2], large[:, 2]])
        found += (iou(squares, boxes).max(1, initial=0) > 0.3).tolist()
    assert np.mean(found) > 0.6  # by a detector that saw no puppet


def test_loss_is_least_for_the_right_map():
    target = torch.from_numpy(encode(np.array([[60, 60, 30, 0.5]]), np.ones((128, 128), bool)))[None]
    right = torch.from_numpy(logits(target[0].numpy()))[None]
    least = detector_loss(right, target)
    assert least < 0.1 < detector_loss(right.roll(1, 3), target)
    assert least < detector_loss(torch.cat([right[:, :4], -right[:, 4:]], 1), target)  # upside down


def test_detector_task_runs_in_the_loop_of_all_tasks(tmp_path):
    config = load_config(task="detector", steps=2, epochs=1, batch_size=4, device="cpu")
    done = learn(DetectorTask(config), config, tmp_path, say=lambda line: None)
    assert set(done.scores) == {"missed", "false_faces", "roll_error"} and np.isfinite(done.history[0]["loss"])
    path = export_detector(done.model, tmp_path / "mine.onnx")
    assert find_faces(HEAD, model=path).shape[1] == 5


def test_network_answers_with_a_cell_for_eight_pixels():
    model = FaceDetector().eval()
    assert model(torch.zeros(2, 1, 64, 96)).shape == (2, 6, 8, 12)
    assert sum(weight.numel() for weight in model.parameters()) < 250_000
