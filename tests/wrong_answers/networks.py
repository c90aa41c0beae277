"""Plausible wrong answers to the exercises of notebooks 02, 09 and 10."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional

WRONG: dict[str, dict] = {}


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


def mirrored(image, keypoints, order):
    return image[:, ::-1], (keypoints * [-1, 1] + [image.shape[1] - 1, 0])[order]


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


WRONG["02"] = {
    "CentreCrop": [
        cropping(lambda rows, columns, size: (0, 0), lambda x, y: (x, y)),  # the top left corner
        cropping(middle, lambda x, y: (0, 0)),  # keypoints stay behind
        cropping(middle, lambda x, y: (y, x)),  # y first
    ],
    "MirroredDataset": [
        mirroring(lambda image, keypoints, order: (image[:, ::-1], keypoints)),  # the image only
        mirroring(mirrored, transformed=False),
        mirroring(mirrored, first=lambda i, n: i // 2),  # pairs beside each other
    ],
    "conv_block": [
        block(lambda a, b, k, _p: nn.Conv2d(a, b, k), relu, pool, drop),  # no padding
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


def masked_mean(values, axes):
    count = (~np.isnan(values)).sum(axes)
    return np.where(count > 0, np.nansum(values, axes) / np.maximum(count, 1), np.nan)


def huber(predicted, target):
    there = ~target.isnan()
    return functional.huber_loss(predicted[there], target[there], reduction="sum"), there.sum().clamp(min=1)


def masked_late(predicted, target):
    each, there = functional.huber_loss(predicted, target, reduction="none"), ~target.isnan()
    return torch.where(there, each, 0.0).sum() / there.sum().clamp(min=1)


def projection(inputs, outputs, stride, bias=False):
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=bias), nn.BatchNorm2d(outputs))


WRONG["09"] = {
    "masked_loss": [
        masked_late,  # 0 x NaN in the gradient
        lambda p, t: huber(p, t)[0],  # a sum
        lambda p, t: functional.huber_loss(p[~t.isnan()], t[~t.isnan()]),  # NaN where nothing is there
    ],
    "shortcut": [
        lambda i, o, s: nn.Identity(),  # whatever the shapes
        lambda i, o, s: projection(i, o, s),  # never the identity
        lambda i, o, s: nn.Identity() if i == o else projection(i, o, s),  # the stride forgotten
    ],
    "rmse_by_point": [
        lambda p, t: np.sqrt((np.nan_to_num(p - t) ** 2).mean((0, 2))),  # a gap counts as a hit
        lambda p, t: np.sqrt(masked_mean((p - t) ** 2, (0, 1))),  # of each axis
        lambda p, t: np.nan_to_num(np.sqrt(masked_mean((p - t) ** 2, (0, 2)))),  # 0 for a point that nobody has
    ],
    "leaked": [
        lambda groups, held: np.isin(groups[~held], groups[held]).mean(),  # of the others
        lambda groups, held: np.isin(groups, groups[~held]).mean(),  # of all
    ],
}


def by_chance(a, b):
    classes = max(a.max(), b.max()) + 1
    return (np.bincount(a, minlength=classes) * np.bincount(b, minlength=classes)).sum() / len(a) ** 2


def frozen_convolution(net):
    net.backbone[0].requires_grad_(False)  # batch normalisation has weights, too
    return sum(weight.numel() for weight in net.parameters() if weight.requires_grad)


def counted_all(net):
    net.backbone.requires_grad_(False)
    return sum(weight.numel() for weight in net.parameters())


WRONG["10"] = {
    "kappa": [
        lambda a, b: np.mean(a == b),  # chance not taken off
        lambda a, b: (np.mean(a == b) - 1 / (a.max() + 1)) / (1 - 1 / (a.max() + 1)),  # chance of equal classes
        lambda a, b: np.mean(a == b) - by_chance(a, b),  # not divided
    ],
    "multi_task_loss": [
        lambda z, s, y, t, w: functional.cross_entropy(torch.softmax(z, 1), y) + w * functional.mse_loss(s, t),
        lambda z, s, y, t, w: functional.cross_entropy(z, y) + w * functional.l1_loss(s, t),
    ],
    "freeze": [frozen_convolution, counted_all],
    "concordance": [
        lambda p, t: np.corrcoef(p, t)[0, 1],  # Pearson's r
        lambda p, t: 2 * np.cov(p, t)[0, 1] / (p.var() + t.var() + (p.mean() - t.mean()) ** 2),  # n - 1 above only
    ],
}
