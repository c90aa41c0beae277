"""Kaggle's 15 keypoints with missing labels; each name is imported when it is asked for, Keras only by `keras_net`."""

from fkd_helpers.core.lazy import lazy_names

_HOMES = {
    "data": ("ImageBatches", "halves", "load_15", "near_duplicates", "prepared", "rmse", "scores_15"),
    "puppets": ("write_tables",),
    "tables": ("answers_for", "check_submission", "load_faces"),
}
__all__ = [name for names in _HOMES.values() for name in names]
__getattr__ = lazy_names(__name__, _HOMES)
