"""Score all systems on the real test set: as a whole, by what the photos are like, and on photos made worse."""

from collections.abc import Callable

import cv2
import numpy as np
import pandas as pd

from fkd_helpers.core import records
from fkd_helpers.data import FaceSet, as_labelled
from fkd_helpers.evaluate import CONDITIONS, FAILED, STRENGTHS, change_set, conditions_of, labelled_faces, moved
from fkd_helpers.faces.metrics import auc, bootstrap, nme, pck, pixel_errors, point_errors
from fkd_helpers.train.tables import number, percent

SET = "ytf"
SYSTEMS = {  # by name: whom to ask, and by which way of child.py
    "ours": ("ours", "detect"), "dlib_hog": ("dlib", "hog_enlarged"), "dlib_haar": ("dlib", "haar"),
    "mediapipe": ("mediapipe", "several"),
}  # fmt: skip
TITLES = {"ours": "ours", "dlib_hog": "HOG + dlib", "dlib_haar": "Haar + dlib", "mediapipe": "MediaPipe"}
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
    """Return NME of found faces, its interval and the share of failures, of errors (n,), infinite without a face.

    Failures are faces with an NME over FAILED and those that were not found.
    """
    found = np.isfinite(errors)
    row = {"found": int(found.sum()), "failures": float((errors > FAILED).mean())}
    if found.any():
        low, high = bootstrap(errors[found], people[found])
        row |= {"nme": errors[found].mean(), "nme_low": low, "nme_high": high, "nme_median": np.median(errors[found])}
    return row


def sliced(errors: dict[str, np.ndarray], values: np.ndarray, people: np.ndarray) -> list:
    """Return the scores of all systems (n,) on the same quarters of the faces, from the lowest values (n,) on.

    Faces without a value (NaN) make a last part of their own, from and to None.
    """
    order = np.argsort(values, kind="stable")  # NaN last
    known = int(np.isfinite(values).sum())
    rows = []
    for part in (*np.array_split(order[:known], QUARTERS), order[known:]):
        if len(part):
            low, high = (values[part].min(), values[part].max()) if np.isfinite(values[part]).all() else (None, None)
            scores = {name: score(found[part], people[part]) for name, found in errors.items()}
            rows.append({"faces": len(part), "from": low, "to": high, "systems": scores})
    return rows


def fairness(systems: dict) -> dict:
    """Return the record of all systems on the real test set."""
    faces, training = (labelled_faces(SET, part) for part in ("test", "training"))
    taught = training[np.sort(np.random.default_rng(0).permutation(len(training))[:TAUGHT])]

    def ask(name, faces):
        print(f"{name}: {len(faces)} faces", flush=True)
        system, way = SYSTEMS[name]
        return systems[system].ask(way, faces.images)[0]

    placed = {name: adaptation(ask(name, taught), taught.keypoints) for name in SYSTEMS if name != "ours"}
    placed["ours"] = lambda points: as_labelled(points, SET)  # from answers to where the labels lie
    answers = {name: ask(name, faces) for name in SYSTEMS}
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
        "robustness": worse(ask, faces, placed, errors),
    }  # fmt: skip


def whole(points: np.ndarray, faces: FaceSet) -> dict:
    """Return the scores of points (n, 68, 2): MAE of the faces found, in PCK and AUC those not found are missed."""
    found, errors = np.isfinite(points).all((1, 2)), nme(points, faces.keypoints)
    sizes = np.array([image.shape[1::-1] for image in faces.images])
    mae, _ = pixel_errors(points[found], faces.keypoints[found], 224 / sizes[found])
    near = pck(point_errors(points, faces.keypoints), 0.10)
    return score(errors, faces.people) | {"pck_0.10": near, "auc_0.5": auc(errors, 0.5), "mae_224": mae}


def worse(ask: Callable, faces: FaceSet, placed: dict, errors: dict) -> dict:
    """Return the scores on some faces, changed ever more (see fkd_helpers.evaluate.robustness)."""
    few = np.sort(np.random.default_rng(1).permutation(len(faces))[:WORSE])
    fewer, curves = faces[few], {}
    for kind, (unit, strengths) in STRENGTHS.items():
        curves[kind] = {"unit": unit, "points": []}
        for strength in strengths[1::2]:
            changed, maps = change_set(fewer, kind, strength)
            back, scores = [cv2.invertAffineTransform(map_) for map_ in maps], {}
            for name in SYSTEMS:
                points = np.stack([moved(*pair) for pair in zip(ask(name, changed), back, strict=True)])
                scores[name] = score(nme(placed[name](points), fewer.keypoints), fewer.people)
            curves[kind]["points"].append({"strength": strength, "systems": scores})
    unchanged = {name: score(found[few], fewer.people) for name, found in errors.items()}
    return {"faces": len(fewer), "unchanged": unchanged, "curves": curves}


def slice_table(record: dict) -> pd.DataFrame:
    """Return the adapted scores by quarters: NME % of the faces found with its 95 % interval over people, failures."""
    rows = []
    for name, parts in record["slices"].items():
        for part in parts:
            reach = "unknown" if part["from"] is None else f"{number(part['from'])} to {number(part['to'])}"
            row = {"by": f"{name}, {CONDITIONS[name]}", "from, to": reach, "faces": str(part["faces"])}
            systems = {key: part["systems"][key] for key in ("ours", "dlib_hog", "mediapipe")}
            for key, scores in systems.items():
                low, high = (percent(scores.get(end)) for end in ("nme_low", "nme_high"))
                row[TITLES[key]] = f"{percent(scores['nme'])} ({low} to {high})" if "nme" in scores else "-"
            rows.append(row | {"failures %, in this order": _failures(systems.values())})
    return pd.DataFrame(rows)


def worse_table(record: dict) -> pd.DataFrame:
    """Return the share of failures % on photos made worse, photo in: strengths and failures in one order."""
    found = record["robustness"]
    shares = {title: percent(found["unchanged"][key]["failures"]) for key, title in TITLES.items()}
    rows = [{"change": "none", "strengths": ""} | shares]
    for kind, curve in found["curves"].items():
        points, strengths = curve["points"], " · ".join(number(point["strength"]) for point in curve["points"])
        shares = {title: _failures(point["systems"][key] for point in points) for key, title in TITLES.items()}
        rows.append({"change": f"{kind}, {curve['unit']}", "strengths": strengths} | shares)
    return pd.DataFrame(rows)


def _failures(scores) -> str:
    return " · ".join(number(100 * one["failures"]) for one in scores)
