"""Write a trained network in the formats that others run, and try each against the original. Built in notebook 08."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from fkd_helpers.core import records
from fkd_helpers.core.errors import InputError, unknown
from fkd_helpers.core.files import whole_file
from fkd_helpers.core.timing import measure
from fkd_helpers.export.compare import Source, Trial, answering, source_of, trial_for
from fkd_helpers.nets.models import check_opset, to_program
from fkd_helpers.nets.quantise import METHODS, cpu_instructions, int8_is_exact, quantise, store_half
from fkd_helpers.predict.runtime import onnx_session
from fkd_helpers.train.tables import markdown

FORMATS = {"onnx": "{}.onnx", "torch": "{}.pt2", "fp16": "{}-fp16.onnx", "int8": "{}-int8.onnx"}  # names of the files
ROUNDS, BURST = 25, 8  # of the timing


@dataclass(frozen=True)
class Row:
    """How one format does beside the original: `difference_*` between their answers, in pixels of the crop for
    keypoints, in shares and scales for expressions; milliseconds of one face on one thread; scores by name."""

    format: str
    file: str
    bytes: int
    difference_max: float
    difference_mean: float
    ms: float
    scores: dict[str, float]


def export(
    model: str | Path = "small", folder: str | Path = "runs/export", *, formats: Sequence[str] | None = None,
    data: str = "puppets", opset: int | None = None, method: str = "percentile",
) -> dict[str, Path]:  # fmt: skip
    """Write a network in some formats and return the files by format.

    model: the name of one we ship, "small" or "expressions", or a path to .safetensors or .onnx
    formats: "onnx" (32 bits), "torch" (a program of `torch.export`), "fp16" (ONNX, stored with 16 bits), "int8" (ONNX,
        calibrated with training crops of `data`); None takes all that the model allows: from .onnx there is no way to
        "torch"
    opset: the version of ONNX's operators; None takes the exporter's own. method: see `quantise.quantise`

    Example: `export("small", "runs/export", formats=["onnx", "int8"])["int8"]`.

    Raises:
        InputError: an unknown model, format, data or method, a format that the model does not allow, or an opset that
            the exporter or the runtime lacks.
    """
    source = source_of(model)
    formats = _checked(source, formats, opset, method)
    return _export(source, trial_for(source, data) if "int8" in formats else None, folder, formats, opset, method)


def _checked(source, formats, opset, method):
    """Return the formats to write; what cannot be is said before anything is made or written."""
    check_opset(opset)
    if method not in METHODS:
        raise unknown("method", method, METHODS)
    for name in formats or ():
        if name not in FORMATS:
            raise unknown("format", name, FORMATS)
    if formats is None:
        return [name for name in FORMATS if source.network is not None or name != "torch"]
    if "torch" in formats and source.network is None:
        raise InputError(f"format 'torch': needs the weights as .safetensors, {source.name} is there as .onnx only")
    return list(dict.fromkeys(formats))


def _export(source, trial, folder, formats, opset, method):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = {name: folder / FORMATS[name].format(source.name) for name in formats}
    given = source.path.resolve()
    if given in {path.resolve() for path in paths.values()}:
        raise InputError(f"{given.name}: would be written over itself; name another folder")
    if "torch" in formats:
        _write_program(source, paths["torch"])
    if set(formats) - {"torch"}:
        whole = source.onnx(opset)
        paths = {"onnx": paths.get("onnx", folder / FORMATS["onnx"].format(source.name)), **paths}
        _write_onnx(whole, paths["onnx"])
        if "int8" in formats:
            quantise(whole, paths["int8"], trial.calibration, method=method, of=paths["onnx"].name)
        if "fp16" in formats:
            _write_onnx(store_half(whole), paths["fp16"])
    return {name: paths[name] for name in FORMATS if name in paths}


def _write_program(source, path):
    with whole_file(path) as partial, partial.open("wb") as stream:
        torch.export.save(to_program(source.network, source.shape), stream)


def _write_onnx(program, path):
    with whole_file(path) as partial:
        partial.write_bytes(program.SerializeToString())
        try:
            onnx_session(partial)
        except InputError as error:
            opset = next(entry.version for entry in program.opset_import if not entry.domain)
            raise InputError(f"opset {opset}: the runtime here cannot open it ({error}); try a lower one") from None


def compare(paths: dict[str, Path], source: Source, trial: Trial, *, rounds: int = ROUNDS) -> list[Row]:
    """Load each file again and try it on the same crops as the original, which is the first row.

    The times are medians of single faces on one thread; all take turns, in bursts.
    """
    asked = {"original": source.asked()} | {name: answering(path, source.kind) for name, path in paths.items()}
    files = {"original": source.path} | paths
    answers = {name: function(trial.images) for name, function in asked.items()}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        one = trial.images[:1]
        calls = {name: lambda function=function: function(one) for name, function in asked.items()}
        seconds = measure(calls, rounds=rounds, burst=BURST)
    finally:
        torch.set_num_threads(threads)
    rows = []
    for name, path in files.items():
        apart = answers[name] - answers["original"]
        apart = np.linalg.norm(apart, axis=-1) if source.kind == "keypoints" else np.abs(apart)
        rows.append(Row(
            name, path.name, path.stat().st_size, float(apart.max()), float(apart.mean()), 1000 * seconds[name],
            trial.score(answers[name]),
        ))  # fmt: skip
    return rows


def export_and_compare(
    model: str | Path = "small", folder: str | Path = "runs/export", *, formats: Sequence[str] | None = None,
    data: str = "puppets", opset: int | None = None, method: str = "percentile", rounds: int = ROUNDS,
    record: str | Path | None = None, say: Callable[[str], None] = print,
) -> dict:  # fmt: skip
    """Do `export` and `compare`, print the table, write the record `export-MODEL` to the folder `record`; return it.

    The record holds: data, data_digest (of the test part), faces (tried on), calibration (faces), opset, method, unit
    (of the differences: "px" or "share"), rows (see `Row`), instructions (of the processor, where it tells),
    int8_exact, threads, rounds.

    Raises:
        InputError: see `export`; or the record cannot be written.
    """
    source = source_of(model)
    formats = _checked(source, formats, opset, method)
    trial = trial_for(source, data)
    paths = _export(source, trial, folder, formats, opset, method)
    found = {
        "data": Path(data).name, "data_digest": trial.digest, "faces": len(trial.images),
        "calibration": len(trial.calibration), "opset": opset, "method": method,
        "unit": "px" if source.kind == "keypoints" else "share", "rows": compare(paths, source, trial, rounds=rounds),
        "instructions": cpu_instructions(), "int8_exact": int8_is_exact(), "threads": 1, "rounds": rounds,
    }  # fmt: skip
    found = records.plain(found)
    say(markdown(table(found)))
    for line in in_words(found):
        say(line)
    say(f"files: {folder}")
    if record is not None:
        say(f"record: {records.write('export', source.name, folder=Path(record), **found)}")
    return found


def table(record: dict) -> pd.DataFrame:
    """Return a record of exports as a table: one row a format, the original first."""
    rows, unit = record["rows"], record["unit"]
    return pd.DataFrame([
        {
            "format": row["format"], "file": row["file"], "MB": f"{row['bytes'] / 1e6:.2f}",
            f"largest difference, {unit}": f"{row['difference_max']:.2g}",
            f"mean difference, {unit}": f"{row['difference_mean']:.2g}",
            **{NAMES[key]: f"{value:.4f}" for key, value in row["scores"].items()},
            "ms a face": f"{row['ms']:.2f}", "times as fast": f"{rows[0]['ms'] / row['ms']:.2f}",
        }
        for row in rows
    ])  # fmt: skip


def in_words(record: dict) -> list[str]:
    """Return what int8 costs and gains, in a line or two; nothing where it or the 32 bits beside it are missing."""
    rows = {row["format"]: row for row in record["rows"]}
    if not {"onnx", "int8"} <= rows.keys():
        return []
    whole, small = rows["onnx"], rows["int8"]
    faster = whole["ms"] / small["ms"]
    speed = f"{faster:.2f} times as fast as" if faster > 1 else f"no faster than ({faster:.2f} times as fast as)"
    known = record["instructions"]
    having = "" if known is None else f" (instructions: {', '.join(known) or 'none of those for it'})"
    name, before = next(iter(rows["original"]["scores"].items()))
    change = small["scores"][name] - before
    lines = [f"int8 is {speed} 32 bits here{having}; {NAMES[name]} changes by {change:+.4f}"]
    if not record["int8_exact"]:
        lines.append("this processor multiplies int8 with overflow: the file with 32 bits runs in its place")
    return lines


NAMES = {
    "nme": "NME", "accuracy": "accuracy", "valence_rmse": "valence RMSE", "arousal_rmse": "arousal RMSE"
}  # fmt: skip
