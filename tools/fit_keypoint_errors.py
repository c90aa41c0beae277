"""Fit the expected error of a keypoint from its heatmap's peak, and record how reliable it is on other people.

    FKD_DATA_DIR=... python tools/fit_keypoint_errors.py

The photos are those of wild68 that no network of ours has learned from, as they are and made worse. Each half of them
is answered for by the fit to the other half; what ships is the fit to both.
"""

import json

import numpy as np
import onnx
from safetensors.torch import save_file
from scipy.stats import spearmanr
from sklearn.linear_model import GammaRegressor

from fkd_helpers.core import records
from fkd_helpers.core.options import run_script
from fkd_helpers.data import as_labelled
from fkd_helpers.evaluate.evaluate import labelled_faces
from fkd_helpers.evaluate.robustness import change_set
from fkd_helpers.faces.metrics import point_errors
from fkd_helpers.nets.weights import read
from fkd_helpers.predict import KeypointPredictor, model_path
from fkd_helpers.predict.runtime import LEAST_SCORE

DATA, SMALLEST = "wild68", 1e-4
CONDITIONS = {
    "as they are": ("darkness", 1), "8 times darker": ("darkness", 8), "16 times darker": ("darkness", 16),
    "blurred by 3 %": ("blur", 3), "blurred by 6 %": ("blur", 6), "3 times smaller": ("scale", 3),
    "noise of 40": ("noise", 40), "30 % hidden": ("occlusion", 30),
}  # fmt: skip


def measured(predictor, faces, kind, strength):
    """Return peaks and errors (n, 68) of the faces under a condition, given their boxes."""
    worse, _ = change_set(faces, kind, strength)
    pairs = zip(worse.images, worse.boxes, strict=True)
    answers = [predictor.at_boxes(image, box[None], passes=2) for image, box in pairs]
    points, peaks = (np.concatenate(values) for values in zip(*answers, strict=True))
    return peaks, np.maximum(point_errors(as_labelled(points, DATA), worse.keypoints), SMALLEST)


def features(peaks):
    """Return what the fit looks at (n * 68, 70): which point, the log of its peak, and of the mean peak of the face."""
    logs = np.log(np.maximum(peaks, LEAST_SCORE))
    mean = np.repeat(logs.mean(1), 68)
    return np.column_stack([np.tile(np.eye(68), (len(peaks), 1)), logs.ravel(), mean])


def fitted(peaks, errors):
    return GammaRegressor(alpha=1e-6, max_iter=2000, fit_intercept=False).fit(features(peaks), errors.ravel())


def reliability(expected, errors, bins=10):
    """Return expected and measured errors in bins of equal size, how far they are apart, and their rank correlation."""
    order = np.array_split(np.argsort(expected.ravel()), bins)
    pairs = [(expected.ravel()[i].mean(), errors.ravel()[i].mean()) for i in order]
    off = np.mean([abs(e - m) / m for e, m in pairs])
    return {"expected": [e for e, _ in pairs], "measured": [m for _, m in pairs], "relative_error": off,
            "rank_correlation": spearmanr(expected.ravel(), errors.ravel())[0]}  # fmt: skip


def write_header(facts: dict) -> None:
    """Note facts in the headers of the network that ships, whose weights stay as they are."""
    path = model_path("small", ".safetensors")
    weights, known = read(path)
    save_file(weights, path, metadata=known | facts)
    path = model_path("small", ".onnx")
    model = onnx.load(path)
    known |= {entry.key: entry.value for entry in model.metadata_props} | facts
    onnx.helper.set_model_props(model, known)
    onnx.save(model, path)


def main(*, min_score: float | None = None) -> None:
    """Fit, record and note the expected errors, and another threshold of a face than the training measured."""
    faces, predictor = labelled_faces(DATA, "held-out"), KeypointPredictor()
    found = {name: measured(predictor, faces, *condition) for name, condition in CONDITIONS.items()}
    half = np.random.default_rng(0).permutation(len(faces)) % 2
    out_of_fold = {name: np.zeros_like(errors) for name, (_, errors) in found.items()}
    for side in (0, 1):
        learned = [np.concatenate([values[i][half != side] for values in found.values()]) for i in (0, 1)]
        model = fitted(*learned)
        for name, (peaks, _) in found.items():
            out_of_fold[name][half == side] = model.predict(features(peaks[half == side])).reshape(-1, 68)
    table = {name: reliability(out_of_fold[name], errors) for name, (_, errors) in found.items()}
    for name, row in table.items():
        print(name, {key: np.round(value, 3) for key, value in row.items()})
    model = fitted(*(np.concatenate([values[i] for values in found.values()]) for i in (0, 1)))
    weights = np.round(model.coef_, 4)
    fit = {"bias": weights[:68].tolist(), "peak": weights[68], "mean_peak": weights[69]}
    write_header({"errors": json.dumps(fit)} | ({} if min_score is None else {"min_score": str(min_score)}))
    facts = {"data": DATA, "part": "held-out", "faces": len(faces), "data_digest": records.digest(faces)}
    print(records.write("keypoint-errors", DATA, conditions=table, seed=0, min_score=min_score, **facts))


if __name__ == "__main__":
    run_script(main)
