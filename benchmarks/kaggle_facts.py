"""What is in Kaggle's training.csv, and how fast it is read: record facts-kaggle15.

    FKD_DATA_DIR=... python benchmarks/kaggle_facts.py

The folder kaggle15 below FKD_DATA_DIR holds training.csv and split.csv (see data/README.md).
"""

import time

import numpy as np
import pandas as pd
import torch

from fkd_helpers.core import records
from fkd_helpers.faces.landmarks import POINTS_15 as POINTS
from fkd_helpers.kaggle15 import data as kaggle_data
from fkd_helpers.kaggle15.data import rmse
from fkd_helpers.kaggle15.tables import COLUMNS, read_rows
from fkd_helpers.kaggle15.task import build_15
from fkd_helpers.nets.losses import mse
from fkd_helpers.train.run_data import strength

path = kaggle_data.find_table("kaggle15", "training")
started, busy = time.perf_counter(), time.process_time()
rows = read_rows(path)
parse = {"seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - busy}
kaggle_data.load_faces(path)
started = time.perf_counter()
kaggle_data.load_faces(path)
parse["seconds_from_cache"] = time.perf_counter() - started

faces = kaggle_data.load_15("kaggle15")
there = ~np.isnan(faces.keypoints[..., 0])
complete = there.all(1)
last = int(np.flatnonzero(complete).max()) + 1  # rows up to here were labelled in full
parts = {"first": slice(0, last), "rest": slice(last, None)}
regimes = {name: {"rows": len(there[part]), "complete": int(complete[part].sum()),
                  "labelled": {p: int(there[part][:, i].sum()) for i, p in enumerate(POINTS)}}
           for name, part in parts.items()}  # fmt: skip

flat = rows["images"].reshape(len(rows["images"]), -1)
_, first, inverse = np.unique(flat, axis=0, return_index=True, return_inverse=True)
repeats = len(inverse) - len(first)
pairs = [(a, b) for group in pd.Series(range(len(inverse))).groupby(inverse.ravel()) if len(group[1]) > 1
         for a, b in [tuple(group[1].iloc[:2])]]  # fmt: skip
a, b = np.array(pairs).T
apart = np.linalg.norm(faces.keypoints[a] - faces.keypoints[b], axis=-1)  # (pairs, 15) pixels, NaN where one lacks it
noise = {"pairs": len(pairs), "over_10_pixels": int((np.nanmax(apart, 1) > 10).sum()),
         "rmse_between_labels": rmse(faces.keypoints[a], faces.keypoints[b]), "median": float(np.nanmedian(apart)),
         "median_by_point": {p: float(np.nanmedian(apart[:, i])) for i, p in enumerate(POINTS)
                             if np.isfinite(apart[:, i]).sum() > 50}}  # fmt: skip

draw = np.random.default_rng(0).permutation(len(faces))
held, known = draw[:1008], draw[1008:]
leak = float(np.isin(faces.people[held], faces.people[known]).mean())
official = faces.extras["held_out"]
still = float(np.isin(faces.people[official], faces.people[~official]).mean())


class Naive(torch.utils.data.Dataset):
    """A sample at a time, its pixels split from the text of the cell."""

    def __init__(self, count):
        self.table = pd.read_csv(path, nrows=count)

    def __len__(self):
        return len(self.table)

    def __getitem__(self, i):
        row = self.table.iloc[i]
        image = np.array(row["Image"].split(" "), dtype=np.float32).reshape(1, 96, 96) / 255
        return torch.from_numpy(image), torch.from_numpy(row[list(COLUMNS)].to_numpy(np.float32))


def rate(batches, model=None, fast=False):
    """Return images a second of processor time: going through batches, with a training step where there is a network.

    fast: with what `kaggle train` adds: channels last, 16 bits in convolutions
    """
    if model is not None and fast:
        model = model.to(memory_format=torch.channels_last)
    count, started = 0, time.process_time()
    for images, target in batches:
        count += len(images)
        if model is not None:
            with torch.autocast("cpu", torch.bfloat16, enabled=fast):
                answer = model(images)
            mse(answer.float(), target.reshape(answer.shape)).backward()
    return count / (time.process_time() - started)


torch.set_num_threads(1)
naive = torch.utils.data.DataLoader(Naive(640), batch_size=64, shuffle=True)
some = kaggle_data.ImageBatches(faces[np.arange(640)], options=strength(0.5))
model = build_15("residual")
rate(list(some(0))[:2], model)
speed = {"naive_loader": rate(naive), "augmented_batches": rate(some(0)),
         "residual_epoch_naive": rate(naive, model), "residual_epoch_32_bits": rate(some(1), model),
         "residual_epoch": rate(some(2), model, fast=True)}  # fmt: skip
print(records.write(
    "facts", "kaggle15", rows=len(faces), complete=int(complete.sum()), regimes=regimes,
    repeats=repeats, groups=len(set(faces.people.tolist())), label_noise=noise,
    leak={"random_split": leak, "group_split": still}, parse=parse, images_per_cpu_second=speed,
    note="images a second of processor time, one thread, measured beside other work on the same two cores",
))  # fmt: skip
