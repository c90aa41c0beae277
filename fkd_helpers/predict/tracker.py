"""Follow faces from frame to frame by their keypoints; the detector looks only now and then."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from fkd_helpers.core.errors import InputError
from fkd_helpers.faces.boxes import iou, square_of, surest
from fkd_helpers.faces.images import to_gray
from fkd_helpers.faces.pose import upright_boxes
from fkd_helpers.predict.detector import find_fast
from fkd_helpers.predict.predictor import OVERLAP, Face, KeypointPredictor

KEEP, SURE = 0.8, 1.3  # of the predictor's least score: a followed face needs KEEP, below SURE it must be seen, too
REMEMBER = 30  # frames for which a face that comes back near where it was lost gets its old id
STILL, LEVEL = 0.03, 0.05  # a crop stays where it is until the box moves by this share of its side, or turns: radians
AFTER_LOSS = 5  # frames between the detector's looks while a lost face may come back
STEP = 0.3  # least IoU of a face's boxes in two frames: half a side of movement, or 1.8 times the size
BACK = 1 / 3  # least IoU of the boxes of a lost face and one that came back, both enlarged twice: a side of movement


class Tracker:
    """Find faces once, then follow them: the keypoints of one frame say where to crop the next.

    Frames come in order and from one source; call `reset()` before another one. A network without a meaningful score
    (`min_score` 0) cannot tell that a face has gone, so there the detector must see each face whenever it looks.

    Args:
        predictor: what gives the keypoints; its own detector is not used
        detect_every: the detector looks in every so many frames, for faces that came in; it also looks when a face was
            lost, more often for a while after that, and in every frame while there is none
        detector: from a frame to face boxes, as in `KeypointPredictor.at_boxes`; where it gives rolls, faces are
            followed in upright crops
    """

    def __init__(
        self, predictor: KeypointPredictor, *, detect_every: int = 15,
        detector: Callable[[np.ndarray], np.ndarray] = find_fast,
    ):  # fmt: skip
        if detect_every < 1:
            raise InputError(f"detect_every: expected at least 1, got {detect_every}")
        self.predictor, self.detector, self.detect_every = predictor, detector, detect_every
        self.reset()

    def reset(self) -> None:
        """Forget every face; ids begin again at 0."""
        self.known: list[Face] = []
        self._lost: list[tuple[Face, int]] = []  # and the frame in which each was lost
        self._boxes: dict[int, np.ndarray] = {}  # at which each face was cropped
        self._count, self._looked, self._next_id, self._size, self._turned = 0, 0, 0, None, False

    def __call__(self, frame: np.ndarray) -> list[Face]:
        """Return the faces of the next frame, each with its id, the oldest first."""
        gray = to_gray(frame)
        if gray.shape != self._size:  # another camera setting: old positions mean nothing
            self.known, self._lost, self._size = [], [], gray.shape
        self._count += 1
        before, faces, boxes = self.known, self._follow(gray), None
        pause = min(self.detect_every, AFTER_LOSS) if self._lost else self.detect_every
        if len(faces) < max(1, len(before)) or self._count - self._looked >= pause:
            self._looked = self._count
            boxes = np.asarray(self.detector(frame), np.float64)
            self._turned = boxes.shape[-1] == 5
            seen = iou(_boxes(faces), boxes[:, :4]).max(1, initial=0) > 0.2
            sure = SURE * self.predictor.min_score or np.inf
            faces = [face for face, is_seen in zip(faces, seen, strict=True) if is_seen or face.score >= sure]
        ids = {face.id for face in faces}
        self._lost = [(face, when) for face, when in self._lost if self._count - when < REMEMBER]
        self._lost += [(face, self._count) for face in before if face.id not in ids]
        faces = faces if boxes is None else faces + self._new(gray, faces, boxes)
        self.known = sorted(faces, key=lambda face: face.id)
        return self.known

    def _follow(self, gray: np.ndarray) -> list[Face]:
        upright = self._turned and self.known
        boxes = upright_boxes(np.stack([face.keypoints for face in self.known])) if upright else _boxes(self.known)
        for i, face in enumerate(self.known):  # a crop that followed the noise of the keypoints would add to it
            old, limits = self._boxes.get(face.id), [*[STILL * boxes[i, 2:4].max()] * 4, LEVEL]
            if old is not None and len(old) == boxes.shape[1] and (abs(boxes[i] - old) < limits[: len(old)]).all():
                boxes[i] = old
        self._boxes = dict(zip([face.id for face in self.known], boxes, strict=True))
        keypoints, scores = self.predictor.at_boxes(gray, boxes)
        followed = []
        for old, points, peaks in zip(self.known, keypoints, scores, strict=True):
            for new in self.predictor.to_faces(points[None], peaks[None], KEEP * self.predictor.min_score):
                middle = new.box[:2] + new.box[2:] / 2
                if iou(old.box, new.box)[0, 0] > STEP and (0 <= middle).all() and (middle < gray.shape[::-1]).all():
                    followed.append(replace(new, id=old.id))
        # two that ended on one face: the surer one stays, and so does its id
        return [followed[i] for i in surest(_boxes(followed), [face.score for face in followed])]

    def _new(self, gray: np.ndarray, known: list[Face], boxes: np.ndarray) -> list[Face]:
        found = self.predictor.faces_at(gray, boxes[_beside(known, boxes)])
        # a box beside a known face may still end on it
        return [replace(found[i], id=self._id_for(found[i])) for i in _beside(known, _boxes(found))]

    def _id_for(self, face: Face) -> int:
        """Return the id of the lost face that this one most likely is, else a new id."""
        boxes = square_of(_boxes([face, *(lost for lost, _ in self._lost)]), margin=0.5)
        near = iou(boxes[:1], boxes[1:])[0]
        if near.max(initial=0) > BACK:
            return self._lost.pop(int(near.argmax()))[0].id
        self._next_id += 1
        return self._next_id - 1


def _boxes(faces: Sequence[Face]) -> np.ndarray:
    return np.array([face.box for face in faces], np.float64).reshape(-1, 4)


def _beside(known: Sequence[Face], boxes: np.ndarray) -> list[int]:
    """Return which of boxes (n, 4 or 5) neither overlap a known face nor lie inside one, nor one another."""
    rank = np.repeat([1.0, 0.0], [len(known), len(boxes)])
    kept = surest(np.concatenate([_boxes(known), boxes[:, :4]]), rank, overlap=OVERLAP)
    return [i - len(known) for i in kept if i >= len(known)]
