"""The live demo: sources, engine, recorder, and the widget. Nothing is imported before it is asked for."""
