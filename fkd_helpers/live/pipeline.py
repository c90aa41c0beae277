"""From one frame of a film to faces, their emotions and the frame with its filter."""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from fkd_helpers.core.errors import InputError
from fkd_helpers.faces.draw import draw_faces
from fkd_helpers.faces.landmarks import MIRROR
from fkd_helpers.filters.filters import wear
from fkd_helpers.live.moods import Mood, Moods
from fkd_helpers.live.settings import DETECTORS, LiveSettings
from fkd_helpers.predict import Face, FaceSmoother, KeypointPredictor, Tracker


@dataclass(frozen=True, eq=False)
class Result:
    """What was found in a frame."""

    key: object  # of a submitted frame, None for a source's own
    frame: np.ndarray  # RGB (h, w, 3)
    faces: list[Face]
    moods: list[Mood | None]  # of each face, None where it is not known
    shown: np.ndarray | None  # the frame with its filter, None without one
    seconds: float  # from the frame's arrival to this result
    when: float  # the time of the frame, by the source's clock or by ours

    @property
    def labels(self) -> list[str | None]:
        """The emotion of each face in a word."""
        return [mood and mood.label for mood in self.moods]

    def drawn(self) -> np.ndarray:
        """Return the frame as a person sees it: with filter, keypoints and emotions."""
        captions = [list(filter(None, [mood.label, mood.scales])) if mood else [] for mood in self.moods]
        return draw_faces(self.frame if self.shown is None else self.shown, self.faces, boxes=False, captions=captions)


class Pipeline:
    """Track faces through the frames of a film, smooth their keypoints, read their emotions and put on filters.

    The networks are loaded and warm when this returns; that of `other` serves again if it is the same.
    """

    def __init__(self, settings: LiveSettings | None = None, other: "Pipeline | None" = None):
        self.settings = settings = settings or LiveSettings()
        limits = {"max_side": settings.max_side, "min_face": settings.min_face}
        limits = {name: limit for name, limit in limits.items() if limit is not None}
        of_film, of_picture = (partial(detect, **limits) for detect in DETECTORS[settings.detector])
        if other and (other.settings.model, other.settings.device) == (settings.model, settings.device):
            self.predictor = other.predictor
        else:
            backend = "onnx" if settings.device == "cpu" else "torch"
            self.predictor = KeypointPredictor(settings.model, backend=backend, device=settings.device, detector=None)
            self.predictor.at_boxes(np.zeros((64, 64), np.uint8), np.array([[8, 8, 48, 48]]))  # the first call is slow
        of_film(np.zeros((64, 64), np.uint8))
        self._of_picture, self._tracker = of_picture, Tracker(self.predictor, detector=of_film)
        self._smoother, self._moods = FaceSmoother(settings.smooth), Moods(settings.emotion, settings.calm)
        count = self.predictor.runner.keypoints
        if settings.filters() and count != len(MIRROR):
            raise InputError(f"filter: expected a network of {len(MIRROR)} keypoints, {settings.model} has {count}")

    def __call__(
        self, frame: np.ndarray, when: float, *, alone: bool = False
    ) -> tuple[list[Face], list[Mood | None], np.ndarray | None]:
        """Return the faces of the frame at second `when`, the emotion of each, and the frame with its filter or None.

        A picture that stands alone is searched with care, and nothing of it is remembered.
        """
        if alone:
            min_score = 0 if self.settings.detector == "none" else None
            found = self.predictor.faces_at(frame, self._of_picture(frame), min_score=min_score)
            faces = [replace(face, id=number) for number, face in enumerate(found)]
            self._moods = Moods(self.settings.emotion, self.settings.calm)
        else:
            faces = self._smoother(self._tracker(frame), when)
        moods, filters = self._moods(frame, faces, when), self.settings.filters()
        return faces, moods, wear(frame, [face.keypoints for face in faces], filters) if filters else None
