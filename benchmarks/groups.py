"""Score the shipped networks by gender, age and ethnic group, as the people of the London set said them.

    FKD_DATA_DIR=... python benchmarks/groups.py      writes the record fairness-london

Nothing was trained or chosen on this set. Its 189 points per face have an order of their own: on one half of the
people each of our 68 is matched to the nearest of them, with the mean offset that is left; the other half is scored by
that match, and the reverse.
"""

import time
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.spatial.distance import cdist
from scipy.stats import binomtest

from fkd_helpers.core import records
from fkd_helpers.core.options import run_script
from fkd_helpers.data import find
from fkd_helpers.expressions.reader import ExpressionReader
from fkd_helpers.faces.images import read_photo
from fkd_helpers.faces.landmarks import EXPRESSIONS, REGIONS
from fkd_helpers.faces.metrics import bootstrap, point_errors, unit
from fkd_helpers.predict import KeypointPredictor

PHOTOS = {"neutral": "neutral", "smiling": "happy"}  # folder: what an expression network should call it
AGES, AGE_GROUPS = (18, 25, 35, 55), ("18 to 24", "25 to 34", "35 to 54")
LEAST = 5  # people of a group that is shown


def match(answers: np.ndarray, human: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return which human point is nearest to each keypoint on average, and the offset to it in eye distances."""
    middle, side = answers.mean(1, keepdims=True), unit(answers)[:, None, None]
    nearest = cdist(*(((points - middle) / side).mean(0) for points in (answers, human))).argmin(1)
    theirs = human[:, nearest]
    return nearest, ((answers - theirs) / unit(theirs)[:, None, None]).mean(0)


def matched(human: np.ndarray, nearest: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """Return where our 68 keypoints (n, 68, 2) should lie, by human points and a match."""
    points = human[:, nearest]
    return points + offset * unit(points)[:, None, None]


def look(folder: Path, photos: list[str]) -> pd.DataFrame:
    """Return per photo the keypoints (68, 2), what the expression network calls the face, and its share of happy."""
    predictor, reader, rows = KeypointPredictor(), ExpressionReader(), []
    for name in photos:
        photo = read_photo(folder / name)
        row = [np.full((68, 2), np.nan), "not found", -1.0]
        for face in predictor(photo)[:1]:
            (reading,) = reader(photo, [face.keypoints])
            row = [face.keypoints, reading.likely(1)[0][0], reading.shares[EXPRESSIONS.index("happy")]]
        rows.append(row)
    return pd.DataFrame(rows, columns=["keypoints", "expression", "happy"])


def mean_of(values: np.ndarray) -> dict:
    """Return the mean of values (n,) and its 95 % interval, drawing people."""
    low, high = bootstrap(values, np.arange(len(values)))
    return {"mean": values.mean(), "low": low, "high": high}


def share_of(hits: np.ndarray) -> dict:
    """Return the share of people and its 95 % interval (Wilson: a bootstrap of all hits would have no width)."""
    interval = binomtest(int(hits.sum()), len(hits)).proportion_ci(method="wilson")
    return {"mean": hits.mean(), "low": interval.low, "high": interval.high}


def against(values: np.ndarray, others: np.ndarray) -> dict:
    """Return how much larger the mean of values (n,) is than that of others (m,), and its 95 % interval."""
    rng = np.random.default_rng(0)
    draws = [rng.choice(part, (1000, len(part))).mean(1) for part in (values, others)]
    low, high = np.percentile(draws[0] - draws[1], [2.5, 97.5])
    return {"mean": values.mean() - others.mean(), "low": low, "high": high}


def main(name: str = "london", *, out: Path | None = None) -> None:
    """Score the London set by group."""
    started, folder = time.perf_counter(), find(name)
    people = pd.read_csv(folder / "people.csv", dtype=str)
    table = pd.read_csv(folder / "points189.csv").set_index("file")
    photos = [f"{person}.jpg" for person in people["face_id"]]
    human = table.loc[[f"neutral/{photo}" for photo in photos]].to_numpy(float).reshape(len(people), -1, 2)
    seen = {kind: look(folder / kind, photos) for kind in PHOTOS}

    answers = np.stack(seen["neutral"]["keypoints"]).astype(float)
    found, half = np.isfinite(answers).all((1, 2)), np.random.default_rng(0).permutation(len(people)) % 2
    errors = np.full((len(people), 68), np.nan)
    for side in (0, 1):
        learned, scored = found & (half != side), half == side
        target = matched(human[scored], *match(answers[learned], human[learned]))
        errors[scored] = point_errors(answers[scored], target)
    scores = {"nme": errors.mean(1), "nme_without_jaw": errors[:, REGIONS["jaw"].stop :].mean(1)}
    shares = {f"{kind}_found": seen[kind]["happy"] >= 0 for kind in PHOTOS}
    shares |= {f"{kind}_named": seen[kind]["expression"] == word for kind, word in PHOTOS.items()}
    shares["happier_when_smiling"] = seen["smiling"]["happy"] > seen["neutral"]["happy"]

    ages = pd.cut(people["face_age"].astype(float), AGES, right=False, labels=AGE_GROUPS)
    groups, rows = {("all", ""): np.ones(len(people), bool)}, []
    for by, said in {"gender": people["face_gender"], "age": ages, "ethnic group": people["face_eth"]}.items():
        groups |= {(by, value): (said == value).to_numpy() for value in sorted(said.dropna().unique())}
    for (by, group), chosen in groups.items():
        if chosen.sum() >= LEAST:
            row = {"by": by, "group": group.replace("_", " "), "people": chosen.sum()}
            row |= {key: mean_of(values[chosen & found]) for key, values in scores.items()}
            if not chosen.all():
                row["nme_more"] = against(scores["nme"][chosen & found], scores["nme"][~chosen & found])
            rows.append(row | {key: share_of(hits[chosen]) for key, hits in shares.items()})
    print(pd.DataFrame(records.plain(rows)).to_string())
    facts = {"data": folder.name, "people": len(people), "data_digest": records.digest_of([photos, human]), "seed": 0}
    facts |= {"config": {"model": "small", "detector": "ours", "expressions": "expressions"}, "device": "cpu"}
    facts |= {"seconds": time.perf_counter() - started, "groups": rows}
    print(records.write("fairness", folder.name, folder=out, **facts))


if __name__ == "__main__":
    run_script(main)
