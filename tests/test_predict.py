"""Facts about prediction and tracking; most of them with a stand-in network that sees bright squares."""

import cv2
import numpy as np
import pytest
import skimage.data
import torch

from fkd_helpers import nets
from fkd_helpers.core.errors import InputError
from fkd_helpers.faces.boxes import box_of, iou
from fkd_helpers.faces.images import to_gray
from fkd_helpers.faces.landmarks import generic_face
from fkd_helpers.live import LiveSettings
from fkd_helpers.predict import KeypointPredictor, Tracker, load_runner, model_path
from fkd_helpers.predict import tracker as tracker_module

FLAT = generic_face()[:, :2]
POINTS = (FLAT - FLAT.min(0)) / np.ptp(FLAT, 0)  # of an upright face, in sides of its box


def bright_network(images):
    """Answer with a face over the bright blob nearest to the middle of each crop; the score says if there is one."""
    keypoints, scores = [], []
    for image in images[:, 0]:
        _, _, stats, centres = cv2.connectedComponentsWithStats((image > 0.4).astype(np.uint8))
        if len(stats) == 1:
            keypoints.append(POINTS * 40 + 36)
            scores.append(0.01)
            continue
        x, y, w, h, _ = stats[1 + np.linalg.norm(centres[1:] - len(image) / 2, axis=1).argmin()]
        keypoints.append(POINTS * [w, h] + [x - 0.5, y - 0.5])
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


@pytest.fixture(scope="module")
def astronaut():
    return skimage.data.astronaut()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A small network with fixed random weights, as ONNX and as safetensors."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    model = nets.build("small").eval()
    with torch.no_grad():
        model.head.weight *= 300  # peaked heatmaps, so that a difference would show in pixels
    nets.export_onnx(model, folder / "tiny.onnx")
    nets.save_weights(model, folder / "tiny.safetensors", net="small")
    return folder


# prediction


def test_at_boxes_answers_in_frame_pixels():
    predictor = KeypointPredictor(bright_network)
    boxes = np.array([[105, 190, 60, 60], [395, 60, 60, 60]])
    keypoints, scores = predictor.at_boxes(scene((100, 200), (400, 50)), boxes)
    assert keypoints.shape == (2, 68, 2) and scores.shape == (2, 68)
    np.testing.assert_allclose(box_of(keypoints), [[99.5, 199.5, 60, 60], [399.5, 49.5, 60, 60]], atol=1)


def test_predictor_runs_all_faces_in_one_batch_per_pass():
    batches = []

    def network(images):
        batches.append(images.shape)
        assert images.dtype == np.float32 and 0 <= images.min() and images.max() <= 1
        return bright_network(images)

    frame = scene(*[(20 + 100 * i, 100) for i in range(6)])
    assert len(KeypointPredictor(network, detector=BlobDetector())(frame)) == 6
    assert batches == [(6, 1, 112, 112)] * 2


def test_predictor_gives_one_face_where_boxes_end_on_the_same():
    def detector(frame):
        return np.array([[80.0, 180, 60, 60], [120, 220, 60, 60], [400, 50, 60, 60], [415, 65, 20, 20]])

    faces = KeypointPredictor(bright_network, detector=detector)(scene((100, 200), (400, 50)))
    np.testing.assert_allclose([face.box[:2] for face in faces], [[99.5, 199.5], [399.5, 49.5]], atol=1)


def test_detectors_have_names_and_may_answer_with_lists(astronaut):
    for detector in ("ours", "haar", lambda frame: [[180, 87, 92, 92]]):
        (face,) = KeypointPredictor(detector=detector)(astronaut)
        np.testing.assert_allclose(face.box, [180, 87, 92, 92], atol=4)
    for make in (KeypointPredictor, LiveSettings):
        with pytest.raises(InputError, match="unknown detector 'har': did you mean 'haar'"):
            make(detector="har")


def test_a_doubtful_face_is_looked_at_as_if_upright(astronaut):
    turned, predictor = np.array([[180, 87, 92, 92, np.pi]]), KeypointPredictor()
    assert predictor.at_boxes(astronaut, turned, passes=2)[1].mean() < predictor.min_score
    (face,) = predictor.faces_at(astronaut, turned)
    np.testing.assert_allclose(face.box, predictor(astronaut)[0].box, atol=2)


def test_predictor_puts_the_surest_face_first():
    def network(images):
        keypoints, scores = bright_network(images)
        return keypoints, scores * images.max((1, 2, 3))[:, None]  # the brighter the surer

    frame = scene((100, 200), (400, 50))
    frame[:, 300:] = frame[:, 300:] // 5 * 6
    faces = KeypointPredictor(network, detector=BlobDetector())(frame)
    np.testing.assert_allclose([face.box[0] for face in faces], [399.5, 99.5], atol=1)
    assert faces[0].score > faces[1].score


def test_whole_image_takes_the_image_for_a_face(astronaut):
    frame = scene((50, 40), side=100, shape=(180, 200))
    predictor = KeypointPredictor(bright_network, detector=lambda frame: np.zeros((0, 4)))
    assert predictor(frame) == []
    (face,) = predictor(frame, whole_image="fallback")
    assert iou(face.box, np.array([50, 40, 100, 100]))[0, 0] > 0.95
    predictor = KeypointPredictor(detector=lambda frame: pytest.fail("the crop was searched"))
    (face,) = predictor(astronaut[70:190, 160:280], whole_image="always")
    wanted = predictor.at_boxes(astronaut[70:190, 160:280], np.array([[-0.5, -0.5, 120, 120]]), passes=2)[0]
    np.testing.assert_array_equal(face.keypoints, wanted[0])


@pytest.mark.parametrize("shape", [(1, 1), (10, 20000, 3), (3, 2, 4)])
def test_at_boxes_works_in_odd_frames(shape):
    predictor, frame = KeypointPredictor(), np.full(shape, 90, np.uint8)
    assert predictor(frame) == []
    keypoints, _ = predictor.at_boxes(frame, np.array([[0.0, 0, shape[1], shape[0]]]), passes=3)
    assert keypoints.shape == (1, 68, 2) and np.isfinite(keypoints).all()


FRAME = np.zeros((50, 50), np.uint8)
PREDICTOR = KeypointPredictor(bright_network, min_score=0.5)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: PREDICTOR(FRAME.astype(float)), r"expected uint8 .*, got float64"),
        (lambda: PREDICTOR("me.jpg"), "as read_photo returns it, got 'me.jpg'"),
        (lambda: PREDICTOR(FRAME, whole_image="fall_back"), "did you mean 'fallback'"),
        (lambda: PREDICTOR.at_boxes(FRAME, np.zeros(4)), r"expected finite \(n, 4\) or \(n, 5\), got \(4,\)"),
        (lambda: KeypointPredictor(model_path("detector")), "expected a model from gray crops"),
        (lambda: Tracker(PREDICTOR, detect_every=0), "detect_every: expected at least 1, got 0"),
        (lambda: load_runner("smal"), "unknown model 'smal': did you mean 'small'"),
        (lambda: load_runner(__file__), "expected a model file ending in .onnx or .safetensors"),
    ],
)
def test_wrong_input_is_named(call, message):
    with pytest.raises(InputError, match=message):
        call()


@pytest.mark.parametrize("name", ["tiny.onnx", "tiny.safetensors"])
def test_half_a_model_is_named_in_one_line(files, tmp_path, name):
    (tmp_path / name).write_bytes((files / name).read_bytes()[:5000])
    with pytest.raises(InputError, match=f"{name}: not a whole ") as error:
        load_runner(tmp_path / name)
    assert "\n" not in str(error.value)


# networks


@pytest.mark.parametrize("model", ["small", model_path("small", ".safetensors")])
def test_threshold_comes_with_the_network(model):
    assert KeypointPredictor(model).min_score == 0.11 and KeypointPredictor(model)(skimage.data.gravel()) == []


def test_onnx_and_torch_agree(astronaut, files):
    boxes = np.array([[180, 85, 85, 90], [200, 75, 90, 95], [171, 115, 135, 140]])
    models = files / "tiny.onnx", files / "tiny.safetensors"
    (keypoints, scores), by_torch = (KeypointPredictor(model).at_boxes(astronaut, boxes) for model in models)
    assert np.ptp(keypoints[0], 0).min() > 5  # the answer spreads over pixels
    np.testing.assert_allclose(keypoints, by_torch[0], atol=0.05)
    np.testing.assert_allclose(scores, by_torch[1], atol=1e-3)
    shipped = [model_path("small", suffix) for suffix in (".onnx", ".safetensors")]
    np.testing.assert_allclose(*(KeypointPredictor(file).at_boxes(astronaut, boxes)[0] for file in shipped), atol=0.05)


@pytest.mark.parametrize("suffix", [".onnx", ".safetensors"])
def test_the_expected_error_of_each_keypoint_grows_in_the_dark(astronaut, suffix):
    predictor = KeypointPredictor(model_path("small", suffix))
    (face,), (dark,) = predictor(astronaut), predictor((astronaut / 12).astype(np.uint8))
    assert face.errors.shape == (68,) and 0.01 < face.errors.mean() < 0.8 * dark.errors.mean() < 0.08
    assert np.isnan(KeypointPredictor(bright_network).runner.expected_errors(np.ones((1, 68)))).all()


def test_a_network_without_heatmaps_is_always_sure(astronaut, tmp_path):
    nets.save_weights(nets.build("course_cnn"), tmp_path / "a.safetensors")
    predictor = KeypointPredictor(tmp_path / "a.safetensors")
    keypoints, scores = predictor.at_boxes(astronaut, np.array([[100.0, 100, 200, 200]]))
    assert keypoints.shape == (1, 68, 2) and (scores == 1).all()


# tracking


def make_tracker(**options):
    detector = BlobDetector()
    return Tracker(PREDICTOR, detector=detector, **options), detector


def ids_of(faces):
    return [face.id for face in faces]


def test_tracker_detects_every_few_frames_and_follows_between():
    tracker, detector = make_tracker(detect_every=10)
    for i in range(30):
        (face,) = tracker(scene((100 + 5 * i, 200)))
        assert face.id == 0
        np.testing.assert_allclose(face.box, [99.5 + 5 * i, 199.5, 60, 60], atol=1)
    assert detector.calls == 3


def test_tracker_keeps_ids_of_faces_that_pass_each_other():
    tracker, detector = make_tracker(detect_every=8)
    for i in range(50):
        corners = (50 + 10 * i, 130), (550 - 10 * i, 230)
        faces = sorted(tracker(scene(*corners)), key=lambda face: face.box[1])
        if i == 0:
            ids = ids_of(faces)
        assert ids_of(faces) == ids
        np.testing.assert_allclose([face.box[0] for face in faces], [corner[0] - 0.5 for corner in corners], atol=1)
    assert detector.calls == 7


def test_tracker_drops_a_lost_face_at_once_and_detects():
    tracker, detector = make_tracker(detect_every=1000)
    for _ in range(5):
        assert len(tracker(scene((100, 200), (400, 200)))) == 2
    assert detector.calls == 1
    assert ids_of(tracker(scene((100, 200)))) == [0] and detector.calls == 2
    assert len(tracker(scene((100, 200)))) == 1 and detector.calls == 2  # one look for a lost face, not one per frame
    assert [tracker(scene()), tracker(scene())] == [[], []]
    assert detector.calls == 4  # nobody is known: it looks in every frame


def test_tracker_keeps_id_after_gap(monkeypatch):
    monkeypatch.setattr(tracker_module, "REMEMBER", 10)
    tracker, _ = make_tracker()
    tracker(scene((100, 200)))
    for _ in range(5):
        tracker(scene())
    assert ids_of(tracker(scene((120, 210)))) == [0]
    tracker(scene())
    assert ids_of(tracker(scene((500, 300)))) == [1]  # too far away to be the same
    for _ in range(12):
        tracker(scene())
    assert ids_of(tracker(scene((500, 300)))) == [2]  # too long ago


def test_tracker_finds_a_hidden_face_soon_again():
    tracker, detector = make_tracker(detect_every=1000)
    for _ in range(3):
        tracker(scene((100, 200), (400, 200)))
    for _ in range(3):  # the older one is hidden; the other is still there, so nobody looks in every frame
        assert ids_of(tracker(scene((400, 200)))) == [1]
    calls = detector.calls
    seen = [ids_of(tracker(scene((100, 200), (400, 200)))) for _ in range(5)]
    assert seen[-1] == [0, 1] and detector.calls == calls + 1


def test_tracker_finds_new_faces_within_detect_every():
    tracker, _ = make_tracker(detect_every=6)
    for _ in range(3):
        tracker(scene((100, 200)))
    counts = [len(tracker(scene((100, 200), (300, 100), (500, 300)))) for _ in range(6)]
    assert counts[0] == 1 and counts[-1] == 3 and sorted(ids_of(tracker.known)) == [0, 1, 2]


def test_tracker_makes_one_of_two_that_end_on_one_face():
    tracker, _ = make_tracker(detect_every=1000)
    for x in range(400, 90, -12):  # the right one slides behind the left one
        frame = scene((x, 200))
        frame[190:270, 95:175] = 200
        faces = tracker(frame)
    assert len(faces) == 1


@pytest.mark.parametrize(
    ("score", "min_score", "first", "last"),
    [(0.38, 0.5, 0, 0), (0.45, 0.5, 1, 0), (0.7, 0.5, 1, 1), (1.0, 0.0, 1, 0)],  # 0: a network without a threshold
)
def test_tracker_keeps_a_face_that_is_sure_or_seen_by_the_detector(score, min_score, first, last):
    level, blobs, blind = {"now": 0.9}, BlobDetector(), {"now": False}

    def network(images):
        keypoints, scores = bright_network(images)
        return keypoints, np.full_like(scores, level["now"])

    def detector(frame):
        return np.zeros((0, 4)) if blind["now"] else blobs(frame)

    tracker = Tracker(KeypointPredictor(network, min_score=min_score), detector=detector, detect_every=5)
    assert len(tracker(scene((100, 200)))) == 1
    level["now"], blind["now"] = score, True
    counts = [len(tracker(scene((100, 200)))) for _ in range(6)]
    assert (counts[0], counts[-1]) == (first, last)  # a doubted face stays until the detector looks


def test_tracker_forgets_on_reset_and_on_a_new_frame_size():
    tracker, detector = make_tracker()
    tracker(scene((100, 200)))
    tracker.reset()
    assert ids_of(tracker(scene((300, 200)))) == [0]
    assert ids_of(tracker(scene((300, 200), shape=(600, 800)))) == [1]
    assert detector.calls == 3
