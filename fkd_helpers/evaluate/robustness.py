"""How the error grows as photos get worse: turned, shrunk, blurred, noisy, dark, partly hidden. Built in notebook 03.

A change acts on the photo and on its labels alike. Answers are brought back to the photo as it was and scored there, so
that at strength 0 every curve starts at the score of the evaluation.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from fkd_helpers.core import records
from fkd_helpers.core.errors import InputError, unknown
from fkd_helpers.data import FaceSet, as_labelled
from fkd_helpers.evaluate.conditions import FAILED
from fkd_helpers.evaluate.evaluate import labelled_faces, predict_set
from fkd_helpers.faces.metrics import bootstrap, nme
from fkd_helpers.predict import KeypointPredictor

STILL = np.eye(2, 3)
PHOTO_EVERY = 5  # the detector is slow: one face in so many
STRENGTHS: dict[str, tuple[str, Sequence[float]]] = {
    "rotation": ("degrees, clockwise", (0, 15, 30, 45, 60, 75, 90)),
    "scale": ("times smaller", (1, 1.5, 2, 3, 4, 6)),
    "blur": ("spread, % of the face's side", (0, 1, 2, 3, 4, 6)),
    "noise": ("spread, gray levels of 255", (0, 10, 20, 40, 60, 80)),
    "darkness": ("times less light", (1, 2, 4, 8, 16, 32)),
    "occlusion": ("% of the face's box hidden", (0, 5, 10, 20, 30, 50)),
}


def changed(
    image: np.ndarray, box: np.ndarray, kind: str, strength: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return a photo changed about the face in its box (4,), and the map (2, 3) that took its points along.

    image: uint8, gray or RGB; kind, strength: see STRENGTHS; what a turn brings in from outside repeats the edge

    Raises:
        InputError: an unknown kind, or a strength below that of no change.
    """
    if kind not in STRENGTHS:
        raise unknown("change", kind, STRENGTHS)
    none = STRENGTHS[kind][1][0]
    if not none <= strength < np.inf:
        raise InputError(f"{kind}: expected a strength of at least {none}, got {strength}")
    if strength == none:
        return image, STILL
    height, width = image.shape[:2]
    side = float(max(box[2:]))
    centre = [float(v) for v in box[:2] + box[2:] / 2]
    if kind == "rotation":
        turn = cv2.getRotationMatrix2D(centre, -strength, 1.0)
        return cv2.warpAffine(image, turn, (width, height), borderMode=cv2.BORDER_REPLICATE), turn
    if kind == "scale":
        size = np.maximum(np.round(np.array([width, height]) / strength), 1).astype(int)
        ratio = size / [width, height]  # pixel centres: x becomes (x + 0.5) * ratio - 0.5
        smaller = cv2.resize(image, size.tolist(), interpolation=cv2.INTER_AREA)
        return smaller, np.column_stack([np.diag(ratio), ratio / 2 - 0.5])
    if kind == "blur":
        return cv2.GaussianBlur(image, (0, 0), max(strength / 100 * side, 1e-3)), STILL
    if kind == "noise":
        return np.clip(image + rng.normal(0, strength, image.shape).round(), 0, 255).astype(np.uint8), STILL
    if kind == "darkness":
        return (image / strength).round().astype(np.uint8), STILL
    return _hidden(image, box, strength / 100, rng), STILL


def _hidden(image, box, share, rng):
    """Return the image with a gray square somewhere in the box, that large a share of it."""
    half = np.minimum(np.sqrt(share * box[2] * box[3]), box[2:]) / 2
    middle = rng.uniform(box[:2] + half, box[:2] + box[2:] - half)
    left, top = np.maximum(np.round(middle - half), 0).astype(int)
    right, bottom = np.maximum(np.round(middle + half), 0).astype(int)
    covered = image.copy()
    covered[top:bottom, left:right] = 128
    return covered


def moved(keypoints: np.ndarray, map_: np.ndarray) -> np.ndarray:
    """Return points (..., k, 2) where a map (2, 3) takes them."""
    return (np.asarray(keypoints, np.float64) @ map_[:, :2].T + map_[:, 2]).astype(np.float32)


def changed_set(faces: FaceSet, kind: str, strength: float, *, seed: int = 0) -> tuple[FaceSet, np.ndarray]:
    """Return all faces changed (see `changed`), their labels with them, and the maps (n, 2, 3)."""
    rng = np.random.default_rng([seed, list(STRENGTHS).index(kind) if kind in STRENGTHS else 0])
    pairs = [changed(np.asarray(image), box, kind, strength, rng)
             for image, box in zip(faces.images, faces.boxes, strict=True)]  # fmt: skip
    maps = np.stack([map_ for _, map_ in pairs])
    keypoints = np.stack([moved(points, map_) for points, map_ in zip(faces.keypoints, maps, strict=True)])
    return replace(faces, images=[image for image, _ in pairs], keypoints=keypoints), maps


def errors_of(
    predictor: KeypointPredictor, faces: FaceSet, kind: str, strength: float, *, data: str | Path = "",
    given_boxes: bool = True, seed: int = 0,
) -> np.ndarray:  # fmt: skip
    """Return the NME (n,) of changed faces, with the true box or by the predictor's own detector."""
    worse, maps = changed_set(faces, kind, strength, seed=seed)
    predicted = predict_set(predictor, worse, given_boxes=given_boxes)
    if predicted.shape != faces.keypoints.shape:
        raise InputError(f"scoring needs a model of 68 keypoints, this one gives {predicted.shape[1]}")
    back = [moved(points, cv2.invertAffineTransform(map_)) for points, map_ in zip(predicted, maps, strict=True)]
    return nme(as_labelled(np.stack(back), data), faces.keypoints)


def curves(
    predictor: KeypointPredictor, faces: FaceSet, *, data: str | Path = "", seed: int = 0,
    strengths: Mapping[str, tuple[str, Sequence[float]]] = STRENGTHS, photo_every: int = PHOTO_EVERY,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, dict]:  # fmt: skip
    """Return for each kind of change its unit and, for each strength, NME with its interval over people and failures.

    photo_every: one face in so many is also read photo in, without the true box ("photo_failures"); 0 reads none
    """
    few = faces[np.arange(0, len(faces), photo_every)] if photo_every else None
    shared = dict(data=data, seed=seed)
    found = {}
    for kind, (unit, values) in strengths.items():
        rows = []
        for strength in values:
            errors = errors_of(predictor, faces, kind, strength, **shared)
            low, high = bootstrap(errors, faces.people)
            row = {"strength": strength, "nme": errors.mean(), "nme_low": low, "nme_high": high,
                   "failures": (errors > FAILED).mean()}  # fmt: skip
            if few is not None:
                by_photo = errors_of(predictor, few, kind, strength, given_boxes=False, **shared)
                row["photo_failures"] = (by_photo > FAILED).mean()
            rows.append(row)
            say(f"{kind} {strength:g}: NME {row['nme']:.4f}, failures {100 * row['failures']:.1f} %")
        found[kind] = {"unit": unit, "points": rows}
    return found


def measure(
    data: str = "ytf", part: str | None = "test", *, model: str = "small", folder: Path | None = None, seed: int = 0,
    say: Callable[[str], None] = print,
) -> Path:  # fmt: skip
    """Measure the robustness curves of a model on a part of a data set, write the record, and return its path.

    Raises:
        InputError: as `evaluation.evaluate`.
    """
    predictor = KeypointPredictor(model)
    faces = labelled_faces(data, part)
    found = curves(predictor, faces, data=data, seed=seed, say=say if sys.stderr.isatty() else lambda _: None)
    path = records.write(
        "robustness", f"{Path(data).name}-{part or 'all'}-{Path(model).stem}", folder=folder, data=Path(data).name,
        part=part, model=Path(model).name, seed=seed, faces=len(faces), photo_faces=-(-len(faces) // PHOTO_EVERY),
        data_digest=records.digest(faces), curves=found,
    )  # fmt: skip
    say(f"record: {path}")
    return path
