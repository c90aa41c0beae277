"""How the error grows as photos get worse: turned, shrunk, blurred, noisy, dark, partly hidden.

A change acts on the photo and on its labels alike; answers are scored in the photo as it was.
"""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from fkd_helpers.data import FaceSet, as_labelled
from fkd_helpers.evaluate.evaluate import FAILED, error_summary, labelled_faces, predict_set, write_record
from fkd_helpers.faces.metrics import nme
from fkd_helpers.predict import KeypointPredictor

STILL = np.eye(2, 3)
PHOTO_EVERY = 5  # one face in so many is also read photo in
STRENGTHS = {
    "rotation": ("degrees, clockwise", (0, 15, 30, 45, 60, 75, 90, 135, 180)),
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
    size, centre = np.array(image.shape[1::-1]), box[:2] + box[2:] / 2
    if strength == STRENGTHS[kind][1][0]:
        return image, STILL
    if kind == "rotation":
        turn = cv2.getRotationMatrix2D(centre.tolist(), -strength, 1.0)
        return cv2.warpAffine(image, turn, size.tolist(), borderMode=cv2.BORDER_REPLICATE), turn
    if kind == "scale":
        new = np.maximum((size / strength).round(), 1).astype(int).tolist()
        smaller = cv2.resize(image, new, interpolation=cv2.INTER_AREA)
        ratio = new / size  # pixel centres: x becomes (x + 0.5) * ratio - 0.5
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
    rng = np.random.default_rng([seed, list(STRENGTHS).index(kind)])
    pairs = zip(faces.images, faces.boxes, strict=True)
    images, maps = zip(*(change(np.asarray(image), box, kind, strength, rng) for image, box in pairs), strict=True)
    keypoints = np.stack([moved(points, map_) for points, map_ in zip(faces.keypoints, maps, strict=True)])
    return replace(faces, images=list(images), keypoints=keypoints), np.stack(maps)


def measure_robustness(
    data: str = "ytf", part: str | None = "test", *, model: str = "small", detector: str = "ours",
    folder: Path | None = None, seed: int = 0,
) -> dict[str, dict]:  # fmt: skip
    """Return the errors in the true box and the failures photo in, by change and strength, and write the record."""
    predictor, faces = KeypointPredictor(model, detector=detector), labelled_faces(data, part)
    curves = {kind: {"unit": unit, "points": []} for kind, (unit, _) in STRENGTHS.items()}
    for kind, strength in tqdm([(kind, v) for kind, (_, values) in STRENGTHS.items() for v in values], disable=None):
        worse, maps = change_set(faces, kind, strength, seed=seed)
        errors = []
        for every, given_boxes in ((1, True), (PHOTO_EVERY, False)):
            predicted = predict_set(predictor, worse[::every], given_boxes=given_boxes)
            back = map(cv2.invertAffineTransform, maps[::every])
            back = np.stack([moved(points, map_) for points, map_ in zip(predicted, back, strict=True)])
            errors.append(nme(as_labelled(back, data), faces.keypoints[::every]))
        point = error_summary(errors[0], faces.people) | {"photo_failures": (errors[1] > FAILED).mean()}
        curves[kind]["points"].append({"strength": strength} | point)
    content = {"faces": len(faces), "photo_faces": len(faces[::PHOTO_EVERY]), "seed": seed, "curves": curves}
    print(f"record: {write_record('robustness', data, part, model, detector, faces, folder, **content)}")
    return curves
