"""Facial keypoints, hands on: the finished forms of what the notebooks write.

Importing the package is cheap; each room brings in what it needs, torch only where networks are.
"""

import importlib

__all__ = ["check", "progress", "setup"]
_HOMES = {"check": "check", "progress": "progress", "setup": "session"}


def __getattr__(name: str):
    if name in _HOMES:
        return getattr(importlib.import_module(f"fkd_helpers.course.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
