"""Kaggle's answer sheet: any weights -> predictions -> `submission.csv`, checked before it is written.

Built in notebook 06.
"""

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from fkd_helpers import nets
from fkd_helpers.core.errors import InputError
from fkd_helpers.core.files import whole_file
from fkd_helpers.kaggle15.tables import COLUMNS, SIDE, read_lookup

HEADER = ["RowId", "Location"]


def framework_of(path: str | Path) -> str:
    """Return which framework wrote a weights file, by what is in it: "torch" or "keras".

    Raises:
        InputError: no such file, or neither.
    """
    path = Path(path)
    try:
        with path.open("rb") as stream:
            head = stream.read(9)
    except FileNotFoundError:
        raise InputError(f"{path}: no such weights file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    if head[:4] == b"PK\x03\x04":
        return "keras"
    if head[8:] == b"{":  # eight bytes of length, then JSON
        return "torch"
    raise InputError(f"{path}: expected weights of PyTorch (.safetensors) or a Keras model (.keras)")


def load_predictor(path: str | Path, *, framework: str = "", mirror: bool = False) -> Callable:
    """Return a function images (n, 96, 96) uint8 -> keypoints (n, 15, 2), pixels as Kaggle counts them.

    framework: "torch" or "keras", which the file must then be of; "" takes what it is
    mirror: the mean with the answers for mirrored images; of torch networks

    Raises:
        InputError: no such file, a damaged one, one of the other framework, or of no network for 15 points.
    """
    path, found = Path(path), framework_of(path)
    if framework and framework != found:
        raise InputError(f"{path}: expected weights of {framework}, got those of {found}")
    if found == "keras":
        return _keras_predictor(path)
    from fkd_helpers.kaggle15.task import predict_15

    model = nets.load(path)
    if (points := model.facts["keypoints"]) != "15":
        raise InputError(f"{path}: expected a network for 15 points, got {model.facts['net']!r} for {points}")
    return lambda images: predict_15(model, images, size=int(model.facts["size"]), mirror=mirror)


def _keras_predictor(path):
    from fkd_helpers.kaggle15 import keras_net as kaggle_keras

    model = kaggle_keras.open_model(path)
    if tuple(model.output_shape[1:]) != (len(COLUMNS),) or tuple(model.input_shape[1:]) != (SIDE, SIDE, 1):
        came = f"{model.input_shape[1:]} -> {model.output_shape[1:]}"
        raise InputError(f"{path}: expected a model of ({SIDE}, {SIDE}, 1) -> ({len(COLUMNS)},), got {came}")
    return lambda images: kaggle_keras.predict_keras(model, images)


def answers_for(lookup: Sequence[tuple], ids: np.ndarray, keypoints: np.ndarray) -> list[tuple[int, float]]:
    """Return (row id, location) for each answer asked for, clipped to the image: 0 to 96.

    lookup: of `kaggle_csv.read_lookup`; ids (n,): the ImageId of each row of keypoints (n, 15, 2)

    Raises:
        InputError: an answer asked for about an image that is not there, or a prediction that is no number.
    """
    place = {int(identity): i for i, identity in enumerate(ids)}
    flat = keypoints.reshape(len(keypoints), -1)
    found = []
    for row_id, image_id, column in lookup:
        if image_id not in place:
            raise InputError(f"lookup RowId {row_id}: expected an image with ImageId {image_id}, the test has none")
        value = float(flat[place[image_id], column])
        if not np.isfinite(value):
            raise InputError(f"lookup RowId {row_id}: the prediction of {COLUMNS[column]} is {value}")
        found.append((row_id, min(max(value, 0.0), float(SIDE))))
    return found


def write_submission(path: str | Path, answers: Sequence[tuple[int, float]]) -> Path:
    """Write `submission.csv`."""
    path = Path(path)
    with whole_file(path) as partial, partial.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(HEADER)
        writer.writerows((row_id, f"{value:.4f}") for row_id, value in answers)
    return path


def check_submission(path: str | Path, lookup_path: str | Path) -> int:
    """Check a submission against the lookup table: its ids, each once, every location from 0 to 96; return how many.

    Raises:
        InputError: what is wrong first, with its row.
    """
    path, wanted = Path(path), [row_id for row_id, *_ in read_lookup(lookup_path)]
    try:
        header, *rows = list(csv.reader(path.read_text(encoding="utf-8").splitlines())) or [[]]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from None
    if header != HEADER:
        raise InputError(f"{path}: expected the columns {', '.join(HEADER)}, got {', '.join(header) or 'none'}")
    seen = []
    for number, row in enumerate(rows, 1):
        try:
            row_id, value = int(row[0]), float(row[1])
        except (ValueError, IndexError):
            raise InputError(f"{path} row {number}: expected a whole number and a number, got {row}") from None
        if not 0 <= value <= SIDE:
            raise InputError(f"{path} row {number}: expected a location from 0 to {SIDE}, got {value:g}")
        seen.append(row_id)
    if len(seen) != len(set(seen)):
        raise InputError(f"{path}: RowId {next(i for i in seen if seen.count(i) > 1)} comes twice")
    if missing := sorted(set(wanted) - set(seen)):
        raise InputError(f"{path}: {len(missing)} of {len(wanted)} answers are missing, first RowId {missing[0]}")
    if more := sorted(set(seen) - set(wanted)):
        raise InputError(f"{path}: {len(more)} answers were not asked for, first RowId {more[0]}")
    return len(seen)
