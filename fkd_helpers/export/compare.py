"""Export a network and compare each file with the original, on faces of a test part."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from fkd_helpers.core import records
from fkd_helpers.core.errors import InputError
from fkd_helpers.core.timing import measure
from fkd_helpers.data import as_labelled, complete_only, load, split
from fkd_helpers.export.formats import Source, answering, checked, source_of, write_formats
from fkd_helpers.expressions.crops import as_tensor, face_crops, key_of, view
from fkd_helpers.expressions.data import load_expressions, split_expressions, without_contempt
from fkd_helpers.expressions.metrics import all_scores
from fkd_helpers.faces.metrics import nme
from fkd_helpers.nets import measure_min_score
from fkd_helpers.predict.runtime import open_exported
from fkd_helpers.train.batches import FaceBatches
from fkd_helpers.train.tables import markdown

CALIBRATION = 256  # training crops
BURST = 8  # calls in a turn of the timing
SCORES = {"nme": "NME", "accuracy": "accuracy", "valence_rmse": "valence RMSE", "arousal_rmse": "arousal RMSE"}


class Trial(NamedTuple):
    """Crops (n, c, size, size), float32 in 0..1, of the training and of the test part; scores of predictions on the
    latter, by name."""

    calibration: np.ndarray
    images: np.ndarray
    score: Callable[[np.ndarray], dict[str, float]]
    digest: str


def trial_for(source: Source, data: str | Path = "puppets") -> Trial:
    """Return the crops of a data set that a network is calibrated with and tried on."""
    return _keypoint_trial(source, data) if source.kind == "keypoints" else _expression_trial(source, data)


def _some(faces):
    return faces[np.sort(np.random.default_rng(0).permutation(len(faces))[:CALIBRATION])]


def _keypoint_trial(source, data):
    faces = load(data)
    if (came := faces.keypoints.shape[1]) != source.outputs:
        raise InputError(f"{data}: expected faces of {source.outputs} keypoints, as {source.name} gives, got {came}")
    official = all(name.startswith(("training/", "test/")) for name in faces.names)
    training, test = (
        complete_only(part, why="a trial") for part in split(faces, "official" if official else "person")
    )
    batches = [FaceBatches(part, size=source.shape[-1]).without_augmentation() for part in (_some(training), test)]

    def score(keypoints):
        return {"nme": float(nme(as_labelled(batches[1].to_images(keypoints), data), test.keypoints).mean())}

    calibration, images = (np.concatenate([crops.numpy() for crops, _ in part(0)]) for part in batches)
    return Trial(calibration, images, score, records.digest(test))


def _expression_trial(source, data):
    faces = without_contempt(load_expressions(data), source.outputs)
    training, _, test = split_expressions(faces, validation=0)
    size, rng = source.shape[-1], np.random.default_rng(0)
    calibration, images = (
        as_tensor(view(face_crops(part, size), "none", size=size, rng=rng)).contiguous().numpy()
        for part in (_some(training), test)
    )

    def score(predictions):
        return {key: value for key, value in all_scores(predictions, test).items() if key in SCORES}

    return Trial(calibration, images, score, key_of(test))


def _with_min_score(source, trial):
    """Return the source with a threshold in its header, measured if it has none."""
    if source.kind != "keypoints" or "min_score" in source.facts:
        return source
    score = measure_min_score(source.network or open_exported(source.path).function, trial.images)
    return dataclasses.replace(source, facts=source.facts | {"min_score": str(score).lower()})


def export(
    model: str | Path = "small", folder: str | Path = "runs/export", *, formats: Sequence[str] | None = None,
    data: str | Path = "puppets", opset: int | None = None, method: str = "percentile",
) -> dict[str, Path]:  # fmt: skip
    """Write a network in some formats and return the files by format; see `export_and_compare`."""
    source = source_of(model)
    formats = checked(source, formats, opset, method)
    trial = trial_for(source, data) if "int8" in formats else None
    source = _with_min_score(source, trial) if trial else source
    return write_formats(source, Path(folder), formats, trial and trial.calibration, opset, method)


def compare_files(paths: dict[str, Path], source: Source, trial: Trial, *, rounds: int = 25) -> list[dict]:
    """Load each file again and compare it with the original, which is the first row.

    A row holds format, file, bytes, the differences to the original's output (pixels of the crop; shares and scales of
    expressions), scores, and ms: the median time of one face on one thread, all files taking turns.
    """
    functions = {"original": answering(source)} | {name: answering(source, path) for name, path in paths.items()}
    outputs = {name: function(trial.images) for name, function in functions.items()}
    one, threads = trial.images[:1], torch.get_num_threads()
    torch.set_num_threads(1)
    calls = {name: lambda function=function: function(one) for name, function in functions.items()}
    seconds = measure(calls, rounds=rounds, burst=BURST)
    torch.set_num_threads(threads)
    rows = []
    for name, path in ({"original": source.path} | paths).items():
        apart = outputs[name] - outputs["original"]
        apart = np.linalg.norm(apart, axis=-1) if source.kind == "keypoints" else np.abs(apart)
        rows.append({
            "format": name, "file": path.name, "bytes": path.stat().st_size, "difference_max": float(apart.max()),
            "difference_mean": float(apart.mean()), "ms": 1000 * seconds[name], "scores": trial.score(outputs[name]),
        })  # fmt: skip
    return rows


def export_and_compare(
    *, model: str = "small", formats: str | None = None, data: str = "puppets", opset: int | None = None,
    method: str = "percentile", rounds: int = 25, out: Path = Path("runs/export"), record: Path | None = None,
) -> dict:  # fmt: skip
    """Write a network as ONNX, torch.export, fp16 and int8, and compare each with the original.

    Args:
        model: small, expressions, or a .safetensors or .onnx file
        formats: of onnx, torch, fp16, int8, with commas between (all that can be: from .onnx there is no torch)
        data: set to calibrate with and to try on, such as ytf
        opset: version of ONNX's operators (the exporter's own)
        method: int8 ranges by percentile, minmax or entropy
        rounds: rounds that each median is taken over
        out: folder of the files
        record: folder of the record (printed only)
    """
    if rounds < 1:
        raise InputError(f"rounds: expected at least 1, got {rounds}")
    source = source_of(model)
    chosen = checked(source, formats.split(",") if formats else None, opset, method)
    trial = trial_for(source, data)
    source = _with_min_score(source, trial)
    paths = write_formats(source, out, chosen, trial.calibration, opset, method)
    found = records.plain({
        "data": Path(data).name, "data_digest": trial.digest, "faces": len(trial.images),
        "calibration": len(trial.calibration), "opset": opset, "method": method, "threads": 1, "rounds": rounds,
        "unit": "px" if source.kind == "keypoints" else "share",
        "rows": compare_files(paths, source, trial, rounds=rounds),
    })  # fmt: skip
    print(markdown(table(found)))
    print(f"files: {out}")
    if record is not None:
        print(f"record: {records.write('export', source.name, folder=record, **found)}")
    return found


def table(record: dict) -> pd.DataFrame:
    """Return a record of exports as a table, one row per format, the original first."""
    rows, unit = record["rows"], record["unit"]
    return pd.DataFrame([
        {
            "format": row["format"], "file": row["file"], "MB": f"{row['bytes'] / 1e6:.2f}",
            f"largest difference, {unit}": f"{row['difference_max']:.2g}",
            f"mean difference, {unit}": f"{row['difference_mean']:.2g}",
            **{SCORES[key]: f"{value:.4f}" for key, value in row["scores"].items()},
            "ms per face": f"{row['ms']:.2f}", "times as fast": f"{rows[0]['ms'] / row['ms']:.2f}",
        }
        for row in rows
    ])  # fmt: skip
