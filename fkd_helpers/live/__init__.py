"""The live demo: sources, engine, recorder, and the widget. Nothing is imported before it is asked for."""

import importlib

_NAMES = {
    "live_demo": "widget", "LiveDemo": "widget", "LiveEngine": "engine", "LiveSettings": "settings", "run": "command",
}  # fmt: skip


def __getattr__(name: str):
    if name in _NAMES:
        return getattr(importlib.import_module(f"{__name__}.{_NAMES[name]}"), name)
    raise AttributeError(name)
