"""Checks of the exercises of notebooks 03, 04 and 12: experiments, scores and training at scale."""

import queue
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import nn

from fkd_helpers import data
from fkd_helpers.course.exercises import AtMost, Refused, ask, register
from fkd_helpers.faces.metrics import nme
from fkd_helpers.nets import count_weights
from fkd_helpers.train.batches import NONE, FaceBatches


def _rates(warmup_cosine, steps, warm):
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.5)
    scheduler, rates = warmup_cosine(optimiser, steps, warm), []
    for _ in range(steps):
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        scheduler.step()
    return rates


def _puppets(n, seed):
    return next(FaceBatches(data.load("puppets", n=n, seed=seed), options=NONE, batch_size=n, shuffle=False)(0))


def _nme(net, images, keypoints):
    return nme(net.eval()(images).detach().numpy(), keypoints.numpy()).mean()


def _trained(own_row):
    """Return the NME of a row's network on people drawn by its trained weights, so that nobody knows them before."""
    torch.manual_seed(0)
    row, (images, keypoints) = own_row(), _puppets(240, 303)
    net, optimiser, size = row["net"], row["optimiser"], row["batch"]
    if _nme(net, images, keypoints) < 0.1:
        raise Refused("the network knows faces before its training")
    for index in (index for _ in range(8) for index in torch.randperm(240).split(size)[: 240 // size]):
        loss = row["loss"](net.train()(images[index]), keypoints[index])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if row.get("scheduler"):
            row["scheduler"].step()
    drawn = zlib.crc32(b"".join(weight.detach().numpy().tobytes() for weight in net.parameters()))
    return _nme(net, *_puppets(80, drawn))


WEIGHTS, GRADIENT, VELOCITY = np.array([1.0, -2.0, 0.5]), np.array([0.4, 0.0, -1.0]), np.array([1.0, 2.0, -3.0])
STEPS, WAVES = np.array([4.0, 0.0, 0.0, 8.0]), np.array([1.0, 3.0, 1.0, 3.0, 1.0])
COSINE = [0.5, 0.4267767, 0.25, 0.0732233]

register("03", {
    "momentum_step": [
        ((WEIGHTS, GRADIENT, VELOCITY, 0.1, 0.0), [[0.96, -2, 0.6], GRADIENT]),
        ((WEIGHTS, GRADIENT, np.zeros(3), 0.1, 0.9), [[0.96, -2, 0.6], GRADIENT]),
        ((WEIGHTS, GRADIENT, VELOCITY, 0.1, 0.9), [[0.87, -2.18, 0.87], [1.3, 1.8, -3.7]]),
    ],
    "summary_row": [
        ((np.array([0.10, 0.12, 0.17]),), [0.13, 0.0360555, 3]),
        ((np.array([0.2, 0.4]),), [0.3, 0.1414214, 2]),
        ((np.array([0.10, np.nan, 0.12, 0.17]),), [0.13, 0.0360555, 3]),
    ],
    "smooth": [
        ((np.full(4, 2.5), 0.9), np.full(4, 2.5)), ((STEPS, 0.0), STEPS), ((STEPS, 0.5), [4, 2, 1, 4.5]),
        ((WAVES, 0.75), [1, 1.5, 1.375, 1.78125, 1.5859375]),
    ],
    "warmup_cosine": [
        ("rates of 8 steps, 4 of them warm-up, from 0.5", (8, 4), [0.125, 0.25, 0.375, 0.5, *COSINE]),
        ("rates of 4 steps, 2 of them warm-up, from 0.5", (4, 2), [0.25, 0.5, 0.5, 0.25]),
        ("rates of 4 steps without warm-up, from 0.5", (4, 0), COSINE),
    ],
    "own_row": [
        ("shape of the answers for 2 faces", (lambda own_row: own_row()["net"](torch.ones(2, 1, 112, 112)).shape,),
         [2, 68, 2]),
        ("weights", (lambda own_row: count_weights(own_row()["net"]),), AtMost(100_000)),
        ("NME on new people after 8 epochs", (_trained,), AtMost(0.06)),
    ],
}, warmup_cosine=_rates, own_row=ask)  # fmt: skip


def _predicted(predict, training):
    net = nn.Sequential(nn.Dropout(0.9), nn.Linear(4, 1)).train(training)
    nn.init.ones_(net[1].weight)
    nn.init.ones_(net[1].bias)
    answers = predict(net, torch.ones(1, 4))
    return [float(answers.detach()), answers.requires_grad, net.training]


TWO, STEEP = np.full((6, 6), -50.0), np.zeros((3, 3))
TWO[[1, 3], 4], STEEP[0, 1:] = 2.0, np.log([2, 6])
VALUES, PEOPLE = np.array([1.0, 2.0, 3.0, 10.0, 20.0]), np.array(["Ann", "Ann", "Ann", "Bo", "Cy"])
SAW_A, SAW_B, IN_A = np.array([1.0, 3.0, 4.0, 6.0]), np.array([2.0, 2.0, 3.0, 9.0]), np.arange(4) < 2
FIRST, SECOND = np.array([3.0, 5.0, 1.0, 2.0, 8.0]), np.array([1.0, 2.0, 2.0, 2.0, 5.0])
FRAMES_OF = np.array(["Ann", "Bo", "Ann", "Cy", "Bo"])

register("04", {
    "predict": [
        ("a network in train() mode: answer, needs gradients (0), its mode afterwards (1)", (True,), [5, 0, 1]),
        ("a network in eval() mode: answer, needs gradients (0), its mode afterwards (0)", (False,), [5, 0, 0]),
    ],
    "soft_argmax": [
        ("the same everywhere: the middle", (np.zeros((5, 5)),), [2, 2]),
        ("two equal peaks in column 4, rows 1 and 3: (x, y)", (TWO,), [4, 2]),
        ((STEEP,), [20 / 15, 9 / 15]),
        ((STEEP + 1000,), [20 / 15, 9 / 15]),
    ],
    "one_draw": [
        ((VALUES, PEOPLE, ["Ann", "Bo", "Cy"]), 36 / 5),
        ((VALUES, PEOPLE, ["Ann", "Ann", "Bo"]), 22 / 7),
        ((VALUES, PEOPLE, ["Bo", "Cy", "Bo"]), 40 / 3),
    ],
    "price_of_new": [
        ((SAW_A, SAW_B, IN_A), [1, -1, 1, -3]), ((SAW_A, SAW_B, ~IN_A), [-1, 1, -1, 3]),
        ((SAW_A, SAW_B, np.ones(4, bool)), [1, -1, -1, 3]),
    ],
    "paired_gain": [
        ((FIRST, SECOND, FRAMES_OF), [0.5, 3, 0]), ((SECOND, FIRST, FRAMES_OF), [-0.5, -3, 0]),
        ((FIRST[:2], SECOND[:2], FRAMES_OF[1::-1]), [3, 2]),
    ],
}, predict=_predicted)  # fmt: skip


class _Link:
    """The connection of one of several simulated processes (threads) with the others."""

    def __init__(self, rank: int, size: int, boxes: dict):
        self.rank, self.size, self.boxes = rank, size, boxes

    def send(self, array, to: int) -> None:
        self.boxes[self.rank, to].put(np.array(array))

    def receive(self, source: int) -> np.ndarray:
        try:
            return self.boxes[source, self.rank].get(timeout=2)
        except queue.Empty:
            raise Refused(f"process {self.rank} waits in vain for process {source}") from None


def _in_all(all_reduce, arrays):
    ranks = range(len(arrays))
    boxes = {(a, b): queue.Queue() for a in ranks for b in ranks}
    links = [_Link(rank, len(arrays), boxes) for rank in ranks]
    with ThreadPoolExecutor(len(arrays)) as pool:
        return list(pool.map(all_reduce, arrays, links))


MEANS = np.array([[1.0, 10.0], [4.0, 40.0]])

register("12", {
    "whole_mean": [
        ((MEANS, np.array([8, 8])), [2.5, 25]), ((MEANS, np.array([8, 2])), [1.6, 16]),
        ((np.array([[2.0, 3.0], [np.nan, np.nan], [5.0, 0.0]]), np.array([2, 0, 1])), [3, 2]),
    ],
    "all_reduce": [
        (f"{len(arrays)} process(es), one row per process", (arrays,), np.repeat([arrays.sum(0)], len(arrays), 0))
        for arrays in (np.array([[1.0, 2.0], [10.0, 20.0]]), np.array([[3.0]]), np.arange(12.0).reshape(4, 3))
    ],
    "speedup": [
        ((4, 0.0, 0.0), 4), ((10, 0.1, 0.0), 1 / 0.19), ((5, 0.0, 0.01), 1 / 0.24), ((1, 0.3, 0.5), 1),
        ((2, 0.0, 0.6), 1 / 1.1),
    ],
    "expected_hours": [
        ((2.0, 0.001), 1000 * np.expm1(0.002)), ((24.0, 1 / 24), 24 * np.expm1(1)), ((96.0, 1 / 24), 24 * np.expm1(4)),
        ((3.0, 0.0), 3),
    ],
}, all_reduce=_in_all)  # fmt: skip
