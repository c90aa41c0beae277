"""Facts about detection, prediction and tracking; most of them with a stand-in network that sees bright squares."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import matplotlib.cbook
import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image

from fkd_helpers.core.errors import InputError
from fkd_helpers.faces.boxes import box_of, iou
from fkd_helpers.faces.images import read_photo, to_gray
from fkd_helpers.nets import models
from fkd_helpers.predict.haar import detect, detect_faces, to_face_box
from fkd_helpers.predict.photo_run import run_photos, to_record
from fkd_helpers.predict.predictor import KeypointPredictor
from fkd_helpers.predict.runtime import load_runner
from fkd_helpers.predict.tracker import Tracker, detect_fast

LATTICE = np.stack(np.meshgrid(np.linspace(0, 1, 17), np.linspace(0, 1, 4)), -1).reshape(68, 2)


def bright_network(images):
    """Answer with a lattice over the bright blob nearest to the middle of each crop; the score says if there is one."""
    keypoints, scores = [], []
    for image in images[:, 0]:
        _, _, stats, centres = cv2.connectedComponentsWithStats((image > 0.4).astype(np.uint8))
        if len(stats) == 1:
            keypoints.append(LATTICE * 40 + 36)
            scores.append(0.01)
            continue
        x, y, w, h, _ = stats[1 + np.linalg.norm(centres[1:] - len(image) / 2, axis=1).argmin()]
        keypoints.append(LATTICE * [w, h] + [x - 0.5, y - 0.5])
        scores.append(0.9)
    return np.array(keypoints, np.float32), np.repeat(np.array(scores, np.float32)[:, None], 68, 1)


class BlobDetector:
    """Boxes of all bright blobs, and how often it was asked."""

    def __init__(self):
        self.calls = 0

    def __call__(self, frame):
        self.calls += 1
        _, _, stats, _ = cv2.connectedComponentsWithStats((to_gray(frame) > 100).astype(np.uint8))
        return stats[1:, :4].astype(float) - [0.5, 0.5, 0, 0]


def scene(*corners, side=60, shape=(480, 640)):
    frame = np.zeros((*shape, 3), np.uint8)
    for x, y in corners:
        frame[max(y, 0) : max(y + side, 0), max(x, 0) : max(x + side, 0)] = 200
    return frame


def make_tracker(**options):
    detector = BlobDetector()
    predictor = KeypointPredictor(bright_network, detectors=())
    return Tracker(predictor, detector=detector, min_score=0.5, **options), detector


@pytest.fixture(scope="module")
def astronaut():
    return skimage.data.astronaut()


@pytest.fixture(scope="module")
def hopper():
    return read_photo(matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=False))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A small network with fixed random weights, as ONNX and as safetensors."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    model = models.build("small").eval()
    with torch.no_grad():
        model.head.weight *= 300  # peaked heatmaps, so that a difference would show in pixels
    models.export_onnx(model, folder / "tiny.onnx")
    models.save_weights(model, folder / "tiny.safetensors", net="small")
    return folder


# detection


def test_each_portrait_has_one_face_where_it_is(astronaut, hopper):
    for frame, around in ((astronaut, [180, 85, 85, 90]), (hopper, [170, 150, 190, 210])):
        boxes = detect_faces(frame)
        assert len(boxes) == 1
        assert iou(boxes, np.array([around]))[0, 0] > 0.6


def test_two_portraits_side_by_side_are_two_faces(astronaut, hopper):
    both = np.concatenate([astronaut, hopper[:512, :]], 1)
    boxes = detect_faces(both)
    assert len(boxes) == 2
    assert sorted(boxes[:, 0] > 512) == [False, True]


def test_gray_rgba_and_gray_as_colour_give_the_same_squares(astronaut):
    gray = to_gray(astronaut)
    squares = detect(gray)
    np.testing.assert_array_equal(squares, detect(np.repeat(gray[..., None], 3, -1)))
    np.testing.assert_array_equal(detect(astronaut), detect(np.dstack([astronaut, np.full(gray.shape, 7, np.uint8)])))


def test_a_large_photo_is_searched_small_and_answers_in_its_own_pixels(astronaut):
    large = cv2.resize(astronaut, None, fx=8, fy=8, interpolation=cv2.INTER_CUBIC)
    found, wanted = detect(large), detect(astronaut) * 8
    assert len(wanted) == 1
    assert iou(found[:1], wanted)[0, 0] > 0.75  # the surest comes first


def test_min_face_leaves_small_faces_out(astronaut):
    assert len(detect(astronaut, min_face=0.15)) == 1
    assert len(detect(astronaut, min_face=0.4)) == 0


@pytest.mark.parametrize("shape", [(1, 1), (10, 20000), (20000, 10), (23, 500), (24, 24)])
def test_odd_sizes_hold_no_face(shape):
    assert detect(np.full(shape, 128, np.uint8)).shape == (0, 4)


@pytest.mark.parametrize("tilt", [-35, 35])
def test_a_tilted_head_is_found_by_tilts(astronaut, tilt):
    centre = np.array([223.0, 130])
    turn = cv2.getRotationMatrix2D(tuple(centre), -tilt, 1.0)  # OpenCV turns the other way
    frame = cv2.warpAffine(astronaut, turn, (512, 512), borderMode=cv2.BORDER_REPLICATE)
    assert len(detect(frame, min_face=0.12)) == 0
    box = detect_faces(frame, min_face=0.12, tilts=[tilt])[0]  # the surest
    (upright,) = detect_faces(astronaut)
    np.testing.assert_allclose(box[2:], upright[2:], rtol=0.12)
    offset, wanted = box[:2] + box[2:] / 2 - centre, upright[:2] + upright[2:] / 2 - centre
    np.testing.assert_allclose(offset, turn[:, :2] @ wanted, atol=8)


def test_wrong_parameters_and_frames_are_named():
    with pytest.raises(InputError, match="scale_factor > 1"):
        detect(np.zeros((50, 50), np.uint8), scale_factor=1.0)
    with pytest.raises(InputError, match="expected uint8, got float64"):
        detect(np.zeros((50, 50)))
    with pytest.raises(InputError, match=r"got \(50, 50, 2\)"):
        detect(np.zeros((50, 50, 2), np.uint8))
    with pytest.raises(InputError, match=r"at least one pixel, got \(0, 5, 3\)"):
        detect(np.zeros((0, 5, 3), np.uint8))


def test_face_box_grows_and_moves_with_its_square():
    small, large = to_face_box([[0, 0, 100, 100], [50, 70, 200, 200]])
    np.testing.assert_allclose(large, small * 2 + [50, 70, 0, 0])
    assert small[0] + small[2] / 2 == pytest.approx(50)  # no shift to a side
    assert small[1] + small[3] / 2 > 50  # the square begins on the forehead, the keypoints at the brows
    assert small[1] + small[3] <= 110


# prediction


def test_keypoints_come_back_in_frame_pixels():
    predictor = KeypointPredictor(bright_network, detectors=())
    keypoints = predictor.keypoints(scene((100, 200), (400, 50)), np.array([[105, 190, 60, 60], [395, 60, 60, 60]]))
    assert keypoints.shape == (2, 68, 2)
    np.testing.assert_allclose(box_of(keypoints), [[99.5, 199.5, 60, 60], [399.5, 49.5, 60, 60]], atol=1)


def test_all_faces_go_through_the_network_in_one_batch():
    batches = []

    def network(images):
        batches.append(images.shape)
        assert images.dtype == np.float32 and 0 <= images.min() and images.max() <= 1
        return bright_network(images)

    frame = scene(*[(20 + 100 * i, 100) for i in range(6)])
    faces = KeypointPredictor(network, detectors=[BlobDetector()], looks=2)(frame)
    assert len(faces) == 6
    assert batches == [(6, 1, 112, 112)] * 2


def test_a_second_look_crops_at_the_first_ones_keypoints():
    seen = []

    def network(images):
        seen.append(images.copy())
        return bright_network(images)

    predictor = KeypointPredictor(network, detectors=())
    frame, rough = scene((100, 200)), np.array([[115.0, 185, 70, 70]])
    first, second = (predictor.keypoints(frame, rough, looks=looks)[0] for looks in (1, 2))
    np.testing.assert_array_equal(seen[0], seen[1])
    np.testing.assert_array_equal(second, predictor.keypoints(frame, box_of(first)[None])[0])
    rough, centred = (abs(image[0, 0].mean(0) @ np.arange(112) / image[0, 0].sum() * 112 - 55.5) for image in seen[1:3])
    assert rough > 5
    assert centred < 0.5  # now the face is in the middle


def test_boxes_that_end_on_the_same_face_are_one_face():
    def detector(frame):
        return np.array([[80.0, 180, 60, 60], [120, 220, 60, 60], [400, 50, 60, 60], [415, 65, 20, 20]])

    faces = KeypointPredictor(bright_network, detectors=[detector])(scene((100, 200), (400, 50)))
    assert len(faces) == 2
    np.testing.assert_allclose([face.box[:2] for face in faces], [[99.5, 199.5], [399.5, 49.5]], atol=1)


def test_unsure_faces_are_left_out():
    frame, boxes = scene((100, 200)), np.array([[100.0, 200, 60, 60], [400, 50, 60, 60]])
    predictor = KeypointPredictor(bright_network, detectors=[lambda frame: boxes], min_score=0.5)
    assert [round(face.score, 2) for face in predictor(frame)] == [0.9]


def test_the_next_detector_is_asked_where_one_leads_to_no_face():
    def misled(frame):
        return np.array([[400.0, 50, 60, 60]])

    blobs = BlobDetector()
    predictor = KeypointPredictor(bright_network, detectors=[misled, blobs], min_score=0.5)
    assert len(predictor(scene((100, 200)))) == 1
    assert len(predictor(scene((400, 50)))) == 1
    assert blobs.calls == 1


def test_the_face_the_network_is_surest_of_comes_first():
    def network(images):
        keypoints, scores = bright_network(images)
        return keypoints, scores * images.max((1, 2, 3))[:, None]  # the brighter the surer

    frame = scene((100, 200), (400, 50))
    frame[:, 300:] = frame[:, 300:] // 5 * 6
    faces = KeypointPredictor(network, detectors=[BlobDetector()])(frame)
    np.testing.assert_allclose([face.box[0] for face in faces], [399.5, 99.5], atol=1)
    assert faces[0].score > faces[1].score


def test_no_face_gives_none_unless_the_image_itself_is_one():
    frame = scene((50, 40), side=100, shape=(180, 200))
    predictor = KeypointPredictor(bright_network, detectors=[lambda frame: np.zeros((0, 4))])
    assert predictor(frame) == []
    (face,) = predictor(frame, whole_image="fallback")
    assert iou(face.box, np.array([50, 40, 100, 100]))[0, 0] > 0.95
    with pytest.raises(InputError, match="did you mean 'fallback'"):
        predictor(frame, whole_image="fall_back")


def test_gray_and_colour_of_the_same_gray_agree(astronaut, files):
    predictor = KeypointPredictor(files / "tiny.onnx")
    gray = to_gray(astronaut)
    boxes = detect_faces(gray)
    wanted = predictor.keypoints(gray, boxes)
    np.testing.assert_array_equal(wanted, predictor.keypoints(np.dstack([gray] * 3), boxes))


def test_a_crop_is_taken_for_a_face_without_a_search(files, astronaut):
    predictor = KeypointPredictor(files / "tiny.onnx", detectors=[lambda frame: pytest.fail("the crop was searched")])
    crop = astronaut[70:190, 160:280]
    (face,) = predictor(crop, whole_image="always")
    wanted = predictor.keypoints(crop, np.array([[-0.5, -0.5, 120, 120]]), looks=2)
    np.testing.assert_array_equal(face.keypoints, wanted[0])


@pytest.mark.parametrize("shape", [(1, 1), (10, 20000, 3), (3, 2, 4)])
def test_odd_frames_give_keypoints_where_a_box_is_given(shape, files):
    predictor = KeypointPredictor(files / "tiny.onnx")
    frame = np.full(shape, 90, np.uint8)
    assert predictor(frame) == []
    keypoints = predictor.keypoints(frame, np.array([[0.0, 0, shape[1], shape[0]]]), looks=3)
    assert keypoints.shape == (1, 68, 2)
    assert np.isfinite(keypoints).all()


def test_wrong_input_is_named(files):
    predictor = KeypointPredictor(files / "tiny.onnx", detectors=())
    with pytest.raises(InputError, match="expected uint8, got uint16"):
        predictor.keypoints(np.zeros((9, 9), np.uint16), np.zeros((1, 4)))
    with pytest.raises(InputError, match=r"at least one pixel, got \(0, 9, 3\)"):
        predictor.keypoints(np.zeros((0, 9, 3), np.uint8), np.zeros((1, 4)))
    with pytest.raises(InputError, match=r"expected finite \(n, 4\), got \(4,\)"):
        predictor.keypoints(np.zeros((9, 9), np.uint8), np.zeros(4))
    with pytest.raises(InputError, match="no detector"):
        predictor(np.zeros((9, 9), np.uint8))


# networks


def test_onnx_and_torch_agree(astronaut, files):
    boxes = detect_faces(astronaut) + np.array([[0, 0, 0, 0], [20, -10, 5, 5], [-9, 30, 50, 50]])
    answers = [KeypointPredictor(files / name).look(astronaut, boxes) for name in ("tiny.onnx", "tiny.safetensors")]
    assert np.ptp(answers[0][0][0], 0).min() > 5  # the answer spreads over pixels
    np.testing.assert_allclose(answers[0][0], answers[1][0], atol=0.05)
    np.testing.assert_allclose(answers[0][1], answers[1][1], atol=1e-3)


def test_a_torch_network_can_be_given_as_it_is(astronaut, files):
    model = models.load_weights(models.build("small"), files / "tiny.safetensors")
    boxes = detect_faces(astronaut)
    wanted = KeypointPredictor(files / "tiny.safetensors").keypoints(astronaut, boxes)
    np.testing.assert_array_equal(KeypointPredictor(model).keypoints(astronaut, boxes), wanted)


def test_a_network_without_heatmaps_is_always_sure(astronaut):
    predictor = KeypointPredictor(models.build("course_cnn"), size=224, detectors=())
    keypoints, scores = predictor.look(astronaut, np.array([[100.0, 100, 200, 200]]))
    assert keypoints.shape == (1, 68, 2)
    assert (scores == 1).all()


def test_unknown_and_broken_models_are_named(files, tmp_path):
    cut = tmp_path / "cut.onnx"
    cut.write_bytes((files / "tiny.onnx").read_bytes()[:5000])
    half = tmp_path / "half.safetensors"
    half.write_bytes((files / "tiny.safetensors").read_bytes()[:5000])
    (tmp_path / "notes.txt").write_text("not a model")
    for model, message in {
        "smal": "unknown model 'smal'",
        cut: "not a whole ONNX model",
        half: "not a whole safetensors file",
        tmp_path / "absent.onnx": "no such model file",
        tmp_path / "notes.txt": "ending in .onnx, .safetensors or .pt2",
        7: "got int",
    }.items():
        with pytest.raises(InputError, match=message) as error:
            load_runner(model)
        assert "\n" not in str(error.value)
    with pytest.raises(InputError, match="unknown backend 'onyx': did you mean 'onnx'"):
        load_runner("small", backend="onyx")


# tracking


def test_the_detector_looks_once_and_then_every_few_frames():
    tracker, detector = make_tracker(detect_every=10)
    for i in range(30):
        (face,) = tracker(scene((100 + 5 * i, 200)))
        assert face.id == 0
        np.testing.assert_allclose(face.box, [99.5 + 5 * i, 199.5, 60, 60], atol=1)
    assert detector.calls == 3


def test_ids_stay_with_faces_that_pass_each_other():
    tracker, detector = make_tracker(detect_every=8)
    for i in range(50):
        corners = (50 + 10 * i, 130), (550 - 10 * i, 230)
        faces = sorted(tracker(scene(*corners)), key=lambda face: face.box[1])
        if i == 0:
            ids = [face.id for face in faces]
        assert [face.id for face in faces] == ids
        np.testing.assert_allclose([face.box[0] for face in faces], [corner[0] - 0.5 for corner in corners], atol=1)
    assert detector.calls == 7


def test_a_lost_face_is_gone_at_once_and_wakes_the_detector():
    tracker, detector = make_tracker(detect_every=1000)
    for _ in range(5):
        assert len(tracker(scene((100, 200), (400, 200)))) == 2
    assert detector.calls == 1
    (left,) = tracker(scene((100, 200)))
    assert (left.id, detector.calls) == (0, 2)
    assert len(tracker(scene((100, 200)))) == 1
    assert detector.calls == 2  # one look for a lost face, not one a frame
    assert tracker(scene()) == []
    assert tracker(scene()) == []
    assert detector.calls == 4  # nobody is known: it looks in every frame


def test_a_face_that_comes_back_where_it_was_keeps_its_id_for_a_while():
    tracker, _ = make_tracker(remember=10)
    assert [face.id for face in tracker(scene((100, 200)))] == [0]
    for _ in range(5):
        tracker(scene())
    assert [face.id for face in tracker(scene((120, 210)))] == [0]
    tracker(scene())
    assert [face.id for face in tracker(scene((500, 300)))] == [1]  # too far away to be the same
    for _ in range(12):
        tracker(scene())
    assert [face.id for face in tracker(scene((500, 300)))] == [2]  # too long ago


def test_a_face_hidden_for_a_moment_is_found_soon_and_in_its_old_place():
    tracker, detector = make_tracker(detect_every=1000)
    for _ in range(3):
        tracker(scene((100, 200), (400, 200)))
    for _ in range(3):  # the older one is hidden; the other is still there, so nobody looks in every frame
        assert [face.id for face in tracker(scene((400, 200)))] == [1]
    calls = detector.calls
    seen = [[face.id for face in tracker(scene((100, 200), (400, 200)))] for _ in range(5)]
    assert seen[-1] == [0, 1] and detector.calls == calls + 1


def test_a_jump_is_a_lost_face():
    tracker, detector = make_tracker(detect_every=1000)
    tracker(scene((100, 200)))
    (face,) = tracker(scene((138, 238)))
    assert (face.id, detector.calls) == (0, 2)  # lost, found again by the detector, near enough for its id


def test_faces_that_come_in_are_found_within_detect_every():
    tracker, _ = make_tracker(detect_every=6)
    for _ in range(3):
        tracker(scene((100, 200)))
    counts = [len(tracker(scene((100, 200), (300, 100), (500, 300)))) for _ in range(6)]
    assert counts[0] == 1
    assert counts[-1] == 3
    assert sorted(face.id for face in tracker.known) == [0, 1, 2]


def test_two_that_end_on_one_face_become_one():
    tracker, _ = make_tracker(detect_every=1000)
    for x in range(400, 90, -12):  # the right one slides behind the left one
        frame = scene((x, 200))
        frame[190:270, 95:175] = 200
        faces = tracker(frame)
    assert len(faces) == 1


def test_a_face_that_leaves_the_frame_is_dropped():
    tracker, _ = make_tracker(detect_every=1000)
    for y in range(60, -70, -10):
        faces = tracker(scene((300, y)))
    assert faces == []


@pytest.mark.parametrize(("score", "stays"), [(0.38, False), (0.45, False), (0.7, True)])
def test_a_followed_face_must_be_sure_or_seen_by_the_detector(score, stays):
    level = {"now": 0.9}

    def network(images):
        keypoints, scores = bright_network(images)
        return keypoints, np.full_like(scores, level["now"])

    blobs = BlobDetector()
    blind = {"now": False}
    tracker = Tracker(
        KeypointPredictor(network, detectors=()),
        detector=lambda frame: np.zeros((0, 4)) if blind["now"] else blobs(frame),
        detect_every=5,
        min_score=0.5,
    )
    assert len(tracker(scene((100, 200)))) == 1
    level["now"], blind["now"] = score, True
    counts = [len(tracker(scene((100, 200)))) for _ in range(6)]
    assert counts[-1] == stays
    assert counts[0] == (score > 0.4)  # a doubted face stays until the detector looks


def test_reset_and_a_new_frame_size_forget():
    tracker, detector = make_tracker()
    tracker(scene((100, 200)))
    tracker.reset()
    assert [face.id for face in tracker(scene((300, 200)))] == [0]
    assert [face.id for face in tracker(scene((300, 200), shape=(600, 800)))] == [1]
    assert detector.calls == 3


def test_tracker_input_is_checked_like_the_predictors():
    tracker, _ = make_tracker()
    for bad in (np.zeros((9, 9)), np.zeros((0, 9), np.uint8), np.zeros((9, 9, 2), np.uint8)):
        with pytest.raises(InputError, match="frame: expected"):
            tracker(bad)
    with pytest.raises(InputError, match="got 0"):
        make_tracker(detect_every=0)


def test_the_fast_detector_finds_a_camera_face(astronaut):
    frame = np.zeros((480, 640, 3), np.uint8)
    frame[:, 80:560] = cv2.resize(astronaut, (480, 480))
    (box,) = detect_fast(frame)
    assert iou(box, detect_faces(frame))[0, 0] > 0.7


# photos


def save(path, frame, **options):
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(frame).save(path, **options)
    return path


def test_a_bad_photo_is_reported_and_the_rest_go_on(tmp_path, astronaut, files):
    good = [save(tmp_path / folder / "me.png", astronaut) for folder in "ab"]
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"not a photo")
    empty = save(tmp_path / "wall.png", np.full((80, 90), 128, np.uint8))
    predictor = KeypointPredictor(files / "tiny.onnx")
    results = list(run_photos([good[0], broken, empty, good[1]], predictor, out=tmp_path / "out"))
    assert [path for path, _ in results] == [good[0], broken, empty, good[1]]
    assert isinstance(results[1][1], InputError)
    assert [len(faces) for _, faces in results[:1] + results[2:]] == [1, 0, 1]
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["me.png", "me_2.png", "wall.png"]
    assert (read_photo(tmp_path / "out" / "me.png") != astronaut).any()
    np.testing.assert_array_equal(read_photo(tmp_path / "out" / "wall.png"), read_photo(empty))


def test_a_camera_held_sideways_gives_the_same_keypoints(tmp_path, astronaut, files):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned by 90 degrees clockwise
    paths = [save(tmp_path / "up.png", astronaut), save(tmp_path / "side.png", np.rot90(astronaut).copy(), exif=exif)]
    (_, (upright,)), (_, (turned,)) = run_photos(paths, KeypointPredictor(files / "tiny.onnx"))
    np.testing.assert_array_equal(upright.keypoints, turned.keypoints)


def test_sixteen_bit_and_rgba_photos_find_the_same_face(tmp_path, astronaut, files):
    gray = to_gray(astronaut)
    paths = [
        save(tmp_path / "gray.png", gray),
        save(tmp_path / "deep.png", gray.astype(np.uint16) * 257),
        save(tmp_path / "alpha.png", np.dstack([gray] * 3 + [np.full_like(gray, 255)])),
    ]
    results = [faces for _, faces in run_photos(paths, KeypointPredictor(files / "tiny.onnx"))]
    assert [len(faces) for faces in results] == [1, 1, 1]
    for (face,) in results[1:]:
        np.testing.assert_array_equal(face.keypoints, results[0][0].keypoints)


def test_an_out_folder_that_is_a_file_is_named(tmp_path, files):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(InputError, match="no folder can be made there"):
        list(run_photos([], KeypointPredictor(files / "tiny.onnx"), out=tmp_path / "out"))


def test_a_record_of_a_photo_is_json(files, astronaut):
    faces = KeypointPredictor(files / "tiny.onnx")(astronaut)
    record = json.loads(json.dumps(to_record(Path("me.png"), faces)))
    assert record["photo"] == "me.png"
    np.testing.assert_allclose(record["faces"][0]["keypoints"], faces[0].keypoints, atol=0.006)
    np.testing.assert_allclose(record["faces"][0]["box"], faces[0].box, atol=0.006)


def test_prediction_by_onnx_needs_no_torch():
    code = "import sys, fkd_helpers.predict.tracker, fkd_helpers.predict.photo_run; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
