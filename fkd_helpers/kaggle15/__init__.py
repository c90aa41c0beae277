"""Kaggle's 15 keypoints with missing labels."""

from fkd_helpers.kaggle15.puppets import write_tables
from fkd_helpers.kaggle15.tables import answers_for, check_submission, load_faces
from fkd_helpers.kaggle15.task import ImageBatches, halves, load_15, near_duplicates, prepared, rmse, scores_15
