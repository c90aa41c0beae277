"""How fast the package is on this machine, beside the naive way of a first course, in one run.

    make benchmark        or: python benchmarks/speed.py [--rounds 15] [--out data/records]

All rows take turns, round by round, so that a busy moment hits each of them alike; medians and ratios are reported.
"""

import argparse
import itertools
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import torch

from fkd_helpers.core import records
from fkd_helpers.core.config import load_config
from fkd_helpers.core.timing import measure, timed
from fkd_helpers.data import load, write_classic
from fkd_helpers.data.puppets import stream
from fkd_helpers.emotion import read_emotion
from fkd_helpers.faces.sprites import load_sprite, place
from fkd_helpers.filters import FILTERS
from fkd_helpers.live.engine import LiveEngine
from fkd_helpers.live.moods import expression_reader
from fkd_helpers.live.recorder import Recorder
from fkd_helpers.nets import build
from fkd_helpers.nets.losses import heatmap, mse
from fkd_helpers.predict import KeypointPredictor, Tracker, detect
from fkd_helpers.train.augment import Augment
from fkd_helpers.train.batches import FaceBatches
from fkd_helpers.train.loop import fit
from fkd_helpers.train.tables import number

FACES = 384
FRAMES = 60


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


def _loading(folder: Path, rounds: int) -> list[dict]:
    dataset = NaiveDataset(folder)
    naive = torch.utils.data.DataLoader(dataset, batch_size=64, shuffle=True, drop_last=True)
    ours = FaceBatches(load(folder).part("training"), options=Augment())
    epochs = itertools.count()
    rows = {
        "load": lambda: load(folder),
        "load_naive": lambda: [cv2.imread(str(dataset.folder / name)) for name in dataset.table.iloc[:, 0]],
        "batches": lambda: sum(len(images) for images, _ in ours(next(epochs))),
        "batches_naive": lambda: sum(len(images) for images, _ in naive),
    }
    seconds = measure(rows, rounds=max(3, rounds // 3), warm=1)
    n = len(dataset)
    return [
        _row("load a set again (cache / decode each file)", "images/s", n / seconds["load"], n / seconds["load_naive"]),
        _row("augmented batches, 112 px / read, rescale, crop", "images/s", n // 64 * 64 / seconds["batches"],
             n // 64 * 64 / seconds["batches_naive"]),
    ]  # fmt: skip


def _training(folder: Path) -> list[dict]:
    """Time the second of two short epochs; the naive way is the five-convolution network on the naive loader."""
    faces = load(folder).part("training")

    class TwoBatches:
        def __len__(self):
            return 2

        def __call__(self, epoch):
            return itertools.islice(torch.utils.data.DataLoader(NaiveDataset(folder), batch_size=16), 2)

    speeds = []
    ours = ("small", FaceBatches(faces), heatmap, FACES // 64 * 64)
    for name, batches, loss, n in (ours, ("course_cnn", TwoBatches(), mse, 32)):
        config, ends = load_config(net=name, epochs=2, device="cpu"), []
        end = [lambda _, ends=ends: ends.append(time.perf_counter())]
        fit(build(name), batches, loss, config=config, callbacks=end)
        speeds.append(n / (ends[1] - ends[0]))
    return [_row("training, our network / five convolutions", "images/s", *speeds)]


def _faces(rounds: int) -> list[dict]:
    crops = np.random.default_rng(0).random((8, 1, 112, 112), np.float32)
    course, large = build("course_cnn").eval(), torch.rand(1, 1, 224, 224)
    onnx, by_torch = KeypointPredictor().runner, KeypointPredictor(backend="torch").runner

    def naive():
        with torch.no_grad():
            course(large)

    seconds = measure(
        {
            "onnx_1": lambda: onnx(crops[:1]), "onnx_8": lambda: onnx(crops), "torch_1": lambda: by_torch(crops[:1]),
            "torch_8": lambda: by_torch(crops), "naive": naive,
        }, rounds=rounds, burst=8,
    )  # fmt: skip
    labels = {"onnx_1": "1 face, ONNX", "onnx_8": "8 faces, ONNX", "torch_1": "1 face, torch",
              "torch_8": "8 faces, torch"}  # fmt: skip
    return [
        _row(f"{label} / five convolutions, one thread", "ms a face", 1000 * seconds[key] / int(key[-1]),
             1000 * seconds["naive"]) for key, label in labels.items()
    ]  # fmt: skip


def _frames(rounds: int) -> list[dict]:
    frames = [frame for frame, *_ in stream(seed=1, n=FRAMES)]
    predictor, course = KeypointPredictor(), build("course_cnn").eval()
    tracker = Tracker(predictor)

    def naive(frame):
        gray = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
        for x, y, w, h in detect(frame, scale_factor=1.2).round().astype(int):
            crop = cv2.resize(gray[max(y, 0) : y + h, max(x, 0) : x + w], (224, 224)) / np.float32(255)
            with torch.no_grad():
                course(torch.from_numpy(crop)[None, None])

    for frame in frames[:5]:
        tracker(frame)
    feed, feed_naive, feed_photo = (itertools.cycle(frames) for _ in range(3))
    tracked = [timed(tracker, next(feed)) for _ in range(4 * FRAMES)]
    seconds = measure(
        {"tracked": lambda: tracker(next(feed)), "photo": lambda: predictor(next(feed_photo)),
         "naive": lambda: naive(next(feed_naive))}, rounds=rounds, burst=8,
    )  # fmt: skip
    ms = {key: 1000 * value for key, value in seconds.items()} | {"mean": 1000 * float(np.mean(tracked))}
    labels = {"tracked": "tracked", "mean": "tracked, mean with its detections", "photo": "as a photo"}
    return [
        _row(f"640x480 frame, {label} / Haar and five convolutions, one thread", "ms a frame", ms[key], ms["naive"])
        for key, label in labels.items()
    ]


def _filters(rounds: int) -> list[dict]:
    """Time filters on one face; the naive way warps a sprite over the whole frame and blends in floats."""
    frames = [(frame, keypoints[0]) for frame, keypoints, _ in stream(seed=1, n=8)]

    def naive(sprite, frame, keypoints):
        worn = cv2.warpAffine(sprite.levels[0].astype(np.float64), place(sprite, keypoints), frame.shape[1::-1]) / 255
        return ((frame / 255 * (1 - worn[..., 3:]) + worn[..., :3]) * 255).astype(np.uint8)

    labels = {"sunglasses": "sunglasses", "dog": "the largest sprite, dog"}
    rows = {}
    for name in labels:
        feed, sprite = itertools.cycle(frames), load_sprite(name)
        rows[name] = lambda feed=feed, name=name: FILTERS[name](*next(feed))
        rows[f"{name}_naive"] = lambda feed=feed, sprite=sprite: naive(sprite, *next(feed))
    ms = {name: 1000 * seconds for name, seconds in measure(rows, rounds=rounds, burst=8).items()}
    return [
        _row(f"a filter on a face of a 640x480 frame ({label}) / whole frame in floats", "ms a frame", ms[name],
             ms[f"{name}_naive"]) for name, label in labels.items()
    ]  # fmt: skip


def _film(rounds: int) -> list[dict]:
    labels = {"rules": "emotions", "expressions": "the network's expressions"}
    return [
        _row(f"a 640x480 film with keypoints and {label}, headless / one thing after the other, a detection a frame",
             "frames/s", *film_speed(rounds=max(3, rounds // 3), emotion=emotion))
        for emotion, label in labels.items()
    ]  # fmt: skip


def film_speed(*, frames: int = 300, rounds: int = 5, emotion: str = "rules") -> tuple[float, float]:
    """Return the median frames per second of a film: by the live engine, and by doing one thing after the other."""
    with tempfile.TemporaryDirectory() as folder:
        recorder = Recorder(Path(folder) / "film.mp4")
        for i, (frame, _, _) in enumerate(stream(n=frames)):
            recorder.add(frame, i / 30)
        film = recorder.finish().path
        engine, predictor = LiveEngine(every=True, emotion=emotion), KeypointPredictor()
        network, speeds = expression_reader() if emotion == "expressions" else None, []
        for _ in range(rounds + 1):
            started = time.perf_counter()
            engine.start("file", film)
            engine.wait()
            seconds = time.perf_counter() - started
            speeds.append((frames / seconds, _in_turn(film, predictor, network, max(1, frames // 20))))
        return tuple(np.median(speeds[1:], 0).tolist())  # the first round warms up


def _in_turn(film, predictor, network, frames):
    capture, started = cv2.VideoCapture(str(film)), time.perf_counter()
    for _ in range(frames):
        frame = cv2.cvtColor(capture.read()[1], cv2.COLOR_BGR2RGB)
        for face in predictor(frame):
            network(frame, [face.keypoints]) if network else read_emotion(face.keypoints)
    capture.release()
    return frames / (time.perf_counter() - started)


def _row(what: str, unit: str, ours: float, naive: float) -> dict:
    ratio = ours / naive if unit.endswith("/s") else naive / ours
    return {"what": what, "unit": unit, "ours": ours, "naive": naive, "ratio": ratio}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15, help="rounds that each median is taken over (15)")
    parser.add_argument("--only", choices=("data", "faces", "frames", "filters", "film"), help="measure this alone")
    parser.add_argument("--out", type=Path, help="folder of the record (default: printed only)")
    options = parser.parse_args(arguments)
    rows, threads = [], torch.get_num_threads()
    if options.only in (None, "data"):
        with tempfile.TemporaryDirectory() as folder:
            faces = load("puppets", n=FACES)
            write_classic(faces, Path(folder), parts=["training"] * len(faces))
            rows += _loading(Path(folder), options.rounds) + _training(Path(folder))
    torch.set_num_threads(1)  # one thread against one: torch's idle threads would disturb the others' turns
    for name, measured in {"faces": _faces, "frames": _frames, "filters": _filters, "film": _film}.items():
        if options.only in (None, name):
            rows += measured(options.rounds)
    torch.set_num_threads(threads)
    record = {"rows": rows, "rounds": options.rounds, "threads": threads}
    for row in rows:
        ours, naive = number(row["ours"]), number(row["naive"])
        print(f"{row['what']}: {ours} {row['unit']}, naive {naive}, {row['ratio']:.1f} times")
    if options.out:
        print(f"record: {records.write('benchmark', 'speed', folder=options.out, **record)}")


if __name__ == "__main__":
    main()
