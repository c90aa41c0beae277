"""The live demo: sources, engine, recorder, and the widget."""

import lazy_loader

_HOMES = {"widget": ("live_demo", "LiveDemo"), "engine": ("LiveEngine",), "settings": ("LiveSettings",)}
__getattr__, _, __all__ = lazy_loader.attach(__name__, submod_attrs=_HOMES)
