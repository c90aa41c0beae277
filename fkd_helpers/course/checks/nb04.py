"""Checks of the exercises of notebook 04."""

import numpy as np
import torch
from torch import nn

from fkd_helpers.course.exercises import register


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

CASES = {
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
}  # fmt: skip
register("04", CASES, predict=_predicted)
