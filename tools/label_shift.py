"""Measure how far to the right of the points the labels of the two real sets lie, and write a record of each.

Needs both sets below FKD_DATA_DIR and a network that learned their labels as given, half of the faces mirrored:

    python -m fkd_helpers train --config keypoints68_people --labels given
    python tools/label_shift.py --model runs/keypoints68_people/small.onnx

Such a network answers with the middle between a label and its mirror image, so what it misses by on training faces is
the shift. `fkd_helpers.data.labels.SHIFTS` holds the result.
"""

import argparse
from pathlib import Path

import numpy as np

from fkd_helpers.core import records
from fkd_helpers.data import EXTRA_HELD_OUT, complete_only, load, split
from fkd_helpers.evaluate import predict_set
from fkd_helpers.faces.landmarks import REGIONS
from fkd_helpers.predict import KeypointPredictor

# what that network learned of each set: of wild68 no jaw
LEARNED = {"ytf": slice(None), "wild68": slice(REGIONS["jaw"].stop, None)}


def training_faces(data):
    """Return every third face that the network was trained on."""
    faces = load(data)
    if data == "ytf":
        known = split(split(faces, "person")[0], "official")[0]
    else:
        known = split(faces, "person", held_out=EXTRA_HELD_OUT)[0]
    return complete_only(known[np.arange(0, len(known), 3)], why="measuring")


def measure(predictor, data):
    """Return the numbers of one set: shift in pixels, its dependence on the size of the face, and what is left."""
    faces = training_faces(data)
    beside = faces.keypoints - predict_set(predictor, faces, given_boxes=True)
    right, down = beside[:, LEARNED[data]].mean(1).T
    side = faces.boxes[:, 2:].max(1)
    both = np.linalg.lstsq(np.stack([np.ones_like(side), side], 1), right, rcond=None)[0]
    return {
        "data": data, "data_digest": records.digest(faces), "faces": len(faces), "mean_side": side.mean(),
        "right_px": right.mean(), "right_px_error": right.std() / len(right) ** 0.5, "down_px": down.mean(),
        "right_constant_px": both[0], "right_share_of_side": both[1],
    }  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="runs/keypoints68_people/small.onnx")
    parser.add_argument("--out", type=Path, help="where the records go (default: data/records)")
    options = parser.parse_args()
    predictor = KeypointPredictor(options.model)
    for data in LEARNED:
        found = measure(predictor, data)
        print({key: f"{value:.4f}" if isinstance(value, float) else value for key, value in found.items()})
        records.write("label-shift", data, folder=options.out, **found)


if __name__ == "__main__":
    main()
