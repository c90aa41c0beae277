"""Steady keypoints on a face at rest that do not trail behind a moving one: the One-Euro filter.

G. Casiez, N. Roussel, D. Vogel: 1€ filter, a simple speed-based low-pass filter for noisy input, CHI 2012.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from fkd_helpers.faces.boxes import box_of
from fkd_helpers.predict.predictor import Face

REST = 0.15  # seconds over which the points of a face at rest are averaged
GAIN = 35.0  # Hz by which the cutoff rises when a point moves one face side per second
SPEED_CUTOFF = 2.0  # Hz, of the low-pass filter of the speed itself


class OneEuro:
    """Smooth points by an exponential average whose time constant shrinks as they move faster.

    The average trails a moving point by at most 1 / (2 pi gain) units, however fast it is.

    `rest` is the time constant in seconds for points at rest; 0 changes nothing.
    """

    def __init__(self, rest: float = REST):
        self.rest = rest
        self._when = self._raw = self._smooth = self._velocity = None

    def __call__(self, points: np.ndarray, when: float, *, unit: float = 1.0) -> np.ndarray:
        """Return points (k, 2) smoothed at second `when`; speeds are measured in units (pixels) per second.

        >>> euro = OneEuro(rest=0.1)
        >>> [euro(np.array([[x, 0.0]]), when)[0, 0].round(2).item() for when, x in [(0.0, 5), (0.1, 5)]]
        [5.0, 5.0]
        """
        if self.rest == 0:
            return points
        passed = 0.0 if self._when is None else when - self._when
        if passed <= 0:  # the first points, or a clock that was set back
            self._smooth, self._velocity = np.asarray(points, np.float64), np.zeros_like(points, np.float64)
        else:
            change = (points - self._raw) / passed - self._velocity
            self._velocity = self._velocity + _share(passed, SPEED_CUTOFF) * change
            speed = np.linalg.norm(self._velocity, axis=-1, keepdims=True) / unit
            cutoff = 1 / (2 * np.pi * self.rest) + GAIN * speed
            self._smooth = self._smooth + _share(passed, cutoff) * (points - self._smooth)
        self._raw, self._when = points, when
        return self._smooth.astype(np.asarray(points).dtype)


class FaceSmoother:
    """Smooth the keypoints of tracked faces, each face by itself; its side is the unit of speed."""

    def __init__(self, rest: float = REST):
        self.rest, self._filters = rest, {}

    def __call__(self, faces: Sequence[Face], when: float) -> list[Face]:
        """Return the faces of the frame at second `when` with smoothed keypoints; one that is gone is forgotten."""
        self._filters = {face.id: self._filters.get(face.id) or OneEuro(self.rest) for face in faces}
        points = [self._filters[face.id](face.keypoints, when, unit=max(face.box[2:])) for face in faces]
        return [replace(face, keypoints=p, box=box_of(p[None])[0]) for face, p in zip(faces, points, strict=True)]


def _share(seconds, cutoff):
    return 1 / (1 + 1 / (2 * np.pi * cutoff * seconds))
