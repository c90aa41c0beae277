"""Expressions, valence and arousal from pixels; each name is imported when it is asked for, a reader needs no torch."""

from fkd_helpers.core.lazy import lazy_names

_HOMES = {
    "data": ("duplicates", "load_expressions", "split_expressions"),
    "metrics": ("all_scores", "by_class", "class_scores", "krippendorff_alpha", "scale_scores"),
    "model": ("ExpressionNet", "export_expressions", "expression_loss", "freeze"),
    "reader": ("ExpressionReader", "Reading", "upright_crop"),
    "report": ("compare", "worst_rows", "write_report"),
}
__all__ = [name for names in _HOMES.values() for name in names]
__getattr__ = lazy_names(__name__, _HOMES)
