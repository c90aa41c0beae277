"""Count what is in the real 68-point set: record facts-ytf, which the data card and notebook 01 quote.

    FKD_DATA_DIR=... python tools/ytf_facts.py

Labels are counted in the set itself, images in the list of files that a download is checked against.
"""

import numpy as np

from fkd_helpers import data
from fkd_helpers.core import records
from fkd_helpers.data import download
from fkd_helpers.faces.metrics import unit

PARTS = ("training", "test")

if __name__ == "__main__":
    faces, digests = data.load("ytf"), download.known_digests()
    files = {part: {name for name in digests if name.startswith(f"{part}/")} for part in PARTS}
    names = {part: {name.partition("/")[2] for name in files[part]} for part in PARTS}
    people = {part: {data.person_of(name) for name in files[part]} for part in PARTS}
    labelled = {part: sum(name.startswith(f"{part}/") for name in faces.names) for part in PARTS}
    training = {digests[name] for name in files["training"]}
    sizes = np.array([image.shape[1::-1] for image in faces.images])  # (n, 2): width, height
    outside = ((faces.keypoints < -0.5) | (faces.keypoints > sizes[:, None] - 0.5)).any(-1)  # (n, 68)
    rounding = np.linalg.norm(np.random.default_rng(0).uniform(-0.5, 0.5, (100_000, 2)), axis=1).mean()  # pixels
    images = {part: len(files[part]) for part in PARTS}
    print(records.write(
        "facts", "ytf",
        data_digest=records.digest(faces),
        images=images | {"all": sum(images.values()), "with_tables": len(digests)},
        labelled=labelled | {"all": len(faces)},
        people={part: len(people[part]) for part in PARTS} | {"both": len(people["training"] & people["test"])},
        width=[sizes[:, 0].min(), sizes[:, 0].max()],
        height=[sizes[:, 1].min(), sizes[:, 1].max()],
        missing_labels=np.isnan(faces.keypoints).sum(),
        outside={"points": outside.sum(), "frames": outside.any(1).sum()},
        same_names=len(names["training"] & names["test"]),
        same_files=sum(digests[name] in training for name in files["test"]),
        rounding_nme=(rounding / unit(faces.keypoints)).mean(),
    ))  # fmt: skip
