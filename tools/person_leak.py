"""Measure what the person leak is worth: keypoints copied from the nearest training picture, under both splits.

python tools/person_leak.py [DATA SET] [--out DIR]     writes the record leak-DATASET; shown in notebook 01
"""

from pathlib import Path

import numpy as np

from fkd_helpers import data
from fkd_helpers.core import records
from fkd_helpers.core.options import run_script
from fkd_helpers.faces.boxes import crop, square_of, to_crop
from fkd_helpers.faces.images import to_gray
from fkd_helpers.faces.metrics import nme
from fkd_helpers.train.batches import FrameBatches
from fkd_helpers.train.keypoints import held_out_sets

SIZE = 24  # pixels


def small_faces(faces: data.FaceSet) -> tuple[np.ndarray, np.ndarray]:
    """Return the crops (n, SIZE * SIZE), each of mean 0 and spread 1, and the keypoints in their pixels."""
    squares = square_of(faces.boxes)
    pairs = zip(faces.images, squares, strict=True)
    crops = [crop(to_gray(np.asarray(image)), square, SIZE) for image, square in pairs]
    flat = np.reshape(crops, (len(faces), -1)).astype(np.float32)
    flat -= flat.mean(1, keepdims=True)
    return flat / flat.std(1, keepdims=True), to_crop(faces.keypoints, squares, SIZE)


def mean_frame(faces: data.FaceSet) -> dict[str, float]:
    """Return the NME, on the parts of the published runs, of answering each point's mean place in a whole frame."""
    training, parts = held_out_sets(faces, "person")
    training, parts["validation"] = data.split(training, "person", held_out=0.1)
    learned = FrameBatches(data.complete_only(training, why="the mean"))
    mean, scores = (learned.keypoints - (learned.room // 2)[:, None]).mean(0), {}
    for key, part in parts.items():
        answers = FrameBatches(part).to_images(np.repeat(mean[None], len(part), 0))
        scores[key] = nme(answers, part.keypoints).mean()
    return scores


def main(name: str = "ytf", *, out: Path | None = None) -> None:
    """Score the nearest training picture's keypoints."""
    faces, scores = data.load(name), {}
    for by in ("official", "person") if name == "ytf" else ("person",):
        training, test = data.split(faces, by)
        (known, answers), (asked, target) = small_faces(training), small_faces(test)
        nearest = (asked @ known.T).argmax(1)
        people = np.unique(test.people)
        scores[by] = {
            "training_frames": len(training), "test_frames": len(test), "test_people": len(people),
            "test_people_in_training": np.isin(people, training.people).sum(),
            "same_person": (training.people[nearest] == test.people).mean(),
            "nme": nme(answers[nearest], target).mean(),
            "nme_mean_face": nme(np.repeat(answers.mean(0)[None], len(test), 0), target).mean(),
        }  # fmt: skip
        print(by, records.plain(scores[by]))
    facts = {"data": records.digest(faces), "split_seed": 0, "crop_pixels": SIZE, "scores": scores}
    facts |= {"nme_mean_frame": mean_frame(faces)} if name == "ytf" else {}
    print(records.write("leak", name, folder=out, **facts))


if __name__ == "__main__":
    run_script(main)
