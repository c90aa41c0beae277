"""The live demo: sources, engine, recorder, and the widget."""

from fkd_helpers.core.lazy import lazy_names

_HOMES = {"widget": ("live_demo", "LiveDemo"), "engine": ("LiveEngine",), "settings": ("LiveSettings",)}
__getattr__ = lazy_names(__name__, _HOMES)
