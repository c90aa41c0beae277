"""Expressions, valence and arousal from pixels; each name is imported when it is asked for, a reader needs no torch."""

from fkd_helpers.core.lazy import lazy_names

_HOMES = {
    "data": ("load_expressions", "split_expressions"),
    "metrics": ("all_scores", "class_scores", "compare", "krippendorff_alpha", "scale_scores", "worst_rows"),
    "model": ("ExpressionNet", "export_expressions", "expression_loss"),
    "reader": ("ExpressionReader", "Reading", "upright_crop"),
}
__all__ = [name for names in _HOMES.values() for name in names]
__getattr__ = lazy_names(__name__, _HOMES)
