"""Plausible wrong answers to the exercises of notebook 02."""

import numpy as np
import torch
from torch import nn


def cropping(corner, shift):
    """Return a CentreCrop class from functions for the corner (y, x) and for the keypoints' shift."""

    class CentreCrop:
        def __init__(self, size):
            self.size = size

        def __call__(self, sample):
            y, x = corner(*sample["image"].shape, self.size)
            image = sample["image"][y : y + self.size, x : x + self.size]
            return {"image": image, "keypoints": sample["keypoints"] - np.array(shift(x, y))}

    return CentreCrop


def middle(rows, columns, size):
    return (rows - size) // 2, (columns - size) // 2


def mirroring(change, first=lambda i, n: i % n, transformed=True):
    """Return a MirroredDataset class from what it does to a mirrored face."""

    class MirroredDataset:
        def __init__(self, images, keypoints, order, transform=None):
            self.images, self.keypoints, self.order, self.transform = images, keypoints, order, transform

        def __getitem__(self, i):
            n = len(self.images)
            image, keypoints = self.images[first(i, n)], self.keypoints[first(i, n)].copy()
            if i >= n:
                image, keypoints = change(image, keypoints, self.order)
            sample = {"image": image, "keypoints": keypoints}
            return self.transform(sample) if self.transform and transformed else sample

    return MirroredDataset


def flipped(keypoints, columns):
    return keypoints * [-1, 1] + [columns, 0]


def block(*layers):
    """Return a conv_block from functions that make its layers."""
    return lambda inputs, outputs, kernel=3, dropout=0.0: nn.Sequential(
        *(layer(inputs, outputs, kernel, dropout) for layer in layers)
    )


def conv(a, b, k, _p):
    return nn.Conv2d(a, b, k, padding="same")


def relu(*_):
    return nn.ReLU()


def pool(*_):
    return nn.MaxPool2d(2)


def drop(_a, _b, _k, p):
    return nn.Dropout(p)


def evaluating(mode, weighted):
    def evaluate(net, loader, loss_function):
        net.train(mode)
        with torch.no_grad():
            pairs = [(loss_function(net(b["image"]), b["keypoints"]).item(), len(b["image"])) for b in loader]
        losses, sizes = np.array(pairs).T
        return (losses * sizes).sum() / sizes.sum() if weighted else losses.mean()

    return evaluate


def small(width):
    return nn.Sequential(nn.AvgPool2d(8), nn.Flatten(), nn.Linear(144, width), nn.Linear(width, 136))


WRONG = {
    "CentreCrop": [
        cropping(lambda rows, columns, size: (0, 0), lambda x, y: (x, y)),  # the top left corner
        cropping(middle, lambda x, y: (0, 0)),  # keypoints stay behind
        cropping(middle, lambda x, y: (y, x)),  # y first
    ],
    "MirroredDataset": [
        mirroring(lambda image, keypoints, order: (image[:, ::-1], keypoints)),  # the image only
        mirroring(lambda image, keypoints, order: (image[::-1], flipped(keypoints, image.shape[1] - 1)[order])),  # rows
        mirroring(
            lambda image, keypoints, order: (image[:, ::-1], flipped(keypoints, image.shape[1] - 1)[order]),
            transformed=False,
        ),
        mirroring(
            lambda image, keypoints, order: (image[:, ::-1], flipped(keypoints, image.shape[1] - 1)[order]),
            first=lambda i, n: i // 2,  # pairs beside each other
        ),
    ],
    "conv_block": [
        block(lambda a, b, k, _p: nn.Conv2d(a, b, k), relu, pool, drop),  # no padding
        block(lambda a, b, k, _p: nn.Conv2d(a, b, k, padding=1), relu, pool, drop),  # for 3 x 3 only
        block(conv, pool, drop),  # no ReLU
        block(conv, relu, pool),  # no dropout
    ],
    "evaluate": [
        evaluating(mode=True, weighted=True),  # with dropout
        evaluating(mode=False, weighted=False),  # batches count alike
    ],
    "tiny_net": [
        lambda loader: small(1000),  # too large
        lambda loader: nn.Sequential(small(8), nn.Unflatten(1, (68, 2))),  # not trained
    ],
}
