"""Facial keypoints, hands on: the finished forms of what the notebooks write.

Importing the package is cheap; each room brings in what it needs, torch only where networks are.
"""

from fkd_helpers.core.lazy import lazy_names

__all__ = ["check", "progress", "setup"]
_HOMES = {"course.installation": ("check",), "course.progress": ("progress",), "course.session": ("setup",)}
__getattr__ = lazy_names(__name__, _HOMES)
