"""From a frame to faces with their keypoints: detect, crop, predict, drop low scores and doubles."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fkd_helpers.core.errors import InputError, unknown
from fkd_helpers.faces.boxes import box_of, crop, square_of, surest, to_frame
from fkd_helpers.faces.images import to_gray
from fkd_helpers.faces.pose import roll_of
from fkd_helpers.predict.detector import find_faces
from fkd_helpers.predict.haar import find_upright
from fkd_helpers.predict.runtime import load_runner

WHOLE_IMAGE = ("never", "fallback", "always")
DETECTORS = {"ours": find_faces, "haar": find_upright}
PASSES = 2  # crops of a detected face, each after the first at the keypoints before it
DOUBTFUL = 1.1  # times the threshold: a face with a lower score may be turned otherwise than the detector said
TILTS = (-0.7, 0.7)  # radians: where a detector says nothing of the roll
OVERLAP = 0.14  # largest IoU of two faces: of 31 pairs above it in 1,800 photos, 30 were a face and its own forehead
CENTRAL = (1.0, 0.75, 0.55, 0.4)  # sides of the squares tried on a whole image, as shares of its longer side


@dataclass(frozen=True, eq=False)
class Face:
    """One face in a frame.

    Args:
        box: (4,) the tight box of the keypoints, pixels of the frame
        keypoints: (k, 2) float32, pixels of the frame
        score: how sure the network is, the mean peak of its heatmaps; 1 for a network without heatmaps
        errors: (k,) the expected error of each keypoint as a share of the distance between the outer eye corners; NaN
            for a network without such a fit
        id: the same for the same face from frame to frame; None without a tracker
    """

    box: np.ndarray
    keypoints: np.ndarray
    score: float = 1.0
    id: int | None = None
    errors: np.ndarray | None = None


class KeypointPredictor:
    """Find the faces of a frame and their keypoints: `KeypointPredictor()(frame)[0].keypoints`.

    A frame is a uint8 array (h, w, 3), (h, w, 4) or (h, w).

    Args:
        model: which network runs, see `load_runner`
        detector: "ours", "haar", or a function from a frame to face boxes, as in `at_boxes`
        min_score: faces with a lower score are left out; None takes the threshold that comes with the network, 0 where
            it has none
    """

    def __init__(
        self, model: str | Path | Callable = "small", *, detector: str | Callable[[np.ndarray], np.ndarray] = "ours",
        min_score: float | None = None,
    ):  # fmt: skip
        if isinstance(detector, str) and detector not in DETECTORS:
            raise unknown("detector", detector, DETECTORS)
        self.runner, self.detector = load_runner(model), DETECTORS.get(detector, detector)
        self.min_score = self.runner.min_score if min_score is None else min_score

    def __call__(self, frame: np.ndarray, *, whole_image: str = "never") -> list[Face]:
        """Return the faces of a frame, the surest first; an empty list where there is none.

        Args:
            whole_image: "never" takes the image itself for a face, "fallback" does where the detector finds none,
                "always" without asking it: for images that are crops of one face
        """
        if whole_image not in WHOLE_IMAGE:
            raise unknown("whole_image", whole_image, WHOLE_IMAGE)
        gray = to_gray(frame)
        if whole_image == "always":
            return self.faces_at(gray, central_boxes(gray.shape)[:1], min_score=0)
        faces = self.faces_at(gray, self.detector(frame))
        if not faces and whole_image == "fallback":
            faces = self.faces_at(gray, central_boxes(gray.shape), passes=PASSES + 1, min_score=0)[:1]
        return faces

    def faces_at(
        self, frame: np.ndarray, boxes: np.ndarray, *, passes: int = PASSES, min_score: float | None = None
    ) -> list[Face]:
        """Return the faces that boxes lead to, the surest first; boxes that end on one face give one."""
        boxes, min_score = np.asarray(boxes), self.min_score if min_score is None else min_score
        keypoints, scores = self.at_boxes(frame, boxes, passes=passes)
        for roll in (0.0,) if boxes.shape[1] == 5 else TILTS:
            doubtful = np.flatnonzero(scores.mean(1) < DOUBTFUL * min_score)
            if not len(doubtful):
                break
            turned = np.column_stack([boxes[doubtful, :4], np.full(len(doubtful), roll)])
            again, peaks = self.at_boxes(frame, turned, passes=passes + 1)
            better = peaks.mean(1) > scores[doubtful].mean(1)
            keypoints[doubtful[better]], scores[doubtful[better]] = again[better], peaks[better]
        return self.to_faces(keypoints, scores, min_score)

    def to_faces(self, keypoints: np.ndarray, scores: np.ndarray, min_score: float) -> list[Face]:
        """Return a `Face` for each of keypoints (n, k, 2) with scores (n, k) that is sure enough and not there twice.

        The surest comes first; where scores are equal, in the order given.
        """
        sure = np.isfinite(keypoints).all((1, 2)) & (scores.mean(1) >= min_score)
        keypoints, scores = keypoints[sure], scores[sure]
        boxes, means, errors = box_of(keypoints), scores.mean(1), self.runner.expected_errors(scores)
        kept = surest(boxes, means, overlap=OVERLAP)
        return [Face(boxes[i], keypoints[i], float(means[i]), errors=errors[i]) for i in kept]

    def at_boxes(self, frame: np.ndarray, boxes: np.ndarray, *, passes: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """Return keypoints (n, k, 2), pixels of the frame, and their scores (n, k), in the order of the boxes.

        Boxes (n, 4) are tight; boxes (n, 5) are those of faces turned upright about their centres, with the roll in
        radians: the network then sees upright faces, as it does in each pass after the first.
        """
        gray = to_gray(frame)
        boxes = np.asarray(boxes, np.float64)
        if boxes.ndim != 2 or boxes.shape[1] not in (4, 5) or not np.isfinite(boxes).all():
            raise InputError(f"boxes: expected finite (n, 4) or (n, 5), got {boxes.shape}")
        if not len(boxes):
            count = self.runner.keypoints
            return np.zeros((0, count, 2), np.float32), np.zeros((0, count), np.float32)
        size, rolls = self.runner.size, boxes[:, 4] if boxes.shape[1] == 5 else np.zeros(len(boxes))
        for _ in range(passes):
            squares = square_of(np.concatenate([boxes[:, :2], np.maximum(boxes[:, 2:4], 1)], 1))  # never below a pixel
            crops = np.stack([crop(gray, square, size, roll) for square, roll in zip(squares, rolls, strict=True)])
            keypoints, scores = self.runner(crops[:, None].astype(np.float32) / 255)
            keypoints = to_frame(keypoints, squares, size, rolls)
            if keypoints.shape[1] == 68:
                rolls = roll_of(keypoints)
            boxes = box_of(keypoints, rolls)
        return keypoints, scores


def central_boxes(shape: Sequence[int]) -> np.ndarray:
    """Return boxes (n, 4) about the centre of an image (h, w), for an image that is a face: from all of it inwards."""
    height, width = shape[:2]
    sides = max(height, width) * np.array(CENTRAL)[:, None]
    centre = np.array([[width, height]]) / 2 - 0.5
    return np.concatenate([centre - sides / 2, sides, sides], 1)
