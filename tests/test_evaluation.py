"""Evaluation, conditions, robustness: what is scored, against known errors; figures from records."""

import warnings
from dataclasses import replace
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from fkd_helpers import cli
from fkd_helpers.core import records
from fkd_helpers.core.errors import InputError
from fkd_helpers.data import FaceSet, as_labelled, load, shift_of, write_classic
from fkd_helpers.data.puppets import Puppet, make_face
from fkd_helpers.evaluate import evaluate as evaluation
from fkd_helpers.evaluate import robustness
from fkd_helpers.evaluate.conditions import CONDITIONS, binned, by_condition, conditions_of
from fkd_helpers.evaluate.evaluate import LIMITS, evaluation_of, labelled_faces, predict_set, scored
from fkd_helpers.evaluate.robustness import STRENGTHS, changed, changed_set, curves, errors_of, moved
from fkd_helpers.faces.boxes import box_of
from fkd_helpers.faces.landmarks import REGIONS
from fkd_helpers.faces.metrics import auc, eye_distance, nme
from fkd_helpers.plots import results as result_plots
from fkd_helpers.predict import Face, KeypointPredictor

EVALUATIONS = ("evaluation-ytf-test-small", "evaluation-wild68-held-out-small")
ROBUSTNESS = "robustness-ytf-test-small"


@pytest.fixture(scope="module")
def faces():
    return load("puppets", n=20)


@pytest.fixture(scope="module")
def small():
    return KeypointPredictor()


class Oracle:
    """A predictor that knows the answer for each image."""

    def __init__(self, faces, answers):
        self.answers = {id(image): points for image, points in zip(faces.images, answers, strict=True)}

    def at_boxes(self, image, boxes):
        return self.answers[id(image)][None], None

    def __call__(self, image, *, whole_image):
        assert whole_image == "fallback"
        points = self.answers[id(image)]
        return [] if np.isnan(points).any() else [Face(box_of(points), points)]


def record(name):
    return records.read(records.RECORDS / f"{name}.json")


# Scores


def test_perfect_answers_have_no_error(faces):
    found = evaluation_of(Oracle(faces, faces.keypoints), faces)
    for key in ("scores", "scores_true_box", "raw", "raw_true_box"):
        assert found[key]["nme"] == found[key]["nme_high"] == found[key]["mae_px"] == 0, key
        assert found[key]["pck_0.05"] == found[key]["auc_0.08"] == 1
    assert (found["scores"]["curve"] == 1).all() and all(face["nme"] == 0 for face in found["worst"])
    assert found["label_shift_px"] == 0 and found["people"] == len(set(faces.people))


def test_a_known_shift_gives_the_known_error(faces):
    found = evaluation_of(Oracle(faces, faces.keypoints + np.float32([3, 4])), faces)
    known = 5 / eye_distance(faces.keypoints)
    assert found["scores"]["nme"] == pytest.approx(known.mean(), rel=1e-4)
    assert all(found["scores"][f"nme_{region}"] == pytest.approx(known.mean(), rel=1e-4) for region in REGIONS)
    assert found["worst"][0] == {"index": known.argmax(), "nme": pytest.approx(known.max(), rel=1e-4)}
    assert [face["nme"] for face in found["worst"]] == pytest.approx(np.sort(known)[::-1][:10], rel=1e-4)


@pytest.mark.parametrize("data", ["ytf", "wild68", "some/where/ytf"])
def test_answers_on_the_points_are_moved_to_where_the_labels_lie(faces, data):
    to_the_right = shift_of(faces.keypoints, data)  # (n, 1), pixels
    on_the_points = faces.keypoints - np.stack([to_the_right, 0 * to_the_right], -1)
    found = evaluation_of(Oracle(faces, on_the_points), faces, data)
    known = (to_the_right[:, 0] / eye_distance(faces.keypoints)).mean()
    assert known > 0.005 and found["label_shift_px"] == pytest.approx(to_the_right.mean())
    for ending in ("", "_true_box"):
        assert found[f"scores{ending}"]["nme"] < 1e-5
        assert found[f"raw{ending}"]["nme"] == pytest.approx(known, rel=1e-3)


def test_a_set_that_was_not_measured_is_scored_as_it_is(faces, small):
    found = evaluation_of(small, faces, "puppets")
    assert found["scores"]["nme"] == found["raw"]["nme"] > 0 and found["label_shift_px"] == 0


def test_a_face_that_is_not_found_fails_and_breaks_nothing(faces, tmp_path):
    answers = faces.keypoints.copy()
    answers[7] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = evaluation_of(Oracle(faces, answers), faces)
    assert found["scores"]["not_found"] == 1 and found["scores"]["nme_over_0.10"] == 1 / 20
    assert found["worst"][0] == {"index": 7, "nme": np.inf} and found["scores"]["curve"][-1] == 19 / 20
    assert sum(row["faces"] for row in found["conditions"]["turn"]) == 19
    path = records.write("evaluation", "lost", folder=tmp_path, data="puppets", part=None, **found)
    for draw in (result_plots.cumulative_curves, result_plots.region_bars, result_plots.condition_curves):
        draw([records.read(path)]).savefig(tmp_path / "figure.png")


def test_of_several_faces_the_largest_is_meant(faces):
    class Crowd(Oracle):
        def __call__(self, image, **options):
            (true,) = super().__call__(image, **options)
            tiny = true.keypoints / 4
            return [Face(box_of(tiny), tiny, score=9.0), true]

    assert np.array_equal(predict_set(Crowd(faces, faces.keypoints), faces), faces.keypoints)


def test_curve_area_and_failures_are_of_the_same_faces(faces, small):
    scores = scored(predict_set(small, faces), faces, curve=True)
    errors = nme(predict_set(small, faces), faces.keypoints)
    for limit, share in zip(LIMITS, scores["curve"], strict=True):
        assert share == np.mean(errors <= limit)
    assert 1 - np.interp(0.10, LIMITS, scores["curve"]) == pytest.approx(scores["nme_over_0.10"])
    assert (np.diff(scores["curve"]) >= 0).all() and scores["auc_0.08"] == auc(errors, 0.08)


def test_an_interval_over_people_is_wider_than_over_frames_that_agree(faces):
    far = np.linspace(0, 5, len(set(faces.people)))
    of_person = dict(zip(sorted(set(faces.people)), far, strict=True))
    wrong = faces.keypoints + np.float32([[[of_person[person], 0]] for person in faces.people])  # alike in each person
    by_person = scored(wrong, faces)
    by_frame = scored(wrong, replace(faces, people=np.arange(len(faces)).astype(str)))
    for key in ("nme", *(f"nme_{region}" for region in REGIONS)):
        width, narrow = (s[f"{key}_high"] - s[f"{key}_low"] for s in (by_person, by_frame))
        assert width > 1.3 * narrow > 0 and by_person[f"{key}_low"] < by_person[key] < by_person[f"{key}_high"]


# Bad input


def test_a_model_of_other_points_and_sets_without_points_are_refused(faces):
    fifteen = KeypointPredictor(lambda images: np.full((len(images), 15, 2), 50.0))
    with pytest.raises(InputError, match="needs a model of 68 keypoints, this one gives 15"):
        evaluation_of(fifteen, faces[[0]])
    with pytest.raises(InputError, match="needs a model of 68 keypoints, this one gives 15"):
        errors_of(fifteen, faces[[0]], "rotation", 0)
    with pytest.raises(InputError, match=r"needs faces .* got 0 of 0"):
        evaluation_of(fifteen, faces[np.zeros(20, bool)])
    holes = replace(faces, keypoints=np.where(np.arange(68)[:, None] == 3, np.nan, faces.keypoints))
    with pytest.raises(InputError, match="got 20 of 20 with missing ones"):
        evaluation_of(fifteen, holes)


def test_a_label_without_an_eye_distance_is_left_out(faces):
    points = faces.keypoints.copy()
    points[2, 45] = points[2, 36]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        odd = replace(faces, keypoints=points)
        found = evaluation_of(Oracle(odd, points + np.float32([3, 4])), odd)
    assert found["scores"]["faces"] == 19 and np.isfinite(found["scores"]["nme"])
    assert 2 not in [face["index"] for face in found["worst"]]


def test_parts_of_a_set(monkeypatch):
    monkeypatch.setattr(evaluation, "load", lambda name, **_: load(name, n=100))
    assert len(labelled_faces("puppets", None)) == 100
    test, held = labelled_faces("puppets", "test"), labelled_faces("puppets", "held-out")
    assert {name.partition("/")[0] for name in test.names} == {"test"}
    assert len(set(held.people)) == 2 and len(held) == 10  # a tenth of 20 puppets, with all their frames
    with pytest.raises(InputError, match="unknown part 'tests': did you mean 'test'"):
        labelled_faces("puppets", "tests")


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """A folder with a set of four faces, and one kind of change only."""
    write_classic(load("puppets", n=8)[[0, 1, 2, 3]], tmp_path / "mine")
    for kind in set(STRENGTHS) - {"occlusion"}:
        monkeypatch.delitem(robustness.STRENGTHS, kind)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_command_writes_both_records(tiny, capsys):
    arguments = ["evaluate", "--data", "mine", "--part", "all", "--out", "out", "--robustness", "--seed", "1"]
    assert cli.main(arguments) == 0
    assert sorted(path.name for path in (tiny / "out").iterdir()) == [
        "evaluation-mine-all-small.json", "robustness-mine-all-small.json",
    ]  # fmt: skip
    (scores,), (worse,) = (records.find(kind, folder=tiny / "out") for kind in ("evaluation", "robustness"))
    assert scores["scores"]["faces"] == worse["faces"] == 4 and worse["seed"] == 1 and worse["photo_faces"] == 1
    start = worse["curves"]["occlusion"]["points"][0]
    assert start["strength"] == 0 and start["nme"] == scores["scores_true_box"]["nme"]
    said = capsys.readouterr().out
    assert f"NME {scores['scores']['nme']:.4f}" in said and "worst faces" in said and "by region: jaw" in said


def test_a_seed_that_is_none(tiny, capsys):
    assert cli.main(["evaluate", "--data", "mine", "--part", "all", "--out", "out", "--seed", "-1"]) == 2
    assert capsys.readouterr().err == "evaluate: --seed: expected 0 or more, got -1\n" and not (tiny / "out").exists()


def test_without_the_option_no_photo_is_changed(tiny, monkeypatch):
    monkeypatch.setattr(robustness, "measure", lambda *_, **__: pytest.fail("changed photos"))
    assert cli.main(["evaluate", "--data", "mine", "--part", "all", "--out", "out"]) == 0


# Conditions


def one(**options):
    plain = {"size": 200, "side": 100.0, "centre": (100.0, 100.0), "plain": True}
    image, keypoints, _ = make_face(3, person=Puppet("astronaut", False, np.zeros(12)), **(plain | options))
    return image, keypoints


def measured(images, keypoints):
    names = [f"face_{i}.png" for i in range(len(images))]
    return conditions_of(FaceSet(images, np.stack(keypoints), names))


def test_conditions_follow_what_was_done_to_the_face():
    image, points = one(pose=(0.0, 0.0, 0.0))
    usual = measured([image], [points])
    assert set(usual) == set(CONDITIONS) and all(value.shape == (1,) for value in usual.values())
    assert usual["size"][0] == pytest.approx(box_of(points)[2:].max())
    worse = measured([cv2.GaussianBlur(image, (0, 0), 3), image // 2], [points, points])
    assert worse["sharpness"][0] < 0.5 * usual["sharpness"][0]
    assert worse["light"][1] == pytest.approx(usual["light"][0] / 2, abs=1)
    assert worse["light"][0] == pytest.approx(usual["light"][0], abs=2)
    for name, poses in (("turn", [(0, yaw, 0) for yaw in (0, 15, -30)]), ("tilt", [(r, 0, 0) for r in (0, 15, -30)])):
        rows = [one(pose=tuple(map(float, pose))) for pose in poses]
        values = measured([row[0] for row in rows], [row[1] for row in rows])[name]
        assert values[0] < 3 and 10 < values[1] < 20 and values[1] + 5 < values[2] < 35, name


def test_a_gray_photo_and_a_label_of_no_pose_are_measured_too(faces):
    gray = cv2.cvtColor(faces.images[0], cv2.COLOR_RGB2GRAY)
    flat = np.zeros((68, 2), np.float32) + 50
    found = measured([gray, gray], [faces.keypoints[0], flat])
    assert np.isfinite(found["light"]).all() and np.isnan(found["turn"]).tolist() == [False, True]


def test_bins_hold_equally_many_and_know_their_error():
    values = np.random.default_rng(0).permutation(100).astype(float)
    errors, people = values / 1000, (values // 2).astype(int).astype(str)
    rows = binned(errors, values, people, bins=5)
    assert [row["faces"] for row in rows] == [20] * 5
    assert [(row["from"], row["to"]) for row in rows] == [(0, 19), (20, 39), (40, 59), (60, 79), (80, 99)]
    assert [row["nme"] for row in rows] == pytest.approx([0.0095, 0.0295, 0.0495, 0.0695, 0.0895])
    assert [row["failures"] for row in rows] == [0] * 5 and all(
        row["nme_low"] < row["nme"] < row["nme_high"] for row in rows
    )
    values[values > 79], errors[5] = np.nan, np.inf
    assert sum(row["faces"] for row in binned(errors, values, people)) == 80 - (values[5] < 80)
    assert len(binned(np.arange(3.0), np.zeros(3), people[:3])) == 3  # fewer faces than bins
    with pytest.raises(InputError, match="bins: expected at least 1, got 0"):
        binned(errors, values, people, bins=0)


def test_each_condition_has_its_bins(faces):
    found = by_condition(faces, np.full(20, 0.2), bins=4)
    assert set(found) == set(CONDITIONS)
    for rows in found.values():
        assert [row["faces"] for row in rows] == [5] * 4 and all(row["failures"] == 1 for row in rows)


# Robustness


@pytest.mark.parametrize("kind", STRENGTHS)
def test_without_a_change_the_score_is_the_plain_one(faces, small, kind):
    few, none = faces[range(4)], STRENGTHS[kind][1][0]
    plain = nme(as_labelled(predict_set(small, few, given_boxes=True), "ytf"), few.keypoints)
    assert np.array_equal(errors_of(small, few, kind, none, data="ytf"), plain)
    assert np.array_equal(
        errors_of(small, few, kind, none, given_boxes=False), nme(predict_set(small, few), few.keypoints)
    )


@pytest.mark.parametrize("kind, strength", [("rotation", 30), ("rotation", 180), ("scale", 2), ("scale", 2.7)])
def test_pixels_and_labels_move_together(kind, strength):
    point = np.array([61.0, 40.0])
    y, x = np.mgrid[:120, :130]
    image = (255 * np.exp(-((x - point[0]) ** 2 + (y - point[1]) ** 2) / (2 * 6**2))).astype(np.uint8)
    there, map_ = changed(image, np.array([40.0, 30, 50, 60]), kind, strength, np.random.default_rng(0))
    y, x = np.mgrid[: there.shape[0], : there.shape[1]]
    centroid = np.array([(x * there).sum(), (y * there).sum()]) / there.sum()
    expected = moved(point[None], map_)[0]
    assert np.abs(centroid - expected).max() < 0.1
    assert np.abs(expected - point).max() > 5
    back = moved(expected[None], cv2.invertAffineTransform(map_))[0]
    assert back == pytest.approx(point, abs=1e-4)


def test_a_turn_is_clockwise_and_about_the_face():
    _, map_ = changed(np.zeros((90, 90), np.uint8), np.array([20.0, 30, 40, 20]), "rotation", 90, None)
    assert moved(np.array([[40.0, 40], [40, 30]]), map_) == pytest.approx(np.array([[40, 40], [50, 40]]), abs=1e-4)


def test_the_other_changes_do_what_they_say_and_leave_the_labels():
    rng = np.random.default_rng(0)
    image, box = np.full((100, 120, 3), 100, np.uint8), np.array([30.0, 20, 60, 50])
    for kind in ("blur", "noise", "darkness", "occlusion"):
        there, map_ = changed(image, box, kind, 30, rng)
        assert there.shape == image.shape and there.dtype == np.uint8 and np.array_equal(map_, np.eye(2, 3))
    noisy, _ = changed(image, box, "noise", 10, rng)
    assert noisy.std() == pytest.approx(10, rel=0.05) and noisy.mean() == pytest.approx(100, abs=0.5)
    assert (changed(image, box, "darkness", 4, rng)[0] == 25).all()
    hidden = (changed(image, box, "occlusion", 20, rng)[0] == 128).all(-1)
    assert hidden[20:70, 30:90].sum() == hidden.sum() == pytest.approx(0.2 * 60 * 50, rel=0.1)
    assert (image == 100).all()  # what came is as it was
    dot = np.zeros((101, 101), np.uint8)
    dot[50, 50] = 255
    wide = changed(np.repeat(np.repeat(dot, 3, 0), 3, 1), box, "blur", 10, rng)[0].astype(float)
    y = np.arange(303) - 151
    assert ((wide.sum(1) * y**2).sum() / wide.sum()) ** 0.5 == pytest.approx(6, rel=0.15)  # 10 % of 60 pixels


def test_the_same_seed_changes_alike(faces):
    few = faces[[0, 1]]
    for kind in ("noise", "occlusion"):
        first, again, other = (changed_set(few, kind, 20, seed=seed)[0].images for seed in (0, 0, 1))
        assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
        assert not any(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_an_answer_on_the_changed_face_is_no_error(faces):
    few = faces[range(3)]
    for kind, strength in (("rotation", 90), ("scale", 3), ("noise", 20)):
        worse, maps = changed_set(few, kind, strength)
        answers = iter(worse.keypoints)
        oracle = SimpleNamespace(at_boxes=lambda image, boxes, left=answers: (next(left)[None], None))
        assert maps.shape == (3, 2, 3) and errors_of(oracle, few, kind, strength).max() < 1e-4, kind


def test_curves_begin_at_the_plain_score_and_end_worse(faces, small):
    few = faces[range(6)]
    wanted = {"rotation": ("degrees", (0, 90)), "blur": ("%", (0, 8))}
    found = curves(small, few, strengths=wanted, photo_every=3)
    plain = nme(predict_set(small, few, given_boxes=True), few.keypoints).mean()
    for kind, curve in found.items():
        first, last = curve["points"]
        assert curve["unit"] == wanted[kind][0] and first["nme"] == plain < last["nme"] / 1.5
        assert first["failures"] == 0 < last["failures"] and first["photo_failures"] in (0, 0.5, 1)
    assert "photo_failures" not in curves(small, few, strengths=wanted, photo_every=0)["blur"]["points"][0]


@pytest.mark.parametrize(
    "kind, strength, message",
    [
        ("rotatoin", 3, "unknown change 'rotatoin': did you mean 'rotation'"),
        ("blur", -1, "blur: expected a strength of at least 0, got -1"),
        ("scale", 0.5, "scale: expected a strength of at least 1, got 0.5"),
        ("noise", float("nan"), "noise: expected a strength of at least 0, got nan"),
    ],
)
def test_changes_that_there_are_not(faces, kind, strength, message):
    with pytest.raises(InputError, match=message):
        changed_set(faces[[0]], kind, strength)


# What the committed records say, and figures from them


@pytest.mark.parametrize("name", EVALUATIONS)
def test_the_committed_evaluations_agree_with_themselves(name):
    found = record(name)
    scores = found["scores"]
    assert scores["not_found"] == 0 and len(found["worst"]) == 10
    at = np.interp(0.10, found["curve_limits"], scores["curve"])
    assert 1 - at == pytest.approx(scores["nme_over_0.10"], abs=1e-4)
    weighted = sum(scores[f"nme_{region}"] * len(points) for region, points in REGIONS.items()) / 68
    assert weighted == pytest.approx(scores["nme"], rel=1e-3)
    for rows in found["conditions"].values():
        assert sum(row["faces"] for row in rows) == scores["faces"]
        assert sum(row["faces"] * row["nme"] for row in rows) / scores["faces"] == pytest.approx(
            scores["nme"], rel=1e-3
        )
    assert scores["nme"] <= found["raw"]["nme"] and found["scores_true_box"]["nme"] <= scores["nme"] + 0.002


def test_the_robustness_record_begins_at_the_evaluation():
    found, scores = record(ROBUSTNESS), record(EVALUATIONS[0])
    assert found["data_digest"] == scores["data_digest"] and set(found["curves"]) == set(STRENGTHS)
    for kind, curve in found["curves"].items():
        assert curve["points"][0]["nme"] == pytest.approx(scores["scores_true_box"]["nme"], rel=1e-3), kind
        assert [point["strength"] for point in curve["points"]] == list(STRENGTHS[kind][1])


def test_figures_say_in_words_what_they_show(tmp_path):
    both = [record(name) for name in EVALUATIONS]
    people = [record(f"training-keypoints68_people{ending}") for ending in ("", "_centred")]
    drawn = {
        "ytf, test: 85% at 0.05": result_plots.cumulative_curves(both),
        f"jaw {both[0]['scores']['nme_jaw']:.3f}": result_plots.region_bars(both),
        f"turn {both[0]['conditions']['turn'][0]['nme']:.3f} to": result_plots.condition_curves(both),
        "a tenth of them: rotation at": result_plots.robustness_curves(record(ROBUSTNESS)),
        "people it never saw 0.0426": result_plots.seen_and_unseen(people, ["given", "centred"]),
    }
    for words, figure in drawn.items():
        assert words in figure.get_label()
        figure.savefig(tmp_path / "figure.png")
    with pytest.raises(
        InputError, match=r"keypoints68: expected scores of seen and unseen people, \['seen', 'unseen'\]"
    ):
        result_plots.seen_and_unseen([record("training-keypoints68")])


def test_where_a_tenth_or_half_of_the_faces_fail():
    points = [{"strength": s, "failures": f} for s, f in ((0, 0.0), (10, 0.2), (20, 0.6), (30, 1.0))]
    assert result_plots.breaking_point(points) == pytest.approx(5)
    assert result_plots.breaking_point(points, share=0.5) == pytest.approx(17.5)
    assert result_plots.breaking_point(points[:2], share=0.5) == np.inf
    table = result_plots.robustness_table(record(ROBUSTNESS))
    assert set(table.index) == set(STRENGTHS) and (table["NME there"] > table["NME unchanged"]).all()
    assert 30 < table.loc["rotation", "a tenth fail at"] < 45
