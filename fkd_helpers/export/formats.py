"""Write a keypoint network as ONNX, with 32 bits, 16 bits stored or int8, and compare each file with the original."""

import contextlib
import io
import logging
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn

from fkd_helpers import nets
from fkd_helpers.core import records
from fkd_helpers.core.errors import InputError, unknown
from fkd_helpers.core.timing import measure
from fkd_helpers.data import FaceSet, as_labelled, complete_only, load, split
from fkd_helpers.faces.metrics import nme
from fkd_helpers.nets.weights import save_onnx, store_half, to_onnx
from fkd_helpers.predict.runtime import load_runner, model_path
from fkd_helpers.train.batches import Batches, FaceBatches
from fkd_helpers.train.keypoints import has_folders
from fkd_helpers.train.tables import markdown

FORMATS = {"onnx": "{}.onnx", "fp16": "{}-fp16.onnx", "int8": "{}-int8.onnx"}  # names of the files
CALIBRATION, BATCH = 256, 8  # training crops for int8; calibration crops at once
ROUNDS, BURST = 25, 8  # turns of the timing, and calls in a turn


def export(
    *, model: str = "small", formats: str | None = None, data: str = "puppets", out: Path = Path("runs/export")
) -> dict:
    """Write a keypoint network in other formats, compare each with the original, and return the record.

    Args:
        model: small, or a .safetensors file of a training
        formats: of onnx, fp16, int8, with commas between (all)
        data: set to calibrate with and to try on, such as ytf
        out: folder of the files and of the record
    """
    wanted = formats.split(",") if formats else FORMATS
    for name in wanted:
        if name not in FORMATS:
            raise unknown("format", name, FORMATS)
    source = model_path(model, ".safetensors")
    if source.suffix != ".safetensors":
        raise InputError(f"{source}: expected the weights of a training (.safetensors)")
    network = nets.load(source)
    training, test = _parts(data, int(network.facts["keypoints"]))
    calibration, images = (_crops(part, network)[1] for part in (training, test))
    paths = _write(network, out, [name for name in FORMATS if name in wanted], source.stem, calibration)
    runners = {"original": load_runner(source)} | {name: load_runner(path) for name, path in paths.items()}
    predicted = {name: runner(images)[0] for name, runner in runners.items()}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    calls = {name: lambda runner=runner: runner(images[:1]) for name, runner in runners.items()}
    seconds = measure(calls, rounds=ROUNDS, burst=BURST)
    torch.set_num_threads(threads)
    rows, batches = [], _crops(test, network)[0]
    for name, path in ({"original": source} | paths).items():
        apart = np.linalg.norm(predicted[name] - predicted["original"], axis=-1)
        score = nme(as_labelled(batches.to_images(predicted[name]), data), test.keypoints).mean()
        rows.append({
            "format": name, "file": path.name, "bytes": path.stat().st_size, "difference_max": apart.max(),
            "difference_mean": apart.mean(), "ms": 1000 * seconds[name], "scores": {"nme": score},
        })  # fmt: skip
    found = records.plain({
        "data": Path(data).name, "data_digest": records.digest(test), "faces": len(images),
        "calibration": len(calibration), "threads": 1, "rounds": ROUNDS, "rows": rows,
    })  # fmt: skip
    record = records.write("export", source.stem, folder=out, **found)
    print(f"{markdown(table(found))}\nfiles: {out}\nrecord: {record}")
    return found


def table(record: dict) -> pd.DataFrame:
    """Return a record of exports as a table, one row per format, the original first."""
    rows = record["rows"]
    return pd.DataFrame([
        {
            "format": row["format"], "file": row["file"], "MB": f"{row['bytes'] / 1e6:.2f}",
            "largest difference, px": f"{row['difference_max']:.2g}",
            "mean difference, px": f"{row['difference_mean']:.2g}", "NME": f"{row['scores']['nme']:.4f}",
            "ms per face": f"{row['ms']:.2f}", "times as fast": f"{rows[0]['ms'] / row['ms']:.2f}",
        }
        for row in rows
    ])  # fmt: skip


def _parts(data: str, keypoints: int) -> tuple[FaceSet, FaceSet]:
    """Return some training faces of a set, and its test faces."""
    faces = load(data)
    if (came := faces.keypoints.shape[1]) != keypoints:
        raise InputError(f"{data}: expected faces of {keypoints} keypoints, as the network gives, got {came}")
    parts = split(faces, "official" if has_folders(faces) else "person")
    training, test = (complete_only(part, why="a trial") for part in parts)
    return training[np.sort(np.random.default_rng(0).permutation(len(training))[:CALIBRATION])], test


def _crops(faces: FaceSet, network: nn.Module) -> tuple[Batches, np.ndarray]:
    batches = FaceBatches(faces, size=int(network.facts["size"])).without_augmentation()
    return batches, np.concatenate([crops.numpy() for crops, _ in batches(0)])


def _write(network: nn.Module, folder: Path, formats: list[str], stem: str, crops: np.ndarray) -> dict[str, Path]:
    """Write a network in some formats; return their paths."""
    paths = {name: folder / FORMATS[name].format(stem) for name in formats}
    folder.mkdir(parents=True, exist_ok=True)
    program = to_onnx(nets.WithKeypoints(network), crops.shape[1:], ["keypoints", "scores"], facts=network.facts)
    if "onnx" in paths:
        save_onnx(program, paths["onnx"])
    if "int8" in paths:
        save_onnx(_to_int8(program, crops), paths["int8"])
    if "fp16" in paths:  # last: it changes the program
        save_onnx(store_half(program), paths["fp16"])
    return paths


def _to_int8(program, crops):
    """Return an ONNX program with int8 weights and activations, calibrated on crops (n, c, size, size) in 0..1.

    Weights have one scale per channel and 7 bits, with which processors without VNNI cannot overflow. In 32 bits stay
    the nodes up to the first convolution, whose errors would pass through the whole network, and those after the last
    one, which turn small errors of large values into pixels. Source: Jacob et al., 2018, arXiv 1712.05877.
    """
    import onnx  # slow, like the quantiser
    from onnxruntime import quantization

    nodes, batches = list(program.graph.node), np.split(crops, range(BATCH, len(crops), BATCH))
    convolutions = [i for i, node in enumerate(nodes) if node.op_type == "Conv"]
    kept = [node.name for i, node in enumerate(nodes) if i <= convolutions[0] or i > convolutions[-1]]

    class Crops(quantization.CalibrationDataReader):
        def __len__(self):
            return len(batches)

        def set_range(self, start_index, end_index):
            self.batches = iter(batches[start_index:end_index])

        def get_next(self):
            batch = next(self.batches, None)
            return None if batch is None else {program.graph.input[0].name: batch}

    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        given, made = save_onnx(program, Path(folder) / "given.onnx"), Path(folder) / "made.onnx"
        logging.disable(logging.WARNING)  # it advises to preprocess
        quantization.quantize_static(
            given, made, Crops(), quant_format=quantization.QuantFormat.QDQ, per_channel=True, reduce_range=True,
            activation_type=quantization.QuantType.QUInt8, weight_type=quantization.QuantType.QInt8,
            calibrate_method=quantization.CalibrationMethod.Percentile, nodes_to_exclude=kept,
            extra_options={"CalibStridedMinMax": 1},  # batch by batch: all activations together fill the memory
        )  # fmt: skip
        logging.disable(logging.NOTSET)
        answer = onnx.load(made)
    onnx.helper.set_model_props(answer, {fact.key: fact.value for fact in program.metadata_props})
    return answer
