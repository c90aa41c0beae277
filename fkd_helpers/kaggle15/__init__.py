"""Kaggle's 15 keypoints with missing labels; Keras is imported by `keras_net` only."""

from fkd_helpers.kaggle15.data import ImageBatches, halves, load_15, near_duplicates, prepared, rmse, scores_15
from fkd_helpers.kaggle15.puppets import write_tables
from fkd_helpers.kaggle15.tables import answers_for, check_submission, load_faces
