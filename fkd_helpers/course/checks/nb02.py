"""Checks of the exercises of notebook 02: classes and layers of PyTorch, each called on small examples."""

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

CASES = {
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
        ("weights of tiny_net(loader)", (lambda tiny_net: _weights(tiny_net([*_loaders()[0]][:1])),), AtMost(99_999)),
        ("validation NME", (_score,), AtMost(0.06)),
    ],
}  # fmt: skip
register("02", CASES, CentreCrop=_cropped, MirroredDataset=_item, conv_block=ask, evaluate=_evaluated, tiny_net=ask)
