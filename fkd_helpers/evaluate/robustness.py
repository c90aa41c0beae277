"""How the error grows as photos get worse: turned, shrunk, blurred, noisy, dark, partly hidden.

A change acts on the photo and on its labels alike; answers are scored in the photo as it was.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from fkd_helpers.core import records
from fkd_helpers.core.errors import InputError, unknown
from fkd_helpers.data import FaceSet, as_labelled
from fkd_helpers.evaluate.evaluate import FAILED, error_summary, labelled_faces, predict_set, record_facts
from fkd_helpers.faces.metrics import nme
from fkd_helpers.predict import KeypointPredictor

STILL = np.eye(2, 3)
PHOTO_EVERY = 5  # one face in so many is also read photo in
STRENGTHS: dict[str, tuple[str, Sequence[float]]] = {
    "rotation": ("degrees, clockwise", (0, 15, 30, 45, 60, 75, 90)),
    "scale": ("times smaller", (1, 1.5, 2, 3, 4, 6)),
    "blur": ("spread, % of the face's side", (0, 1, 2, 3, 4, 6)),
    "noise": ("spread, gray levels of 255", (0, 10, 20, 40, 60, 80)),
    "darkness": ("times less light", (1, 2, 4, 8, 16, 32)),
    "occlusion": ("% of the face's box hidden", (0, 5, 10, 20, 30, 50)),
}


def change(
    image: np.ndarray, box: np.ndarray, kind: str, strength: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return a photo changed (see STRENGTHS) about the face in its box (4,), and the map (2, 3) of its points."""
    if kind not in STRENGTHS:
        raise unknown("change", kind, STRENGTHS)
    none = STRENGTHS[kind][1][0]
    if not none <= strength < np.inf:
        raise InputError(f"{kind}: expected a strength of at least {none}, got {strength}")
    size, centre = np.array(image.shape[1::-1]), box[:2] + box[2:] / 2
    if strength == none:
        return image, STILL
    if kind == "rotation":
        turn = cv2.getRotationMatrix2D(centre.tolist(), -strength, 1.0)
        return cv2.warpAffine(image, turn, size.tolist(), borderMode=cv2.BORDER_REPLICATE), turn
    if kind == "scale":
        new = np.maximum((size / strength).round(), 1).astype(int).tolist()
        smaller = cv2.resize(image, new, interpolation=cv2.INTER_AREA)
        ratio = smaller.shape[1::-1] / size  # pixel centres: x becomes (x + 0.5) * ratio - 0.5
        return smaller, np.column_stack([np.diag(ratio), ratio / 2 - 0.5])
    if kind == "blur":
        image = cv2.GaussianBlur(image, (0, 0), max(strength / 100 * max(box[2:]), 1e-3))
    elif kind == "noise":
        image = np.clip(image + rng.normal(0, strength, image.shape).round(), 0, 255).astype(np.uint8)
    elif kind == "darkness":
        image = (image / strength).round().astype(np.uint8)
    else:  # a gray square somewhere in the box, that large a share of it
        half = np.minimum(np.sqrt(strength / 100 * box[2] * box[3]), box[2:]) / 2
        middle = rng.uniform(box[:2] + half, box[:2] + box[2:] - half)
        (left, top), (right, bottom) = np.maximum([middle - half, middle + half], 0).round().astype(int)
        image = image.copy()
        image[top:bottom, left:right] = 128
    return image, STILL


def moved(keypoints: np.ndarray, map_: np.ndarray) -> np.ndarray:
    """Return points (..., k, 2) where a map (2, 3) takes them."""
    return (np.asarray(keypoints, np.float64) @ map_[:, :2].T + map_[:, 2]).astype(np.float32)


def change_set(faces: FaceSet, kind: str, strength: float, *, seed: int = 0) -> tuple[FaceSet, np.ndarray]:
    """Return all faces changed (see `change`), their labels with them, and the maps (n, 2, 3)."""
    rng = np.random.default_rng([seed, list(STRENGTHS).index(kind) if kind in STRENGTHS else 0])
    pairs = zip(faces.images, faces.boxes, strict=True)
    images, maps = zip(*(change(np.asarray(image), box, kind, strength, rng) for image, box in pairs), strict=True)
    keypoints = np.stack([moved(points, map_) for points, map_ in zip(faces.keypoints, maps, strict=True)])
    return replace(faces, images=list(images), keypoints=keypoints), np.stack(maps)


def errors_of(
    predictor: KeypointPredictor, faces: FaceSet, kind: str, strength: float, *, data: str | Path = "",
    given_boxes: bool = True, seed: int = 0,
) -> np.ndarray:  # fmt: skip
    """Return the NME (n,) of changed faces, with the true box or by the predictor's own detector."""
    worse, maps = change_set(faces, kind, strength, seed=seed)
    predicted = predict_set(predictor, worse, given_boxes=given_boxes)
    back = [moved(points, cv2.invertAffineTransform(map_)) for points, map_ in zip(predicted, maps, strict=True)]
    return nme(as_labelled(np.stack(back), data), faces.keypoints)


def curves(
    predictor: KeypointPredictor, faces: FaceSet, *, data: str | Path = "", seed: int = 0,
    strengths: Mapping[str, tuple[str, Sequence[float]]] = STRENGTHS, photo_every: int = PHOTO_EVERY,
) -> dict[str, dict]:  # fmt: skip
    """Return for each kind of change its unit and, for each strength, the `error_summary`.

    Args:
        photo_every: one face in so many is also read photo in, without the true box ("photo_failures"); 0 reads none
    """
    found, shared = {}, {"data": data, "seed": seed}
    for kind, (unit, values) in strengths.items():
        points = []
        for strength in tqdm(values, kind, leave=False, disable=None):
            point = {"strength": strength}
            point |= error_summary(errors_of(predictor, faces, kind, strength, **shared), faces.people)
            if photo_every:
                by_photo = errors_of(predictor, faces[::photo_every], kind, strength, given_boxes=False, **shared)
                point["photo_failures"] = (by_photo > FAILED).mean()
            points.append(point)
        found[kind] = {"unit": unit, "points": points}
    return found


def measure_robustness(
    data: str = "ytf", part: str | None = "test", *, model: str = "small", detector: str = "ours",
    folder: Path | None = None, seed: int = 0,
) -> dict[str, dict]:  # fmt: skip
    """Return the robustness curves of a model on a part of a data set, and write the record."""
    predictor, faces = KeypointPredictor(model, detectors=detector), labelled_faces(data, part)
    found = curves(predictor, faces, data=data, seed=seed)
    about = {"faces": len(faces), "photo_faces": math.ceil(len(faces) / PHOTO_EVERY), "seed": seed}
    facts = record_facts(data, part, model, detector, faces)
    print(f"record: {records.write('robustness', folder=folder, **facts, **about, curves=found)}")
    return found
