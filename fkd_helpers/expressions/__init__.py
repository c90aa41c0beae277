"""Expressions, valence and arousal from pixels; each name is imported when it is asked for, a reader needs no torch."""

import importlib

_HOMES = {
    "data": ("conflicts", "contents", "load_expressions", "split_expressions"),
    "features": ("face_crops", "face_keypoints"),
    "metrics": ("all_scores", "by_class", "class_scores", "krippendorff_alpha", "scale_scores"),
    "model": ("ExpressionNet", "export_expressions", "expression_loss", "freeze"),
    "reader": ("ExpressionReader", "Reading"),
    "report": ("compare", "published_row", "worst_rows", "write_report"),
    "task": ("ExpressionsTask",),
}
__all__ = [name for names in _HOMES.values() for name in names]


def __getattr__(name: str):
    for module, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
