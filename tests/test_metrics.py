import warnings

import numpy as np
import pytest

from fkd_helpers.faces.landmarks import REGIONS
from fkd_helpers.faces.metrics import auc, bootstrap, nme, pck, summary, unit

SHIFT = np.array([3.0, -4.0])  # 5 pixels long


@pytest.fixture
def target():
    return np.random.default_rng(0).uniform(0, 100, (9, 68, 2))


@pytest.mark.parametrize("points", [5, 68, 98])
def test_nme_of_a_shift_is_its_length_in_units(points):
    target = np.random.default_rng(0).uniform(0, 100, (9, points, 2))
    assert np.allclose(nme(target + SHIFT, target), 5 / unit(target)) and (nme(target, target) == 0).all()
    noisy = target + np.random.default_rng(1).normal(0, 3, target.shape)
    assert np.allclose(nme(2.5 * noisy + 7, 2.5 * target + 7), nme(noisy, target))  # whatever the image size


def test_unit_is_the_eye_distance_or_the_diagonal_of_the_box(target):
    assert np.allclose(unit(target), np.hypot(*(target[:, 36] - target[:, 45]).T))
    others = target[:, :5]
    assert np.allclose(unit(others), np.hypot(*(others.max(1) - others.min(1)).T))
    assert np.isnan(unit(np.full((2, 5, 2), np.nan))).all() and np.isnan(unit(np.zeros((1, 68, 2)))).all()


def test_nme_leaves_out_missing_targets_and_is_infinite_for_a_lost_face(target):
    predicted = target + SHIFT
    whole = nme(predicted, target)
    target[0, :10] = np.nan
    predicted[0, :10] = 1e9
    predicted[1] = np.nan
    errors = nme(predicted, target)
    assert np.allclose(errors[[0, *range(2, 9)]], whole[[0, *range(2, 9)]]) and errors[1] == np.inf
    target[2, 36] = np.nan  # no eye distance, no unit
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(nme(predicted, target)).nonzero()[0].tolist() == [2]


def test_pck_is_the_share_of_points_within_the_threshold():
    errors = np.array([[0.01, 0.05, 0.1], [np.inf, np.nan, 0.2]])
    assert pck(errors, 0.05) == pytest.approx(2 / 5) and pck(errors, 0.2) == pytest.approx(4 / 5)


def test_auc_is_the_area_under_the_counted_curve():
    faces = np.random.default_rng(0).exponential(0.05, 200)
    counted = np.mean([(faces <= step).mean() for step in np.linspace(0, 0.08, 20_001)])
    assert auc(faces, 0.08) == pytest.approx(counted, abs=1e-3)
    assert auc(np.zeros(3), 0.08) == 1 and auc(np.array([0.08, np.inf]), 0.08) == 0


def test_bootstrap_is_wider_over_people_than_over_frames():
    rng = np.random.default_rng(0)
    people = np.repeat(np.arange(20), 30)
    values = rng.normal(5, 1, 20)[people] + rng.normal(0, 0.1, 600)  # frames of one person are alike
    low, high = bootstrap(values, people)
    frame_low, frame_high = bootstrap(values, np.arange(600))
    assert low < values.mean() < high and frame_low < values.mean() < frame_high
    assert high - low > 3 * (frame_high - frame_low)
    # 95 % of a normal distribution are 3.92 standard errors
    assert frame_high - frame_low == pytest.approx(3.92 * np.std(values) / 600**0.5, rel=0.1)
    # a person counts by frames: one of 3 frames at 1 and one of 1 frame at 0 give means of 0, 0.75 and 1
    assert bootstrap(np.array([1, 1, 1, 0]), np.array(["a", "a", "a", "b"])) == (0, 1)


def test_summary_agrees_with_the_single_scores(target):
    sizes, people = np.tile([112, 448], (9, 1)), np.repeat(["Ann", "Bo", "Cy"], 3)
    scores = summary(target + SHIFT, target, sizes=sizes, people=people)
    assert scores["faces"] == 9 and scores["not_found"] == 0
    assert scores["nme"] == pytest.approx((5 / unit(target)).mean())
    assert scores["nme_low"] <= scores["nme"] <= scores["nme_high"]
    assert scores["mae_px"] == pytest.approx(3.5) and scores["rmse_px"] == pytest.approx(12.5**0.5)
    assert scores["mae_224"] == pytest.approx((3 * 2 + 4 / 2) / 2)
    weighted = sum(scores[f"nme_{region}"] * len(points) for region, points in REGIONS.items()) / 68
    assert weighted == pytest.approx(scores["nme"])
    assert "nme_jaw" not in summary(target[:, :5], target[:, :5], sizes=sizes, people=people)  # regions of 68 points


def test_summary_counts_lost_faces_and_leaves_out_those_without_a_unit(target):
    predicted = target + SHIFT
    predicted[0], target[1, 45] = np.nan, np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rest = {"sizes": np.full((9, 2), 112), "people": np.arange(9)}
        scores, nothing = (summary(answer, target, **rest) for answer in (predicted, np.full_like(target, np.nan)))
    assert scores["faces"] == 8 and scores["not_found"] == 1 and scores["nme"] == np.inf
    assert scores["nme_median"] < np.inf and scores["mae_px"] == pytest.approx(3.5) and "nme_low" not in scores
    assert nothing["not_found"] == 9 and np.isnan(nothing["mae_px"])
    with pytest.raises(ValueError, match="expected a face with both outer eye corners, got none in 9"):
        summary(predicted, np.full_like(target, np.nan), **rest)
