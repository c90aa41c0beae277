"""The embedded default: Kaggle's files, made of puppets."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from fkd_helpers.core.files import cache_folder
from fkd_helpers.data.puppets import make_face
from fkd_helpers.faces.images import to_gray
from fkd_helpers.faces.landmarks import POINTS_15, as_15
from fkd_helpers.kaggle15.tables import COLUMNS, CORNER, SIDE
from fkd_helpers.train.run import write_csv

# As in the real file: later rows come from another source of smaller, turned and blurred faces, labelled at four points
FULL = 0.324  # share of the rows
BLANKS = 0.063  # of the rows labelled in full lack something
FOUR = ("left_eye_center", "right_eye_center", "nose_tip", "mouth_center_bottom_lip")
FIRST, SECOND = (4, 2.5, 0.85), (18, 7.0, 0.62)  # spreads of roll in degrees and place in pixels; share of the image
BLUR = 1.2  # pixels, of the second source
REPEATS = 0.08  # of the rows show a picture that an earlier row shows too
JITTER = 1.0  # pixels, standard deviation by which a second labelling of a picture differs
TABLES = 3  # version of the default tables in the cache


def make_rows(n: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Make n rows, some pictures twice: images (n, 96, 96) uint8 and keypoints (n, 15, 2), as Kaggle counts pixels."""
    rng = np.random.default_rng([seed, 15])
    images, keypoints = np.empty((n, SIDE, SIDE), np.uint8), np.empty((n, len(POINTS_15), 2), np.float32)
    first = round(n * FULL)
    for i in range(n):
        begin, (roll, place, scale) = (first, SECOND) if i >= first else (0, FIRST)
        if i > begin + 10 and rng.random() < REPEATS:
            twin = rng.integers(begin, i)
            images[i], keypoints[i] = images[twin], keypoints[twin] + rng.normal(0, JITTER, keypoints[i].shape)
            continue
        centre, pose = np.array([48, 52]) + rng.normal(0, place, 2), rng.normal(0, (roll, 8, 5))
        side = SIDE * scale * np.exp(rng.normal(0, 0.08))
        frame, points, _ = make_face([seed, 15, i], size=SIDE, side=side, centre=centre, pose=pose)
        gray, keypoints[i] = to_gray(frame), as_15(points) + CORNER
        images[i] = gray if i < first else cv2.GaussianBlur(gray, (0, 0), BLUR)
    return images, keypoints.clip(0, SIDE)


def drop_labels(keypoints: np.ndarray, *, seed: int) -> np.ndarray:
    """Return keypoints (n, 15, 2) with NaN where the real file would have blanks: 70 % of the rows lack some."""
    rng = np.random.default_rng([seed, 16])
    kept, full = keypoints.copy(), round(len(keypoints) * FULL)
    kept[full:, [name not in FOUR for name in POINTS_15]] = np.nan
    for row in np.flatnonzero(rng.random(full) < BLANKS):
        kept[row, rng.permutation(len(POINTS_15))[: rng.integers(1, 7)]] = np.nan
    return kept


def table_of(images: np.ndarray, keypoints: np.ndarray) -> pd.DataFrame:
    """Return images (n, 96, 96) uint8 and keypoints (n, 15, 2) as Kaggle's `training.csv` has them."""
    table = pd.DataFrame(keypoints.reshape(len(keypoints), -1), columns=list(COLUMNS)).round(3)
    return table.assign(Image=[" ".join(map(str, image.ravel().tolist())) for image in images])


def write_tables(folder: str | Path, *, n: int = 420, tests: int = 60, seed: int = 0) -> Path:
    """Write `training.csv`, `test.csv` and `IdLookupTable.csv` of puppets, in Kaggle's layout."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (images, keypoints), (test_images, wanted) = make_rows(n, seed=seed), make_rows(tests, seed=seed + 1)
    # the test images of the real set ask for all points, or for four
    images_asked, columns = np.nonzero(~np.isnan(drop_labels(wanted, seed=seed + 1)).reshape(tests, -1))
    names = {"FeatureName": np.array(COLUMNS)[columns], "Location": ""}
    tables = {
        "training": table_of(images, drop_labels(keypoints, seed=seed)),
        "test": {"ImageId": range(1, tests + 1), "Image": table_of(test_images, wanted)["Image"]},
        "IdLookupTable": {"RowId": range(1, len(columns) + 1), "ImageId": images_asked + 1} | names,
    }
    for name, table in tables.items():
        write_csv(folder / f"{name}.csv", pd.DataFrame(table))
    return folder


def puppet_tables() -> Path:
    """Return a folder with the tables of the default puppets, in the user's cache; they are made the first time."""
    folder = cache_folder() / f"kaggle-puppets-{TABLES}"
    return folder if (folder / "IdLookupTable.csv").exists() else write_tables(folder)  # the one that is written last
