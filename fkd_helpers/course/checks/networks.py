"""Checks of the exercises of notebooks 02, 09 and 10: networks, layers and losses on small examples."""

import functools

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from fkd_helpers import data
from fkd_helpers.course.exercises import AtMost, ask, register
from fkd_helpers.faces.metrics import nme
from fkd_helpers.train.batches import NONE, Augment, FaceBatches


def _cropped(CentreCrop, part, size, image, keypoints):
    sample = CentreCrop(size)({"image": image, "keypoints": keypoints})
    return sample[part] if isinstance(sample, dict) else sample


def _item(MirroredDataset, part, i, transform=None):
    sample = MirroredDataset(IMAGES.copy(), FACES.copy(), ORDER, transform)[i]
    return sample[part] if isinstance(sample, dict) else sample


def _shape(conv_block, *arguments):
    block = conv_block(*arguments)
    return [*block(INPUT).shape, _weights(block)]


def _difference(conv_block):
    block = conv_block(3, 5).eval()
    return (block(INPUT) - functional.max_pool2d(block[0](INPUT).relu(), 2)).abs().max().item()


def _dropped(conv_block, training):
    torch.manual_seed(0)
    block = conv_block(3, 64, 3, 0.5).train(training)
    for weight in block.parameters():
        nn.init.constant_(weight, 0.1)  # every output is positive, unless it is dropped
    return (block(INPUT.abs()) == 0).float().mean().item()


def _weights(net):
    return sum(weight.numel() for weight in net.parameters())


def _evaluated(evaluate, training, *batches):
    """Return the loss on batches of (faces, error of each), from a network of dropout, and whether it saw gradients."""
    net, saw_gradients, ones = nn.Dropout(0.9).train(training), [], torch.ones(9, 2, 2)
    net.register_forward_hook(lambda *_: saw_gradients.append(torch.is_grad_enabled()))
    loader = [{"image": ones[:size], "keypoints": ones[:size] + error} for size, error in batches]
    return [float(torch.as_tensor(evaluate(net, loader, functional.mse_loss)).detach()), any(saw_gradients)]


class _Loader:
    """Gives practice faces as the notebook's loaders do, another window and mirroring in every epoch."""

    def __init__(self, faces, options=NONE):
        self.batches, self.epoch = FaceBatches(faces, options=options, size=96, batch_size=16), 0

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self):
        self.epoch += 1
        for images, keypoints in self.batches(self.epoch):
            yield {"image": (images - 0.45) / 0.23, "keypoints": (keypoints - 48) / 24}


@functools.cache
def _loaders():
    """Return loaders of 400 faces to train on, and of 100 faces of other people."""
    training, others = data.split(data.load("puppets", n=500, seed=202), "person")
    return _Loader(training, Augment(**vars(NONE) | {"flip": 0.5, "shift": 0.03, "zoom": 0.03})), _Loader(others)


def _score(tiny_net):
    """Return the NME of a network on the practice faces that it did not train on."""
    training, held_out = _loaders()
    net = tiny_net(training).eval()
    return np.mean([nme(net(batch["image"]).detach().numpy(), batch["keypoints"].numpy()) for batch in held_out])


SQUARE, TALL, POINTS = np.arange(64).reshape(8, 8), np.arange(60).reshape(10, 6), np.array([[3.0, 4.0], [5.5, 2.0]])
IMAGES, ORDER = np.arange(96).reshape(2, 6, 8), [1, 0, 2]  # the first two points change places in a mirror
FACES = np.array([[[1.0, 2.0], [6.0, 2.0], [4.0, 5.0]], [[2.0, 1.0], [5.0, 1.5], [3.0, 4.0]]])
INPUT = torch.randn(2, 3, 12, 12, generator=torch.Generator().manual_seed(0))
NOISE = {"image": torch.ones(16, 1, 96, 96), "keypoints": torch.zeros(16, 68, 2)}  # a batch that costs nothing to make

register("02", {
    "CentreCrop": [
        ("the image, 4 of 8 x 8 pixels", ("image", 4, SQUARE, POINTS), SQUARE[2:6, 2:6]),
        ("the keypoints, 4 of 8 x 8 pixels", ("keypoints", 4, SQUARE, POINTS), POINTS - 2),
        ("the image, 4 of 10 rows and 6 columns", ("image", 4, TALL, POINTS), TALL[3:7, 1:5]),
        ("the keypoints (x, y), 4 of 10 rows and 6 columns", ("keypoints", 4, TALL, POINTS), POINTS - [1, 3]),
    ],
    "MirroredDataset": [
        (("image", 1), IMAGES[1]), (("keypoints", 1), FACES[1]), (("image", 3), IMAGES[1, :, ::-1]),
        (("keypoints", 3), (FACES[1] * [-1, 1] + [7, 0])[ORDER]),
        ("image 2, by a transform that gives another one", ("image", 2, lambda face: face | {"image": [7]}), [7]),
    ],
    "conv_block": [
        ("shape of the output for 2 images of 3 x 12 x 12, 5 channels out; weights", (_shape, 3, 5), [2, 5, 6, 6, 140]),
        ("the same with a kernel of 5 x 5", (_shape, 3, 5, 5), [2, 5, 6, 6, 380]),
        ("distance from max_pool2d(block[0](x).relu(), 2)", (_difference,), 0),
        ("share of outputs dropped in training, dropout 0.5", (_dropped, True), 0.5, 0.06),
        ("share of outputs dropped in evaluation, dropout 0.5", (_dropped, False), 0),
    ],
    "evaluate": [
        ("4 faces with error 2: loss, gradients recorded (0: no)", (False, (4, 2.0)), [4, 0]),
        ("the same, from a network in training mode", (True, (4, 2.0)), [4, 0]),
        ("6 faces with error 1, then 2 with error 3", (True, (6, 1.0), (2, 3.0)), [3, 0]),
    ],
    "tiny_net": [
        ("weights of tiny_net(loader)", (lambda tiny_net: _weights(tiny_net([NOISE])),), AtMost(99_999)),
        ("validation NME", (_score,), AtMost(0.06)),
    ],
}, CentreCrop=_cropped, MirroredDataset=_item, conv_block=ask, evaluate=_evaluated, tiny_net=ask)  # fmt: skip


def _with_gradient(masked_loss, predicted, target):
    leaf = torch.tensor(predicted, requires_grad=True)
    loss = masked_loss(leaf, torch.tensor(target))
    return np.append(loss.item(), torch.autograd.grad(loss, leaf)[0])


def _huber(predicted, target):
    there = ~target.isnan()
    return functional.huber_loss(predicted[there], target[there], reduction="sum") / there.sum().clamp(min=1)


def _shape_and_weights(shortcut, inputs, outputs, stride):
    module, images = shortcut(inputs, outputs, stride), torch.linspace(-1, 1, 128 * inputs).reshape(2, inputs, 8, 8)
    answer = module.eval()(images)
    return [*answer.shape, _weights(module), torch.equal(answer, images)]


TARGET = np.array([[[10.0, 20.0], [30.0, 40.0]], [[50.0, 60.0], [70.0, 80.0]]])
HUBER = TARGET + np.array([[[0.5, -0.5], [0, 3]], [[1, 2], [-2, 0]]])
RMSE = TARGET + np.array([[[1, -1], [0, 4]], [[3, 5], [0, 0]]])
POINT, HALF, FACE, NOBODY = (TARGET.copy() for _ in range(4))
POINT[0, 1] = HALF[1, :, 0] = FACE[1, 0] = NOBODY[:, 1] = np.nan
EMPTY = TARGET * np.nan
GROUPS = np.array([0, 0, 2, 3, 2, 5])

register("09", {
    "masked_loss": [
        (f"loss and gradient, {what}", (HUBER, target), _with_gradient(_huber, HUBER, target))
        for what, target in (("no gap", TARGET), ("one gap", POINT), ("half of one", HALF), ("no label", EMPTY))
    ],
    "shortcut": [
        (f"shape, weights, unchanged?: {a} to {b} channels, stride {stride}", (a, b, stride), expected)
        for a, b, stride, expected in (
            (8, 8, 1, [2, 8, 8, 8, 0, True]), (8, 16, 2, [2, 16, 4, 4, 8 * 16 + 32, False]),
            (8, 8, 2, [2, 8, 4, 4, 8 * 8 + 16, False]), (4, 8, 1, [2, 8, 8, 8, 4 * 8 + 16, False]),
        )
    ],
    "rmse_by_point": [((RMSE, TARGET), [3, 2]), ((RMSE, FACE), [1, 2]), ((RMSE, NOBODY), [3, np.nan])],
    "leaked": [
        ((np.arange(4), np.arange(4) % 3 == 0), 0), ((GROUPS, np.isin(range(6), [0, 3])), 0.5),
        ((GROUPS, np.isin(range(6), [0, 1, 3])), 0), ((GROUPS, np.isin(range(6), [0, 4])), 1),
    ],
}, masked_loss=_with_gradient, shortcut=_shape_and_weights)  # fmt: skip


def _learning(freeze, width, classes):
    """Return the answer, and the weights that learn in the backbone and in the heads."""
    net = nn.Module()
    net.backbone = nn.Sequential(nn.Conv2d(3, width, 3), nn.BatchNorm2d(width))
    net.expression, net.scales = nn.Linear(width, classes), nn.Linear(width, 2)
    parts = net.backbone, nn.ModuleList([net.expression, net.scales])
    return [freeze(net), *(sum(w.numel() for w in part.parameters() if w.requires_grad) for part in parts)]


ONE, OTHER = np.array([0, 0, 1, 1, 2, 2]), np.array([0, 1, 1, 1, 2, 0])
RARE, SHY = np.array([0] * 8 + [1, 1]), np.array([0] * 9 + [2])
LOGITS, LABELS = torch.zeros(2, 8, dtype=torch.float64), torch.tensor([0, 1])
LOGITS[0, 0], LOGITS[1, 1], LOGITS[1, 2] = 2, 1, 3
CROSS = functional.cross_entropy(LOGITS, LABELS).item()
SCALES, PREDICTED = torch.tensor([[0.5, 0.5], [-0.6, 0.4]]), torch.tensor([[0.5, 0.1], [-0.2, 0.4]])
SQUARED = functional.mse_loss(PREDICTED, SCALES).item()
X = np.array([-0.5, 0.0, 0.5, 0.8])

register("10", {
    "kappa": [
        ((ONE, ONE), 1), ((ONE, OTHER), 0.5), ((RARE, SHY), (0.8 - 0.72) / (1 - 0.72)), ((ONE % 2, 1 - ONE % 2), -0.8),
    ],
    "multi_task_loss": [
        ("weight 0: the cross-entropy alone", (LOGITS, PREDICTED, LABELS, SCALES, 0.0), CROSS),
        ("weight 5, exact scales", (LOGITS, SCALES, LABELS, SCALES, 5.0), CROSS),
        ("weight 5", (LOGITS, PREDICTED, LABELS, SCALES, 5.0), CROSS + 5 * SQUARED),
    ],
    "freeze": [
        ("returned, learning in the backbone, in the heads: width 4", (4, 8), [50, 0, 50]),
        ("returned, learning in the backbone, in the heads: width 16", (16, 7), [153, 0, 153]),
    ],
    "concordance": [
        ((X, X), 1), ((X + 0.3, X), 2 * X.var() / (2 * X.var() + 0.09)), (((X + X.mean()) / 2, X), 0.8),
        ((-X, X), -2 * X.var() / (2 * X.var() + (2 * X.mean()) ** 2)),
    ],
}, freeze=_learning)  # fmt: skip
