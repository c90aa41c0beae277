"""The embedded default: Kaggle's files, made of puppets."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from fkd_helpers.core.errors import InputError
from fkd_helpers.core.files import cache_folder, whole_file
from fkd_helpers.data.puppets import make_face
from fkd_helpers.faces.images import to_gray
from fkd_helpers.faces.landmarks import POINTS_15, as_15
from fkd_helpers.kaggle15.duplicates import near_duplicates
from fkd_helpers.kaggle15.tables import COLUMNS, CORNER, LOOKUP, SIDE

# As in the real file: the first rows were labelled in full, with a few blanks; the later ones, from another source with
# smaller, turned and blurred faces, at four points.
FULL = 0.324  # share of the rows
BLANKS = 0.063  # of the rows labelled in full lack something
FOUR = ("left_eye_center", "right_eye_center", "nose_tip", "mouth_center_bottom_lip")
FIRST = {"roll": 4, "place": 2.5, "scale": 0.85, "blur": 0.0}  # spreads in degrees and pixels; shares of the image
SECOND = {"roll": 18, "place": 7.0, "scale": 0.62, "blur": 1.2}
REPEATS = 0.08  # of the rows show a picture that an earlier row shows too
JITTER = 1.0  # pixels, standard deviation by which a second labelling of a picture differs
TABLES = 2  # version of the default tables in the cache


def make_rows(n: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Make n puppet rows: images (n, 96, 96) uint8 and all keypoints (n, 15, 2), pixels as Kaggle counts them.

    The first `FULL` of them come from one source, the others from another. Some pictures come twice, the second time
    with labels that differ a little.
    """
    rng = np.random.default_rng([seed, 15])
    images, keypoints = np.empty((n, SIDE, SIDE), np.uint8), np.empty((n, len(POINTS_15), 2), np.float32)
    first = round(n * FULL)
    for i in range(n):
        begin, source = (first, SECOND) if i >= first else (0, FIRST)
        if i > begin + 10 and rng.random() < REPEATS:
            twin = rng.integers(begin, i)
            images[i], keypoints[i] = images[twin], keypoints[twin] + rng.normal(0, JITTER, keypoints[i].shape)
            continue
        centre, pose = np.array([48, 52]) + rng.normal(0, source["place"], 2), rng.normal(0, (source["roll"], 8, 5))
        side = SIDE * source["scale"] * np.exp(rng.normal(0, 0.08))
        frame, points, _ = make_face([seed, 15, i], size=SIDE, side=side, centre=centre, pose=pose)
        images[i], keypoints[i] = to_gray(frame), as_15(points[None])[0] + CORNER
        if source["blur"]:
            images[i] = cv2.GaussianBlur(images[i], (0, 0), source["blur"])
    return images, keypoints.clip(0, SIDE)


def drop_labels(keypoints: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """Return keypoints (n, 15, 2) with NaN where the real file would have blanks: 70 % of the rows lack some."""
    rng = np.random.default_rng([seed, 16])
    kept = keypoints.copy()
    full = round(len(kept) * FULL)
    kept[full:, [name not in FOUR for name in POINTS_15]] = np.nan
    for row in np.flatnonzero(rng.random(full) < BLANKS):
        kept[row, rng.permutation(len(POINTS_15))[: rng.integers(1, 7)]] = np.nan
    return kept


def write_tables(folder: str | Path, *, n: int = 420, tests: int = 60, seed: int = 0) -> Path:
    """Write `training.csv`, `test.csv`, `IdLookupTable.csv` and `split.csv` of puppets, in Kaggle's layout."""
    if n < 20 or tests < 1:
        raise InputError(f"expected at least 20 faces and 1 test, got {n} and {tests}")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (images, keypoints), (test_images, wanted) = make_rows(n, seed=seed), make_rows(tests, seed=seed + 1)
    labels = drop_labels(keypoints, seed=seed)
    write_table(folder / "training.csv", images, labels)
    _write(folder / "test.csv", pd.DataFrame({"ImageId": range(1, tests + 1), "Image": _cells(test_images)}))
    # the test images of the real set ask for all points, or for four
    images_asked, columns = np.nonzero(~np.isnan(drop_labels(wanted, seed=seed + 1)).reshape(tests, -1))
    lookup = (range(1, len(columns) + 1), images_asked + 1, np.array(COLUMNS)[columns], [""] * len(columns))
    _write(folder / "IdLookupTable.csv", pd.DataFrame(dict(zip(LOOKUP, lookup, strict=True))))
    groups = near_duplicates(images)
    order = np.random.default_rng([seed, 17]).permutation(np.unique(groups))
    split = {"row": range(n), "near_dup_group": groups, "heldout": np.isin(groups, order[: len(order) // 7])}
    _write(folder / "split.csv", pd.DataFrame(split).astype(int))
    return folder


def puppet_tables() -> Path:
    """Return a folder with the tables of the default puppets, in the user's cache; they are made the first time."""
    folder = cache_folder() / f"kaggle-puppets-{TABLES}"
    return folder if (folder / "split.csv").exists() else write_tables(folder)  # the one that is written last


def write_table(path: Path, images: np.ndarray, keypoints: np.ndarray) -> Path:
    """Write labelled rows, images (n, 96, 96) uint8 and keypoints (n, 15, 2), as Kaggle's `training.csv`."""
    table = pd.DataFrame(keypoints.reshape(len(keypoints), -1), columns=list(COLUMNS)).round(3)
    return _write(path, table.assign(Image=_cells(images)))


def _cells(images: np.ndarray) -> list[str]:
    return [" ".join(map(str, image.ravel().tolist())) for image in images]


def _write(path: Path, table: pd.DataFrame) -> Path:
    with whole_file(path) as partial:
        table.to_csv(partial, index=False, lineterminator="\n")
    return path
