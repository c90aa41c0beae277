"""Facial keypoints, hands on: the finished forms of what the notebooks write.

Importing the package is cheap; each room brings in what it needs, torch only where networks are.
"""

import lazy_loader

_HOMES = {"course.installation": ("check",), "course.progress": ("progress",), "course.session": ("setup",)}
__getattr__, _, __all__ = lazy_loader.attach(__name__, submod_attrs=_HOMES)
