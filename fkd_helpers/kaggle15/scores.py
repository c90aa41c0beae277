"""Scores on Kaggle's 15 points, where labels may be missing. Built in notebook 06."""

import numpy as np

from fkd_helpers.data import FaceSet
from fkd_helpers.faces.landmarks import POINTS_15 as POINTS


def rmse(predicted: np.ndarray, target: np.ndarray) -> float:
    """Return the root of the mean squared error of all coordinates whose target is there; NaN if none is.

    >>> rmse(np.array([[[1.0, 2.0]]]), np.array([[[4.0, np.nan]]]))
    3.0
    """
    error = (predicted - target)[~np.isnan(target)].astype(np.float64)
    return float(np.sqrt(np.mean(error**2))) if error.size else float("nan")


def scores_15(predicted: np.ndarray, faces: FaceSet) -> dict:
    """Return the scores of predictions (n, 15, 2): RMSE in pixels of 96 x 96 over the labels that are there.

    rmse: of all faces; rmse_complete: of those that lack nothing; by_point: of each point; faces, complete: how many
    """
    keep = faces.complete
    return {
        "rmse": rmse(predicted, faces.keypoints), "rmse_complete": rmse(predicted[keep], faces.keypoints[keep]),
        "by_point": {name: rmse(predicted[:, i], faces.keypoints[:, i]) for i, name in enumerate(POINTS)},
        "faces": len(faces), "complete": int(keep.sum()),
    }  # fmt: skip
