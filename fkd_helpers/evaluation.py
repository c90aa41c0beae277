"""Score the whole way from photo to keypoints: no true box is given. Built in notebook 03."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from fkd_helpers import records
from fkd_helpers.boxes import box_of
from fkd_helpers.data import EXTRA_HELD_OUT, KeypointSet, complete_only, load, split
from fkd_helpers.errors import InputError
from fkd_helpers.metrics import summary
from fkd_helpers.predict import KeypointPredictor


def predict_set(predictor: KeypointPredictor, faces: KeypointSet, *, given_boxes: bool = False) -> np.ndarray:
    """Return predicted keypoints (n, k, 2) for the one labelled face of each image.

    The predictor's own detector finds the face, and the whole image is taken where it sees none; of several the
    largest is meant. With `given_boxes` the true box is cut by the crop rule instead.
    """
    predicted = []
    for image, target in zip(faces.images, faces.keypoints, strict=True):
        if given_boxes:
            predicted.append(predictor.keypoints(image, box_of(target)[None])[0])
            continue
        found = predictor(image, whole_image="fallback")
        largest = max(found, key=lambda face: face.box[2] * face.box[3], default=None)
        predicted.append(largest.keypoints if largest else np.full_like(target, np.nan))
    return np.stack(predicted)


def evaluate(
    data: str = "ytf", part: str | None = "test", *, model: str = "small", folder: Path | None = None,
    say: Callable[[str], None] = print,
) -> dict:  # fmt: skip
    """Score a model on a part of a data set, photo in and keypoints out, and write the record.

    part: a folder of the set, "held-out" for the tenth of an extra set that training leaves out, None for all of it

    Returns:
        the scores of `metrics.summary`

    Raises:
        InputError: no such data, part or model, not 68 keypoints, or the record cannot be written.
    """
    predictor = KeypointPredictor(model)  # first, so that a wrong name is said at once
    faces = load(data, progress=sys.stderr.isatty())
    if faces.keypoints.shape[1] != 68:
        raise InputError(f"scoring needs faces of 68 keypoints, got {faces.keypoints.shape[1]} in {data}")
    if part == "held-out":
        faces = split(faces, "person", held_out=EXTRA_HELD_OUT)[1]
    elif part:
        faces = faces.part(part)
    faces = complete_only(faces, why="scoring")
    sizes = np.array([image.shape[1::-1] for image in faces.images])
    started = time.perf_counter()
    scores = summary(predict_set(predictor, faces), faces.keypoints, sizes=sizes, people=faces.people)
    seconds = time.perf_counter() - started
    boxed = summary(predict_set(predictor, faces, given_boxes=True), faces.keypoints, sizes=sizes, people=faces.people)
    name = f"{Path(data).name}-{part or 'all'}-{Path(model).stem}"
    path = records.write(
        "evaluation", name, folder=folder, data=Path(data).name, part=part, model=Path(model).name, seconds=seconds,
        data_digest=records.digest(faces), scores=scores, scores_true_box=boxed,
    )  # fmt: skip
    interval = f" (95 % of people {scores['nme_low']:.4f} to {scores['nme_high']:.4f})" if "nme_low" in scores else ""
    say(f"NME {scores['nme']:.4f}{interval}, with the true "
        f"box {boxed['nme']:.4f}; PCK at 0.10 {100 * scores['pck_0.10']:.1f} %; MAE at 224 px {scores['mae_224']:.2f}")
    say(f"record: {path}")
    return scores
