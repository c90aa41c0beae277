"""Scores of the whole way from photo to keypoints."""

from fkd_helpers.evaluate.evaluate import (
    CONDITIONS,
    FAILED,
    bin_errors,
    conditions_of,
    evaluate_model,
    evaluate_predictor,
    labelled_faces,
    predict_set,
    score,
)  # fmt: skip
from fkd_helpers.evaluate.robustness import STRENGTHS, change, change_set, curves, errors_of, measure_robustness, moved

__all__ = [
    "CONDITIONS", "FAILED", "STRENGTHS", "bin_errors", "change", "change_set", "conditions_of", "curves", "errors_of",
    "evaluate_model", "evaluate_predictor", "labelled_faces", "measure_robustness", "moved", "predict_set", "score",
]  # fmt: skip
