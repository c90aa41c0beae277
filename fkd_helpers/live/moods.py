"""The emotion of each face in a film, by the rules or by the expression network, smoothed over time."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from fkd_helpers.core.errors import InputError
from fkd_helpers.emotion.rules import LABELS, UNKNOWN, Emotion, read_emotion
from fkd_helpers.expressions.reader import ExpressionReader, Reading
from fkd_helpers.faces.landmarks import EXPRESSIONS
from fkd_helpers.predict import Face
from fkd_helpers.predict.runtime import WEIGHTS

EMOTIONS = {  # who reads them, and what
    "rules": "negative, neutral, positive",
    "expressions": "eight, by a network",
    "none": "no emotion",
}
CAUTION = "Expressions: a guess of what labellers would call it, not what a person feels."
BUDGET = 0.015  # seconds per frame that the network may take; where it needs more, faces wait for their turn
FORGET = 2.0  # seconds after which a face that is gone is forgotten


@dataclass(frozen=True)
class Mood:
    """The emotion of a face: a label, the rules' reason, and the network's valence and arousal in -1..1."""

    label: str
    reason: str = ""
    valence: float | None = None
    arousal: float | None = None

    @property
    def scales(self) -> str:
        """Valence and arousal as text, "" where there are none.

        >>> Mood("happy", valence=0.61, arousal=-0.04).scales
        'valence +0.6 arousal +0.0'
        """
        if self.valence is None:
            return ""
        return f"valence {round(self.valence, 1) + 0.0:+.1f} arousal {round(self.arousal, 1) + 0.0:+.1f}"  # no "-0.0"

    @property
    def lines(self) -> list[str]:
        """The lines to write above the face."""
        return [self.label, self.scales] if self.scales else [self.label]


class Smoother:
    """Smooth the readings of one face over time, whatever the frame rate.

    Scores, valence and arousal follow a change by 63 % within `glide` seconds. The label changes once another one has
    had the largest score for `hold` seconds.
    """

    def __init__(self, glide: float = 0.5, hold: float = 0.5):
        self.glide, self.hold, self.seen, self.when, self.mood = glide, hold, 0.0, -np.inf, None
        self._mean, self._lead_lost, self._reasons = 0.0, None, {}

    def __call__(self, reading: Emotion | Reading, when: float) -> Mood:
        """Return the smoothed emotion after a reading at second `when`; an unknown one changes nothing."""
        network = isinstance(reading, Reading)
        if not network and reading.label == UNKNOWN:
            return self.mood or Mood(UNKNOWN, reading.reason)
        labels = EXPRESSIONS if network else LABELS
        values = np.array([*reading.shares, reading.valence, reading.arousal] if network else reading.scores)
        stays = np.exp(-max(0.0, when - self.when) / max(self.glide, 1e-9))
        self._mean, self.when = stays * self._mean + (1 - stays) * values, when
        label = leader = labels[int(self._mean[: len(labels)].argmax())]
        if self.mood is None or self.mood.label == leader:
            self._lead_lost = None
        else:
            self._lead_lost = when if self._lead_lost is None else self._lead_lost
            label = leader if when - self._lead_lost >= self.hold else self.mood.label
        if network:
            self.mood = Mood(label, valence=float(self._mean[-2]), arousal=float(self._mean[-1]))
        else:
            self._reasons[reading.label] = reading.reason
            self.mood = Mood(label, self._reasons.get(label, "between the other two, as frames were averaged"))
        return self.mood


@functools.cache
def expression_reader() -> ExpressionReader:
    """Return the expression network that ships, loaded once and warm."""
    if not (WEIGHTS / "expressions.onnx").is_file():
        raise InputError("the expression network (expressions.onnx) is missing in this install: choose emotion 'rules'")
    reader = ExpressionReader()
    reader.run(np.zeros((1, reader.size, reader.size, 3), np.uint8))
    return reader


class Moods:
    """Read and smooth the emotion of each face of each frame; `emotion` is one of EMOTIONS."""

    def __init__(self, emotion: str = "rules", *, glide: float = 0.5, hold: float = 0.5):
        self.emotion, self._make = emotion, functools.partial(Smoother, glide, hold)
        self._reader = expression_reader() if emotion == "expressions" else None
        self._cost, self._credit = 0.0, BUDGET  # seconds: of reading a face, and what may be spent
        self.reset()

    def reset(self) -> None:
        """Forget every face."""
        self._smoothers = {}

    def __call__(
        self, frame: np.ndarray, faces: Sequence[Face], when: float, *, patient: bool = True
    ) -> list[Mood | None]:
        """Return the emotion of each face in an RGB frame at second `when`; None where nothing is known.

        patient: the network reads every face; otherwise as many as BUDGET allows, and the others keep their last mood
        """
        readable = [face for face in faces if self.emotion != "none" and face.keypoints.shape == (68, 2)]
        for face in readable:
            self._smoothers.setdefault(face.id, self._make()).seen = when
        self._smoothers = {key: one for key, one in self._smoothers.items() if abs(when - one.seen) < FORGET}
        due = readable if self._reader is None or patient else self._affordable(readable)
        started = perf_counter()
        keypoints = [face.keypoints for face in due]
        readings = map(read_emotion, keypoints) if self._reader is None else self._reader(frame, keypoints)
        for face, reading in zip(due, readings, strict=True):
            self._smoothers[face.id](reading, when)
        if due:
            self._cost += 0.2 * ((perf_counter() - started) / len(due) - self._cost)
            self._credit -= len(due) * self._cost
        return [self._smoothers[face.id].mood if face in readable else None for face in faces]

    def _affordable(self, faces):
        """Return the faces that may be read now, those first that have waited longest; what is left over adds up."""
        self._credit = min(self._credit + BUDGET, max(BUDGET, self._cost))
        count = int(self._credit / max(self._cost, 1e-6))
        return sorted(faces, key=lambda face: self._smoothers[face.id].when)[:count]
