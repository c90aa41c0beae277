"""Fit the step from the Haar cascade's square to the tight face box, and write it as an asset of the package.

    FKD_DATA_DIR=... python tools/fit_detector_box.py

Medians over the training frames: how far the face's centre lies from the square's centre and how wide and high the face
is, as parts of the square's side; x is 0 by symmetry. The asset also keeps how far single faces lie from the fit:
training jitters its boxes by as much.
"""

import json

import cv2
import numpy as np

from fkd_helpers.data import complete_only, load
from fkd_helpers.faces.boxes import iou
from fkd_helpers.predict.haar import ASSET, detect

PERCENTILES = (1, 5, 25, 50, 75, 95, 99)


def pair(faces):
    """Return the true boxes (m, 4), the squares (m, 4) that fit them best, and the count of squares (n,) per frame."""
    true, squares, counts = [], [], []
    for image, box in zip(faces.images, faces.boxes, strict=True):
        found = detect(image)
        counts.append(len(found))
        overlap = iou(found, box)[:, 0] if len(found) else np.zeros(1)
        if overlap.max() > 0.2:
            true.append(box)
            squares.append(found[overlap.argmax()])
    return np.array(true, float), np.array(squares), np.array(counts)


def fit(true, squares):
    """Return the four numbers and the residuals (m, 3): shift x and y in longer sides of the face, log of the size."""
    side, longer = squares[:, 2:], true[:, 2:].max(1, keepdims=True)
    shift = (true[:, :2] + true[:, 2:] / 2 - squares[:, :2] - side / 2) / side
    size = np.median(true[:, 2:] / side, 0)
    # the longer side decides the crop: let its median be exact, whichever of the two it is
    size *= np.median(longer / side[:, :1]) / size.max()
    shift_y = np.median(shift[:, 1])
    residual = np.concatenate([([0, shift_y] - shift) * side / longer, np.log(side[:, :1] * size.max() / longer)], 1)
    return {"shift_x": 0.0, "shift_y": shift_y, "width": size[0], "height": size[1]}, residual


if __name__ == "__main__":
    cv2.setNumThreads(1)
    faces = complete_only(load("ytf").part("training"), why="fitting the detector's box")
    true, squares, counts = pair(faces)
    numbers, residual = fit(true, squares)
    shares = {"no_square": (counts == 0).mean(), "several_squares": (counts > 1).mean()}
    record = {
        "what": "from a square of haarcascade_frontalface_default.xml to the tight box of the 68 keypoints, "
        "as parts of the square's side",
        "fit": {name: round(float(value), 4) for name, value in numbers.items()},
        "from": {"set": "ytf, training folder", "frames": len(faces), "matched": len(true)}
        | {name: round(float(share), 4) for name, share in shares.items()},
        "spread_unit": "shift: longer sides of the face; log_size: ln(fitted / true longer side)",
        "spread": {
            name: {"std": round(float(values.std()), 4)}
            | {f"p{p}": round(float(np.percentile(values, p)), 3) for p in PERCENTILES}
            for name, values in zip(("shift_x", "shift_y", "log_size"), residual.T, strict=True)
        },
    }
    ASSET.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(record, indent=2))
