"""Draw faces on a frame: keypoints in the colours of their regions, boxes, ids, captions."""

from collections.abc import Sequence

import cv2
import numpy as np
from PIL import ImageColor

from fkd_helpers.faces.boxes import box_of
from fkd_helpers.faces.images import to_rgb
from fkd_helpers.faces.landmarks import BY_KEYPOINT, PREDICTED

FONT = cv2.FONT_HERSHEY_SIMPLEX
SURE = 0.06  # of the eye distance: a keypoint with a larger expected error is drawn faintly
FARTHEST = 30_000  # pixels: OpenCV draws with 16 bits


def draw_faces(
    frame: np.ndarray, faces: Sequence, *, boxes: bool = True, captions: Sequence[Sequence[str]] | None = None
) -> np.ndarray:
    """Return a copy of a frame as RGB (h, w, 3) with faces, `predict.Face` or keypoints (n, k, 2), drawn on it.

    Missing keypoints are not drawn, uncertain ones faintly. `boxes` draws boxes, and ids where there are any;
    `captions` are for each face the lines above it, the first one large.
    """
    drawn = to_rgb(np.asarray(frame)).copy()
    for face, lines in zip(faces, captions or [()] * len(faces), strict=True):
        keypoints = np.asarray(getattr(face, "keypoints", face))
        box = face.box if hasattr(face, "box") else box_of(keypoints)
        if not (np.abs(box) < FARTHEST).all():  # nor where the box is NaN
            continue
        if boxes:
            colour, thick = ImageColor.getrgb(PREDICTED), max(1, round(max(box[2:]) / 150))
            corner, opposite = np.round([box[:2], box[:2] + box[2:]]).astype(int).tolist()
            cv2.rectangle(drawn, corner, opposite, colour, thick, cv2.LINE_AA)
            if (number := getattr(face, "id", None)) is not None:
                cv2.putText(drawn, str(number), corner, FONT, max(0.4, max(box[2:]) / 200), colour, thick)
        errors = getattr(face, "errors", None)
        errors = np.zeros(len(keypoints)) if errors is None else errors
        _draw_keypoints(drawn, keypoints, errors, radius=max(1.2, max(box[2:]) / 110))
        if lines:
            _write_above(drawn, box, lines)
    return drawn


def _draw_keypoints(frame, keypoints, errors, radius):
    colours = BY_KEYPOINT if len(keypoints) == len(BY_KEYPOINT) else BY_KEYPOINT[:1] * len(keypoints)
    strengths = (SURE / np.fmax(errors, SURE)) ** 2
    for point, colour, strength in zip(keypoints, np.array(colours), strengths, strict=True):
        if not np.isnan(point).any():  # in sixteenths of a pixel: dots on a small face sit where the keypoints are
            column, row = np.clip(np.round(point), 0, np.array(frame.shape[1::-1]) - 1).astype(int)
            colour = strength * colour + (1 - strength) * frame[row, column]
            centre = np.round(16 * point).astype(int).tolist()
            cv2.circle(frame, centre, round(16 * radius), colour.tolist(), -1, cv2.LINE_AA, shift=4)


def _write_above(frame, box, lines):
    """Write white lines on a dark plate above a box, moved into the frame where it would leave it."""
    height, width = frame.shape[:2]
    large = float(np.clip(height / 700, 0.5, 2))
    scales = [large] + [0.7 * large] * (len(lines) - 1)
    sizes = [cv2.getTextSize(line, FONT, scale, 1)[0] for line, scale in zip(lines, scales, strict=True)]
    wide, high = max(w for w, _ in sizes), sum(h for _, h in sizes) + 8 * (len(lines) - 1)
    left = int(np.clip(box[0] + (box[2] - wide) / 2, 0, max(0, width - wide)))
    top = int(max(box[1] - 0.22 * box[3], high + 0.5 * sizes[0][1])) - high
    cv2.rectangle(frame, (left - 4, top - 4), (left + wide + 4, top + high + 6), (30, 30, 30), -1)
    for line, scale, (_, h) in zip(lines, scales, sizes, strict=True):
        cv2.putText(frame, line, (left, top + h), FONT, scale, (255, 255, 255), 1, cv2.LINE_AA)
        top += h + 8
