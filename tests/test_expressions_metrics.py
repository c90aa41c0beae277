"""Scores and figures of answers about expressions: ours by worked examples, the libraries' by hand."""

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from fkd_helpers.core.errors import InputError
from fkd_helpers.data import FaceSet
from fkd_helpers.expressions.metrics import by_class, class_scores, krippendorff_alpha, scale_scores
from fkd_helpers.plots import expressions as plots

NAN = np.nan
# Krippendorff, Computing Krippendorff's Alpha-Reliability, 2011: its sections C and B
FOUR = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, NAN, NAN, NAN],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NAN, 3],
    [NAN, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NAN],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NAN],
]
TWO = [[ord(letter) for letter in rater] for rater in ("aabbdcccedda", "babbbccceddd")]


@pytest.mark.parametrize("ratings, level, alpha", [
    (FOUR, "nominal", 0.743), (FOUR, "interval", 0.849), (TWO, "nominal", 0.692),
    ([[1, 2, 3], [1, 2, 3]], "nominal", 1), ([[1, 1], [1, 1]], "nominal", NAN), ([[1, NAN], [NAN, 2]], "nominal", NAN),
])  # fmt: skip
def test_krippendorff_alpha_of_the_sources_examples(ratings, level, alpha):
    assert krippendorff_alpha(ratings, level=level) == pytest.approx(alpha, abs=5e-4, nan_ok=True)


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
    scores = scale_scores(target + 0.2, target)
    spread = target.var(ddof=1)  # torchmetrics takes the unbiased one
    wanted = {"rmse": 0.2, "mae": 0.2, "r2": 1 - 0.12 / 0.5, "r": 1, "sign": 2 / 3}
    assert scores == pytest.approx(wanted | {"ccc": 2 * spread / (2 * spread + 0.04)})


def test_scale_scores_without_variation_have_no_correlation():
    scores = scale_scores(np.array([0.1, 0.1]), np.array([0.2, 0.3]), "valence_")
    assert np.isnan(scores["valence_r"]) and np.isnan(scores["valence_ccc"]) and scores["valence_rmse"] > 0


@pytest.mark.parametrize("call, message", [
    (lambda: class_scores(np.zeros((0, 8)), np.zeros(0, int)), r"expected \(n, classes\)"),
    (lambda: class_scores(np.zeros((3, 8)), np.zeros(4, int)), r"expected \(n, classes\)"),
    (lambda: class_scores(np.full((2, 7), 1 / 7), np.array([0, 7])), r"expected 0 to 6 .*, got \[0, 7\]"),
    (lambda: scale_scores(np.zeros(3), np.zeros(4)), r"expected two of \(n,\)"),
    (lambda: krippendorff_alpha(FOUR, level="ordinal"), "expected 'nominal' or 'interval'"),
])  # fmt: skip
def test_labels_outside_of_the_classes_and_odd_shapes_are_refused(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_by_class_agrees_with_a_confusion_matrix_and_has_nan_for_an_absent_class():
    rng = np.random.default_rng(0)
    shares, expression = rng.dirichlet(np.ones(8), 90), rng.integers(0, 7, 90)
    rows, counts = by_class(shares, expression), confusion_matrix(expression, shares.argmax(1), labels=range(8))
    assert rows["recall"][:7].tolist() == pytest.approx((counts.diagonal() / counts.sum(1).clip(1))[:7])
    assert rows["faces"].tolist() == counts.sum(1).tolist()
    assert rows["expression"][7] == "contempt" and np.isnan(rows["auc_roc"][7]) and rows["faces"][7] == 0
    assert class_scores(shares, expression)["auc_roc"] == pytest.approx(rows["auc_roc"][:7].mean())


def test_figures_tell_their_content_in_alt_texts():
    expression, valence = np.arange(40) % 8, np.linspace(-1, 1, 40)
    extras = {"expression": expression, "valence": valence, "arousal": -valence}
    faces = FaceSet(np.zeros((40, 9, 9)), np.zeros((40, 68, 2)), [str(i) for i in range(40)], extras=extras)
    shares = np.eye(8)[expression] * 0.6 + 0.05
    shares[expression == 4] = np.eye(8)[3]
    answers = np.concatenate([shares, np.stack([valence, -valence], 1)], 1)
    assert "fear called surprise, 100%" in plots.confusion_figure(shares, expression).get_label()
    assert "happy 1.00 and 1.00" in plots.curves_figure(shares, expression).get_label()
    assert "valence: r 1.00, arousal: r 1.00" in plots.circumplex_figure(answers, faces).get_label()
    assert "right 88%" in plots.calibration_figure(shares, expression).get_label()
