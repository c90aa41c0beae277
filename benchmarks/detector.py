"""Score the way from photo to keypoints with each detector, on held-out photos as they are, turned, dark and small.

    python benchmarks/detector.py FACELESS   # a folder of photos without a face; FKD_DATA_DIR has wild68

A face counts as failed if no answer lies within an NME of 0.10 of its labels; intervals are bootstrapped over photos.
"""

import sys
from pathlib import Path

import cv2
import numpy as np

from fkd_helpers.core import records
from fkd_helpers.data import as_labelled
from fkd_helpers.evaluate.evaluate import FAILED, labelled_faces
from fkd_helpers.evaluate.robustness import change, moved
from fkd_helpers.faces.boxes import box_of
from fkd_helpers.faces.images import find_photos, read_photo
from fkd_helpers.faces.metrics import bootstrap, nme
from fkd_helpers.predict import DETECTORS, KeypointPredictor

DATA, PHOTOS = "wild68", 100
PLACES = 3  # random places of each small face
CONDITIONS = {
    "as they are": ("rotation", 0), "turned by 45": ("rotation", 45), "turned by 75": ("rotation", 75),
    "turned by 90": ("rotation", 90), "turned by 180": ("rotation", 180), "8 times darker": ("darkness", 8),
    "32 pixels in 640 x 480": ("small", 32),
}  # fmt: skip


def changed(image, keypoints, kind, strength, rng):
    """Return a photo under a condition, and where its points are then."""
    box = box_of(keypoints)
    if kind != "small":
        worse, map_ = change(image, box, kind, strength, rng)
        return worse, moved(keypoints, map_)
    scale = strength / max(box[2:])
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    frame, size = np.full((480, 640, 3), 120, np.uint8), np.array(small.shape[1::-1])
    x, y = rng.integers(0, np.array([640, 480]) - size)
    frame[y : y + size[1], x : x + size[0]] = small
    return frame, ((keypoints + 0.5) * scale - 0.5 + [x, y]).astype(np.float32)


if __name__ == "__main__":
    (faceless,) = sys.argv[1:]
    faces = labelled_faces(DATA, "held-out")
    predictors = {name: KeypointPredictor(detector=name) for name in DETECTORS}
    table = {name: {} for name in predictors}
    for condition, (kind, strength) in CONDITIONS.items():
        rng = np.random.default_rng(0)
        times = PLACES if kind == "small" else 1
        pairs = list(zip(faces.images, faces.keypoints, strict=True)) * times
        cases = [changed(image, keypoints, kind, strength, rng) for image, keypoints in pairs]
        for name, predictor in predictors.items():
            failed = []
            for image, keypoints in cases:
                answers = [as_labelled(face.keypoints[None], DATA) for face in predictor(image)]
                failed.append(min((nme(answer, keypoints[None])[0] for answer in answers), default=1) > FAILED)
            photo = np.arange(len(failed)) % len(faces)
            share, (low, high) = np.mean(failed), bootstrap(np.array(failed, float), photo)
            table[name][condition] = {"failed": share, "low": low, "high": high}
            print(f"{condition}, {name}: {share:.1%} failed ({low:.1%} to {high:.1%})", flush=True)
    paths = find_photos(faceless)
    paths = [paths[i] for i in np.linspace(0, len(paths) - 1, min(PHOTOS, len(paths))).round().astype(int)]
    for name, predictor in predictors.items():
        false = sum(len(predictor(read_photo(path))) for path in paths)
        table[name]["face-free photos"] = {"photos": len(paths), "false_faces": false}
        print(f"{name}: {false} false faces in {len(paths)} photos")
    facts = {"data": DATA, "part": "held-out", "faces": len(faces), "data_digest": records.digest(faces)}
    print(records.write("detector", "wild68-held-out", conditions=table, faceless=Path(faceless).name, **facts))
