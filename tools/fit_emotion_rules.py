"""Fit the emotion rules and the classifier beside them, and write both, with the records of how good they are.

    FKD_DATA_DIR=... python tools/fit_emotion_rules.py

Needs the 3,999 labelled expressions as affectnet/Dataset.zip; four minutes on one core, nearly all of it for the
keypoints of the photos, which are cached. Every training face is used twice, with the landmarks that come with the set
and with the keypoints of our own network, each measured from its own average neutral face. Rules: signs are picked one
by one, each time the one that would help a class-balanced logistic regression most; its weights, rounded, become the
points. Choices were made by cross-validation inside the training part.
"""

import hashlib
import json
import zipfile
from pathlib import Path

import numpy as np
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, confusion_matrix
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from fkd_helpers.core import records
from fkd_helpers.core.options import run_script
from fkd_helpers.emotion import rules as emotion
from fkd_helpers.emotion.features import FEATURES, features, neutral_face, upright
from fkd_helpers.expressions.crops import face_keypoints
from fkd_helpers.expressions.data import find_expressions, load_expressions
from fkd_helpers.faces.landmarks import EXPRESSIONS, MIRROR

CLASS_OF = np.array([1, 2, 0, -1, 0, 0, 0, 0])  # expression -> place in LABELS; surprise has none
SIGNS, POINTS_OF_E, RIDGE_RULES, RIDGE_LEARNED = 10, 4, 0.1, 0.03
RAMP = 2  # a sign begins and ends one standard deviation of its feature before and after its middle
ONE_SIDE = np.flatnonzero(MIRROR >= np.arange(68))  # the points that, with their mirrored ones, make the whole face
ABOUT = "fitted by tools/fit_emotion_rules.py, record emotion-affectnet; research and teaching only, as its data asks"


def training_part(names, expressions):
    """Return which faces (n,) are for training, seven tenths; equal images stay together, expressions keep shares."""
    archive = zipfile.ZipFile(find_expressions("affectnet"))
    paths = {Path(path).name: path for path in archive.namelist() if "/images/" in path}
    digests = [hashlib.sha256(archive.read(paths[name])).hexdigest() for name in names]
    groups = np.unique(digests, return_inverse=True)[1]
    folds = StratifiedGroupKFold(10, shuffle=True, random_state=0).split(groups, expressions, groups)
    held_out = np.concatenate([fold for _, (_, fold) in zip(range(3), folds, strict=False)])
    return ~np.isin(np.arange(len(groups)), held_out)


def pick_signs(change, label):
    """Return names, low and high of the signs, picked one by one, and the logistic regression over them."""
    weight = (len(label) / (3 * np.bincount(label)))[label]
    widths = np.maximum(np.round(RAMP * change.std(0), 2), 0.01)
    names, ends = [], []
    for k, name in enumerate(FEATURES):
        for middle in np.unique(np.quantile(change[:, k], np.arange(0.1, 0.91, 0.1)).round(2)):
            low, high = round(middle - widths[k] / 2, 3), round(middle + widths[k] / 2, 3)
            # a sign is a change away from neutral: below the neutral face it begins above and ends below
            ends.append((high, low) if middle < 0 else (low, high))
            names.append(name)
    columns = emotion.Rules(names, *np.array(ends).T, *np.zeros((3, 3)), 1).strengths(change)
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
    return [names[k] for k in picked], *np.array(ends)[picked].T, fitted


def fit_rules(keypoints, label, neutral):
    """Return `Rules` fitted to {source: keypoints (n, 68, 2)} and labels (n,), from the neutral face of each source."""
    change = np.concatenate([features(points) - features(neutral[s]) for s, points in keypoints.items()])
    *signs, fitted = pick_signs(change, np.tile(label, len(keypoints)))
    given = np.round(POINTS_OF_E * (fitted.coef_ - fitted.coef_.mean(0))).T
    start = np.round(POINTS_OF_E * (fitted.intercept_ - fitted.intercept_.mean()))
    return emotion.Rules(*signs, given, start, np.round(neutral["predicted"], 4), POINTS_OF_E)


def learned_inputs(keypoints, neutral):
    """Return changes of the features and of the symmetric face: one side of the mean of a face and its mirror image."""
    change = upright(keypoints) - upright(neutral)
    symmetric = (change + change[:, MIRROR] * [-1, 1])[:, ONE_SIDE] / 2
    return np.concatenate([features(keypoints) - features(neutral), symmetric.reshape(len(keypoints), -1)], -1)


def fit_learned(keypoints, expressions, neutral):
    """Return the learned classifier's numbers: seven expressions told apart, then summed to the three labels."""
    inputs = np.concatenate([learned_inputs(points, neutral[source]) for source, points in keypoints.items()])
    model = make_pipeline(StandardScaler(), LogisticRegression(C=RIDGE_LEARNED, max_iter=2000))
    scale, regression = model.fit(inputs, np.tile(expressions, len(keypoints)))
    coefficients = regression.coef_ / scale.scale_
    to_labels = np.eye(3)[CLASS_OF[regression.classes_]]
    # each label weighs the same, however many expressions it has
    return {
        "coefficients": coefficients, "intercepts": regression.intercept_ - coefficients @ scale.mean_,
        "expressions": [EXPRESSIONS[k] for k in regression.classes_], "to_labels": to_labels / to_labels.sum(0),
    }  # fmt: skip


def answers_of(rules, learned, known, label, tested, neutral):
    """Return the answers (n,) on {source: keypoints} by method: rules, learned, and one feature with fitted cuts."""
    answers = {}
    for source, points in tested.items():
        logits = learned_inputs(points, neutral[source]) @ learned["coefficients"].T + learned["intercepts"]
        one = DecisionTreeClassifier(max_leaf_nodes=3, class_weight="balanced", min_samples_leaf=25, random_state=0)
        one.fit(features(known[source])[:, :1], label)
        answers[f"rules-{source}"] = rules.points(features(points) - features(neutral[source])).argmax(1)
        answers[f"learned-{source}"] = (softmax(logits, 1) @ learned["to_labels"]).argmax(1)
        answers[f"corner_lift-{source}"] = one.predict(features(points)[:, :1])
    return answers


def scores_of(answers, expressions):
    """Return scores by method with 95 % intervals, and balanced accuracies of 1,000 draws of faces."""
    three, label = expressions != EXPRESSIONS.index("surprise"), CLASS_OF[expressions]
    rng, rows = np.random.default_rng(0), [np.flatnonzero(label == k) for k in range(3)]
    draws = [[rng.choice(row, len(row)) for row in rows] for _ in range(1000)]
    scores, drawn = {}, {}
    for key, answer in answers.items():
        drawn[key] = np.array([np.mean([(answer == label)[row].mean() for row in draw]) for draw in draws])
        low, high = np.percentile(drawn[key], [2.5, 97.5])
        scores[key] = {
            "accuracy": (answer == label)[three].mean(), "balanced_low": low, "balanced_high": high,
            "balanced_accuracy": balanced_accuracy_score(label[three], answer[three]),
            "confusion": confusion_matrix(label[three], answer[three], labels=range(3)),
            "by_expression": {name: np.bincount(answer[expressions == k], minlength=3) / (expressions == k).sum()
                              for k, name in enumerate(EXPRESSIONS)},
        }  # fmt: skip
    return scores, drawn


def main(*, out: Path | None = None) -> None:
    """Fit both, and write both and their records, by default into data/records."""
    faces = load_expressions("affectnet")
    expressions, predicted = faces.extras["expression"], np.array(face_keypoints(faces))
    part = training_part(faces.names, expressions)
    train, rest = np.flatnonzero(part & (CLASS_OF[expressions] >= 0)), np.flatnonzero(~part)
    sources = {"landmarks": faces.keypoints, "predicted": predicted}
    known = {source: points[train] for source, points in sources.items()}
    label, tested = CLASS_OF[expressions[train]], CLASS_OF[expressions[rest]]
    neutral = {source: neutral_face(points[label == 1]) for source, points in known.items()}
    rules, learned = fit_rules(known, label, neutral), fit_learned(known, expressions[train], neutral)
    answers = answers_of(rules, learned, known, label, {s: points[rest] for s, points in sources.items()}, neutral)
    scores, drawn = scores_of(answers, expressions[rest])
    for key, values in scores.items():
        print(f"{key:24s} balanced {values['balanced_accuracy']:.3f}, accuracy {values['accuracy']:.3f}")
    signs = zip(rules.features, rules.low, rules.high, rules.given.astype(int), strict=True)
    signs = [dict(zip(("feature", "low", "high", "points"), sign, strict=True)) for sign in signs]
    fitted = {"points_of_e": POINTS_OF_E, "start": rules.start.astype(int), "signs": signs, "neutral": rules.neutral}
    head = {"about": ABOUT, "labels": emotion.LABELS}
    for path, facts in {emotion.RULES_FILE: fitted, emotion.LEARNED_FILE: learned}.items():
        path.write_text(json.dumps(records.plain(head | facts)) + "\n", encoding="utf-8")
    records.write(
        "emotion", "affectnet", folder=out, data="affectnet", split="seven tenths for training, seed 0",
        training={name: (label == k).sum() for k, name in enumerate(emotion.LABELS)},
        held_out={name: (tested == k).sum() for k, name in enumerate(emotion.LABELS)},
        mouths_apart=np.median(np.linalg.norm(upright(faces.keypoints) - upright(predicted), axis=-1)[:, 48:]),
        surprise_held_out=(tested < 0).sum(), model="small", scores=scores,
        choices={"signs": SIGNS, "points_of_e": POINTS_OF_E, "ramp_std": RAMP, "C_rules": RIDGE_RULES,
                 "C_learned": RIDGE_LEARNED},
        mean_faces={name: neutral_face(predicted[train[label == k]]) for k, name in enumerate(emotion.LABELS)},
    )  # fmt: skip
    two = ("learned-predicted", "rules-predicted")
    gain = np.subtract(*(scores[key]["balanced_accuracy"] for key in two))
    low, high = np.percentile(drawn[two[0]] - drawn[two[1]], [2.5, 97.5])
    records.write(
        "emotion", "paired", folder=out, data="affectnet", keypoints="predicted", model="small", draws=1000, seed=0,
        faces=(tested >= 0).sum(), scores={key.partition("-")[0]: scores[key] for key in two},
        learned_minus_rules={"gain": gain, "low": low, "high": high},
    )  # fmt: skip


if __name__ == "__main__":
    run_script(main)
