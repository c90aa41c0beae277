"""From a frame to faces with their keypoints: detect, crop, predict, settle. Built in notebook 03."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fkd_helpers.core.errors import InputError, unknown
from fkd_helpers.faces.boxes import box_of, crop, settle, square_of, to_frame
from fkd_helpers.predict.haar import as_gray, detect_faces, detect_tilted
from fkd_helpers.predict.runtime import load_runner

MIN_SCORE = 0.10  # of our shipped network; `benchmarks/face_scores.py` measures what lies on either side
WHOLE_IMAGE = ("never", "fallback", "always")
CENTRAL = (1.0, 0.75, 0.55, 0.4)  # whole image: squares of these parts of the longer side, about the centre


@dataclass(frozen=True, eq=False)
class Face:
    """One face in a frame.

    box: (4,) the tight box of the keypoints, pixels of the frame
    keypoints: (k, 2) float32, pixels of the frame
    score: how sure the network is, the mean peak of its heatmaps; 1 for a network without heatmaps
    id: the same for the same face from frame to frame; None without a tracker
    """

    box: np.ndarray
    keypoints: np.ndarray
    score: float = 1.0
    id: int | None = None


class KeypointPredictor:
    """Find the faces of a frame and their keypoints.

    model, backend, device, threads, size: which network runs and where, see `runners.load_runner`
    detectors: functions from a frame to tight face boxes (n, 4), asked in turn until one leads to a face; none for a
        predictor that is always given boxes
    looks: how often a detected face is cropped; each look after the first crops at the keypoints of the one before
    min_score: faces about which the network is less sure than this are left out; None takes what fits the models we
        ship, and 0 for any other

    Example: `KeypointPredictor()(read_photo("me.jpg"))[0].keypoints`.
    """

    def __init__(
        self,
        model: object = "small",
        *,
        backend: str = "onnx",
        device: str = "cpu",
        threads: int = 1,
        size: int | None = None,
        detectors: Sequence[Callable[[np.ndarray], np.ndarray]] = (detect_faces, detect_tilted),
        looks: int = 2,
        min_score: float | None = None,
    ):
        if looks < 1:
            raise InputError(f"looks: expected at least 1, got {looks}")
        self.runner = load_runner(model, backend=backend, device=device, threads=threads, size=size)
        self.detectors, self.looks = tuple(detectors), looks
        shipped = isinstance(model, str) and not Path(model).suffix
        self.min_score = (MIN_SCORE if shipped else 0.0) if min_score is None else min_score

    def keypoints(self, frame: np.ndarray, boxes: np.ndarray, *, looks: int = 1) -> np.ndarray:
        """Return the keypoints (n, k, 2) of the faces in tight boxes (n, 4), all in one batch; frame pixels."""
        return self.look(frame, boxes, looks=looks)[0]

    def look(self, frame: np.ndarray, boxes: np.ndarray, *, looks: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """Return keypoints (n, k, 2) and their scores (n, k) of the faces in tight boxes (n, 4).

        Raises:
            InputError: an empty frame or one of another type than uint8, boxes of another shape or not finite.
        """
        gray = as_gray(frame)
        boxes = np.asarray(boxes, np.float64)
        if boxes.ndim != 2 or boxes.shape[1] != 4 or not np.isfinite(boxes).all():
            raise InputError(f"boxes: expected finite (n, 4), got {boxes.shape}")
        if not len(boxes):
            return np.zeros((0, 68, 2), np.float32), np.zeros((0, 68), np.float32)
        for _ in range(looks):
            keypoints, scores = self._once(gray, boxes)
            boxes = box_of(keypoints)
        return keypoints, scores

    def _once(self, gray, boxes):
        size = self.runner.size
        squares = square_of(np.concatenate([boxes[:, :2], np.maximum(boxes[:, 2:], 1)], 1))  # never below a pixel
        crops = np.stack([crop(gray, square, size) for square in squares])
        keypoints, scores = self.runner(crops[:, None].astype(np.float32) / 255)
        return to_frame(keypoints, squares, size), scores

    def __call__(self, frame: np.ndarray, *, whole_image: str = "never") -> list[Face]:
        """Return the faces of a frame, the surest first; an empty list where there is none.

        whole_image: "never" takes the image itself for a face, "fallback" does where the detectors see none, "always"
            without asking them: for images that are crops of one face

        Raises:
            InputError: an empty frame, one of another shape or type, or a predictor without detectors.
        """
        if whole_image not in WHOLE_IMAGE:
            raise unknown("whole_image", whole_image, WHOLE_IMAGE)
        gray = as_gray(frame)
        if whole_image == "always":
            return self.faces(gray, central_boxes(gray.shape)[:1], min_score=0)
        if not self.detectors:
            raise InputError("this predictor has no detector: give boxes to predictor.keypoints(frame, boxes)")
        faces = next((faces for find in self.detectors if (faces := self.faces(gray, find(frame)))), [])
        if not faces and whole_image == "fallback":
            faces = self.faces(gray, central_boxes(gray.shape), looks=self.looks + 1, min_score=0)[:1]
        return faces

    def faces(
        self, frame: np.ndarray, boxes: np.ndarray, *, looks: int | None = None, min_score: float | None = None
    ) -> list[Face]:
        """Return the faces that boxes (n, 4) lead to: boxes that end on the same face give one."""
        keypoints, scores = self.look(frame, boxes, looks=looks or self.looks)
        return self.settled(keypoints, scores.mean(1), self.min_score if min_score is None else min_score)

    @staticmethod
    def settled(keypoints: np.ndarray, scores: np.ndarray, min_score: float = 0.0) -> list[Face]:
        """Return a `Face` for each of keypoints (n, k, 2) with scores (n,) that is sure enough and not twice there.

        The surest comes first; where scores are equal, in the order given.
        """
        sure = np.isfinite(keypoints).all((1, 2)) & (scores >= min_score)
        keypoints, scores = keypoints[sure], scores[sure]
        boxes = box_of(keypoints)
        kept = sorted(settle(boxes, scores), key=lambda i: -scores[i])
        return [Face(boxes[i], keypoints[i], float(scores[i])) for i in kept]


def central_boxes(shape: Sequence[int]) -> np.ndarray:
    """Return boxes (n, 4) about the centre of an image (h, w), for an image that is a face: from all of it inwards."""
    height, width = shape[:2]
    sides = max(height, width) * np.array(CENTRAL)[:, None]
    centre = np.array([[width, height]]) / 2 - 0.5
    return np.concatenate([centre - sides / 2, sides, sides], 1)
