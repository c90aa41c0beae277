"""Fit the emotion rules and the classifier beside them, and write both, with the record of how good they are.

Needs the 3,999 labelled expressions as affectnet/Dataset.zip in FKD_DATA_DIR; about four minutes on one core, nearly
all of it for the keypoints of the photos, which are kept in --cache:

    python tools/fit_emotion_rules.py

Every training face is used twice, with the landmarks that come with the set and with the keypoints of our own network:
two opinions of where a point lies, each measured from its own average neutral face. Rules: signs are picked one by one,
each time the one that would help a class-balanced logistic regression most; its weights, rounded, become the points.
Choices (features, steps, regularisation) were made by cross-validation inside the training part.
"""

import argparse
import hashlib
import io
import json
import os
import re
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, confusion_matrix
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from fkd_helpers.core import records
from fkd_helpers.core.files import whole_file
from fkd_helpers.emotion import rules as emotion
from fkd_helpers.emotion.features import FEATURES, features, learned_inputs, neutral_face, upright
from fkd_helpers.emotion.table import histograms
from fkd_helpers.faces.landmarks import EXPRESSIONS
from fkd_helpers.predict import KeypointPredictor

SURPRISE = EXPRESSIONS.index("surprise")
CLASS_OF = np.array([1, 2, 0, -1, 0, 0, 0, 0])  # expression -> place in LABELS
SIGNS, POINTS_OF_E, RIDGE_RULES, RIDGE_LEARNED = 10, 4, 0.1, 0.03
RAMP = 2  # a sign begins and ends one standard deviation of its feature before and after its middle
ABOUT = (
    "fitted by tools/fit_emotion_rules.py, record emotion-affectnet; research and teaching only, as its data asks"
)
SOURCES = ("landmarks", "predicted")


def read_set(folder):
    """Return ids, expressions (n,), landmarks (n, 68, 2), digests (n,) of the images, and a function to the pixels."""
    archive = zipfile.ZipFile(folder / "affectnet" / "Dataset.zip")
    photos = {int(m[1]): name for name in archive.namelist() if (m := re.search(r"/(\d+)\.jpg$", name))}
    ids = sorted(photos)

    def label(i, kind):
        name = photos[i].replace("/images/", "/annotations/").replace(".jpg", f"_{kind}.npy")
        return np.load(io.BytesIO(archive.read(name)))

    def image(i):
        return np.array(Image.open(io.BytesIO(archive.read(photos[i]))).convert("RGB"))

    expressions = np.array([int(label(i, "exp")) for i in ids])
    landmarks = np.stack([label(i, "lnd").reshape(68, 2) for i in ids]).astype(np.float32)
    digests = np.array([hashlib.sha256(archive.read(photos[i])).hexdigest() for i in ids])
    return ids, expressions, landmarks, digests, image


def predict_all(ids, image, cache):
    """Return keypoints (n, 68, 2) by our network and where (n,) its detector found a face; kept in a file."""
    if cache.exists():
        stored = np.load(cache)
        return stored["keypoints"], stored["detected"]
    predictor, keypoints, detected = KeypointPredictor(), [], []
    for done, i in enumerate(ids):
        frame = image(i)
        faces = predictor(frame)
        detected.append(bool(faces))
        # the photos are face crops: where none is found, the photo is the face, and of several the largest is meant
        faces = faces or predictor(frame, whole_image="fallback")
        keypoints.append(max(faces, key=lambda face: face.box[2:].prod()).keypoints)
        if done % 500 == 0:
            print(f"{done} of {len(ids)} photos", flush=True)
    cache.parent.mkdir(parents=True, exist_ok=True)
    np.savez(cache, keypoints=np.stack(keypoints), detected=detected)
    return np.stack(keypoints), np.array(detected)


def training_part(expressions, digests, held_out=3):
    """Return which faces (n,) are for training, seven tenths; equal images stay together, expressions keep shares."""
    groups = np.unique(digests, return_inverse=True)[1]
    train = np.ones(len(groups), bool)
    folds = StratifiedGroupKFold(10, shuffle=True, random_state=0).split(groups, expressions, groups)
    for _, (_, fold) in zip(range(held_out), folds, strict=False):
        train[fold] = False
    return train


def pick_signs(change, label):
    """Return signs without points, picked one by one, and the logistic regression over them."""
    weight = (len(label) / (3 * np.bincount(label)))[label]
    widths = np.maximum(np.round(RAMP * change.std(0), 2), 0.01)
    candidates = []
    for k, name in enumerate(FEATURES):
        for middle in np.unique(np.quantile(change[:, k], np.arange(0.1, 0.91, 0.1)).round(2)):
            low, high = round(middle - widths[k] / 2, 3), round(middle + widths[k] / 2, 3)
            # a sign is a change away from neutral: below the neutral face it begins above and ends below
            ends = (high, low) if middle < 0 else (low, high)
            candidates.append(emotion.Sign(name, *ends, (0, 0, 0)))
    columns = np.stack([sign.strength(change) for sign in candidates], 1)
    centred = columns - np.average(columns, axis=0, weights=weight)
    truth, shares, picked = np.eye(3)[label], np.full((len(label), 3), 1 / 3), []
    for _ in range(SIGNS):
        slope = centred.T @ (weight[:, None] * (truth - shares))
        bend = (centred**2).T @ (weight[:, None] * shares * (1 - shares)) + 1 / RIDGE_RULES
        gain = (slope**2 / bend).sum(1)
        gain[picked] = -1
        picked.append(int(gain.argmax()))
        fitted = LogisticRegression(class_weight="balanced", C=RIDGE_RULES, max_iter=2000)
        shares = fitted.fit(columns[:, picked], label).predict_proba(columns[:, picked])
    return [candidates[k] for k in picked], fitted


def fit_rules(keypoints, label):
    """Return `Rules` fitted to {source: keypoints (n, 68, 2)} and labels (n,)."""
    neutral = {source: neutral_face(points[label == 1]) for source, points in keypoints.items()}
    change = np.concatenate([features(points) - features(neutral[s]) for s, points in keypoints.items()])
    signs, fitted = pick_signs(change, np.tile(label, len(keypoints)))
    points = np.round(POINTS_OF_E * (fitted.coef_ - fitted.coef_.mean(0))).astype(int).T
    start = np.round(POINTS_OF_E * (fitted.intercept_ - fitted.intercept_.mean()))
    full = [emotion.Sign(s.feature, s.low, s.high, tuple(p.tolist())) for s, p in zip(signs, points, strict=True)]
    return emotion.Rules(tuple(full), start, np.round(neutral["predicted"], 4), POINTS_OF_E), neutral


def fit_learned(keypoints, expressions, neutral):
    """Return the learned classifier's numbers: seven expressions told apart, then summed to the three labels."""
    inputs = np.concatenate([learned_inputs(points, neutral[source]) for source, points in keypoints.items()])
    model = make_pipeline(StandardScaler(), LogisticRegression(C=RIDGE_LEARNED, max_iter=2000))
    model.fit(inputs, np.tile(expressions, len(keypoints)))
    scale, regression = model[0], model[1]
    coefficients = regression.coef_ / scale.scale_
    to_labels = np.zeros((len(regression.classes_), 3))
    for row, name in zip(to_labels, regression.classes_, strict=True):
        row[CLASS_OF[name]] = 1
    # each label weighs the same, however many expressions it has
    return {
        "coefficients": coefficients, "intercepts": regression.intercept_ - coefficients @ scale.mean_,
        "expressions": [EXPRESSIONS[k] for k in regression.classes_], "to_labels": to_labels / to_labels.sum(0),
    }  # fmt: skip


def learned_answers(learned, keypoints, neutral):
    logits = learned_inputs(keypoints, neutral) @ learned["coefficients"].T + learned["intercepts"]
    return (np.exp(logits - logits.max(1, keepdims=True)) @ learned["to_labels"]).argmax(1)


def score(answer, label, expressions, everything):
    """Return accuracy, balanced accuracy with its 95 % interval, and the confusion matrix (rows: truth)."""
    rng, rows = np.random.default_rng(0), [np.flatnonzero(label == k) for k in range(3)]
    right = answer == label
    draws = [np.mean([right[rng.choice(row, len(row))].mean() for row in rows]) for _ in range(1000)]
    by_expression = {
        name: np.bincount(everything[expressions == k], minlength=3) / max((expressions == k).sum(), 1)
        for k, name in enumerate(EXPRESSIONS)
    }
    return {
        "accuracy": right.mean(), "balanced_accuracy": balanced_accuracy_score(label, answer),
        "balanced_low": np.percentile(draws, 2.5), "balanced_high": np.percentile(draws, 97.5),
        "confusion": confusion_matrix(label, answer, labels=range(3)), "by_expression": by_expression,
    }  # fmt: skip


def fit_and_answer(keypoints, expressions, train, test):
    """Fit on `train` faces; return rules, neutral faces, learned numbers and the answers (n,) on `test` by method."""
    label = CLASS_OF[expressions[train]]
    known = {source: points[train] for source, points in keypoints.items()}
    rules, neutral = fit_rules(known, label)
    learned = fit_learned(known, expressions[train], neutral)
    answers = {}
    for source, points in keypoints.items():
        shares = emotion.rule_scores(points[test], neutral[source], rules=rules)
        answers["rules", source] = shares.argmax(1)
        answers["learned", source] = learned_answers(learned, points[test], neutral[source])
        one = DecisionTreeClassifier(max_leaf_nodes=3, class_weight="balanced", min_samples_leaf=25, random_state=0)
        one.fit(features(known[source])[:, :1], label)
        answers["corner_lift", source] = one.predict(features(points[test])[:, :1])
    return rules, neutral, learned, answers


def cross_validated(keypoints, expressions, train):
    """Return mean and standard deviation of the balanced accuracy over five parts of the training faces."""
    found = {}
    for inner, outer in StratifiedKFold(5, shuffle=True, random_state=1).split(train, expressions[train]):
        *_, answers = fit_and_answer(keypoints, expressions, train[inner], train[outer])
        for key, answer in answers.items():
            value = balanced_accuracy_score(CLASS_OF[expressions[train[outer]]], answer)
            found.setdefault("-".join(key), []).append(value)
    return {key: {"mean": np.mean(values), "std": np.std(values)} for key, values in found.items()}


def write_json(path, **content):
    with whole_file(path) as partial:
        partial.write_text(json.dumps(records.plain(content)) + "\n", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, default=Path("runs/emotion-keypoints.npz"), help="our keypoints")
    parser.add_argument("--out", type=Path, help="folder of the record (default: data/records)")
    parser.add_argument("--score-only", action="store_true", help="leave the package's rules and record as they are")
    options = parser.parse_args()
    ids, expressions, landmarks, digests, image = read_set(Path(os.environ["FKD_DATA_DIR"]))
    predicted, detected = predict_all(ids, image, options.cache)
    keypoints = dict(zip(SOURCES, (landmarks, predicted), strict=True))
    part = training_part(expressions, digests)
    train = np.flatnonzero(part & (expressions != SURPRISE))
    rest = np.flatnonzero(~part)
    rules, neutral, learned, answers = fit_and_answer(keypoints, expressions, train, rest)
    label, three = CLASS_OF[expressions[rest]], expressions[rest] != SURPRISE
    scores = {"-".join(key): score(answer[three], label[three], expressions[rest], answer)
              for key, answer in answers.items()}  # fmt: skip
    inside = cross_validated(keypoints, expressions, train)
    for key, values in scores.items():
        print(f"{key:24s} balanced {values['balanced_accuracy']:.3f} ({values['balanced_low']:.3f} to "
              f"{values['balanced_high']:.3f}), accuracy {values['accuracy']:.3f}, inside training "
              f"{inside[key]['mean']:.3f}\n{values['confusion']}")  # fmt: skip
    if options.score_only:
        return
    write_json(emotion.RULES_FILE, about=ABOUT, labels=emotion.LABELS, points_of_e=rules.points_of_e,
               start=rules.start.astype(int),
               signs=[{"feature": s.feature, "low": s.low, "high": s.high, "points": s.points} for s in rules.signs],
               neutral=rules.neutral)  # fmt: skip
    write_json(emotion.LEARNED_FILE, about=ABOUT, labels=emotion.LABELS, **learned)  # fmt: skip
    of_training = CLASS_OF[expressions[train]]
    faces = {name: neutral_face(predicted[train[of_training == k]]) for k, name in enumerate(emotion.LABELS)}
    records.write(
        "emotion", "affectnet", folder=options.out, data="affectnet", split="seven tenths for training, seed 0",
        training=dict(zip(emotion.LABELS, np.bincount(of_training), strict=True)),
        held_out=dict(zip(emotion.LABELS, np.bincount(label[three]), strict=True)),
        mouths_apart=np.median(np.linalg.norm(upright(landmarks) - upright(predicted), axis=-1)[:, 48:]),
        surprise_held_out=int((~three).sum()), detected=detected.mean(), model="small",
        choices={"signs": SIGNS, "points_of_e": POINTS_OF_E, "ramp_std": RAMP, "C_rules": RIDGE_RULES,
                 "C_learned": RIDGE_LEARNED},
        scores=scores, cross_validated_in_training=inside,
        mean_faces=faces,
        histograms=histograms(features(predicted[train]) - features(neutral["predicted"]),
                              np.array(emotion.LABELS)[of_training]),
    )  # fmt: skip


if __name__ == "__main__":
    main()
