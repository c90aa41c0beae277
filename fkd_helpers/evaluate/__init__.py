"""Scores of the whole way from photo to keypoints."""

from fkd_helpers.evaluate.evaluate import CONDITIONS, FAILED, conditions_of, evaluate_model, labelled_faces, predict_set
from fkd_helpers.evaluate.robustness import STRENGTHS, change, change_set, measure_robustness, moved
