"""Errors of predicted keypoints: NME, PCK, AUC, bootstrap intervals.

`predicted` and `target` are (n, k, 2) in pixels of the same frame. Missing targets (NaN) are left out; a face that was
not found is NaN in `predicted` and counts as an infinite error.
"""

import numpy as np

from fkd_helpers.faces.boxes import box_of
from fkd_helpers.faces.landmarks import OUTER_EYES, REGIONS


def unit(target: np.ndarray) -> np.ndarray:
    """Return the length (n,) that the errors of faces (n, k, 2) are divided by; NaN where it cannot be measured.

    It is the distance of the outer eye corners for 68 keypoints, as in 300-W, else the diagonal of the tight box.
    """
    target = np.asarray(target, np.float64)
    first, second = OUTER_EYES
    across = target[:, first] - target[:, second] if target.shape[1] == 68 else box_of(target)[:, 2:]
    lengths = np.linalg.norm(across, axis=-1)
    return np.where(lengths > 0, lengths, np.nan)


def point_errors(predicted: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the error (n, k) of each point in units of its face (see `unit`); NaN where the target is missing."""
    predicted, target = np.asarray(predicted, np.float64), np.asarray(target, np.float64)
    if predicted.shape != target.shape or target.ndim != 3 or target.shape[2] != 2:
        raise ValueError(f"keypoints: expected two arrays (n, k, 2), got {predicted.shape} and {target.shape}")
    error = np.linalg.norm(predicted - target, axis=-1) / unit(target)[:, None]
    error[np.isnan(predicted).any(-1)] = np.inf
    error[np.isnan(target).any(-1)] = np.nan
    return error


def nme(predicted: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the normalised mean error (n,) of faces (n, k, 2); inf for one not found, NaN for one without `unit`."""
    errors = point_errors(predicted, target)
    counts = (~np.isnan(errors)).sum(1)
    return np.where(counts > 0, np.nansum(errors, 1) / np.maximum(counts, 1), np.nan)


def pck(errors: np.ndarray, threshold: float) -> float:
    """Return the share of correct keypoints, PCK: those with an error of at most `threshold`."""
    return float((errors[~np.isnan(errors)] <= threshold).mean())


def auc(face_errors: np.ndarray, limit: float) -> float:
    """Return the area under the cumulative error curve of faces (n,) from 0 to `limit`, as a share of the best."""
    return float(np.clip(1 - np.asarray(face_errors, np.float64) / limit, 0, 1).mean())


def pixel_errors(predicted: np.ndarray, target: np.ndarray, scale: np.ndarray | float = 1.0) -> tuple[float, float]:
    """Return MAE and RMSE over all coordinates in pixels times `scale`, (n, 2) or a number; lost faces are left out."""
    error = (np.asarray(predicted, np.float64) - target) * (scale if np.isscalar(scale) else scale[:, None])
    return _mean(np.abs(error)), _mean(error**2) ** 0.5


def _mean(values) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")  # np.nanmean would warn


def bootstrap(values: np.ndarray, people: np.ndarray, *, seed: int = 0, rounds: int = 1000) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of the mean of values (n,), drawing people: frames of a person are alike."""
    _, person = np.unique(people, return_inverse=True)
    sums, counts = np.bincount(person, values), np.bincount(person)
    draws = np.random.default_rng(seed).integers(0, len(sums), (rounds, len(sums)))
    means = sums[draws].sum(1) / counts[draws].sum(1)
    return tuple(float(v) for v in np.percentile(means, [2.5, 97.5]))


def summary(predicted: np.ndarray, target: np.ndarray, *, sizes: np.ndarray, people: np.ndarray) -> dict[str, float]:
    """Return all scores of the faces that can be measured (see `unit`).

    `sizes` (n, 2), width and height of each image, bring errors at 224 pixels; `people` (n,) an interval of the NME.
    """
    measured = ~np.isnan(nme(predicted, target))
    predicted, target, sizes, people = (np.asarray(v)[measured] for v in (predicted, target, sizes, people))
    if not measured.any():
        labels = "both outer eye corners" if target.shape[1] == 68 else "two labels or more"
        raise ValueError(f"target: expected a face with {labels}, got none in {len(measured)}")
    errors, faces = point_errors(predicted, target), nme(predicted, target)
    found = np.isfinite(faces)
    scores = {"faces": len(faces), "not_found": int((~found).sum()), "nme": float(faces.mean())}
    scores |= {"nme_median": float(np.median(faces)), "nme_over_0.10": float((faces > 0.10).mean())}
    scores |= {f"pck_{limit:.2f}": pck(errors, limit) for limit in (0.05, 0.10)}
    scores |= {f"auc_{limit}": auc(faces, limit) for limit in (0.08, 0.5)}
    scores["mae_px"], scores["rmse_px"] = pixel_errors(predicted[found], target[found])
    if errors.shape[1] == 68:
        scores |= {f"nme_{region}": _mean(errors[:, list(points)]) for region, points in REGIONS.items()}
    at_224 = 224 / sizes[found].astype(np.float64)
    scores["mae_224"], scores["rmse_224"] = pixel_errors(predicted[found], target[found], at_224)
    if found.all():
        scores["nme_low"], scores["nme_high"] = bootstrap(faces, people)
    return scores
