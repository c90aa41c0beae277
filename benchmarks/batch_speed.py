"""Measure batch prediction: photos a second from JPEG files on the disk to a Parquet file; writes `benchmark-batch`.

    python benchmarks/batch_speed.py [--out data/records] [--rounds 5]

The photos are puppets: face crops of 180 pixels, where the whole image is the box, and the same with the detector.
"""

import os
import shutil
import tempfile
from pathlib import Path

import numpy as np

from fkd_helpers.core import records
from fkd_helpers.core.options import run_script
from fkd_helpers.core.timing import measure
from fkd_helpers.data.puppets import make_set
from fkd_helpers.faces.images import write_photo
from fkd_helpers.predict import KeypointPredictor, predict_folder

SIDE = 180  # pixels


def photos_per_second(counts: dict[str, int], workers: int, rounds: int) -> tuple[dict, float]:
    """Return the medians of whole runs, from the first file to the finished table, and the mean kB of a photo."""
    images, predictor = make_set(min(200, counts["crops"]), size=SIDE).images, KeypointPredictor()
    with tempfile.TemporaryDirectory() as place:
        folder, out = Path(place), Path(place, "faces.parquet")
        for part, count in counts.items():
            (folder / part).mkdir()
            for i in range(count):
                write_photo(folder / part / f"{i:05d}.jpg", images[i % len(images)])

        def run(part, whole_image, threads):
            shutil.rmtree(out, ignore_errors=True)
            predict_folder(folder / part, out, predictor, whole_image=whole_image, workers=threads)

        rows = {
            "crops": lambda: run("crops", "always", workers),
            "crops_one_worker": lambda: run("crops", "always", 1),
            "detected": lambda: run("detected", "never", workers),
        }
        seconds = measure(rows, rounds=rounds, warm=1)
        kilobytes = np.mean([file.stat().st_size for file in (folder / "crops").iterdir()]) / 1000
    return {name: counts[name.removesuffix("_one_worker")] / value for name, value in seconds.items()}, kilobytes


def main(*, photos: int = 2000, rounds: int = 5, out: Path | None = None) -> None:
    """Measure photos a second, and write the record."""
    workers, counts = os.cpu_count() or 1, {"crops": photos, "detected": max(1, photos // 10)}
    speeds, kilobytes = photos_per_second(counts, workers, rounds)
    path = records.write(
        "benchmark", "batch", folder=out, photos_per_second=speeds, workers=workers, rounds=rounds, side=SIDE,
        jpeg_kb=kilobytes, photos=photos, photos_detected=counts["detected"],
    )  # fmt: skip
    print(path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    run_script(main)
