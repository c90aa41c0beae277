"""What is said about the faces of a film, by the rules or by the expression network, each face for itself.

Built in notebook 05.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from fkd_helpers.core.errors import InputError, unknown
from fkd_helpers.emotion.rules import EmotionSmoother, read_emotion
from fkd_helpers.expressions.reader import ExpressionReader, Reading
from fkd_helpers.faces.landmarks import EXPRESSIONS
from fkd_helpers.predict.predictor import Face
from fkd_helpers.predict.runtime import WEIGHTS

EMOTIONS = {  # who reads them, and what
    "rules": "negative, neutral, positive",
    "expressions": "eight, by a network",
    "none": "no emotion",
}
CAUTION = "Expressions: a guess of what labellers would call it, not what a person feels."
BUDGET = 0.015  # seconds that the network may take of a frame; where it needs more, faces wait for their turn
FORGET = 60  # frames after which a face that is gone is forgotten


@dataclass(frozen=True)
class Mood:
    """What is said about a face.

    label: one of `emotion.LABELS` or `shapes.EXPRESSIONS`
    reason: the rules' reason; valence, arousal: the network's, -1..1
    """

    label: str
    reason: str = ""
    valence: float | None = None
    arousal: float | None = None

    @property
    def scales(self) -> str:
        """Valence and arousal in words, "" where there are none.

        >>> Mood("happy", valence=0.61, arousal=-0.04).scales
        'valence +0.6 arousal +0.0'
        """
        if self.valence is None:
            return ""
        # + 0.0: no "-0.0"
        return f"valence {round(self.valence, 1) + 0.0:+.1f} arousal {round(self.arousal, 1) + 0.0:+.1f}"


class ExpressionSmoother:
    """Steady what the network says about one face, at whatever times its frames come.

    calm: seconds. Shares, valence and arousal glide: of a change, 63 % is there after so long. The label stays until
        for so long another expression had the largest share.
    """

    def __init__(self, calm: float = 0.5):
        if not 0 <= calm < np.inf:
            raise InputError(f"calm: expected 0 or more seconds, got {calm}")
        self.calm = calm
        self._mean, self._when, self._label, self._lost = None, 0.0, None, None

    def __call__(self, reading: Reading, when: float) -> Mood:
        """Return what is said after a frame of second `when`, given what the network read in it."""
        now = np.array([*reading.shares, reading.valence, reading.arousal], np.float64)
        stays = 0.0 if self._mean is None else np.exp(-max(0.0, when - self._when) / max(self.calm, 1e-9))
        self._mean = now if self._mean is None else stays * self._mean + (1 - stays) * now
        self._when = when
        leads = EXPRESSIONS[int(self._mean[:-2].argmax())]
        if self._label in (None, leads):
            self._label, self._lost = leads, None
        else:
            self._lost = when if self._lost is None else self._lost  # the second in which another took the lead
            if when - self._lost >= self.calm:
                self._label, self._lost = leads, None
        return Mood(self._label, valence=float(self._mean[-2]), arousal=float(self._mean[-1]))


@functools.cache
def expression_reader() -> ExpressionReader:
    """Return the network that ships, loaded once and warm.

    Raises:
        InputError: its file is missing or damaged.
    """
    if not (WEIGHTS / "expressions.onnx").is_file():
        raise InputError("the expression network (expressions.onnx) is missing in this install: choose emotion 'rules'")
    reader = ExpressionReader()
    reader.run(np.zeros((1, reader.size, reader.size, 3), np.uint8))
    return reader


@dataclass(eq=False)
class _Memory:
    """A face: its smoother, what was said last, and in which frames it was seen and read."""

    smoother: object
    mood: Mood | None = None
    seen: int = 0
    read: int = -1


class Moods:
    """Say what each face of each frame shows, steadied over time.

    emotion: a name of EMOTIONS; smooth, hold: of `EmotionSmoother`, for the rules; calm: of `ExpressionSmoother`

    Raises:
        InputError: a name that is not known, a number out of range, or the network's file is missing.
    """

    def __init__(self, emotion: str = "rules", *, smooth: float = 0.4, hold: int = 15, calm: float = 0.5):
        if emotion not in EMOTIONS:
            raise unknown("emotion", emotion, EMOTIONS)
        make = {
            "rules": lambda: EmotionSmoother(m=smooth, hold=hold), "expressions": lambda: ExpressionSmoother(calm),
            "none": None,
        }  # fmt: skip
        make["rules"](), make["expressions"]()  # what makes no sense is refused, chosen or not
        self.emotion, self._make = emotion, make[emotion]
        self._reader = expression_reader() if emotion == "expressions" else None
        self._cost, self._credit = 0.0, BUDGET  # seconds: of reading a face, and what may be spent
        self.reset()

    def reset(self) -> None:
        """Forget every face."""
        self._faces, self._count = {}, 0

    def __call__(
        self, frame: np.ndarray, faces: Sequence[Face], when: float, *, patient: bool = True
    ) -> list[Mood | None]:
        """Return what is said about each face of an RGB frame of second `when`; None where nothing is known.

        patient: the network reads every face; otherwise as many as BUDGET allows, and of the others the last mood stays
        """
        self._count += 1
        readable = [face for face in faces if self._make and face.keypoints.shape == (68, 2)]
        for face in readable:
            self._faces.setdefault(face.id, _Memory(self._make())).seen = self._count
        self._faces = {key: one for key, one in self._faces.items() if self._count - one.seen < FORGET}
        if self._reader is None:
            self._by_rules(readable)
        else:
            self._by_network(frame, readable, when, patient)
        known = {face.id: self._faces[face.id].mood for face in readable}
        return [known.get(face.id) for face in faces]

    def _by_rules(self, faces):
        for face in faces:
            steady = self._faces[face.id].smoother(read_emotion(face.keypoints))
            self._faces[face.id].mood = Mood(steady.label, steady.reason)

    def _by_network(self, frame, faces, when, patient):
        count = len(faces) if patient else self._affordable(len(faces))
        due = sorted(faces, key=lambda face: self._faces[face.id].read)[:count]  # who has waited longest
        started = perf_counter()
        readings = self._reader(frame, [face.keypoints for face in due])
        for face, reading in zip(due, readings, strict=True):
            one = self._faces[face.id]
            one.mood, one.read = one.smoother(reading, when), self._count
        if due:
            self._cost += 0.2 * ((perf_counter() - started) / len(due) - self._cost)
            self._credit -= len(due) * self._cost

    def _affordable(self, count: int) -> int:
        """Return how many of so many faces may be read now; what is not spent adds up to the price of one."""
        self._credit = min(self._credit + BUDGET, max(BUDGET, self._cost))
        return min(count, int(self._credit / max(self._cost, 1e-6)))
