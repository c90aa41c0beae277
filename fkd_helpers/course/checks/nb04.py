"""Self-checks of the exercises of notebook 04."""

from collections.abc import Callable

import numpy as np

from fkd_helpers.course.exercises import exercise
from fkd_helpers.course.verdicts import Case, Verdict, run


@exercise("04")
def predict(function: Callable) -> Verdict:
    """Check exercise 1: answers in evaluation mode, without gradients, and the mode of before at the end."""
    import torch  # slow to import, and only this check needs it
    from torch import nn

    def answers(images, training):
        net = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(4, 2))
        nn.init.constant_(net[2].weight, 0.5)
        nn.init.constant_(net[2].bias, 1.0)
        net.train(training)
        found = function(net, torch.from_numpy(images))
        if not isinstance(found, torch.Tensor):
            return found
        return np.append(found.detach().numpy().ravel(), [found.requires_grad, net.training])

    image = np.arange(4, dtype=np.float32).reshape(1, 1, 2, 2)
    return run(answers, [
        Case("a network in train() mode: two answers, needs gradients (0), its mode afterwards (1)", (image, True),
             [4, 4, 0, 1]),
        Case("a network in eval() mode: two answers, needs gradients (0), its mode afterwards (0)", (2 * image, False),
             [7, 7, 0, 0]),
    ])  # fmt: skip


@exercise("04")
def soft_argmax(function: Callable) -> Verdict:
    """Check exercise 2: the mean place (x, y), in cells, under the softmax of one heatmap (g, g)."""
    flat, two, steep = np.zeros((5, 5)), np.full((6, 6), -50.0), np.zeros((3, 3))
    two[1, 4] = two[3, 4] = 2.0  # row 1 and row 3, column 4
    steep[0, 1], steep[0, 2] = np.log(2.0), np.log(6.0)
    return run(function, [
        Case("the same everywhere: the middle", (flat,), [2, 2]),
        Case("two equal peaks in column 4, rows 1 and 3: (x, y)", (two,), [4, 2]),
        Case("weights 1, 2, 6 along the first row, 1 elsewhere", (steep,), [20 / 15, 9 / 15]),
        Case("the same, 1000 added to every cell", (steep + 1000,), [20 / 15, 9 / 15]),
    ])  # fmt: skip


@exercise("04")
def one_draw(function: Callable) -> Verdict:
    """Check exercise 3: the mean of all values (n,) of the drawn people, as often as they are drawn."""
    values, people = np.array([1.0, 2.0, 3.0, 10.0, 20.0]), np.array(["Ann", "Ann", "Ann", "Bo", "Cy"])
    return run(function, [
        Case("each person once", (values, people, ["Ann", "Bo", "Cy"]), 36 / 5),
        Case("Ann twice", (values, people, ["Ann", "Ann", "Bo"]), 22 / 7),
        Case("Bo and Cy, Bo twice", (values, people, ["Bo", "Cy", "Bo"]), 40 / 3),
    ])  # fmt: skip


@exercise("04")
def price_of_new(function: Callable) -> Verdict:
    """Check exercise 4: per person, the error of the network that never saw them less that of the one that did."""
    saw_a, saw_b = np.array([1.0, 3.0, 4.0, 6.0]), np.array([2.0, 2.0, 3.0, 9.0])
    in_a = np.array([True, True, False, False])
    return run(function, [
        Case("people 1 and 2 in fold A", (saw_a, saw_b, in_a), [1, -1, 1, -3]),
        Case("the folds exchanged", (saw_a, saw_b, ~in_a), [-1, 1, -1, 3]),
        Case("everybody in fold A", (saw_a, saw_b, np.ones(4, bool)), [1, -1, -1, 3]),
    ])  # fmt: skip


@exercise("04")
def paired_gain(function: Callable) -> Verdict:
    """Check exercise 5: one number per person, the mean difference of two networks' errors on that person's frames."""
    first, second = np.array([3.0, 5.0, 1.0, 2.0, 8.0]), np.array([1.0, 2.0, 2.0, 2.0, 5.0])
    people = np.array(["Ann", "Bo", "Ann", "Cy", "Bo"])
    return run(function, [
        Case("Ann, Bo and Cy, in this order", (first, second, people), [0.5, 3, 0]),
        Case("the networks exchanged", (second, first, people), [-0.5, -3, 0]),
        Case("two people", (first[:2], second[:2], people[:2][::-1]), [3, 2]),
    ])  # fmt: skip
