"""Negative, neutral or positive from 68 keypoints, with reasons, by the rules of `assets/emotion_rules.json`.

They look at how far a face is from a neutral face: the average one that ships with the rules, or this person's own.
"""

import functools
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.special import softmax

from fkd_helpers.core.errors import InputError
from fkd_helpers.emotion.features import FEATURES, features

LABELS = ("negative", "neutral", "positive")
UNKNOWN = "unknown"  # some of the points that the features need are missing
COLUMN = "emotion"  # of a table of predictions
LEAST_GAIN = 0.5  # points; a sign that gives less is not named as a reason
RULES_FILE, LEARNED_FILE = (Path(__file__).parents[1] / f"assets/emotion_{name}.json" for name in ("rules", "learned"))


@dataclass(frozen=True, eq=False)
class Emotion:
    """One of LABELS or UNKNOWN, the reason, and the scores (3,) of the LABELS, which sum to 1."""

    label: str
    reason: str
    scores: np.ndarray


@dataclass(frozen=True, eq=False)
class Rules:
    """Signs, each a change of a feature that gives points to LABELS."""

    features: list[str]  # s, of the signs
    low: np.ndarray  # (s,) the change at which a sign begins to show
    high: np.ndarray  # (s,) and shows in full
    given: np.ndarray  # (s, 3) points of a sign in full
    start: np.ndarray  # (3,) points of a neutral face
    neutral: np.ndarray  # (68, 2) the average neutral face
    points_of_e: float  # so many more points make a label e times as likely

    def strengths(self, changes: np.ndarray) -> np.ndarray:
        """Return how much of each sign (..., s) shows in changes (..., 12), beyond what the neutral face has of it."""
        change = np.asarray(changes)[..., [list(FEATURES).index(name) for name in self.features]]
        ramp, rest = (np.clip((value - self.low) / (self.high - self.low), 0, 1) for value in (change, 0))
        return ramp - rest

    def points(self, changes: np.ndarray) -> np.ndarray:
        """Return the points (..., 3) of faces whose features differ by (..., 12) from neutral."""
        return self.start + self.strengths(changes) @ self.given


@functools.cache
def load_rules() -> Rules:
    """Load the thresholds and points that ship, fitted by `tools/fit_emotion_rules.py`."""
    stored = json.loads(RULES_FILE.read_text(encoding="utf-8"))
    columns = [[sign[key] for sign in stored["signs"]] for key in ("feature", "low", "high", "points")]
    arrays = [np.array(column, float) for column in (*columns[1:], stored["start"], stored["neutral"])]
    return Rules(columns[0], *arrays, stored["points_of_e"])


def changes(keypoints: np.ndarray, neutral: np.ndarray | None = None) -> np.ndarray:
    """Return how far the FEATURES (..., 12) of faces (..., 68, 2) lie from those of a neutral face (None: average)."""
    return features(keypoints) - (_average() if neutral is None else features(neutral))


@functools.cache
def _average():
    return features(load_rules().neutral)


def rule_scores(keypoints: np.ndarray, neutral: np.ndarray | None = None) -> np.ndarray:
    """Return the scores (..., 3) of LABELS by the rules, for faces (..., 68, 2); NaN where unknown."""
    return softmax(load_rules().points(changes(keypoints, neutral)) / load_rules().points_of_e, -1)


def read_emotion(keypoints: np.ndarray, neutral: np.ndarray | None = None) -> Emotion:
    """Return the emotion of one face (68, 2) by the rules; `neutral` is this person's own, from `neutral_face`."""
    if np.shape(keypoints) != (68, 2):
        raise InputError(f"keypoints: expected (68, 2), got {np.shape(keypoints)}")
    rules, change = load_rules(), changes(keypoints, neutral)
    if not np.isfinite(change).all():
        return Emotion(UNKNOWN, "points of the eyes, brows or mouth are missing", np.full(3, 1 / 3))
    points = rules.points(change)
    return Emotion(LABELS[int(points.argmax())], _reason(rules, change, points), softmax(points / rules.points_of_e))


def _reason(rules, change, points) -> str:
    """Name the changes that gave most to the label, or for a neutral face what came nearest to another label."""
    best, second = np.argsort(-points, kind="stable")[:2].tolist()
    label = second if LABELS[best] == "neutral" else best
    lead = 1.5 * rules.given[:, label] - rules.given.sum(1) / 2  # over the mean of the other two
    gains = Counter()
    for name, gain in zip(rules.features, rules.strengths(change) * lead, strict=True):
        gains[name] += float(gain)
    values = dict(zip(FEATURES, change, strict=True))
    told = [
        f"{FEATURES[name][1 if values[name] > 0 else 2]} by {abs(values[name]):.0%}"
        for name, gain in gains.most_common(2) if gain > LEAST_GAIN
    ]  # fmt: skip
    if label == best:
        return " and ".join(told) + " of the eye distance" if told else "little differs from the neutral face"
    return f"{told[0]} of the eye distance, too little for {LABELS[label]}" if told else "close to the neutral face"


def emotion_labels(keypoints: np.ndarray) -> list[str]:
    """Return the label of each face (n, 68, 2) by the rules, UNKNOWN where points are missing."""
    scores = rule_scores(keypoints)
    return [LABELS[int(row.argmax())] if np.isfinite(row).all() else UNKNOWN for row in scores]
