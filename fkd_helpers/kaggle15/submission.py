"""Kaggle's answer sheet: any weights -> predictions -> `submission.csv`, checked before it is kept."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from fkd_helpers import nets
from fkd_helpers.core.errors import InputError
from fkd_helpers.core.files import whole_file
from fkd_helpers.kaggle15.tables import COLUMNS, SIDE, number_in, read_lookup, rows_of

HEADER = ["RowId", "Location"]


def load_predictor(path: str | Path, *, framework: str = "", mirror: bool = False) -> Callable:
    """Return a function images (n, 96, 96) uint8 -> keypoints (n, 15, 2), pixels as Kaggle counts them.

    Args:
        framework: "torch" or "keras", of which the file must be; "" takes what it is.
        mirror: Take the mean with the answers for mirrored images; PyTorch networks only.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such weights file")
    with path.open("rb") as stream:
        head = stream.read(9)
    kinds = {head[:4] == b"PK\x03\x04": "keras", head[8:] == b"{": "torch"}  # a zip; eight bytes of length, then JSON
    if True not in kinds:
        raise InputError(f"{path}: expected weights of PyTorch (.safetensors) or a Keras model (.keras)")
    if framework and framework != kinds[True]:
        raise InputError(f"{path}: expected weights of {framework}, got those of {kinds[True]}")
    if kinds[True] == "keras":
        from fkd_helpers.kaggle15 import keras_net  # slow to import, and PyTorch does without it

        model = keras_net.open_model(path)
        return lambda images: keras_net.predict_keras(model, images)
    from fkd_helpers.kaggle15.task import predict_15  # slow to import, and Keras does without it

    model = nets.load(path)
    if (points := model.facts["keypoints"]) != "15":
        raise InputError(f"{path}: expected a network for 15 points, got {model.facts['net']!r} for {points}")
    return lambda images: predict_15(model, images, size=int(model.facts["size"]), mirror=mirror)


def answers_for(lookup: Sequence[tuple], ids: np.ndarray, keypoints: np.ndarray) -> list[tuple[int, float]]:
    """Return (row id, location) of each answer asked for, clipped to the image: 0 to 96.

    Args:
        lookup: Of `read_lookup`.
        ids: ImageId (n,) of each row of keypoints (n, 15, 2).
    """
    row_of = {int(identity): row for identity, row in zip(ids, keypoints.reshape(len(keypoints), -1), strict=True)}
    answers = []
    for row_id, image_id, column in lookup:
        if image_id not in row_of:
            raise InputError(f"lookup RowId {row_id}: expected an image with ImageId {image_id}, the test has none")
        value = float(row_of[image_id][column])
        if not np.isfinite(value):
            raise InputError(f"lookup RowId {row_id}: the prediction of {COLUMNS[column]} is {value}")
        answers.append((row_id, min(max(value, 0.0), float(SIDE))))
    return answers


def write_submission(path: str | Path, answers: Sequence[tuple[int, float]]) -> Path:
    """Write `submission.csv`."""
    with whole_file(Path(path)) as partial:
        table = pd.DataFrame(answers, columns=HEADER)
        table.to_csv(partial, index=False, float_format="%.4f", lineterminator="\n")
    return Path(path)


def check_submission(path: str | Path, lookup_path: str | Path) -> int:
    """Check a submission against the lookup table: its ids, each once, every location from 0 to 96; return how many."""
    wanted, seen = {row_id for row_id, *_ in read_lookup(lookup_path)}, set()
    for number, row in enumerate(rows_of(Path(path), HEADER), 1):
        try:
            row_id, value = number_in(row, "RowId", int), number_in(row, "Location")
            if not 0 <= value <= SIDE:
                raise InputError(f"expected a location from 0 to {SIDE}, got {value:g}")
            if row_id in seen:
                raise InputError(f"RowId {row_id} comes twice")
        except InputError as error:
            raise InputError(f"{path} row {number}: {error}") from None
        seen.add(row_id)
    for what, ids in (("are missing", wanted - seen), ("were not asked for", seen - wanted)):
        if ids:
            raise InputError(f"{path}: {len(ids)} of {len(wanted)} answers {what}, first RowId {min(ids)}")
    return len(seen)
