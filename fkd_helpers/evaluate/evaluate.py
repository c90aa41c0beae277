"""Score the whole way from photo to keypoints: no true box is given. Built in notebook 03."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from fkd_helpers.core import records
from fkd_helpers.core.errors import InputError
from fkd_helpers.data import EXTRA_HELD_OUT, FaceSet, as_labelled, complete_only, load, shift_of, split
from fkd_helpers.evaluate.conditions import FAILED, by_condition
from fkd_helpers.faces.boxes import box_of
from fkd_helpers.faces.landmarks import REGIONS
from fkd_helpers.faces.metrics import bootstrap, cumulative, nme, point_errors, summary
from fkd_helpers.predict import KeypointPredictor

LIMITS = np.linspace(0, 0.15, 31)  # NME at which the cumulative error curve is noted
WORST = 10


def predict_set(predictor: KeypointPredictor, faces: FaceSet, *, given_boxes: bool = False) -> np.ndarray:
    """Return predicted keypoints (n, k, 2) for the one labelled face of each image.

    The predictor's own detector finds the face, and the whole image is taken where it sees none; of several the
    largest is meant. With `given_boxes` the true box is cut by the crop rule instead.
    """
    predicted = []
    for image, target in zip(faces.images, faces.keypoints, strict=True):
        if given_boxes:
            predicted.append(predictor.at_boxes(image, box_of(target)[None])[0][0])
            continue
        found = predictor(image, whole_image="fallback")
        largest = max(found, key=lambda face: face.box[2] * face.box[3], default=None)
        predicted.append(largest.keypoints if largest else np.full_like(target, np.nan))
    return np.stack(predicted)


def scored(predicted: np.ndarray, faces: FaceSet, *, curve: bool = False) -> dict:
    """Return all scores of predicted keypoints (n, 68, 2): `metrics.summary`, and an interval for each region.

    curve: also the cumulative error curve, the share of faces with an NME of at most each of LIMITS
    """
    sizes = np.array([image.shape[1::-1] for image in faces.images])
    scores = summary(predicted, faces.keypoints, sizes=sizes, people=faces.people)
    errors = point_errors(predicted, faces.keypoints)
    errors, people = errors[~np.isnan(errors).all(1)], faces.people[~np.isnan(errors).all(1)]
    if np.isfinite(errors).all():
        for region, points in REGIONS.items():
            low, high = bootstrap(errors[:, list(points)].mean(1), people)
            scores |= {f"nme_{region}_low": low, f"nme_{region}_high": high}
    return scores | ({"curve": cumulative(errors.mean(1), LIMITS)} if curve else {})


def evaluation_of(predictor: KeypointPredictor, faces: FaceSet, data: str | Path = "") -> dict:
    """Return what the record of an evaluation holds.

    data: the set that the faces come from; answers are moved to where its labels lie, see `data.labels`

    Returns:
        scores, scores_true_box: photo in; the true box given. raw, raw_true_box: the same, answers not moved.
        worst: the index among the faces and the NME of those with the largest. conditions: see `conditions`.
        people, label_shift_px (mean), seconds (photo in)

    Raises:
        InputError: no face, faces with missing keypoints, or a model of other than 68 keypoints.
    """
    if not len(faces) or not faces.complete.all() or faces.keypoints.shape[1] != 68:
        came = f"{(~faces.complete).sum()} of {len(faces)} with missing ones, of {faces.keypoints.shape[1]}"
        raise InputError(f"scoring needs faces with all of 68 keypoints, got {came}")
    answers, found = {}, {}
    for key, given in (("true_box", True), ("photo", False)):
        started = time.perf_counter()
        answers[key] = predict_set(predictor, faces, given_boxes=given)
        found["seconds"] = time.perf_counter() - started
        if answers[key].shape != faces.keypoints.shape:
            raise InputError(f"scoring needs a model of 68 keypoints, this one gives {answers[key].shape[1]}")
    moved = {key: as_labelled(predicted, data) for key, predicted in answers.items()}
    errors = nme(moved["photo"], faces.keypoints)
    order = np.argsort(-np.nan_to_num(errors, nan=-1), kind="stable")[:WORST]
    return found | {
        "people": len(np.unique(faces.people)), "label_shift_px": shift_of(faces.keypoints, data).mean(),
        "scores": scored(moved["photo"], faces, curve=True),
        "scores_true_box": scored(moved["true_box"], faces, curve=True),
        "raw": scored(answers["photo"], faces), "raw_true_box": scored(answers["true_box"], faces),
        "curve_limits": LIMITS, "worst": [{"index": int(i), "nme": errors[i]} for i in order],
        "conditions": by_condition(faces, errors),
    }  # fmt: skip


def labelled_faces(data: str | Path, part: str | None) -> FaceSet:
    """Return the faces of a part of a data set that have all their 68 keypoints.

    part: a folder of the set, "held-out" for the tenth of an extra set that training leaves out, None for all of it

    Raises:
        InputError: no such data or part, or not 68 keypoints.
    """
    faces = load(data, progress=sys.stderr.isatty())
    if faces.keypoints.shape[1] != 68:
        raise InputError(f"scoring needs faces of 68 keypoints, got {faces.keypoints.shape[1]} in {data}")
    if part == "held-out":
        faces = split(faces, "person", held_out=EXTRA_HELD_OUT)[1]
    elif part:
        faces = faces.part(part)
    return complete_only(faces, why="scoring")


def evaluate(
    data: str = "ytf", part: str | None = "test", *, model: str = "small", folder: Path | None = None,
    say: Callable[[str], None] = print,
) -> dict:  # fmt: skip
    """Score a model on a part of a data set (see `labelled_faces`), photo in and keypoints out, and write the record.

    Returns:
        the scores of `scored`, photo in, answers moved to where the labels lie

    Raises:
        InputError: no such data, part or model, not 68 keypoints, or the record cannot be written.
    """
    predictor = KeypointPredictor(model)  # first, so that a wrong name is said at once
    faces = labelled_faces(data, part)
    found = evaluation_of(predictor, faces, data)
    name = f"{Path(data).name}-{part or 'all'}-{Path(model).stem}"
    path = records.write(
        "evaluation", name, folder=folder, data=Path(data).name, part=part, model=Path(model).name,
        data_digest=records.digest(faces), **found,
    )  # fmt: skip
    for line in in_words(found):
        say(line)
    say(f"record: {path}")
    return found["scores"]


def in_words(found: dict) -> list[str]:
    """Return the main figures of an evaluation, one line each."""
    scores, boxed, raw = found["scores"], found["scores_true_box"], found["raw"]
    interval = f" (95 % of people {scores['nme_low']:.4f} to {scores['nme_high']:.4f})" if "nme_low" in scores else ""
    worst = ", ".join(f"{face['index']} ({face['nme']:.3f})" for face in found["worst"][:5])
    return [
        f"NME {scores['nme']:.4f}{interval}, with the true box {boxed['nme']:.4f}",
        f"NME of the answers as given, not moved to where the labels lie: {raw['nme']:.4f}, "
        f"with the true box {found['raw_true_box']['nme']:.4f}",
        f"PCK at 0.10 {100 * scores['pck_0.10']:.1f} %; MAE at 224 px {scores['mae_224']:.2f}; "
        f"NME over {FAILED:g}: {100 * scores['nme_over_0.10']:.1f} % of {scores['faces']} faces, "
        f"{found['people']} people",
        "by region: " + ", ".join(f"{region} {scores[f'nme_{region}']:.4f}" for region in REGIONS),
        f"worst faces (NME): {worst}",
    ]
