"""Export a network and compare each file with the original, on faces of a test part."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from fkd_helpers.core import records
from fkd_helpers.core.errors import InputError
from fkd_helpers.core.timing import measure
from fkd_helpers.data import as_labelled, complete_only, load, split
from fkd_helpers.export.formats import Source, chosen_formats, source_of, write_formats
from fkd_helpers.expressions.crops import as_tensor, face_crops, key_of, view
from fkd_helpers.expressions.data import load_expressions, split_expressions
from fkd_helpers.expressions.metrics import all_scores
from fkd_helpers.faces.metrics import nme
from fkd_helpers.predict.runtime import open_exported
from fkd_helpers.train.batches import FaceBatches
from fkd_helpers.train.tables import markdown

CALIBRATION, BATCH = 256, 64  # training crops for int8; crops at once
BURST = 8  # calls in a turn of the timing
SCORES = {"nme": "NME", "accuracy": "accuracy", "valence_rmse": "valence RMSE", "arousal_rmse": "arousal RMSE"}


def export(
    *, model: str = "small", formats: str | None = None, data: str = "puppets", rounds: int = 25,
    out: Path = Path("runs/export"), record: Path | None = None,
) -> dict:  # fmt: skip
    """Write a network as ONNX, torch.export, fp16 and int8, compare each with the original, and return the record.

    Args:
        model: small, expressions, or a .safetensors or .onnx file
        formats: of onnx, torch, fp16, int8, with commas between (all that can be: from .onnx there is no torch)
        data: set to calibrate with and to try on, such as ytf
        rounds: rounds that each median is taken over
        out: folder of the files
        record: folder of the record (printed only)
    """
    if rounds < 1:
        raise InputError(f"rounds: expected at least 1, got {rounds}")
    source = source_of(model)
    chosen = chosen_formats(source, formats)
    calibration, images, score, digest = (_keypoints if source.kind == "keypoints" else _expressions)(source, data)
    paths = write_formats(source, out, chosen, calibration)
    functions = {"original": _function(source)} | {name: _function(source, path) for name, path in paths.items()}
    outputs = {name: function(images) for name, function in functions.items()}
    calls = {name: lambda function=function: function(images[:1]) for name, function in functions.items()}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    seconds = measure(calls, rounds=rounds, burst=BURST)
    torch.set_num_threads(threads)
    rows = []
    for name, path in ({"original": source.path} | paths).items():
        apart = outputs[name] - outputs["original"]
        apart = np.linalg.norm(apart, axis=-1) if source.kind == "keypoints" else np.abs(apart)
        rows.append({
            "format": name, "file": path.name, "bytes": path.stat().st_size, "difference_max": float(apart.max()),
            "difference_mean": float(apart.mean()), "ms": 1000 * seconds[name], "scores": score(outputs[name]),
        })  # fmt: skip
    found = records.plain({
        "data": Path(data).name, "data_digest": digest, "faces": len(images), "calibration": len(calibration),
        "threads": 1, "rounds": rounds, "unit": "px" if source.kind == "keypoints" else "share", "rows": rows,
    })  # fmt: skip
    print(markdown(table(found)))
    print(f"files: {out}")
    if record is not None:
        print(f"record: {records.write('export', source.path.stem, folder=record, **found)}")
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


def _keypoints(source, data):
    """Return crops (n, c, size, size) to calibrate with, crops to try on, a function to their scores, and a digest."""
    faces = load(data)
    if (came := faces.keypoints.shape[1]) != source.outputs:
        raise InputError(f"{data}: expected faces of {source.outputs} keypoints, as the network gives, got {came}")
    official = all(name.startswith(("training/", "test/")) for name in faces.names)
    parts = split(faces, "official" if official else "person")
    training, test = (complete_only(part, why="a trial") for part in parts)
    batches = [FaceBatches(part, size=source.shape[-1]).without_augmentation() for part in (_some(training), test)]

    def score(keypoints):
        return {"nme": float(nme(as_labelled(batches[1].to_images(keypoints), data), test.keypoints).mean())}

    calibration, images = (np.concatenate([crops.numpy() for crops, _ in part(0)]) for part in batches)
    return calibration, images, score, records.digest(test)


def _expressions(source, data):
    """Return what `_keypoints` does, for a network of expressions."""
    faces = load_expressions(data, classes=source.outputs)
    training, _, test = split_expressions(faces, validation=0)
    size, rng = source.shape[-1], np.random.default_rng(0)
    crops = [view(face_crops(part, size), "none", size=size, rng=rng) for part in (_some(training), test)]
    calibration, images = (as_tensor(part).contiguous().numpy() for part in crops)

    def score(predictions):
        return {key: value for key, value in all_scores(predictions, test).items() if key in SCORES}

    return calibration, images, score, key_of(test)


def _some(faces):
    return faces[np.sort(np.random.default_rng(0).permutation(len(faces))[:CALIBRATION])]


def _function(source: Source, path: Path | None = None) -> Callable[[np.ndarray], np.ndarray]:
    """Return the network, or a file of it, as a function to keypoints (n, k, 2) or to shares and scales (n, k + 2)."""

    def by_torch(images):
        with torch.inference_mode():
            return tuple(value.numpy() for value in source.network(torch.from_numpy(images)))

    function = by_torch if path is None and source.network is not None else open_exported(path or source.path)[0]

    def run(images):
        outputs = [function(images[i : i + BATCH]) for i in range(0, len(images), BATCH)]
        return np.concatenate([out[0] if source.kind == "keypoints" else np.concatenate(out, 1) for out in outputs])

    return run
