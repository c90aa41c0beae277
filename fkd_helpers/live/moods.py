"""The emotion of each face in a film, by the rules or by the expression network, smoothed over time."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fkd_helpers.emotion.rules import LABELS, UNKNOWN, Emotion, read_emotion
from fkd_helpers.expressions.reader import ExpressionReader, Reading
from fkd_helpers.faces.landmarks import EXPRESSIONS
from fkd_helpers.predict import Face

CAUTION = "Expressions: a guess of what labellers would call it, not what a person feels."
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
        """Valence and arousal as text, "" where there are none."""
        return "" if self.valence is None else f"valence {self.valence:+.1f} arousal {self.arousal:+.1f}"


class Smoother:
    """Smooth the readings of one face over time: scores follow a change by 63 % within `glide` seconds.

    The label changes once it has not had the largest score for `hold` seconds.
    """

    def __init__(self, glide: float = 0.25, hold: float = 0.25):
        self.glide, self.hold, self.mood = glide, hold, None
        self.when, self._led, self._mean = -np.inf, -np.inf, 0.0

    def __call__(self, reading: Emotion | Reading, when: float) -> Mood:
        """Return the smoothed emotion after a reading at second `when`; an unknown one changes nothing."""
        network = isinstance(reading, Reading)
        if not network and reading.label == UNKNOWN:
            return self.mood or Mood(UNKNOWN, reading.reason)
        labels = EXPRESSIONS if network else LABELS
        values = np.array([*reading.shares, reading.valence, reading.arousal] if network else reading.scores)
        stays = np.exp(-max(0.0, when - self.when) / max(self.glide, 1e-9))
        self._mean, self.when = stays * self._mean + (1 - stays) * values, when
        label = labels[int(self._mean[: len(labels)].argmax())]
        if self.mood is None or label == self.mood.label or when - self._led >= self.hold:
            self._led = when
        else:
            label = self.mood.label
        if network:
            self.mood = Mood(label, valence=float(self._mean[-2]), arousal=float(self._mean[-1]))
        else:
            self.mood = Mood(label, reading.reason if reading.label == label else "")
        return self.mood


@functools.cache
def expression_reader() -> ExpressionReader:
    """Return the expression network that ships, loaded once and warm."""
    reader = ExpressionReader()
    reader.run(np.zeros((1, reader.size, reader.size, 3), np.uint8))
    return reader


class Moods:
    """Read the emotion of each face of each frame, by one of EMOTIONS, and smooth it over `calm` seconds."""

    def __init__(self, emotion: str = "rules", calm: float = 0.25):
        self.emotion, self.calm, self._smoothers = emotion, calm, {}
        self._reader = expression_reader() if emotion == "expressions" else None

    def __call__(self, frame: np.ndarray, faces: Sequence[Face], when: float) -> list[Mood | None]:
        """Return the emotion of each face in an RGB frame at second `when`; None where nothing is known."""
        self._smoothers = {key: one for key, one in self._smoothers.items() if abs(when - one.when) < FORGET}
        readable = [face for face in faces if self.emotion != "none" and face.keypoints.shape == (68, 2)]
        keypoints = [face.keypoints for face in readable]
        readings = self._reader(frame, keypoints) if self._reader else map(read_emotion, keypoints)
        moods = {}
        for face, reading in zip(readable, readings, strict=True):
            smoother = self._smoothers.setdefault(face.id, Smoother(self.calm, self.calm))
            moods[face.id] = smoother(reading, when)
        return [moods.get(face.id) for face in faces]
