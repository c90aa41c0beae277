"""Score the keypoints of the eyes on puppets that close them, and count their blinks.

    python benchmarks/closed_eyes.py      writes the record closed-eyes-puppets; needs no data
"""

import time
from pathlib import Path

import numpy as np

from fkd_helpers.core import records
from fkd_helpers.core.options import run_script
from fkd_helpers.data import puppets
from fkd_helpers.faces.landmarks import REGIONS
from fkd_helpers.faces.metrics import bootstrap, point_errors
from fkd_helpers.predict import KeypointPredictor, Tracker

CLOSED = (0.0, 0.25, 0.5, 0.75, 1.0)  # how far the lids are shut
SHUT, OPENED = 0.75, 0.88  # of the usual opening: the limits of a blink in notebook 06
LIDS = 0.8  # knob of the lids beyond which a frame shows a blink
EYES = list(REGIONS["eyes"])


def opening(keypoints: np.ndarray) -> np.ndarray:
    """Return how far the eyes of faces (n, 68, 2) are open (n,): gap of the lids over width, mean of both eyes."""
    eyes = keypoints[:, EYES].reshape(-1, 2, 6, 2)
    gaps = np.linalg.norm(eyes[:, :, [1, 2]] - eyes[:, :, [5, 4]], axis=-1).mean(2)
    return (gaps / np.linalg.norm(eyes[:, :, 3] - eyes[:, :, 0], axis=-1)).mean(1)


def blinks(ratios: np.ndarray) -> int:
    """Count how often a ratio falls below SHUT and rises above OPENED, as shares of its median."""
    shares = ratios / np.median(ratios)
    shut = shares[(shares < SHUT) | (shares > OPENED)] < SHUT  # between the limits an eye stays as it was
    return int((np.diff(shut.astype(int)) == -1).sum())


def main(*, faces: int = 100, films: int = 10, frames: int = 210, out: Path | None = None) -> None:
    """Ask about the same puppets with ever more closed eyes, and about films of them."""
    started, predictor, rows, labels = time.perf_counter(), KeypointPredictor(), [], []
    for closed in CLOSED:
        made = [puppets.make_face(seed, knobs={"eye_close": closed}) for seed in range(faces)]
        target = np.stack([keypoints for _, keypoints, _ in made])
        labels.append(target)
        found = np.stack([predictor(frame, whole_image="fallback")[0].keypoints for frame, *_ in made])
        errors, ratios = point_errors(found, target), opening(found)
        if not rows:
            usual = ratios  # the same puppets with open eyes
        low, high = bootstrap(errors[:, EYES].mean(1), np.arange(faces))
        rows.append({
            "closed": closed, "nme_eyes": errors[:, EYES].mean(), "nme_eyes_low": low, "nme_eyes_high": high,
            "nme_others": np.delete(errors, EYES, 1).mean(), "opening": opening(target).mean(),
            "opening_predicted": ratios.mean(), "seen_as_shut": (ratios < SHUT * usual).mean(),
        })  # fmt: skip
        print(records.plain(rows[-1]), flush=True)
    counts = dict.fromkeys(("blinks", "counted_on_labels", "counted_on_keypoints"), 0)
    for seed in range(films):
        tracker, values = Tracker(predictor), []
        for frame, target, infos in puppets.stream(seed=seed, size=(320, 240), n=frames):
            face = next((face.keypoints for face in tracker(frame)), np.full((68, 2), np.nan))
            values.append((infos[0].knobs["eye_close"] > LIDS, *opening(np.stack([target[0], face]))))
        lids, labelled, predicted = np.array(values).T
        counts["blinks"] += int((np.diff(lids) == 1).sum())
        counts["counted_on_labels"] += blinks(labelled)
        counts["counted_on_keypoints"] += blinks(predicted[np.isfinite(predicted)])
        print(counts, flush=True)
    facts = {"data": "puppets", "data_digest": records.digest_of(labels), "seed": 0, "device": "cpu", "faces": faces}
    facts |= {"config": {"model": "small", "detector": "ours", "shut": SHUT, "opened": OPENED, "frames": frames}}
    facts |= {"seconds": time.perf_counter() - started, "levels": rows, "films": films, "counts": counts}
    print(records.write("closed-eyes", "puppets", folder=out, **facts))


if __name__ == "__main__":
    run_script(main)
