"""From one frame of a film to faces, their emotions and the frame with its filter."""

import math
import threading
from dataclasses import dataclass, replace

import numpy as np

from fkd_helpers.core.errors import InputError
from fkd_helpers.faces.draw import draw_faces
from fkd_helpers.faces.landmarks import MIRROR
from fkd_helpers.filters.filters import wear
from fkd_helpers.live.moods import Mood, Moods
from fkd_helpers.live.settings import LiveSettings
from fkd_helpers.predict import Face, KeypointPredictor, Tracker, central_boxes, detect_faces, detect_fast

OF_TRACKER, OF_MOODS = {"model", "device", "detector"}, {"emotion", "smooth", "hold", "calm"}  # settings
SEARCH_EVERY = 15  # frames without a face between two searches of the whole frame, for small faces


@dataclass(frozen=True, eq=False)
class Result:
    """What was found in a frame."""

    key: object  # of a submitted frame, None for a source's own
    frame: np.ndarray  # RGB (h, w, 3)
    shown: np.ndarray | None  # the same with its filter, None without one
    faces: list[Face]
    moods: list[Mood | None]  # of each face, None where it is not known
    seconds: float  # from the frame's arrival to this result
    when: float  # the time of the frame, by the source's clock or by ours

    @property
    def labels(self) -> list[str | None]:
        """The emotion of each face in a word, None where it is not known."""
        return [mood and mood.label for mood in self.moods]

    def drawn(self) -> np.ndarray:
        """Return the frame as a person sees it: with filter, keypoints and emotions."""
        captions = [mood.lines if mood else [] for mood in self.moods]
        return draw_faces(self.frame if self.shown is None else self.shown, self.faces, boxes=False, captions=captions)


class Pipeline:
    """Track faces through the frames of a film, read their emotions and put on filters.

    The networks are loaded and warm when this returns.
    """

    def __init__(self, settings: LiveSettings | None = None):
        self._lock, self.settings = threading.Lock(), None
        self.change(settings or LiveSettings())

    def change(self, settings: LiveSettings) -> None:
        """Change settings between two frames: all of them, or none where one is refused."""
        changed = settings.changes_from(self.settings)
        tracker = _make_tracker(settings) if changed & OF_TRACKER else self._tracker
        moods = _make_moods(settings) if changed & OF_MOODS else self._moods
        filters = settings.filters()
        warm, _ = tracker.predictor.at_boxes(np.zeros((64, 64), np.uint8), np.array([[8, 8, 48, 48]]))
        if filters and (count := warm.shape[1]) != len(MIRROR):
            raise InputError(f"filter: expected a network of {len(MIRROR)} keypoints, {settings.model} has {count}")
        with self._lock:
            self._tracker, self._moods, self._filters, self.settings = tracker, moods, filters, settings
        if changed & OF_TRACKER:
            self.reset()  # ids begin again

    def reset(self) -> None:
        """Forget every face, before another film."""
        with self._lock:
            self._tracker.reset()
            self._moods.reset()

    def __call__(
        self, frame: np.ndarray, when: float, *, alone: bool = False, patient: bool = True
    ) -> tuple[list[Face], list[Mood | None], np.ndarray | None]:
        """Return the faces of the frame at second `when`, the emotion of each, and the frame with its filter or None.

        alone: the frame is no part of a film: faces are searched with care, and nothing is remembered
        patient: see `Moods`
        """
        if alone:
            self.reset()
        with self._lock:
            if alone and self.settings.detector == "haar":
                faces = [replace(face, id=number) for number, face in enumerate(self._tracker.predictor(frame))]
            else:
                faces = self._tracker(frame)
            moods = self._moods(frame, faces, when, patient=patient or alone)
            shown = wear(frame, [face.keypoints for face in faces], self._filters) if self._filters else None
            return faces, moods, shown


class Search:
    """Detect faces on a small copy of the frame, and every so often, while there is none, on the frame itself."""

    def __init__(self):
        self._missed = 0

    def __call__(self, frame: np.ndarray) -> np.ndarray:
        """Return the boxes (n, 4) of faces in a frame."""
        boxes = detect_fast(frame)
        self._missed = 0 if len(boxes) else self._missed + 1
        return detect_faces(frame) if self._missed % SEARCH_EVERY == 1 else boxes


def _make_tracker(settings):
    backend = "onnx" if settings.device == "cpu" else "torch"
    predictor = KeypointPredictor(settings.model, backend=backend, device=settings.device)
    detector = Search() if settings.detector == "haar" else lambda frame: central_boxes(frame.shape)
    return Tracker(predictor, detector=detector)


def _make_moods(settings):
    if settings.emotion == "expressions":
        return Moods("expressions", glide=settings.calm, hold=settings.calm)
    glide = -1 / (30 * math.log(settings.smooth)) if settings.smooth else 0.0
    return Moods(settings.emotion, glide=glide, hold=settings.hold)
