"""The live demo: sources, engine, recorder, and the widget. Nothing is imported before it is asked for."""


def __getattr__(name: str):
    if name in ("live_demo", "LiveDemo"):
        from fkd_helpers.live import widget

        return getattr(widget, name)
    raise AttributeError(name)
