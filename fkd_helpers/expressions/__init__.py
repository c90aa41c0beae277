"""Expressions, valence and arousal from pixels; each name is imported when it is asked for, a reader needs no torch."""

import lazy_loader

_HOMES = {
    "data": ("load_expressions", "split_expressions"),
    "metrics": ("all_scores", "class_scores", "compare", "krippendorff_alpha", "scale_scores", "worst_rows"),
    "model": ("ExpressionNet", "export_expressions", "expression_loss"),
    "reader": ("ExpressionReader", "Reading", "upright_crop"),
}
__getattr__, _, __all__ = lazy_loader.attach(__name__, submod_attrs=_HOMES)
