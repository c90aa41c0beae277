"""Self-checks of the capstone, a filter or an emotion rule of one's own: what can be measured of them."""

import timeit
from collections.abc import Callable

import cv2
import numpy as np
from sklearn.metrics import balanced_accuracy_score

from fkd_helpers.course.exercises import AtMost, Refused, Verdict, ask, compare
from fkd_helpers.data.puppets import make_puppet, put_face
from fkd_helpers.data.puppets.shapes import draw_knobs, face_shape
from fkd_helpers.emotion import LABELS, read_emotion
from fkd_helpers.faces.boxes import similarity
from fkd_helpers.faces.landmarks import EXPRESSIONS

SIDE, SIZE = 110, 560  # pixels, of the face that wears a filter and of the square frame around it
ROOM = 1.5  # face sides around the keypoints that a filter may use; a hat needs them
NEAR = 0.04  # face sides: how far a drawn pixel may lie from where it belongs
MOST_MS = 15.0  # half of the time that a frame has at 30 a second
SHOWN = {"neutral": ["neutral"], "positive": ["happy"], "negative": ["sad", "disgust", "anger"]}


def _wearer(roll=0.0, side=SIDE, centre=(SIZE / 2, SIZE / 2), size=(SIZE, SIZE)):
    """Return a puppet in front of a noisy wall, and its keypoints; the noise shows where a filter changes anything."""
    noise = np.random.default_rng(0).integers(0, 40, (size[1], size[0], 3), np.uint8)
    frame, keypoints, _ = put_face(np.full_like(noise, 150), make_puppet(4), {"smile": 0.3}, (roll, 0, 0), side, centre)
    return cv2.add(frame // 2, noise), keypoints


def _changed(own, frame, keypoints) -> np.ndarray:
    """Return where (h, w) a filter changes a frame."""
    worn = np.asarray(own(frame.copy(), keypoints.copy()))
    if worn.shape != frame.shape or worn.dtype != np.uint8:
        raise Refused(f"expected a frame uint8 {frame.shape}, got {worn.dtype} {worn.shape}")
    return (worn != frame).any(-1)


def _far_from_the_face(own):
    frame, keypoints = _wearer()
    changed = _changed(own, frame, keypoints)
    left, top = np.clip(keypoints.min(0) - ROOM * SIDE, 0, None).astype(int)
    right, bottom = (keypoints.max(0) + ROOM * SIDE).astype(int)
    changed[top:bottom, left:right] = False
    return changed.sum()


def _follows(own, roll, side):
    """Refuse a filter unless the pixels that it draws move with the face, nine in ten of them."""
    (frame, keypoints), (there, moved) = _wearer(), _wearer(roll, side)
    before, after = (_changed(own, *worn).astype(np.uint8) for worn in ((frame, keypoints), (there, moved)))
    wanted = cv2.warpAffine(before, similarity(keypoints, moved), before.shape[::-1], flags=cv2.INTER_NEAREST)
    distance = cv2.distanceTransform(1 - wanted, cv2.DIST_L2, 5)[after > 0]
    share = (distance <= max(2.0, NEAR * side)).mean() if len(distance) else 0.0
    if share <= 0.9:
        raise Refused(f"only {share:.0%} of it is where it belongs: does it turn and grow with the face?")
    return True


def _milliseconds(own):
    frame, keypoints = _wearer(side=200, centre=(320, 260), size=(640, 480))
    # the best of nine: what else the machine does is not the filter's fault
    return 1000 * min(timeit.repeat(lambda: own(frame.copy(), keypoints), number=1, repeat=9))


def own_filter(own: Callable) -> Verdict:
    """Check a filter of one's own, (frame, keypoints) -> frame: it follows the face, spares the rest, is fast."""
    cases = [
        ("a face from the front, changed (1)", (lambda own: _changed(own, *_wearer()).any(),), True),
        ("the rest of the frame: pixels changed that are far from the face", (_far_from_the_face,), 0),
        *((f"tilted by {roll} degrees", (_follows, roll, SIDE), True) for roll in (-45, -20, 20, 45)),
        ("half as large", (_follows, 0, SIDE / 2), True),
        ("half out of the frame", (lambda own: _changed(own, *_wearer(centre=(10, SIZE - 10))).ndim,), 2),
        ("frame rate: milliseconds per frame of 640 x 480", (_milliseconds,), AtMost(MOST_MS)),
    ]
    return compare(own, cases, ask)


def practice_faces(seed: int = 0, *, n: int = 60) -> tuple[np.ndarray, list[str]]:
    """Return keypoints (n, 68, 2) of puppets of all sizes and tilts, and what each shows, to try an emotion rule on."""
    rng, keypoints = np.random.default_rng([seed, 68]), []
    labels = [LABELS[i % len(LABELS)] for i in range(n)]
    for i, label in enumerate(labels):
        name = SHOWN[label][i // len(LABELS) % len(SHOWN[label])]
        knobs = draw_knobs(rng, EXPRESSIONS.index(name))
        shape = face_shape(make_puppet(rng).coefficients, knobs, roll=rng.uniform(-20, 20), yaw=rng.uniform(-12, 12))
        keypoints.append(shape * rng.uniform(60, 300) + rng.uniform(100, 400, 2))
    return np.array(keypoints, np.float32), labels


def own_rule(rule: Callable) -> Verdict:
    """Check an emotion rule of one's own, keypoints (68, 2) -> "negative", "neutral" or "positive"."""
    keypoints, labels = practice_faces(2026, n=120)  # not those that it was tried on
    tilt = cv2.getRotationMatrix2D((0, 0), 30, 1)[:, :2]

    def answers(rule, faces=keypoints):
        return np.array([rule(face.copy()) for face in faces])

    def changing(rule, faces):
        return np.mean(answers(rule) != answers(rule, faces))

    def right(rule):
        return balanced_accuracy_score(labels, answers(rule))

    found = compare(rule, [
        ("labels other than negative, neutral, positive",
         (lambda rule: np.setdiff1d(answers(rule), LABELS).size,), 0),
        ("faces three times as large (measure in sizes of the face): changed answers", (changing, 3 * keypoints + 50),
         AtMost(0.05)),
        ("faces tilted by 30 degrees: changed answers", (changing, keypoints @ tilt + 200), AtMost(0.05)),
        ("wrong answers, where a die has 0.67", (lambda rule: 1 - right(rule),), AtMost(0.5)),
    ], ask)  # fmt: skip
    if not found.solved:
        return found
    course = right(lambda face: read_emotion(face).label)
    said = f"{right(rule):.0%} right on new puppets, where a die has 33% and the course's rules have {course:.0%}"
    return Verdict(found.passed, found.total, said)
