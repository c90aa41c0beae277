"""How fast the package is on this machine, beside the naive way of a first course, in one run.

    make benchmark        or: python benchmarks/speed.py [--rounds 15] [--out data/records]

All rows take turns, round by round, so that a busy moment hits each of them alike; medians and ratios are reported.
"""

import itertools
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pandas as pd
import torch

from fkd_helpers.core import records
from fkd_helpers.core.config import load_config
from fkd_helpers.core.errors import unknown
from fkd_helpers.core.options import run_script
from fkd_helpers.core.timing import measure
from fkd_helpers.data import load, write_classic
from fkd_helpers.data.puppets import stream
from fkd_helpers.faces.images import read_photo, write_photo
from fkd_helpers.nets import build
from fkd_helpers.nets.losses import heatmap, mse
from fkd_helpers.predict import KeypointPredictor, Tracker, load_runner, model_path, predict_folder
from fkd_helpers.train.augment import Augment
from fkd_helpers.train.batches import FaceBatches
from fkd_helpers.train.loop import fit
from fkd_helpers.train.tables import number

FACES, FRAMES, CROPS = 384, 60, 500
HAAR = "Haar and five convolutions, one thread"


class Row(NamedTuple):
    """What is measured: our way and the naive one, and how many images or frames a call of each works on."""

    what: str
    unit: str
    ours: Callable
    naive: Callable
    n: int = 1
    n_naive: int = 1


class NaiveDataset(torch.utils.data.Dataset):
    """The classic tutorial's way: a file read, rescaled, cropped and normalised for every sample of every epoch."""

    def __init__(self, folder: Path):
        self.table, self.folder = pd.read_csv(folder / "training_frames_keypoints.csv"), folder / "training"
        self.rng = np.random.default_rng(0)

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, torch.Tensor]:
        image = cv2.cvtColor(cv2.imread(str(self.folder / self.table.iloc[i, 0])), cv2.COLOR_BGR2RGB)
        keypoints = self.table.iloc[i, 1:].to_numpy().astype("float").reshape(-1, 2)
        height, width = image.shape[:2]
        scale = 250 / min(height, width)
        image = cv2.resize(image, (round(width * scale), round(height * scale)))
        left, top = (self.rng.integers(0, side - 224 + 1) for side in image.shape[1::-1])
        image, keypoints = image[top : top + 224, left : left + 224], keypoints * scale - [left, top]
        gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) / 255.0
        return torch.from_numpy(gray)[None].float(), torch.from_numpy(keypoints).float()


def data_rows(folder: Path) -> list[Row]:
    """Return loading, batches and training; the naive training is the five-convolution network on the naive loader."""
    puppets = load("puppets", n=FACES * 5 // 4).part("training")
    write_classic(puppets, folder)
    dataset, faces, epochs = NaiveDataset(folder), load(folder).part("training"), itertools.count()
    loader = torch.utils.data.DataLoader(dataset, batch_size=64, shuffle=True, drop_last=True)
    batches, config = FaceBatches(faces, options=Augment()), load_config(epochs=1, device="cpu")

    class Naive(torch.utils.data.DataLoader):
        def __call__(self, epoch):
            return self

    two_batches = Naive(torch.utils.data.Subset(dataset, range(32)), batch_size=16)

    return [
        Row("augmented batches, 112 px / read, rescale, crop", "images/s",
            lambda: sum(len(images) for images, _ in batches(next(epochs))),
            lambda: sum(len(images) for images, _ in loader), FACES, FACES),
        Row("training, our network / five convolutions", "images/s",
            lambda: fit(build("small"), FaceBatches(faces), heatmap, config=config),
            lambda: fit(build("course_cnn"), two_batches, mse, config=config), FACES, len(two_batches.dataset)),
    ]  # fmt: skip


def face_rows(folder: Path) -> list[Row]:
    """Return the network alone, in ONNX Runtime and in torch."""
    crops, large = np.random.default_rng(0).random((8, 1, 112, 112), np.float32), torch.rand(1, 1, 224, 224)
    course, rows = build("course_cnn").eval(), []
    for suffix, (title, n) in itertools.product((".onnx", ".safetensors"), (("1 face", 1), ("8 faces", 8))):
        runner, name = load_runner(model_path("small", suffix)), {".onnx": "ONNX"}.get(suffix, "torch")
        what = f"{title}, {name} / five convolutions, one thread"
        rows.append(Row(what, "ms a face", lambda runner=runner, n=n: runner(crops[:n]), lambda: course(large), n))
    return rows


def frame_rows(folder: Path) -> list[Row]:
    """Return frames: followed, followed for a whole film with its detections, and each as a photo."""
    frames = [frame for frame, *_ in stream(seed=1, n=FRAMES)]
    predictor, course = KeypointPredictor(), build("course_cnn").eval()
    cascade = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_default.xml")
    tracker, feeds = Tracker(predictor), [itertools.cycle(frames) for _ in range(3)]

    def naive():
        frame = next(feeds[0])
        gray = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
        for x, y, w, h in cascade.detectMultiScale(gray, 1.2, 3, minSize=(32, 32)):
            crop = cv2.resize(gray[y : y + h, x : x + w], (224, 224)) / np.float32(255)
            course(torch.from_numpy(crop)[None, None])

    ways = {
        "tracked": (lambda: tracker(next(feeds[1])), 1),
        "tracked, mean with its detections": (lambda: [tracker(frame) for frame in frames], FRAMES),
        "as a photo": (lambda: predictor(next(feeds[2])), 1),
    }
    return [Row(f"640x480 frame, {name} / {HAAR}", "ms a frame", way, naive, n) for name, (way, n) in ways.items()]


def batch_rows(folder: Path) -> list[Row]:
    """Return face crops to a Parquet table, on all cores; the naive way takes one photo after the other."""
    (folder / "crops").mkdir()
    for i, image in enumerate(load("puppets", n=CROPS).images):
        write_photo(folder / "crops" / f"{i:04d}.jpg", cv2.resize(image, (180, 180)))
    predictor, photos = KeypointPredictor(), sorted((folder / "crops").iterdir())

    def ours():
        shutil.rmtree(folder / "faces.parquet", ignore_errors=True)
        predict_folder(folder / "crops", folder / "faces.parquet", predictor, whole_image="always")

    def naive():
        faces = [predictor(read_photo(photo), whole_image="always")[0] for photo in photos[: CROPS // 10]]
        pd.DataFrame([face.keypoints.ravel() for face in faces]).to_csv(folder / "faces.csv")

    return [Row("face crops to a table / one after the other", "photos/s", ours, naive, CROPS, CROPS // 10)]


GROUPS = {"data": data_rows, "faces": face_rows, "frames": frame_rows, "batch": batch_rows}


def main(*, rounds: int = 15, only: str | None = None, out: Path | None = None) -> None:
    """Measure how fast the package is; `only` one of data, faces, frames, batch; `out` keeps the record."""
    if only not in (None, *GROUPS):
        raise unknown("group", only, GROUPS)
    found, threads = [], torch.get_num_threads()
    for name in [only] if only else GROUPS:
        torch.set_num_threads(threads if name == "data" else 1)  # torch's idle threads would disturb the others' turns
        turns = {"rounds": rounds, "burst": 8}
        if name in ("data", "batch"):  # slow
            turns = {"rounds": max(3, rounds // 3), "warm": 1}
        with tempfile.TemporaryDirectory() as folder, torch.set_grad_enabled(name == "data"):
            rows = GROUPS[name](Path(folder))
            calls = {(i, way): getattr(row, way) for i, row in enumerate(rows) for way in ("ours", "naive")}
            seconds = measure(calls, **turns)
        for i, row in enumerate(rows):
            ours, naive = row.n / seconds[i, "ours"], row.n_naive / seconds[i, "naive"]  # per second
            ratio, is_rate = ours / naive, row.unit.endswith("/s")
            ours, naive = (speed if is_rate else 1000 / speed for speed in (ours, naive))
            found.append({"what": row.what, "unit": row.unit, "ours": ours, "naive": naive, "ratio": ratio})
            print(f"{row.what}: {number(ours)} {row.unit}, naive {number(naive)}, {ratio:.1f} times")
    if out:
        facts = {"rows": found, "rounds": rounds, "threads": threads}
        print(f"record: {records.write('benchmark', 'speed', folder=out, **facts)}")


if __name__ == "__main__":
    run_script(main)
