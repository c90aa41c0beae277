"""From one frame of a film to faces, emotions and the frame with its filter. Built in notebook 05."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from fkd_helpers.emotion import EmotionSmoother, read_emotion
from fkd_helpers.errors import InputError, unknown
from fkd_helpers.filters import filter_named, wear
from fkd_helpers.predict import Face, KeypointPredictor, central_boxes
from fkd_helpers.tracking import Tracker, detect_fast

DETECTORS = {  # None: the picture itself is taken for a face
    "haar": detect_fast,
    "none": lambda frame: central_boxes(frame.shape),
}
FORGET = 60  # frames after which the emotion of a face that is gone is forgotten
COLOURS = np.repeat(  # by keypoint: jaw, brows, nose, eyes, mouth; the same in `widget.js`
    [[86, 180, 233], [230, 159, 0], [0, 158, 115], [240, 228, 66], [204, 121, 167]], [17, 10, 9, 12, 20], axis=0
).tolist()


@dataclass(frozen=True, eq=False)
class Result:
    """What was found in a frame.

    key: of a submitted frame, None for a source's own
    frame: RGB (h, w, 3); shown: the same with its filter, None without one
    labels: an emotion for each of the faces, None where it is not known
    seconds: from the frame's arrival to this result; when: the second it belongs to, by the source's or our clock
    """

    key: object
    frame: np.ndarray
    shown: np.ndarray | None
    faces: list[Face]
    labels: list[str | None]
    seconds: float
    when: float


class Pipeline:
    """Follow faces through the frames of a film, and read and steady their emotions.

    model: see `runners.load_runner`; device: "cpu" (by ONNX Runtime), "cuda" or "mps" (by torch)
    detector: "haar", or "none" for pictures that are a face
    filter: a name of `filters.FILTERS`, several with commas between, or None
    smooth, hold: m and hold of `EmotionSmoother`

    The model is loaded and warm when this returns. Raises InputError for whatever is not known or out of range.
    """

    def __init__(self, **settings):
        self._lock, self.settings = threading.Lock(), {}
        defaults = {"model": "small", "device": "cpu", "detector": "haar", "filter": None, "smooth": 0.4, "hold": 15}
        self.change(**defaults | settings)

    def change(self, **settings) -> None:
        """Change settings between two frames: all of them, or none where one is refused."""
        new = self.settings | settings
        if unknowns := settings.keys() - {"model", "device", "detector", "filter", "smooth", "hold"}:
            raise unknown("setting", sorted(unknowns)[0], new)
        if new["detector"] not in DETECTORS:
            raise unknown("detector", new["detector"], DETECTORS)
        filters = [filter_named(name.strip()) for name in (new["filter"] or "").split(",") if name.strip()]
        EmotionSmoother(m=new["smooth"], hold=new["hold"])
        tracker = None
        if {name: new[name] for name in ("model", "device", "detector")}.items() - self.settings.items():
            tracker = _tracker(new["model"], new["device"], DETECTORS[new["detector"]])
        with self._lock:
            if tracker is not None or {"smooth", "hold"} & settings.keys():
                self._smoothers = {}
            self._tracker = tracker or self._tracker
            self._filters, self.settings = filters, new

    def reset(self) -> None:
        """Forget every face, before another film."""
        with self._lock:
            self._tracker.reset()
            self._smoothers = {}

    def __call__(self, frame: np.ndarray, *, alone: bool = False):
        """Return the faces of the next frame, their labels (None: not known), and the frame with the filter or None.

        alone: the frame is no part of a film: faces are looked for with care, and nothing is remembered
        """
        with self._lock:
            if alone:
                self._tracker.reset()
                self._smoothers = {}
            faces = self._careful(frame) if alone else self._tracker(frame)
            labels = [self._label(face) for face in faces]
            self._smoothers = {key: (age + 1, s) for key, (age, s) in self._smoothers.items() if age < FORGET}
            shown = wear(frame, [face.keypoints for face in faces], self._filters) if self._filters else None
            return faces, labels, shown

    def _careful(self, frame: np.ndarray) -> list[Face]:
        careful = self._tracker.detector is detect_fast
        faces = self._tracker.predictor(frame) if careful else self._tracker(frame)
        return [Face(face.box, face.keypoints, face.score, number) for number, face in enumerate(faces)]

    def _label(self, face: Face) -> str | None:
        if len(face.keypoints) != 68:
            return None
        _, smoother = self._smoothers.get(face.id) or (
            0, EmotionSmoother(m=self.settings["smooth"], hold=self.settings["hold"]))  # fmt: skip
        self._smoothers[face.id] = 0, smoother
        return smoother(read_emotion(face.keypoints)).label


def _tracker(model: object, device: str, detector: Callable) -> Tracker:
    predictor = KeypointPredictor(model, backend="onnx" if device == "cpu" else "torch", device=device)
    predictor.keypoints(np.zeros((64, 64), np.uint8), np.array([[8, 8, 48, 48]]))  # warm
    return Tracker(predictor, detector=detector)


def overlay(frame: np.ndarray, faces: Sequence[Face], labels: Sequence[str | None] = ()) -> np.ndarray:
    """Return a copy of an RGB frame with keypoints and labels drawn on it, as the page does.

    Raises:
        InputError: another number of labels than of faces.
    """
    if len(labels) not in (0, len(faces)):
        raise InputError(f"labels: expected one for each of {len(faces)} faces, got {len(labels)}")
    drawn = np.ascontiguousarray(frame).copy()
    height, width = drawn.shape[:2]
    for face, label in zip(faces, labels or [None] * len(faces), strict=True):
        radius = round(16 * max(1.2, max(face.box[2:]) / 110))
        colours = COLOURS if len(face.keypoints) == len(COLOURS) else [COLOURS[0]] * len(face.keypoints)
        for (x, y), colour in zip(np.round(face.keypoints * 16).astype(int).tolist(), colours, strict=True):
            cv2.circle(drawn, (x, y), radius, colour, -1, cv2.LINE_AA, shift=4)
        if label:
            size = float(np.clip(height / 700, 0.5, 2))
            (wide, high), _ = cv2.getTextSize(label, cv2.FONT_HERSHEY_SIMPLEX, size, 1)
            left = int(np.clip(face.box[0] + (face.box[2] - wide) / 2, 0, max(0, width - wide)))
            foot = int(max(face.box[1] - 0.22 * face.box[3], 1.5 * high))
            cv2.rectangle(drawn, (left - 4, foot - high - 4), (left + wide + 4, foot + 6), (30, 30, 30), -1)
            cv2.putText(drawn, label, (left, foot), cv2.FONT_HERSHEY_SIMPLEX, size, (255, 255, 255), 1, cv2.LINE_AA)
    return drawn


def drawn(result: Result) -> np.ndarray:
    """Return the frame of a result as a person sees it: with filter, keypoints and labels."""
    return overlay(result.frame if result.shown is None else result.shown, result.faces, result.labels)
