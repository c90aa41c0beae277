"""From one frame of a film to faces, their emotions and the frame with its filter."""

from dataclasses import dataclass

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
        if other and other.settings.model == settings.model:
            self.predictor = other.predictor
        else:
            self.predictor, blank = KeypointPredictor(settings.model), np.zeros((64, 64), np.uint8)
            self.predictor.at_boxes(blank, np.array([[8, 8, 48, 48]]))  # the first calls are slow
            DETECTORS[settings.detector](blank)
        self._tracker = Tracker(self.predictor, detector=DETECTORS[settings.detector])
        self._smoother = FaceSmoother(settings.smooth)
        self._moods, count = Moods(settings.emotion, settings.calm), self.predictor.runner.keypoints
        if settings.filters() and count != len(MIRROR):
            raise InputError(f"filter: expected a network of {len(MIRROR)} keypoints, {settings.model} has {count}")

    def __call__(self, frame: np.ndarray, when: float) -> tuple[list[Face], list[Mood | None], np.ndarray | None]:
        """Return the faces of the frame at second `when`, the emotion of each, and the frame with a filter, if any."""
        faces, filters = self._smoother(self._tracker(frame), when), self.settings.filters()
        worn = wear(frame, [face.keypoints for face in faces], filters) if filters else None
        return faces, self._moods(frame, faces, when), worn
