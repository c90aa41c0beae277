"""What a labelled photo is like, and how the error follows from it: turn, blur, light, size. Built in notebook 03."""

import cv2
import numpy as np

from fkd_helpers.core.errors import InputError
from fkd_helpers.data import FaceSet
from fkd_helpers.faces.boxes import crop, square_of
from fkd_helpers.faces.images import to_gray
from fkd_helpers.faces.metrics import bootstrap
from fkd_helpers.faces.pose import angles_of, head_pose

CONDITIONS = {
    "turn": "degrees to either side", "tilt": "degrees to either side", "sharpness": "spread of edges, gray levels",
    "light": "mean gray level", "size": "longer side, pixels",
}  # fmt: skip
BINS = 5
FAILED = 0.10  # an NME above it counts as a failure


def conditions_of(faces: FaceSet) -> dict[str, np.ndarray]:
    """Return what each photo is like, by the names of CONDITIONS; (n,) each, measured with the labels.

    turn, tilt: how far the head is turned about the vertical and tilted in the picture, degrees, by `pose.head_pose`;
        NaN where no pose fits
    sharpness: the standard deviation of the Laplacian (the root of the usual variance) in the network's own crop, where
        a blurred face, and a tiny one that was enlarged, has small ones
    light: the mean gray level, 0 to 255, of that crop
    size: the longer side of the face's tight box, pixels
    """
    boxes = faces.boxes
    squares = square_of(np.concatenate([boxes[:, :2], np.maximum(boxes[:, 2:], 1)], 1))  # never below a pixel
    rows = []
    for image, target, square in zip(faces.images, faces.keypoints, squares, strict=True):
        seen = crop(to_gray(np.asarray(image)), square)
        pose = head_pose(target, image.shape[1::-1])
        tilt, turn, _ = angles_of(pose) if pose is not None else (np.nan,) * 3
        rows.append([abs(turn), abs(tilt), cv2.Laplacian(seen, cv2.CV_64F).std(), seen.mean()])
    measured = np.array(rows).reshape(-1, 4)
    return dict(zip(CONDITIONS, (*measured.T, boxes[:, 2:].max(1)), strict=True))


def binned(errors: np.ndarray, values: np.ndarray, people: np.ndarray, *, bins: int = BINS) -> list[dict[str, float]]:
    """Return the error of faces in bins that hold equally many, from the lowest values of a condition to the highest.

    errors, values, people: (n,) NME, the condition, whose face it is; faces without one of the first two (NaN, or
        infinite where no face was found) are left out

    Returns:
        for each bin: faces; the lowest, middle and highest value; NME with its interval over people; failures

    Raises:
        InputError: less than one bin.
    """
    if bins < 1:
        raise InputError(f"bins: expected at least 1, got {bins}")
    known = np.flatnonzero(np.isfinite(values) & np.isfinite(errors))
    order = known[np.argsort(values[known], kind="stable")]
    return [_bin(errors[part], values[part], people[part]) for part in np.array_split(order, bins) if len(part)]


def _bin(errors, values, people):
    low, high = bootstrap(errors, people)
    return {
        "faces": len(errors), "from": values.min(), "middle": float(np.median(values)), "to": values.max(),
        "nme": errors.mean(), "nme_low": low, "nme_high": high, "failures": (errors > FAILED).mean(),
    }  # fmt: skip


def by_condition(faces: FaceSet, errors: np.ndarray, *, bins: int = BINS) -> dict[str, list[dict]]:
    """Return the NME (n,) of faces by each condition, see `conditions_of` and `binned`."""
    return {name: binned(errors, values, faces.people, bins=bins) for name, values in conditions_of(faces).items()}
