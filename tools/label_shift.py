"""Measure how far to the right of the points the labels of the two real sets lie, and write a record of each.

Needs both sets below FKD_DATA_DIR and a network that learned their labels as given, half of the faces mirrored:

    python -m fkd_helpers train --config keypoints68_people --labels given
    python tools/label_shift.py --model runs/keypoints68_people/small.onnx

Such a network answers with the middle between a label and its mirror image, so what it misses by on training faces is
the shift. `fkd_helpers.data.labels.SHIFTS` holds the result.
"""

from pathlib import Path

import numpy as np

from fkd_helpers.core import records
from fkd_helpers.core.options import run_script
from fkd_helpers.data import EXTRA_HELD_OUT, complete_only, load, split
from fkd_helpers.evaluate import predict_set
from fkd_helpers.faces.landmarks import REGIONS
from fkd_helpers.predict import KeypointPredictor

# what that network learned of each set: of wild68 no jaw
LEARNED = {"ytf": slice(None), "wild68": slice(REGIONS["jaw"].stop, None)}


def main(*, model: str = "runs/keypoints68_people/small.onnx", out: Path | None = None) -> None:
    """Measure the shift in pixels, its dependence on the size of the face, and what is left, on every third face."""
    predictor = KeypointPredictor(model)
    for data, points in LEARNED.items():
        faces = load(data)
        if data == "ytf":
            known = split(split(faces, "person")[0], "official")[0]
        else:
            known = split(faces, "person", held_out=EXTRA_HELD_OUT)[0]
        faces = complete_only(known[np.arange(0, len(known), 3)], why="measuring")
        beside = faces.keypoints - predict_set(predictor, faces, given_boxes=True)
        right, down = beside[:, points].mean(1).T
        side = faces.boxes[:, 2:].max(1)
        constant, share = np.linalg.lstsq(np.stack([np.ones_like(side), side], 1), right, rcond=None)[0]
        found = {
            "data": data, "data_digest": records.digest(faces), "faces": len(faces), "mean_side": side.mean(),
            "right_px": right.mean(), "right_px_error": right.std() / len(right) ** 0.5, "down_px": down.mean(),
            "right_constant_px": constant, "right_share_of_side": share,
        }  # fmt: skip
        print(records.plain(found))
        records.write("label-shift", data, folder=out, **found)


if __name__ == "__main__":
    run_script(main)
