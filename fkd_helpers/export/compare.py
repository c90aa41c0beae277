"""Export a network and try each file against the original, on faces that it has not seen."""

import dataclasses
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from fkd_helpers.core import records
from fkd_helpers.core.errors import InputError
from fkd_helpers.core.timing import measure
from fkd_helpers.data import as_labelled, complete_only, load, split
from fkd_helpers.export.formats import Source, answering, checked, source_of, write_formats
from fkd_helpers.export.quantise import cpu_instructions
from fkd_helpers.expressions.crops import as_tensor, view
from fkd_helpers.expressions.data import load_expressions, split_expressions, without_contempt
from fkd_helpers.expressions.features import face_crops, key_of
from fkd_helpers.expressions.metrics import all_scores
from fkd_helpers.faces.metrics import nme
from fkd_helpers.nets import measure_min_score
from fkd_helpers.predict.runtime import open_exported
from fkd_helpers.train.batches import FaceBatches
from fkd_helpers.train.tables import markdown

CALIBRATION = 256  # training crops that show the ranges of the activations
ROUNDS, BURST = 25, 8  # of the timing
SCORES = {"nme": "NME", "accuracy": "accuracy", "valence_rmse": "valence RMSE", "arousal_rmse": "arousal RMSE"}


@dataclass(frozen=True, eq=False)
class Trial:
    """Crops of faces, (n, c, size, size) float32 in 0..1, to calibrate with (training part) and to try on (test part),
    and a function from answers to scores by name."""

    calibration: np.ndarray
    images: np.ndarray
    score: Callable[[np.ndarray], dict[str, float]]
    digest: str


def trial_for(source: Source, data: str | Path = "puppets") -> Trial:
    """Return the crops of a data set that a network is calibrated with and tried on."""
    return (_keypoint_trial if source.kind == "keypoints" else _expression_trial)(source, data)


def _some(faces):
    return faces[np.sort(np.random.default_rng(0).permutation(len(faces))[:CALIBRATION])]


def _keypoint_trial(source, data):
    faces = load(data, progress=sys.stderr.isatty())
    if faces.keypoints.shape[1] != source.outputs:
        came = faces.keypoints.shape[1]
        raise InputError(f"{data}: expected faces of {source.outputs} keypoints, as {source.name} gives, got {came}")
    official = all(name.rpartition("/")[0] in ("training", "test") for name in faces.names)
    parts = split(faces, "official" if official else "person")
    training, test = (complete_only(part, why="a trial") for part in parts)
    batches = [FaceBatches(part, size=source.shape[-1]).without_augmentation() for part in (_some(training), test)]

    def score(answers):
        return {"nme": float(nme(as_labelled(batches[1].to_images(answers), data), test.keypoints).mean())}

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

    def score(answers):
        return {key: value for key, value in all_scores(answers, test).items() if key in SCORES}

    return Trial(calibration, images, score, key_of(test))


def _with_min_score(source, trial):
    """Return the source with a threshold in its header, which is measured if it has none."""
    if source.kind != "keypoints" or "min_score" in source.facts:
        return source
    score = measure_min_score(source.network or open_exported(source.path).function, trial.images)
    return dataclasses.replace(source, facts=source.facts | {"min_score": str(score).lower()})


def export(
    model: str | Path = "small", folder: str | Path = "runs/export", *, formats: Sequence[str] | None = None,
    data: str | Path = "puppets", opset: int | None = None, method: str = "percentile",
) -> dict[str, Path]:  # fmt: skip
    """Write a network in some formats and return the files by format.

    Args:
        model: The name of one we ship, "small" or "expressions", or a path to .safetensors or .onnx.
        formats: "onnx" (32 bits), "torch" (a program of `torch.export`), "fp16" (ONNX, stored with 16 bits), "int8"
            (ONNX, calibrated with training crops of `data`); None takes all that the model allows: from .onnx there is
            no way to "torch".
        opset: Version of ONNX's operators; None takes the exporter's own.
        method: How int8 finds its ranges, see `write_int8`.
    """
    source = source_of(model)
    formats, calibration = checked(source, formats, opset, method), None
    if "int8" in formats:
        trial = trial_for(source, data)
        source, calibration = _with_min_score(source, trial), trial.calibration
    return write_formats(source, Path(folder), formats, calibration, opset, method)


def compare_files(paths: dict[str, Path], source: Source, trial: Trial, *, rounds: int = ROUNDS) -> list[dict]:
    """Load each file again and try it on the same crops as the original, which is the first row.

    A row holds format, file, bytes, the differences to the original's answers (in pixels of the crop, or in shares and
    scales for expressions), scores, and ms: the median time of one face on one thread, all files taking turns.
    """
    asked = {"original": source.function()} | {name: answering(path, source.kind) for name, path in paths.items()}
    answers = {name: function(trial.images) for name, function in asked.items()}
    one, threads = trial.images[:1], torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        calls = {name: lambda function=function: function(one) for name, function in asked.items()}
        seconds = measure(calls, rounds=rounds, burst=BURST)
    finally:
        torch.set_num_threads(threads)
    rows = []
    for name, path in ({"original": source.path} | paths).items():
        apart = answers[name] - answers["original"]
        apart = np.linalg.norm(apart, axis=-1) if source.kind == "keypoints" else np.abs(apart)
        rows.append({
            "format": name, "file": path.name, "bytes": path.stat().st_size, "difference_max": float(apart.max()),
            "difference_mean": float(apart.mean()), "ms": 1000 * seconds[name], "scores": trial.score(answers[name]),
        })  # fmt: skip
    return rows


def export_and_compare(
    model: str | Path = "small", folder: str | Path = "runs/export", *, formats: Sequence[str] | None = None,
    data: str | Path = "puppets", opset: int | None = None, method: str = "percentile", rounds: int = ROUNDS,
    record: str | Path | None = None, say: Callable[[str], None] = print,
) -> dict:  # fmt: skip
    """Export, compare, print the table, and write the record `export-MODEL` to the folder `record`; return it."""
    if rounds < 1:
        raise InputError(f"rounds: expected at least 1, got {rounds}")
    source = source_of(model)
    formats = checked(source, formats, opset, method)
    trial = trial_for(source, data)
    source = _with_min_score(source, trial)
    paths = write_formats(source, Path(folder), formats, trial.calibration, opset, method)
    found = records.plain({
        "data": Path(data).name, "data_digest": trial.digest, "faces": len(trial.images),
        "calibration": len(trial.calibration), "opset": opset, "method": method,
        "unit": "px" if source.kind == "keypoints" else "share",
        "rows": compare_files(paths, source, trial, rounds=rounds),
        "instructions": cpu_instructions(), "threads": 1, "rounds": rounds,
    })  # fmt: skip
    say(markdown(table(found)))
    if line := int8_summary(found):
        say(line)
    say(f"files: {folder}")
    if record is not None:
        say(f"record: {records.write('export', source.name, folder=Path(record), **found)}")
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
            "ms a face": f"{row['ms']:.2f}", "times as fast": f"{rows[0]['ms'] / row['ms']:.2f}",
        }
        for row in rows
    ])  # fmt: skip


def int8_summary(record: dict) -> str:
    """Return in a line what int8 costs and gains beside 32 bits; empty if either is missing."""
    rows = {row["format"]: row for row in record["rows"]}
    if not {"onnx", "int8"} <= rows.keys():
        return ""
    faster = rows["onnx"]["ms"] / rows["int8"]["ms"]
    speed = f"{faster:.2f} times as fast as" if faster > 1 else f"no faster than ({faster:.2f} times as fast as)"
    known = record["instructions"]
    having = "" if known is None else f" (instructions: {', '.join(known) or 'none of those for it'})"
    key, before = next(iter(rows["original"]["scores"].items()))
    change = rows["int8"]["scores"][key] - before
    return f"int8 is {speed} 32 bits here{having}; {SCORES[key]} changes by {change:+.4f}"
