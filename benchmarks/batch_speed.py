"""Measure batch prediction: photos a second from JPEG files on the disk to a Parquet file; writes `benchmark-batch`.

    python benchmarks/batch_speed.py [--out data/records] [--rounds 5]

The photos are puppets: face crops of 180 pixels, where the whole image is the box, and the same with the detector. The
network's rows are why photos are not gathered into large batches: a face in a batch of 64 is no faster.
"""

import argparse
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np

from fkd_helpers.core import records
from fkd_helpers.core.timing import measure
from fkd_helpers.data.puppets import make_set
from fkd_helpers.faces.images import write_photo
from fkd_helpers.predict import KeypointPredictor, predict_folder

SIDE = 180  # pixels
BATCHES = (1, 8, 64)


def write_crops(folder: Path, counts: dict[str, int]) -> None:
    """Write the photos as JPEG files, into a folder for all and one for those with detection."""
    images = make_set(min(200, counts["crops"]), size=SIDE).images  # each comes up several times
    for part, count in counts.items():
        (folder / part).mkdir()
        for i in range(count):
            write_photo(folder / part / f"{i:05d}.jpg", images[i % len(images)])


def photos_per_second(folder: Path, counts: dict[str, int], workers: int, rounds: int) -> dict:
    """Return the medians of whole runs by name, from the first file to the finished table."""
    out, predictor = folder / "faces.parquet", KeypointPredictor()

    def run(part, whole_image, threads):
        shutil.rmtree(out, ignore_errors=True)
        return predict_folder(folder / part, out, predictor, whole_image=whole_image, workers=threads)

    rows = {
        "crops": lambda: run("crops", "always", workers),
        "crops_one_worker": lambda: run("crops", "always", 1),
        "detected": lambda: run("detected", "never", workers),
    }
    seconds = measure(rows, rounds=rounds, warm=1)
    return {name: counts[name.removesuffix("_one_worker")] / value for name, value in seconds.items()}


def ms_a_face(rounds: int) -> dict:
    """Return the network's milliseconds a face on one thread, by the size of its batch."""
    images = np.random.default_rng(0).random((64, 1, 112, 112), np.float32)
    run = KeypointPredictor().runner.function
    seconds = measure(
        {n: lambda n=n: [run(images[i : i + n]) for i in range(0, 64, n)] for n in BATCHES}, rounds=rounds
    )
    return {f"batch_{n}": 1000 * value / 64 for n, value in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=records.RECORDS, help="folder of the record")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--photos", type=int, default=2000)
    options = parser.parse_args()
    workers = os.cpu_count() or 1
    counts = {"crops": options.photos, "detected": max(1, options.photos // 10)}
    with tempfile.TemporaryDirectory() as place:
        write_crops(Path(place), counts)
        jpeg_kb = np.mean([file.stat().st_size for file in Path(place, "crops").iterdir()]) / 1000
        speeds = photos_per_second(Path(place), counts, workers, options.rounds)
    path = records.write(
        "benchmark", "batch", folder=options.out, photos_per_second=speeds, network_ms_a_face=ms_a_face(options.rounds),
        workers=workers, rounds=options.rounds, side=SIDE, jpeg_kb=jpeg_kb, photos=counts["crops"],
        photos_detected=counts["detected"],
    )  # fmt: skip
    print(path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
