"""From one frame of a film to faces, emotions and the frame with its filter. Built in notebook 05."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from fkd_helpers.core.errors import unknown
from fkd_helpers.faces.draw import draw_faces
from fkd_helpers.filters.filters import filter_named, wear
from fkd_helpers.live.moods import Mood, Moods
from fkd_helpers.predict.predictor import Face, KeypointPredictor, central_boxes
from fkd_helpers.predict.tracker import Tracker, detect_fast

DETECTORS = {  # None: the picture itself is taken for a face
    "haar": detect_fast,
    "none": lambda frame: central_boxes(frame.shape),
}
DEFAULTS = {
    "model": "small", "device": "cpu", "detector": "haar", "filter": None,
    "emotion": "rules", "smooth": 0.4, "hold": 15, "calm": 0.5,
}  # fmt: skip
OF_MOODS = ("emotion", "smooth", "hold", "calm")


@dataclass(frozen=True, eq=False)
class Result:
    """What was found in a frame.

    key: of a submitted frame, None for a source's own
    frame: RGB (h, w, 3); shown: the same with its filter, None without one
    moods: what is said about each of the faces, None where nothing is known
    seconds: from the frame's arrival to this result; when: the second it belongs to, by the source's or our clock
    """

    key: object
    frame: np.ndarray
    shown: np.ndarray | None
    faces: list[Face]
    moods: list[Mood | None]
    seconds: float
    when: float

    @property
    def labels(self) -> list[str | None]:
        """The emotion of each of the faces in a word, None where it is not known."""
        return [mood and mood.label for mood in self.moods]


class Pipeline:
    """Follow faces through the frames of a film, and read and steady their emotions.

    model: see `runners.load_runner`; device: "cpu" (by ONNX Runtime), "cuda" or "mps" (by torch)
    detector: "haar", or "none" for pictures that are a face
    filter: a name of `filters.FILTERS`, several with commas between, or None
    emotion, smooth, hold, calm: of `Moods`

    The models are loaded and warm when this returns. Raises InputError for whatever is not known or out of range.
    """

    def __init__(self, **settings):
        self._lock, self.settings, self._tracker, self._moods = threading.Lock(), {}, None, None
        self.change(**DEFAULTS | settings)

    def change(self, **settings) -> None:
        """Change settings between two frames: all of them, or none where one is refused."""
        new = self.settings | settings
        if unknowns := settings.keys() - DEFAULTS.keys():
            raise unknown("setting", sorted(unknowns)[0], new)
        if new["detector"] not in DETECTORS:
            raise unknown("detector", new["detector"], DETECTORS)
        filters = [filter_named(name.strip()) for name in (new["filter"] or "").split(",") if name.strip()]
        moods = Moods(**{name: new[name] for name in OF_MOODS}) if settings.keys() & OF_MOODS else None
        tracker = None
        if {name: new[name] for name in ("model", "device", "detector")}.items() - self.settings.items():
            tracker = _tracker(new["model"], new["device"], DETECTORS[new["detector"]])
        with self._lock:
            self._tracker, self._moods = tracker or self._tracker, moods or self._moods
            if tracker is not None:
                self._moods.reset()
            self._filters, self.settings = filters, new

    def reset(self) -> None:
        """Forget every face, before another film."""
        with self._lock:
            self._tracker.reset()
            self._moods.reset()

    def __call__(
        self, frame: np.ndarray, when: float, *, alone: bool = False, patient: bool = True
    ) -> tuple[list[Face], list[Mood | None], np.ndarray | None]:
        """Return the faces of the next frame, what is said about each, and the frame with the filter or None.

        when: the second that the frame belongs to; patient: of `Moods`
        alone: the frame is no part of a film: faces are looked for with care, and nothing is remembered
        """
        with self._lock:
            if alone:
                self._tracker.reset()
                self._moods.reset()
            faces = self._careful(frame) if alone else self._tracker(frame)
            moods = self._moods(frame, faces, when, patient=patient or alone)
            shown = wear(frame, [face.keypoints for face in faces], self._filters) if self._filters else None
            return faces, moods, shown

    def _careful(self, frame: np.ndarray) -> list[Face]:
        careful = self._tracker.detector is detect_fast
        faces = self._tracker.predictor(frame) if careful else self._tracker(frame)
        return [Face(face.box, face.keypoints, face.score, number) for number, face in enumerate(faces)]


def _tracker(model: object, device: str, detector: Callable) -> Tracker:
    predictor = KeypointPredictor(model, backend="onnx" if device == "cpu" else "torch", device=device)
    predictor.keypoints(np.zeros((64, 64), np.uint8), np.array([[8, 8, 48, 48]]))  # warm
    return Tracker(predictor, detector=detector)


def overlay(frame: np.ndarray, faces: Sequence[Face], moods: Sequence[Mood | None] = ()) -> np.ndarray:
    """Return a copy of an RGB frame with keypoints and moods drawn on it, as the page does."""
    captions = [[line for line in (mood.label, mood.scales) if line] if mood else [] for mood in moods]
    return draw_faces(frame, faces, boxes=False, captions=captions or None)


def drawn(result: Result) -> np.ndarray:
    """Return the frame of a result as a person sees it: with filter, keypoints and moods."""
    return overlay(result.frame if result.shown is None else result.shown, result.faces, result.moods)
