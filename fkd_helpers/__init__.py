"""Facial keypoints, hands on: the finished forms of what the notebooks build.

Importing the package is cheap; each module brings in what it needs, torch only where networks are.
"""

from fkd_helpers.course.check import check
from fkd_helpers.course.exercises import progress
from fkd_helpers.course.session import setup

__all__ = ["check", "progress", "setup"]
