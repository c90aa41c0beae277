"""Measure how sure the shipped network is of faces and of what is none: the reason for its `min_score`.

Needs the real 68-point set (`make data`, or FKD_DATA_DIR); takes about a minute on one core:

    python benchmarks/face_scores.py [--model small]

Faces: the detector's boxes that fit the labelled face in the test frames. None: the detector's hits far from it (a few
are other people), and boxes anywhere in scikit-image's sample pictures that show no face.
"""

import argparse
import json

import cv2
import numpy as np
import skimage.data

from fkd_helpers.data import load
from fkd_helpers.faces.boxes import iou
from fkd_helpers.predict import KeypointPredictor, detect_faces

FACELESS = ("brick", "camera", "cat", "clock", "coffee", "coins", "grass", "gravel", "moon", "page", "rocket", "text")
PERCENTILES = (0, 1, 5, 25, 50, 75, 95, 99, 100)


def score_faces(predictor, faces):
    """Return the scores of true faces and of other hits of the detector."""
    true, other = [], []
    for image, box in zip(faces.images, faces.boxes, strict=True):
        found = detect_faces(image)
        scores = predictor.at_boxes(image, found, passes=predictor.passes)[1].mean(1)
        overlap = iou(found, box)[:, 0]
        true += scores[overlap > 0.3].tolist()
        other += scores[overlap < 0.1].tolist()
    return true, other


def score_faceless(predictor, passes, rng, per_image=40):
    """Return the scores of boxes anywhere in pictures without a face, after so many passes."""
    scores = []
    for name in FACELESS:
        image = getattr(skimage.data, name)()
        height, width = image.shape[:2]
        side = rng.uniform(40, 0.8 * min(height, width), per_image)
        boxes = np.stack([rng.uniform(0, width - side), rng.uniform(0, height - side), side, side], 1)
        scores += predictor.at_boxes(image, boxes, passes=passes)[1].mean(1).tolist()
    return scores


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="small", help="name of a shipped model, or a path")
    parser.add_argument("--frames", type=int, default=770, help="how many test frames to look at (default: all)")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    rng = np.random.default_rng(0)
    predictor = KeypointPredictor(options.model)
    faces = load("ytf").part("test")
    faces = faces[np.sort(rng.permutation(len(faces))[: options.frames])]
    true, other = score_faces(predictor, faces)
    groups = {"faces": true, "other hits": other}
    groups |= {f"faceless, {n} passes": score_faceless(predictor, n, rng) for n in (2, 6)}
    for name, scores in groups.items():
        scores = np.array(scores)
        row = {f"p{p}": round(float(np.percentile(scores, p)), 3) for p in PERCENTILES}
        share = round(float((scores >= predictor.min_score).mean()), 4)
        print(f"{name}: n {len(scores)}, at least {predictor.min_score}: {share}  {json.dumps(row)}")


if __name__ == "__main__":
    main()
