"""Follow faces from frame to frame by their keypoints; the detector looks only now and then. Built in notebook 03."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from fkd_helpers.core.errors import InputError
from fkd_helpers.faces.boxes import iou, settle
from fkd_helpers.predict.haar import detect_faces
from fkd_helpers.predict.predictor import Face, KeypointPredictor

# A face before a camera is large, so a small frame and a coarse search will do, at a tenth of the time of a photo; few
# hits need to agree, for the network judges them anyway.
detect_fast = partial(detect_faces, scale_factor=1.2, min_neighbors=1, min_face=0.12, max_side=320)

KEEP, SURE = 0.8, 1.3  # of the score that a new face needs
AFTER_LOSS = 5  # frames between the detector's looks while a lost face may come back


@dataclass(frozen=True, eq=False)
class _Gone:
    """A face that was lost: where, and in which frame."""

    face: Face
    when: int


class Tracker:
    """Find faces once, then follow them: the keypoints of one frame say where to crop the next.

    predictor: what gives the keypoints; its own detector is not used
    detect_every: the detector looks in every so many frames, for faces that came in; it also looks when a face was
        lost, more often for a while after that, and in every frame while there is none
    detector: from a frame to tight face boxes (n, 4); the default searches a small copy of the frame
    min_score: how sure the network must be of a face that comes in, None for the predictor's own; one that is followed
        may fall to KEEP of it, but below SURE of it the detector must see it too whenever it looks
    remember: for so many frames a face that comes back near where it was lost gets its old id

    Frames come in order and from one source; `reset()` before another one.
    """

    def __init__(
        self,
        predictor: KeypointPredictor,
        *,
        detect_every: int = 15,
        detector: Callable[[np.ndarray], np.ndarray] = detect_fast,
        min_score: float | None = None,
        remember: int = 30,
    ):
        if detect_every < 1:
            raise InputError(f"detect_every: expected at least 1, got {detect_every}")
        self.predictor, self.detector = predictor, detector
        self.detect_every, self.remember = detect_every, remember
        self.min_score = predictor.min_score if min_score is None else min_score
        self.reset()

    def reset(self) -> None:
        """Forget every face; ids begin again at 0."""
        self.known: list[Face] = []
        self._gone: list[_Gone] = []
        self._count, self._looked, self._next_id, self._size = 0, 0, 0, None

    def __call__(self, frame: np.ndarray) -> list[Face]:
        """Return the faces of the next frame, each with its id, the oldest first.

        Raises:
            InputError: an empty frame, or one of another shape or type.
        """
        frame = np.asarray(frame)
        if frame.shape[:2] != self._size:  # another camera setting: old positions mean nothing
            self.known, self._gone, self._size = [], [], frame.shape[:2]
        self._count += 1
        before, faces, boxes = self.known, self._follow(frame), None
        pause = min(self.detect_every, AFTER_LOSS) if self._gone else self.detect_every
        if len(faces) < max(1, len(before)) or self._count - self._looked >= pause:
            self._looked = self._count
            boxes = np.asarray(self.detector(frame), np.float64).reshape(-1, 4)
            faces = self._confirmed(faces, boxes)
        ids = {face.id for face in faces}
        self._gone = [gone for gone in self._gone if self._count - gone.when < self.remember]
        self._gone += [_Gone(face, self._count) for face in before if face.id not in ids]
        faces = faces if boxes is None else faces + self._new(frame, faces, boxes)
        self.known = sorted(faces, key=lambda face: face.id)
        return self.known

    def _follow(self, frame: np.ndarray) -> list[Face]:
        if not self.known:
            # the predictor looks at no box, but it checks the frame
            self.predictor.look(frame, np.zeros((0, 4)))
            return []
        keypoints, scores = self.predictor.look(frame, np.stack([face.box for face in self.known]))
        followed = []
        for old, points, score in zip(self.known, keypoints, scores.mean(1), strict=True):
            new = self.predictor.settled(points[None], score[None], KEEP * self.min_score)
            if new and is_step(old.box, new[0].box) and _middle_inside(new[0].box, frame.shape):
                followed.append(replace(new[0], id=old.id))
        # two that ended on one face: the surer one stays, and so does its id
        kept = settle(_boxes(followed), np.array([face.score for face in followed]))
        return [followed[i] for i in kept]

    def _confirmed(self, faces: list[Face], boxes: np.ndarray) -> list[Face]:
        seen = iou(_boxes(faces), boxes).max(1, initial=0) > 0.2
        sure = np.array([face.score >= SURE * self.min_score for face in faces], bool)
        return [faces[i] for i in np.flatnonzero(seen | sure)]

    def _new(self, frame: np.ndarray, known: list[Face], boxes: np.ndarray) -> list[Face]:
        found = self.predictor.faces(frame, boxes[_beside(known, boxes)], min_score=self.min_score)
        # a box beside a known face may still end on it
        fresh = [found[i] for i in _beside(known, _boxes(found))]
        return [replace(face, id=self._id_for(face)) for face in fresh]

    def _id_for(self, face: Face) -> int:
        """Return the id of the lost face that this one most likely is, else a new id."""
        near = [(closeness(gone.face.box, face.box), gone.when, k) for k, gone in enumerate(self._gone)]
        near = [entry for entry in near if entry[0] > 0]
        if near:
            return self._gone.pop(max(near)[2]).face.id
        self._next_id += 1
        return self._next_id - 1


def is_step(old: np.ndarray, new: np.ndarray, *, shift: float = 0.5, zoom: float = 1.5) -> bool:
    """Say whether a face's box (4,) can become this one within a frame.

    shift: it moves by less than this part of its longer side; zoom: it grows or shrinks by less than this factor

    >>> is_step(np.array([0, 0, 100, 90]), np.array([10, 5, 105, 90]))
    True
    >>> is_step(np.array([0, 0, 100, 90]), np.array([100, 0, 100, 90]))
    False
    """
    side, new_side = max(old[2:]), max(new[2:])
    moved = np.abs(new[:2] + new[2:] / 2 - old[:2] - old[2:] / 2).max()
    return bool(new_side > 0 and moved < shift * side and 1 / zoom < new_side / side < zoom)


def closeness(old: np.ndarray, new: np.ndarray) -> float:
    """Return how well two boxes (4,) agree: 1 where they are equal, 0 where a side apart or one twice as large."""
    side, new_side = max(old[2:]), max(new[2:])
    moved = np.linalg.norm(new[:2] + new[2:] / 2 - old[:2] - old[2:] / 2) / max(side, new_side)
    zoomed = abs(np.log2(new_side / side))
    return float(max(0.0, 1 - moved) * max(0.0, 1 - zoomed))


def _boxes(faces: Sequence[Face]) -> np.ndarray:
    return np.array([face.box for face in faces], np.float64).reshape(-1, 4)


def _beside(known: Sequence[Face], boxes: np.ndarray) -> list[int]:
    """Return which of boxes (n, 4) neither overlap a known face nor lie inside one, nor one another."""
    rank = np.repeat([1.0, 0.0], [len(known), len(boxes)])
    kept = settle(np.concatenate([_boxes(known), boxes]), rank)
    return [i - len(known) for i in kept if i >= len(known)]


def _middle_inside(box, shape) -> bool:
    x, y = box[:2] + box[2:] / 2
    return bool(-0.5 <= x < shape[1] - 0.5 and -0.5 <= y < shape[0] - 0.5)
