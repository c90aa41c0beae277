"""Fit the emotion rules and the classifier beside them, and write both, with the record of how good they are.

Needs the 3,999 labelled expressions as affectnet/Dataset.zip in FKD_DATA_DIR; about four minutes on one core, nearly
all of it for the keypoints of the photos, which are cached:

    python tools/fit_emotion_rules.py

Every training face is used twice, with the landmarks that come with the set and with the keypoints of our own network:
two opinions of where a point lies, each measured from its own average neutral face. Rules: signs are picked one by one,
each time the one that would help a class-balanced logistic regression most; its weights, rounded, become the points.
Choices (features, steps, regularisation) were made by cross-validation inside the training part.
"""

import argparse
import hashlib
import json
import zipfile
from pathlib import Path

import numpy as np
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
from fkd_helpers.expressions.data import find_expressions, load_expressions
from fkd_helpers.expressions.features import face_keypoints
from fkd_helpers.faces.landmarks import EXPRESSIONS

CLASS_OF = np.array([1, 2, 0, -1, 0, 0, 0, 0])  # expression -> place in LABELS; surprise has none
SIGNS, POINTS_OF_E, RIDGE_RULES, RIDGE_LEARNED = 10, 4, 0.1, 0.03
RAMP = 2  # a sign begins and ends one standard deviation of its feature before and after its middle
ABOUT = (
    "fitted by tools/fit_emotion_rules.py, record emotion-affectnet; research and teaching only, as its data asks"
)


def training_part(names, expressions, held_out=3):
    """Return which faces (n,) are for training, seven tenths; equal images stay together, expressions keep shares."""
    archive = zipfile.ZipFile(find_expressions("affectnet"))
    paths = {Path(path).name: path for path in archive.namelist() if "/images/" in path}
    digests = [hashlib.sha256(archive.read(paths[name])).hexdigest() for name in names]
    groups = np.unique(digests, return_inverse=True)[1]
    train = np.ones(len(groups), bool)
    folds = StratifiedGroupKFold(10, shuffle=True, random_state=0).split(groups, expressions, groups)
    for _, (_, fold) in zip(range(held_out), folds, strict=False):
        train[fold] = False
    return train


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
    none = np.zeros(3)
    columns = emotion.Rules(names, *np.array(ends).T, none, none, none, 1).strengths(change)
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


def fit_rules(keypoints, label):
    """Return `Rules` fitted to {source: keypoints (n, 68, 2)} and labels (n,), and the neutral face of each source."""
    neutral = {source: neutral_face(points[label == 1]) for source, points in keypoints.items()}
    change = np.concatenate([features(points) - features(neutral[s]) for s, points in keypoints.items()])
    *signs, fitted = pick_signs(change, np.tile(label, len(keypoints)))
    given = np.round(POINTS_OF_E * (fitted.coef_ - fitted.coef_.mean(0))).T
    start = np.round(POINTS_OF_E * (fitted.intercept_ - fitted.intercept_.mean()))
    return emotion.Rules(*signs, given, start, np.round(neutral["predicted"], 4), POINTS_OF_E), neutral


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


def learned_answers(learned, keypoints, neutral):
    logits = learned_inputs(keypoints, neutral) @ learned["coefficients"].T + learned["intercepts"]
    return (np.exp(logits - logits.max(1, keepdims=True)) @ learned["to_labels"]).argmax(1)


def fit_and_answer(keypoints, expressions, train, test):
    """Fit on `train` faces; return rules, neutral faces, learned numbers and the answers (n,) on `test` by method."""
    label = CLASS_OF[expressions[train]]
    known = {source: points[train] for source, points in keypoints.items()}
    rules, neutral = fit_rules(known, label)
    learned = fit_learned(known, expressions[train], neutral)
    answers = {}
    for source, points in keypoints.items():
        shares = emotion.rule_scores(points[test], neutral[source], rules=rules)
        answers[f"rules-{source}"] = shares.argmax(1)
        answers[f"learned-{source}"] = learned_answers(learned, points[test], neutral[source])
        one = DecisionTreeClassifier(max_leaf_nodes=3, class_weight="balanced", min_samples_leaf=25, random_state=0)
        one.fit(features(known[source])[:, :1], label)
        answers[f"corner_lift-{source}"] = one.predict(features(points[test])[:, :1])
    return rules, neutral, learned, answers


def scores_of(answers, expressions):
    """Return scores by method with 95 % intervals, and the balanced accuracies of 1,000 draws.

    All methods are scored on the same draws of faces: what makes a draw easy for two cancels in their difference.
    """
    three, label = expressions != EXPRESSIONS.index("surprise"), CLASS_OF[expressions]
    rng, rows = np.random.default_rng(0), [np.flatnonzero(label == k) for k in range(3)]
    draws = [[rng.choice(row, len(row)) for row in rows] for _ in range(1000)]
    scores, drawn = {}, {}
    for key, answer in answers.items():
        right = answer == label
        drawn[key] = np.array([np.mean([right[row].mean() for row in draw]) for draw in draws])
        low, high = np.percentile(drawn[key], [2.5, 97.5])
        scores[key] = {
            "accuracy": right[three].mean(), "balanced_accuracy": balanced_accuracy_score(label[three], answer[three]),
            "balanced_low": low, "balanced_high": high,
            "confusion": confusion_matrix(label[three], answer[three], labels=range(3)),
            "by_expression": {name: np.bincount(answer[expressions == k], minlength=3) / (expressions == k).sum()
                              for k, name in enumerate(EXPRESSIONS)},
        }  # fmt: skip
    return scores, drawn


def compare_shipped(keypoints, expressions):
    """Score the shipped rules and the shipped classifier on the same faces; return scores and their difference."""
    methods = {"rules": emotion.rule_scores, "learned": emotion.learned_scores}
    answers = {name: score(keypoints).argmax(1) for name, score in methods.items()}
    scores, drawn = scores_of(answers, expressions)
    low, high = np.percentile(drawn["learned"] - drawn["rules"], [2.5, 97.5])
    gain = scores["learned"]["balanced_accuracy"] - scores["rules"]["balanced_accuracy"]
    return scores, {"gain": gain, "low": low, "high": high}


def cross_validated(keypoints, expressions, train):
    """Return mean and standard deviation of the balanced accuracy over five parts of the training faces."""
    found = {}
    for inner, outer in StratifiedKFold(5, shuffle=True, random_state=1).split(train, expressions[train]):
        *_, answers = fit_and_answer(keypoints, expressions, train[inner], train[outer])
        for key, answer in answers.items():
            found.setdefault(key, []).append(balanced_accuracy_score(CLASS_OF[expressions[train[outer]]], answer))
    return {key: {"mean": np.mean(values), "std": np.std(values)} for key, values in found.items()}


def write_json(path, **content):
    with whole_file(path) as partial:
        partial.write_text(json.dumps(records.plain(content)) + "\n", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="folder of the record (default: data/records)")
    parser.add_argument("--score-only", action="store_true", help="compare the shipped rules and classifier, no fit")
    options = parser.parse_args()
    faces = load_expressions("affectnet")
    expressions, landmarks, predicted = faces.extras["expression"], faces.keypoints, np.array(face_keypoints(faces))
    keypoints, part = {"landmarks": landmarks, "predicted": predicted}, training_part(faces.names, expressions)
    train, rest = np.flatnonzero(part & (CLASS_OF[expressions] >= 0)), np.flatnonzero(~part)
    if not options.score_only:
        fit(keypoints, expressions, train, rest, options.out)
    scores, paired = compare_shipped(predicted[rest], expressions[rest])
    print("learned minus rules:", {key: round(float(value), 3) for key, value in paired.items()})
    records.write(
        "emotion", "paired", folder=options.out, data="affectnet", keypoints="predicted", model="small", draws=1000,
        seed=0, faces=int((CLASS_OF[expressions[rest]] >= 0).sum()), scores=scores, learned_minus_rules=paired,
        digests={path.name: hashlib.sha256(path.read_bytes()).hexdigest()
                 for path in (emotion.RULES_FILE, emotion.LEARNED_FILE)},
    )  # fmt: skip


def fit(keypoints, expressions, train, rest, folder):
    """Fit both on the training part, score them on the rest, and write the package's files and the record."""
    landmarks, predicted = keypoints.values()
    rules, neutral, learned, answers = fit_and_answer(keypoints, expressions, train, rest)
    scores, _ = scores_of(answers, expressions[rest])
    inside = cross_validated(keypoints, expressions, train)
    for key, values in scores.items():
        print(f"{key:24s} balanced {values['balanced_accuracy']:.3f} ({values['balanced_low']:.3f} to "
              f"{values['balanced_high']:.3f}), accuracy {values['accuracy']:.3f}, inside training "
              f"{inside[key]['mean']:.3f}\n{values['confusion']}")  # fmt: skip
    signs = zip(rules.features, rules.low, rules.high, rules.given.astype(int), strict=True)
    write_json(emotion.RULES_FILE, about=ABOUT, labels=emotion.LABELS, points_of_e=rules.points_of_e,
               start=rules.start.astype(int),
               signs=[dict(zip(("feature", "low", "high", "points"), sign, strict=True)) for sign in signs],
               neutral=rules.neutral)  # fmt: skip
    write_json(emotion.LEARNED_FILE, about=ABOUT, labels=emotion.LABELS, **learned)
    trained, tested = CLASS_OF[expressions[train]], CLASS_OF[expressions[rest]]
    records.write(
        "emotion", "affectnet", folder=folder, data="affectnet", split="seven tenths for training, seed 0",
        training={name: (trained == k).sum() for k, name in enumerate(emotion.LABELS)},
        held_out={name: (tested == k).sum() for k, name in enumerate(emotion.LABELS)},
        mouths_apart=np.median(np.linalg.norm(upright(landmarks) - upright(predicted), axis=-1)[:, 48:]),
        surprise_held_out=(tested < 0).sum(), model="small",
        choices={"signs": SIGNS, "points_of_e": POINTS_OF_E, "ramp_std": RAMP, "C_rules": RIDGE_RULES,
                 "C_learned": RIDGE_LEARNED},
        scores=scores, cross_validated_in_training=inside,
        mean_faces={name: neutral_face(predicted[train[trained == k]]) for k, name in enumerate(emotion.LABELS)},
        histograms=histograms(features(predicted[train]) - features(neutral["predicted"]),
                              np.array(emotion.LABELS)[trained]),
    )  # fmt: skip


if __name__ == "__main__":
    main()
