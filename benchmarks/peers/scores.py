"""Score all systems on the real test set: as a whole, by what the photos are like, and on photos made worse."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from fkd_helpers.core import records
from fkd_helpers.core.files import cached
from fkd_helpers.data import FaceSet, as_labelled
from fkd_helpers.evaluate import FAILED, STRENGTHS, change_set, conditions_of, labelled_faces, moved
from fkd_helpers.faces.metrics import auc, bootstrap, nme, pck, pixel_errors, point_errors
from fkd_helpers.predict.runtime import WEIGHTS

SET = "ytf"
SYSTEMS = {  # by name: whom to ask, and by which way of child.py
    "ours": ("ours", "detect"), "dlib_hog": ("dlib", "hog_enlarged"), "dlib_haar": ("dlib", "haar"),
    "mediapipe": ("mediapipe", "several"),
}  # fmt: skip
QUARTERS = 4
TAUGHT = 800  # training faces that the peers' answers are adapted on
WORSE = 100  # test faces that are made worse


def adaptation(answers: np.ndarray, target: np.ndarray, *, stiff: float = 1.0) -> Callable[[np.ndarray], np.ndarray]:
    """Return a linear map from a system's points (n, 68, 2) to where a set's labels lie, fitted by ridge regression.

    It works in units of the face that was answered, so it knows no place and no size. Faces that were not found are
    left out, and those far from the labelled one. stiff: fitted on half of the training people and scored on the
    others, 1 is within 1 % of the best for MediaPipe and dlib alike.
    """
    known = nme(answers, target) < 3 * FAILED
    inputs, middle, side = _in_own_units(answers[known])
    wanted = ((target[known] - middle) / side).reshape(len(inputs), -1) - inputs[:, :-1]
    bend = np.linalg.solve(inputs.T @ inputs + stiff * np.eye(inputs.shape[1]), inputs.T @ wanted)

    def adapted(points):
        inputs, middle, side = _in_own_units(points)
        return (inputs[:, :-1] + inputs @ bend).reshape(points.shape) * side + middle

    return adapted


def _in_own_units(points):
    middle = points.mean(1, keepdims=True)
    side = np.sqrt(((points - middle) ** 2).sum(2).mean(1))[:, None, None]
    return np.column_stack([((points - middle) / side).reshape(len(points), -1), np.ones(len(points))]), middle, side


def score(errors: np.ndarray, people: np.ndarray) -> dict:
    """Return what is said of errors (n,), infinite where no face was found: NME of found faces, interval, failures.

    Failures are faces with an NME over FAILED and those that were not found.
    """
    found = np.isfinite(errors)
    row = {"found": int(found.sum()), "failures": float((errors > FAILED).mean())}
    if found.any():
        low, high = bootstrap(errors[found], people[found])
        row |= {"nme": errors[found].mean(), "nme_low": low, "nme_high": high, "nme_median": np.median(errors[found])}
    return row


def sliced(errors: dict[str, np.ndarray], values: np.ndarray, people: np.ndarray, *, parts: int = QUARTERS) -> list:
    """Return the scores of all systems (n,) on the same equal parts of the faces, from the lowest values (n,) on.

    Faces without a value (NaN) make a last part of their own, from and to None.
    """
    order = np.argsort(values, kind="stable")  # NaN last
    known = int(np.isfinite(values).sum())
    rows = []
    for part in (*np.array_split(order[:known], parts), order[known:]):
        if len(part):
            ends = (values[part].min(), values[part].max()) if np.isfinite(values[part]).all() else (None, None)
            scores = {name: score(found[part], people[part]) for name, found in errors.items()}
            rows.append({"faces": len(part), "from": ends[0], "to": ends[1], "systems": scores})
    return rows


def asker(systems: dict) -> Callable[[str, str, FaceSet], np.ndarray]:
    """Return a function (title, name of SYSTEMS, faces) -> points (n, 68, 2), cached for the user."""
    here = Path(__file__).parent
    own = (WEIGHTS / "small.onnx", here / "child.py", here / "processes.py")  # changed ones are asked anew
    key = hashlib.sha256(b"".join(path.read_bytes() for path in own)).hexdigest()[:12]

    def ask(title, name, faces):
        system, way = SYSTEMS[name]
        question = f"{key} {title} {name} {records.digest(faces)}"
        return cached("peers", question, lambda: {"points": systems[system].answers(way, faces.images)})["points"]

    return ask


def fairness(systems: dict, say: Callable[[str], None] = print) -> dict:
    """Return the record of all systems on the real test set."""
    faces, training = (labelled_faces(SET, part) for part in ("test", "training"))
    taught = training[np.sort(np.random.default_rng(0).permutation(len(training))[:TAUGHT])]
    ask = asker(systems)
    placed = {"ours": lambda points: as_labelled(points, SET)}  # from answers to where the labels lie
    for name in list(SYSTEMS)[1:]:
        say(f"{name}: {len(taught)} training faces")
        placed[name] = adaptation(ask("training", name, taught), taught.keypoints)
    say(f"{len(faces)} test faces")
    answers = {name: ask("test", name, faces) for name in SYSTEMS}
    adapted = {name: placed[name](points) for name, points in answers.items()}
    errors = {name: nme(points, faces.keypoints) for name, points in adapted.items()}
    return {
        "data": SET, "part": "test", "faces": len(faces), "people": len(np.unique(faces.people)),
        "data_digest": records.digest(faces), "adapted_on": len(taught), "failed_over": FAILED,
        "not_measured": ["skin tone", "gender", "age"],
        "systems": {name: {
            "adapted": whole(adapted[name], faces), "as_answered": whole(answers[name], faces),
        } for name in SYSTEMS},
        "slices": {name: sliced(errors, values, faces.people) for name, values in conditions_of(faces).items()},
        "robustness": worse(ask, faces, placed, errors, say),
    }  # fmt: skip


def whole(points: np.ndarray, faces: FaceSet) -> dict:
    """Return the scores of points (n, 68, 2): MAE of the faces found, in PCK and AUC those not found are missed."""
    found = np.isfinite(points).all((1, 2))
    sizes = np.array([image.shape[1::-1] for image in faces.images])
    mae, _ = pixel_errors(points[found], faces.keypoints[found], 224 / sizes[found])
    errors = nme(points, faces.keypoints)
    every = {"pck_0.10": pck(point_errors(points, faces.keypoints), 0.10), "auc_0.5": auc(errors, 0.5)}
    return score(errors, faces.people) | every | {"mae_224": mae}


def worse(ask: Callable, faces: FaceSet, placed: dict, errors: dict, say: Callable[[str], None]) -> dict:
    """Return the scores on some faces, changed ever more (see fkd_helpers.evaluate.robustness)."""
    few = np.sort(np.random.default_rng(1).permutation(len(faces))[:WORSE])
    fewer = faces[few]
    unchanged = {name: score(found[few], fewer.people) for name, found in errors.items()}
    found = {"faces": len(fewer), "unchanged": unchanged, "curves": {}}
    for kind, (unit, strengths) in STRENGTHS.items():
        rows = []
        for strength in strengths[1::2]:
            say(f"{len(fewer)} faces, {kind} {strength:g}")
            changed, maps = change_set(fewer, kind, strength)
            back = [cv2.invertAffineTransform(map_) for map_ in maps]
            scores = {}
            for name in SYSTEMS:
                points = ask(f"{kind}-{strength:g}", name, changed)
                points = np.stack([moved(own, map_) for own, map_ in zip(points, back, strict=True)])
                scores[name] = score(nme(placed[name](points), fewer.keypoints), fewer.people)
            rows.append({"strength": strength, "systems": scores})
        found["curves"][kind] = {"unit": unit, "points": rows}
    return found
