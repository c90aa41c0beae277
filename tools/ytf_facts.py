"""Count what is in the real 68-point set: record facts-ytf, which the data card and notebook 01 quote.

    FKD_DATA_DIR=... python tools/ytf_facts.py

Labels are counted in the set itself, images in the list of files that a download is checked against.
"""

import numpy as np

from fkd_helpers import data
from fkd_helpers.core import records
from fkd_helpers.data import download
from fkd_helpers.faces import metrics

PARTS = ("training", "test")


def main() -> None:
    """Count and write the record."""
    faces, digests = data.load("ytf"), download.known_digests()
    files = {part: {name for name in digests if name.startswith(f"{part}/")} for part in PARTS}
    people = {part: {data.person_of(name) for name in files[part]} for part in PARTS}
    names = {part: {name.partition("/")[2] for name in files[part]} for part in PARTS}
    same = [name for name in files["test"] if digests[name] in {digests[other] for other in files["training"]}]
    sizes = np.array([image.shape[1::-1] for image in faces.images])  # (n, 2): width, height
    outside = ((faces.keypoints < -0.5) | (faces.keypoints > sizes[:, None] - 0.5)).any(-1)  # (n, 68)
    rounding = np.linalg.norm(np.random.default_rng(0).uniform(-0.5, 0.5, (100_000, 2)), axis=1).mean()  # pixels
    print(records.write(
        "facts", "ytf",
        data_digest=records.digest(faces),
        images={part: len(files[part]) for part in PARTS}
        | {"all": sum(map(len, files.values())), "with_tables": len(digests)},
        labelled={part: sum(name.startswith(f"{part}/") for name in faces.names) for part in PARTS}
        | {"all": len(faces)},
        people={part: len(people[part]) for part in PARTS} | {"both": len(people["training"] & people["test"])},
        width=[int(sizes[:, 0].min()), int(sizes[:, 0].max())],
        height=[int(sizes[:, 1].min()), int(sizes[:, 1].max())],
        missing_labels=int(np.isnan(faces.keypoints).sum()),
        outside={"points": int(outside.sum()), "frames": int(outside.any(1).sum())},
        same_names=len(names["training"] & names["test"]),
        same_files=len(same),
        rounding_nme=float((rounding / metrics.eye_distance(faces.keypoints)).mean()),
    ))  # fmt: skip


if __name__ == "__main__":
    main()
