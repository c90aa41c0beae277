"""Score the whole way from photo to keypoints, and measure what the photos are like."""

import time
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from fkd_helpers.core import records
from fkd_helpers.core.errors import InputError
from fkd_helpers.data import EXTRA_HELD_OUT, FaceSet, as_labelled, complete_only, load, shift_of, split
from fkd_helpers.faces.boxes import box_of, crop, iou, square_of
from fkd_helpers.faces.images import to_gray
from fkd_helpers.faces.landmarks import REGIONS
from fkd_helpers.faces.metrics import bootstrap, nme, point_errors, summary
from fkd_helpers.faces.pose import angles_of, head_pose
from fkd_helpers.predict import KeypointPredictor

FAILED = 0.10  # a face with a larger NME counts as a failure
WORST, KEYS = 10, ("scores", "scores_true_box", "raw", "raw_true_box")
CONDITIONS = {
    "turn": "degrees to either side", "tilt": "degrees to either side", "sharpness": "spread of edges, gray levels",
    "light": "mean gray level", "size": "longer side, pixels",
}  # fmt: skip


def predict_set(predictor: KeypointPredictor, faces: FaceSet, *, given_boxes: bool = False) -> np.ndarray:
    """Return keypoints (n, k, 2): of the found face that is nearest the label, of the image itself if none is found.

    With `given_boxes` nothing is searched: the true box is cut.
    """

    def predict(image, target):
        if given_boxes:
            return predictor.at_boxes(image, box_of(target)[None])[0][0]
        found = predictor(image, whole_image="fallback")
        near = [iou(face.box, box_of(target))[0, 0] for face in found]
        return found[int(np.argmax(near))].keypoints if found else np.full_like(target, np.nan)

    predicted = [predict(image, target) for image, target in zip(faces.images, faces.keypoints, strict=True)]
    if (came := len(predicted[0])) != (wanted := faces.keypoints.shape[1]):
        raise InputError(f"scoring needs a model of {wanted} keypoints, this one gives {came}")
    return np.stack(predicted)


def error_summary(errors: np.ndarray, people: np.ndarray) -> dict[str, float]:
    """Return the NME of faces with its 95 % interval over people, and the share of failures."""
    low, high = bootstrap(errors, people)
    return {"nme": errors.mean(), "nme_low": low, "nme_high": high, "failures": (errors > FAILED).mean()}


def score(predicted: np.ndarray, faces: FaceSet) -> dict:
    """Return all scores of keypoints (n, k, 2): `metrics.summary`, and intervals by region."""
    sizes = np.array([image.shape[1::-1] for image in faces.images])
    scores = summary(predicted, faces.keypoints, sizes=sizes, people=faces.people)
    errors = point_errors(predicted, faces.keypoints)
    if np.isfinite(errors).all() and errors.shape[1] == 68:
        for region, points in REGIONS.items():
            low, high = bootstrap(errors[:, list(points)].mean(1), faces.people)
            scores |= {f"nme_{region}_low": low, f"nme_{region}_high": high}
    return scores


def conditions_of(faces: FaceSet) -> dict[str, np.ndarray]:
    """Return what each photo is like, (n,) by the names of CONDITIONS; turn and tilt are NaN where no pose fits."""
    rows, boxes = [], faces.boxes
    for image, target, square in zip(faces.images, faces.keypoints, square_of(boxes), strict=True):
        seen = crop(to_gray(np.asarray(image)), square)
        pose = head_pose(target, image.shape[1::-1]) if len(target) == 68 else None
        tilt, turn, _ = angles_of(pose) if pose is not None else (np.nan,) * 3
        rows.append([abs(turn), abs(tilt), cv2.Laplacian(seen, cv2.CV_64F).std(), seen.mean()])
    measured = np.array(rows).reshape(-1, 4)
    return dict(zip(CONDITIONS, (*measured.T, boxes[:, 2:].max(1)), strict=True))


def evaluate_predictor(predictor: KeypointPredictor, faces: FaceSet, data: str | Path = "") -> dict:
    """Return the scores photo in and in the true box, and both `raw`: not moved to where the labels of the set lie."""
    started = time.perf_counter()
    raw = predict_set(predictor, faces)
    seconds, boxed = time.perf_counter() - started, predict_set(predictor, faces, given_boxes=True)
    found = dict(zip(KEYS, (as_labelled(raw, data), as_labelled(boxed, data), raw, boxed), strict=True))
    errors = nme(found["scores"], faces.keypoints)
    worst = np.argsort(-np.nan_to_num(errors, nan=-1), kind="stable")[:WORST]
    return {key: score(predicted, faces) for key, predicted in found.items()} | {
        "seconds": seconds,
        "people": len(np.unique(faces.people)),
        "label_shift_px": shift_of(faces.keypoints, data).mean(),
        "worst": [{"index": int(i), "nme": errors[i]} for i in worst],
    }


def labelled_faces(data: str | Path, part: str | None) -> FaceSet:
    """Return the faces with all keypoints: of a folder of a set, of the "held-out" tenth of an extra set, or of all."""
    faces = load(data)
    if part == "held-out":
        faces = split(faces, "person", held_out=EXTRA_HELD_OUT)[1]
    return complete_only(faces.part(part) if part not in (None, "held-out") else faces, why="scoring")


def write_record(
    kind: str, data: str, part: str | None, model: str, detector: str, scored: FaceSet, folder: Path | None, **content
) -> Path:
    """Write the record of a measurement on a part of a data set."""
    name = f"{Path(data).name}-{part or 'all'}-{Path(model).stem}" + ("" if detector == "ours" else f"-{detector}")
    facts = {"data": Path(data).name, "part": part, "model": Path(model).name, "detector": detector}
    return records.write(kind, name, folder=folder, **facts, data_digest=records.digest(scored), **content)


def evaluate_model(
    data: str = "ytf", part: str | None = "test", *, model: str = "small", detector: str = "ours",
    folder: Path | None = None,
) -> dict:  # fmt: skip
    """Score a model on a part of a data set (see `labelled_faces`), write the record, and return its scores."""
    predictor = KeypointPredictor(model, detector=detector)  # first, so that a wrong name is said at once
    faces = labelled_faces(data, part)
    found = evaluate_predictor(predictor, faces, data)
    path = write_record("evaluation", data, part, model, detector, faces, folder, **found)
    table = pd.DataFrame({key: found[key] for key in KEYS}).astype(float).round(4)
    worst = ", ".join(f"{face['index']} ({face['nme']:.3f})" for face in found["worst"][:5])
    print(f"NME {found['scores']['nme']:.4f}\n{table.to_string()}\nworst faces (NME): {worst}\nrecord: {path}")
    return found["scores"]
