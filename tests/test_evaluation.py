"""Evaluation, conditions, robustness: what is scored, against known errors."""

import warnings
from dataclasses import replace

import cv2
import numpy as np
import pytest

from fkd_helpers import cli
from fkd_helpers.core import records
from fkd_helpers.core.errors import InputError
from fkd_helpers.data import FaceSet, load, shift_of, write_classic
from fkd_helpers.data.puppets import Puppet, make_face
from fkd_helpers.evaluate import CONDITIONS, STRENGTHS, change, change_set, conditions_of, moved
from fkd_helpers.evaluate.evaluate import evaluate_predictor
from fkd_helpers.faces.boxes import box_of
from fkd_helpers.faces.landmarks import REGIONS
from fkd_helpers.faces.metrics import auc, unit
from fkd_helpers.predict import Face


@pytest.fixture(scope="module")
def faces():
    return load("puppets", n=20)


class Oracle:
    """A predictor that knows the answers, in the order in which it is asked."""

    def __init__(self, answers):
        self.answers, self.asked = answers, 0

    def next_answer(self):
        self.asked += 1
        return self.answers[(self.asked - 1) % len(self.answers)]

    def at_boxes(self, image, boxes):
        return self.next_answer()[None], None

    def __call__(self, image, *, whole_image):
        points = self.next_answer()
        return [] if np.isnan(points).any() else [Face(box_of(points), points)]


def score(answers, faces, data=""):
    return evaluate_predictor(Oracle(answers), faces, data)


def record(name):
    return records.read(records.RECORDS / f"{name}.json")


# Scores


@pytest.mark.parametrize("shift", [(0, 0), (3, 4)])
def test_evaluate_predictor_gives_a_known_shift_its_error(faces, shift):
    found = score(faces.keypoints + np.float32(shift), faces)
    known = np.hypot(*shift) / unit(faces.keypoints)
    for key in ("scores", "scores_true_box", "raw", "raw_true_box"):
        assert found[key]["nme"] == pytest.approx(known.mean(), rel=1e-4), key
        assert all(found[key][f"nme_{region}"] == pytest.approx(known.mean(), rel=1e-4) for region in REGIONS)
        assert found[key]["auc_0.08"] == pytest.approx(auc(known, 0.08), rel=1e-4)
    assert found["worst"][0]["nme"] == pytest.approx(known.max(), rel=1e-4)
    assert found["label_shift_px"] == 0 and found["people"] == len(set(faces.people))


@pytest.mark.parametrize("data", ["ytf", "some/where/wild68"])
def test_evaluate_predictor_moves_answers_to_where_labels_lie(faces, data):
    to_the_right = shift_of(faces.keypoints, data)  # (n, 1), pixels
    found = score(faces.keypoints - np.stack([to_the_right, 0 * to_the_right], -1), faces, data)
    known = (to_the_right[:, 0] / unit(faces.keypoints)).mean()
    assert known > 0.005 and found["label_shift_px"] == pytest.approx(to_the_right.mean())
    for ending in ("", "_true_box"):
        assert found[f"scores{ending}"]["nme"] < 1e-5
        assert found[f"raw{ending}"]["nme"] == pytest.approx(known, rel=1e-3)


def test_evaluate_predictor_counts_a_face_that_is_not_found_as_failure(faces):
    answers = faces.keypoints.copy()
    answers[7] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = score(answers, faces)
    assert found["scores"]["not_found"] == 1 and found["scores"]["nme_over_0.10"] == 1 / 20
    assert found["worst"][0] == {"index": 7, "nme": np.inf}


def test_evaluate_predictor_takes_any_number_of_points_but_those_of_the_labels(faces):
    five = replace(faces, keypoints=faces.keypoints[:, [36, 45, 30, 48, 54]], mirror=None)
    found = score(five.keypoints + 1, five)
    assert found["scores"]["nme"] > 0 and "nme_jaw" not in found["scores"]
    with pytest.raises(InputError, match="needs a model of 68 keypoints, this one gives 5"):
        score(five.keypoints, faces)


def test_command_writes_both_records(tmp_path, monkeypatch, capsys):
    write_classic(load("puppets", n=8)[:4], tmp_path / "mine")
    for kind in set(STRENGTHS) - {"occlusion"}:
        monkeypatch.delitem(STRENGTHS, kind)
    monkeypatch.chdir(tmp_path)
    arguments = ["evaluate", "--data", "mine", "--part", "all", "--out", "out"]
    assert cli.main([*arguments, "--robustness"]) == 0
    scores, worse = (records.read(f"out/{kind}-mine-all-small.json") for kind in ("evaluation", "robustness"))
    assert scores["scores"]["faces"] == worse["faces"] == 4 and worse["seed"] == 0 and worse["photo_faces"] == 1
    start = worse["curves"]["occlusion"]["points"][0]
    assert start["strength"] == 0 and start["nme"] == scores["scores_true_box"]["nme"]
    said = capsys.readouterr().out
    assert f"NME {scores['scores']['nme']:.4f}" in said and "worst faces" in said and "nme_jaw" in said


# Conditions


def one(**options):
    plain = {"size": 200, "side": 100.0, "centre": (100.0, 100.0), "plain": True}
    return make_face(3, person=Puppet("astronaut", False, np.zeros(12)), **(plain | options))[:2]


def measured(images, keypoints):
    return conditions_of(FaceSet(images, np.stack(keypoints), [f"face_{i}.png" for i in range(len(images))]))


def test_conditions_of_follow_what_was_done_to_the_face(faces):
    image, points = one(pose=(0.0, 0.0, 0.0))
    usual = measured([image], [points])
    assert set(usual) == set(CONDITIONS) and usual["size"][0] == pytest.approx(box_of(points)[2:].max())
    worse = measured([cv2.GaussianBlur(image, (0, 0), 3), image // 2], [points, points])
    assert worse["sharpness"][0] < 0.5 * usual["sharpness"][0]
    assert worse["light"] == pytest.approx(usual["light"][0] / np.array([1, 2]), abs=2)
    for name, poses in (("turn", [(0, yaw, 0) for yaw in (0, 15, -30)]), ("tilt", [(r, 0, 0) for r in (0, 15, -30)])):
        rows = [one(pose=tuple(map(float, pose))) for pose in poses]
        values = measured([row[0] for row in rows], [row[1] for row in rows])[name]
        assert values[0] < 3 and 10 < values[1] < 20 and values[1] + 5 < values[2] < 35, name


# Robustness


@pytest.mark.parametrize("kind, strength", [("rotation", 30), ("rotation", 180), ("scale", 2), ("scale", 2.7)])
def test_change_moves_pixels_and_labels_together(kind, strength):
    point = np.array([61.0, 40.0])
    y, x = np.mgrid[:120, :130]
    image = (255 * np.exp(-((x - point[0]) ** 2 + (y - point[1]) ** 2) / (2 * 6**2))).astype(np.uint8)
    there, map_ = change(image, np.array([40.0, 30, 50, 60]), kind, strength, np.random.default_rng(0))
    y, x = np.mgrid[: there.shape[0], : there.shape[1]]
    centroid = np.array([(x * there).sum(), (y * there).sum()]) / there.sum()
    expected = moved(point[None], map_)[0]
    assert np.abs(centroid - expected).max() < 0.1 and np.abs(expected - point).max() > 5


def test_change_of_pixels_does_what_it_says_and_leaves_the_labels():
    rng = np.random.default_rng(0)
    image, box = np.full((100, 120, 3), 100, np.uint8), np.array([30.0, 20, 60, 50])
    changed = {k: change(image, box, k, v, rng) for k, v in dict(blur=9, noise=10, darkness=4, occlusion=20).items()}
    assert all(there.dtype == np.uint8 and np.array_equal(map_, np.eye(2, 3)) for there, map_ in changed.values())
    noisy, dark, hidden = (changed[kind][0] for kind in ("noise", "darkness", "occlusion"))
    assert noisy.std() == pytest.approx(10, rel=0.05) and noisy.mean() == pytest.approx(100, abs=0.5)
    assert (dark == 25).all() and (image == 100).all()  # what came is as it was
    hidden = (hidden == 128).all(-1)
    assert hidden[20:70, 30:90].sum() == hidden.sum() == pytest.approx(0.2 * 60 * 50, rel=0.1)
    dot = np.zeros((303, 303), np.uint8)
    dot[150:153, 150:153] = 255
    wide, y = change(dot, box, "blur", 10, rng)[0].astype(float), np.arange(303) - 151
    assert ((wide.sum(1) * y**2).sum() / wide.sum()) ** 0.5 == pytest.approx(6, rel=0.15)  # 10 % of 60 pixels


def test_labels_of_a_changed_set_come_back_by_its_maps(faces):
    for kind, strength in (("rotation", 90), ("scale", 3), ("noise", 20), ("blur", 0)):
        worse, maps = change_set(faces[:3], kind, strength)
        back = [moved(p, cv2.invertAffineTransform(map_)) for p, map_ in zip(worse.keypoints, maps, strict=True)]
        np.testing.assert_allclose(back, faces.keypoints[:3], atol=1e-3)
