"""Score the whole way from photo to keypoints, and see how the error depends on what the photos are like."""

import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from fkd_helpers.core import records
from fkd_helpers.core.errors import InputError
from fkd_helpers.data import EXTRA_HELD_OUT, FaceSet, as_labelled, complete_only, load, shift_of, split
from fkd_helpers.faces.boxes import box_of, crop, square_of
from fkd_helpers.faces.images import to_gray
from fkd_helpers.faces.landmarks import REGIONS
from fkd_helpers.faces.metrics import bootstrap, cumulative, nme, point_errors, summary
from fkd_helpers.faces.pose import angles_of, head_pose
from fkd_helpers.predict import KeypointPredictor

FAILED = 0.10  # a face with a larger NME counts as a failure
LIMITS = np.linspace(0, 0.15, 31)  # NME at which the cumulative error curve is noted
WORST = 10
BINS = 5
REPORTED = {  # not moved: to where the labels of the set lie
    "photo in": "scores", "true box": "scores_true_box",
    "photo in, not moved": "raw", "true box, not moved": "raw_true_box",
}  # fmt: skip
CONDITIONS = {
    "turn": "degrees to either side", "tilt": "degrees to either side", "sharpness": "spread of edges, gray levels",
    "light": "mean gray level", "size": "longer side, pixels",
}  # fmt: skip


def predict_set(predictor: KeypointPredictor, faces: FaceSet, *, given_boxes: bool = False) -> np.ndarray:
    """Return predicted keypoints (n, k, 2) for the one labelled face of each image: the largest that is found.

    The whole image is taken where the detector sees none; with `given_boxes` the true box is cut instead.
    """
    predicted = []
    for image, target in zip(faces.images, faces.keypoints, strict=True):
        if given_boxes:
            predicted.append(predictor.at_boxes(image, box_of(target)[None])[0][0])
            continue
        found = predictor(image, whole_image="fallback")
        largest = max(found, key=lambda face: face.box[2] * face.box[3], default=None)
        predicted.append(largest.keypoints if largest else np.full_like(target, np.nan))
    came, wanted = len(predicted[0]), faces.keypoints.shape[1]
    if came != wanted:
        raise InputError(f"scoring needs a model of {wanted} keypoints, this one gives {came}")
    return np.stack(predicted)


def error_summary(errors: np.ndarray, people: np.ndarray) -> dict[str, float]:
    """Return the NME of faces with its 95 % interval over people, and the share of failures."""
    low, high = bootstrap(errors, people)
    return {"nme": errors.mean(), "nme_low": low, "nme_high": high, "failures": (errors > FAILED).mean()}


def score(predicted: np.ndarray, faces: FaceSet) -> dict:
    """Return all scores of keypoints (n, k, 2): `metrics.summary`, intervals by region, the curve at LIMITS."""
    sizes = np.array([image.shape[1::-1] for image in faces.images])
    scores = summary(predicted, faces.keypoints, sizes=sizes, people=faces.people)
    errors = point_errors(predicted, faces.keypoints)
    measured = ~np.isnan(errors).all(1)
    errors, people = errors[measured], faces.people[measured]
    if np.isfinite(errors).all() and errors.shape[1] == 68:
        for region, points in REGIONS.items():
            low, high = bootstrap(errors[:, list(points)].mean(1), people)
            scores |= {f"nme_{region}_low": low, f"nme_{region}_high": high}
    return scores | {"curve": cumulative(errors.mean(1), LIMITS)}


def conditions_of(faces: FaceSet) -> dict[str, np.ndarray]:
    """Return what each photo is like, by the names of CONDITIONS; (n,) each, measured with the labels.

    `turn` and `tilt` are of the head, NaN where no pose fits; `sharpness` and `light` are of the network's own crop.
    """
    boxes = faces.boxes
    squares = square_of(np.concatenate([boxes[:, :2], np.maximum(boxes[:, 2:], 1)], 1))  # never below a pixel
    rows = []
    for image, target, square in zip(faces.images, faces.keypoints, squares, strict=True):
        seen = crop(to_gray(np.asarray(image)), square)
        pose = head_pose(target, image.shape[1::-1]) if len(target) == 68 else None
        tilt, turn, _ = angles_of(pose) if pose is not None else (np.nan,) * 3
        rows.append([abs(turn), abs(tilt), cv2.Laplacian(seen, cv2.CV_64F).std(), seen.mean()])
    measured = np.array(rows).reshape(-1, 4)
    return dict(zip(CONDITIONS, (*measured.T, boxes[:, 2:].max(1)), strict=True))


def bin_errors(errors: np.ndarray, values: np.ndarray, people: np.ndarray, *, bins: int = BINS) -> list[dict]:
    """Return the error of faces in bins of equally many, from the lowest values (n,) of a condition to the highest."""
    table = pd.DataFrame({"error": errors, "value": values, "person": people})
    table = table[np.isfinite(table["error"]) & np.isfinite(table["value"])]  # found, and with a known condition
    if table.empty:
        return []
    number = pd.qcut(table["value"].rank(method="first"), bins, labels=False)
    return [
        {"faces": len(part), "from": part["value"].min(), "middle": part["value"].median(), "to": part["value"].max()}
        | error_summary(part["error"].to_numpy(), part["person"].to_numpy())
        for _, part in table.groupby(number)
    ]


def evaluate_predictor(predictor: KeypointPredictor, faces: FaceSet, data: str | Path = "") -> dict:
    """Return what the record of an evaluation holds.

    `scores` and `scores_true_box` are photo in, and with the true box given; `raw` and `raw_true_box` the same with
    answers as they are, not moved to where the labels of the set `data` lie.
    """
    if not len(faces) or not faces.complete.all():
        missing = f"{(~faces.complete).sum()} of {len(faces)} with missing ones"
        raise InputError(f"scoring needs faces with all keypoints, got {missing}")
    boxed, started = predict_set(predictor, faces, given_boxes=True), time.perf_counter()
    answers = predict_set(predictor, faces)
    seconds = time.perf_counter() - started
    found = {"scores": as_labelled(answers, data), "scores_true_box": as_labelled(boxed, data)}
    found |= {"raw": answers, "raw_true_box": boxed}
    errors = nme(found["scores"], faces.keypoints)
    worst = np.argsort(-np.nan_to_num(errors, nan=-1), kind="stable")[:WORST]
    return {key: score(predicted, faces) for key, predicted in found.items()} | {
        "seconds": seconds,
        "people": len(np.unique(faces.people)),
        "label_shift_px": shift_of(faces.keypoints, data).mean(),
        "curve_limits": LIMITS,
        "worst": [{"index": int(i), "nme": errors[i]} for i in worst],
        "conditions": {key: bin_errors(errors, values, faces.people) for key, values in conditions_of(faces).items()},
    }


def labelled_faces(data: str | Path, part: str | None) -> FaceSet:
    """Return the faces of a part of a data set that have all their keypoints.

    Args:
        part: a folder of the set, "held-out" for the tenth of an extra set that training leaves out, None for all of it
    """
    faces = load(data, progress=sys.stderr.isatty())
    if part == "held-out":
        faces = split(faces, "person", held_out=EXTRA_HELD_OUT)[1]
    elif part:
        faces = faces.part(part)
    return complete_only(faces, why="scoring")


def record_facts(data: str, part: str | None, model: str, detector: str, faces: FaceSet) -> dict:
    """Return the name of a record and what it says of the data and the model."""
    name = f"{Path(data).name}-{part or 'all'}-{Path(model).stem}" + ("" if detector == "ours" else f"-{detector}")
    facts = {"name": name, "data": Path(data).name, "part": part, "model": Path(model).name, "detector": detector}
    return facts | {"data_digest": records.digest(faces)}


def evaluate_model(
    data: str = "ytf", part: str | None = "test", *, model: str = "small", detector: str = "ours",
    folder: Path | None = None,
) -> dict:  # fmt: skip
    """Score a model on a part of a data set (see `labelled_faces`), write the record, and return its scores."""
    predictor = KeypointPredictor(model, detectors=detector)  # first, so that a wrong name is said at once
    faces = labelled_faces(data, part)
    found = evaluate_predictor(predictor, faces, data)
    path = records.write("evaluation", folder=folder, **record_facts(data, part, model, detector, faces), **found)
    table = pd.DataFrame({title: found[key] for title, key in REPORTED.items()}).drop("curve").astype(float).round(4)
    worst = ", ".join(f"{face['index']} ({face['nme']:.3f})" for face in found["worst"][:5])
    print(f"NME {found['scores']['nme']:.4f}\n{table.to_string()}\nworst faces (NME): {worst}\nrecord: {path}")
    return found["scores"]
