"""Kaggle's 15 keypoints with missing labels; each name is imported when it is asked for, Keras only by `keras_net`."""

from fkd_helpers.core.lazy import lazy_names

_HOMES = {
    "data": ("ImageBatches", "find_table", "halves", "load_15", "load_faces", "prepared", "rmse", "scores_15"),
    "duplicates": ("near_duplicates",),
    "puppets": ("write_tables",),
    "submission": ("answers_for", "check_submission", "load_predictor", "write_submission"),
    "tables": ("pixels_of", "read_lookup"),
    "task": ("Kaggle15Task", "build_15", "predict_15", "train_15"),
}
__all__ = [name for names in _HOMES.values() for name in names]
__getattr__ = lazy_names(__name__, _HOMES)
