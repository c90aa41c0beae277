"""Scores of expression answers: ours against worked examples, the libraries' against sums by hand."""

import numpy as np
import pytest

from fkd_helpers.core.errors import InputError
from fkd_helpers.expressions.metrics import (
    by_class,
    class_scores,
    confusion,
    krippendorff_alpha,
    scale_scores,
    sign_agreement,
)
from fkd_helpers.plots.expressions import calibration_figure, circumplex_figure, confusion_figure, curves_figure

NAN = np.nan
# Krippendorff, Computing Krippendorff's Alpha-Reliability, 2011: its section C
FOUR = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, NAN, NAN, NAN],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NAN, 3],
    [NAN, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NAN],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NAN],
]


def test_alpha_of_the_sources_example_with_missing_ratings():
    assert krippendorff_alpha(FOUR) == pytest.approx(0.743, abs=5e-4)
    assert krippendorff_alpha(FOUR, level="interval") == pytest.approx(0.849, abs=5e-4)


def test_alpha_of_the_sources_example_of_two_raters_and_five_values():
    first, second = "a a b b d c c c e d d a".split(), "b a b b b c c c e d d d".split()
    ratings = [[ord(letter) for letter in rater] for rater in (first, second)]
    assert krippendorff_alpha(ratings) == pytest.approx(0.692, abs=5e-4)


def test_alpha_of_full_agreement_is_one_and_without_variation_unknown():
    assert krippendorff_alpha([[1, 2, 3], [1, 2, 3]]) == pytest.approx(1)
    assert np.isnan(krippendorff_alpha([[1, 1], [1, 1]])) and np.isnan(krippendorff_alpha([[1, NAN], [NAN, 2]]))
    with pytest.raises(InputError, match="nominal"):
        krippendorff_alpha(FOUR, level="ordinal")


def test_sign_agreement_counts_equal_signs():
    assert sign_agreement(np.array([0.5, -0.2, 0.1, 0.0]), np.array([0.1, -0.9, -0.3, 0.0])) == 0.75


def test_class_scores_by_hand():
    shares = np.array([[0.8, 0.1, 0.1], [0.5, 0.4, 0.1], [0.2, 0.7, 0.1], [0.3, 0.3, 0.4]])
    scores = class_scores(shares, np.array([0, 1, 1, 2]))
    assert scores["accuracy"] == 0.75 and scores["top2"] == 1.0
    assert scores["macro_f1"] == pytest.approx((2 / 3 + 2 / 3 + 1) / 3)
    assert scores["kappa"] == pytest.approx((0.75 - 5 / 16) / (1 - 5 / 16))  # by chance: 2/4 1/4 + 1/4 2/4 + 1/4 1/4
    assert scores["auc_roc"] == 1.0  # in each column the label's faces come before the others
    assert scores["log_loss"] == pytest.approx(-np.log([0.8, 0.4, 0.7, 0.4]).mean())
    # each answer in a bin of its own: certainty 0.8 right, 0.5 wrong, 0.7 right, 0.4 right
    assert scores["calibration"] == pytest.approx((0.2 + 0.5 + 0.3 + 0.6) / 4, abs=1e-6)


def test_scale_scores_of_a_shifted_line():
    target = np.array([-0.5, 0.0, 0.5])
    scores = scale_scores(target + 0.2, target, "valence_")
    assert scores["valence_rmse"] == pytest.approx(0.2) and scores["valence_mae"] == pytest.approx(0.2)
    assert scores["valence_r"] == pytest.approx(1)
    assert scores["valence_r2"] == pytest.approx(1 - 0.12 / 0.5)
    spread = target.var(ddof=1)  # torchmetrics takes the unbiased one
    assert scores["valence_ccc"] == pytest.approx(2 * spread / (2 * spread + 0.04))
    assert scores["valence_sign"] == pytest.approx(2 / 3)


def test_values_that_do_not_vary_have_no_correlation():
    scores = scale_scores(np.array([0.1, 0.1]), np.array([0.2, 0.3]))
    assert np.isnan(scores["r"]) and np.isnan(scores["ccc"]) and scores["rmse"] > 0


@pytest.mark.parametrize(("shares", "labels"), [((0, 8), 0), ((3, 8), 4), ((8,), 8)])
def test_shapes_that_do_not_fit_are_refused(shares, labels):
    with pytest.raises(InputError, match="expected"):
        class_scores(np.zeros(shares), np.zeros(labels, int))


def test_rows_and_confusion_agree_and_an_absent_class_is_nan():
    rng = np.random.default_rng(0)
    shares, expression = rng.dirichlet(np.ones(8), 90), rng.integers(0, 7, 90)
    rows, counts = by_class(shares, expression), confusion(shares, expression)
    for k, row in enumerate(rows[:7]):
        assert row["recall"] == pytest.approx(counts[k, k] / counts[k].sum()) and row["faces"] == counts[k].sum()
    assert rows[7]["expression"] == "contempt" and np.isnan(rows[7]["auc_roc"]) and not rows[7]["faces"]


def test_figures_say_what_they_show():
    class Faces:
        expression = np.arange(40) % 8
        valence = np.linspace(-1, 1, 40)
        arousal = -valence

    shares = np.eye(8)[Faces.expression] * 0.6 + 0.05
    shares[Faces.expression == 4] = np.eye(8)[3]
    answers = np.concatenate([shares, Faces.valence[:, None], -Faces.valence[:, None]], 1)
    assert "fear called surprise, 100 %" in confusion_figure(shares, Faces.expression).get_label()
    assert "happy 1.00 and 1.00" in curves_figure(shares, Faces.expression).get_label()
    assert "valence: r 1.00, arousal: r 1.00" in circumplex_figure(answers, Faces).get_label()
    assert "right 88%" in calibration_figure(shares, Faces.expression).get_label()
