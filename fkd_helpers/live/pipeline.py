"""From one frame of a film to faces, emotions and the frame with its filter. Built in notebook 05."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from fkd_helpers.core.errors import InputError, unknown
from fkd_helpers.faces.landmarks import BY_KEYPOINT
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
    """Return a copy of an RGB frame with keypoints and moods drawn on it, as the page does.

    Raises:
        InputError: another number of moods than of faces.
    """
    if len(moods) not in (0, len(faces)):
        raise InputError(f"moods: expected one for each of {len(faces)} faces, got {len(moods)}")
    drawn = np.ascontiguousarray(frame).copy()
    for face, mood in zip(faces, moods or [None] * len(faces), strict=True):
        radius = round(16 * max(1.2, max(face.box[2:]) / 110))
        many = len(face.keypoints)
        colours = BY_KEYPOINT if many == len(BY_KEYPOINT) else BY_KEYPOINT[:1] * many
        for (x, y), colour in zip(np.round(face.keypoints * 16).astype(int).tolist(), colours, strict=True):
            cv2.circle(drawn, (x, y), radius, colour, -1, cv2.LINE_AA, shift=4)
        if mood is not None:
            _write_over(drawn, face.box, mood)
    return drawn


def _write_over(frame, box, mood):
    """Write the label over a face's box, and below it, smaller, valence and arousal where they are known."""
    height, width = frame.shape[:2]
    size = float(np.clip(height / 700, 0.5, 2))
    lines = [(mood.label, size), *([(mood.scales, 0.7 * size)] if mood.scales else [])]
    sizes = [cv2.getTextSize(words, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)[0] for words, scale in lines]
    wide, high = max(w for w, _ in sizes), sum(h for _, h in sizes) + 8 * (len(lines) - 1)
    left = int(np.clip(box[0] + (box[2] - wide) / 2, 0, max(0, width - wide)))
    foot = int(max(box[1] - 0.22 * box[3], high + 0.5 * sizes[0][1]))
    cv2.rectangle(frame, (left - 4, foot - high - 4), (left + wide + 4, foot + 6), (30, 30, 30), -1)
    base = foot - high
    for (words, scale), (_, h) in zip(lines, sizes, strict=True):
        base += h
        cv2.putText(frame, words, (left, base), cv2.FONT_HERSHEY_SIMPLEX, scale, (255, 255, 255), 1, cv2.LINE_AA)
        base += 8


def drawn(result: Result) -> np.ndarray:
    """Return the frame of a result as a person sees it: with filter, keypoints and moods."""
    return overlay(result.frame if result.shown is None else result.shown, result.faces, result.moods)
