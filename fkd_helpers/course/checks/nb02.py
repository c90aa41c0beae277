"""Self-checks of the exercises of notebook 02: classes and layers of PyTorch, each called on small examples."""

import functools
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from fkd_helpers.course.exercises import exercise
from fkd_helpers.course.verdicts import Case, Verdict, is_stub, run

MOST_WEIGHTS, GOAL = 100_000, 0.06


def _sample(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return an image in which every pixel differs, and two keypoints."""
    return np.arange(height * width, dtype=np.float32).reshape(height, width), np.array([[3.0, 4.0], [5.5, 2.0]])


@exercise("02")
def CentreCrop(answer: type) -> Verdict:
    """Check exercise 1: the middle of an image, and the keypoints moved with it."""

    def crop(part, size, image, keypoints):
        sample = answer(size)({"image": image, "keypoints": keypoints})
        return sample[part] if isinstance(sample, dict) else sample

    image, keypoints = _sample(8, 8)
    tall, _ = _sample(10, 6)
    return run(crop, [
        Case("the image, 4 of 8 x 8 pixels", ("image", 4, image, keypoints), image[2:6, 2:6]),
        Case("the keypoints, 4 of 8 x 8 pixels", ("keypoints", 4, image, keypoints), keypoints - 2),
        Case("the image, 4 of 10 rows and 6 columns", ("image", 4, tall, keypoints), tall[3:7, 1:5]),
        Case("the keypoints (x, y), 4 of 10 rows and 6 columns", ("keypoints", 4, tall, keypoints), keypoints - [1, 3]),
    ])  # fmt: skip


@exercise("02")
def MirroredDataset(answer: type) -> Verdict:
    """Check exercise 2: first the faces as they are, then each of them mirrored."""
    images = np.stack([_sample(6, 8)[0], _sample(6, 8)[0] + 100])
    keypoints = np.array([[[1.0, 2.0], [6.0, 2.0], [4.0, 5.0]], [[2.0, 1.0], [5.0, 1.5], [3.0, 4.0]]])
    order = [1, 0, 2]  # the first two change places in a mirror

    def item(part, i, images, keypoints, transform=None):
        sample = answer(images, keypoints, order, transform)[i]
        return sample[part] if isinstance(sample, dict) else sample

    def halved(sample):
        return {**sample, "image": sample["image"] / 2}

    mirrored = (keypoints * [-1, 1] + [7, 0])[:, order]
    return run(item, [
        Case("image 1 of 2", ("image", 1, images, keypoints), images[1]),
        Case("keypoints 1 of 2", ("keypoints", 1, images, keypoints), keypoints[1]),
        Case("image 3, number 1 mirrored", ("image", 3, images, keypoints), images[1, :, ::-1]),
        Case("keypoints 3, number 1 mirrored", ("keypoints", 3, images, keypoints), mirrored[1]),
        Case("image 2, with a transform that halves", ("image", 2, images, keypoints, halved), images[0, :, ::-1] / 2),
    ])  # fmt: skip


@exercise("02")
def conv_block(answer: Callable) -> Verdict:
    """Check exercise 3: convolution that keeps the size, ReLU, 2 x 2 max pooling, dropout."""
    torch.manual_seed(0)
    images = torch.randn(2, 3, 12, 12)

    def built(*arguments):
        block = answer(*arguments)
        return block if isinstance(block, nn.Sequential) or block is None else _refuse("an nn.Sequential", block)

    def shape(*arguments):
        block = built(*arguments)
        return block and list(block(images).shape)

    def weights(*arguments):
        return sum(weight.numel() for weight in built(*arguments).parameters())

    def zeros(training, dropout):
        torch.manual_seed(0)
        block = built(3, 64, 3, dropout).train(training)
        images = torch.full((1, 3, 12, 12), 0.5)
        for weight in block.parameters():
            weight.data.fill_(0.1)  # every output is positive, unless it is dropped
        return float((block(images) == 0).float().mean())

    def negative():
        return float((built(3, 5)(images) < 0).sum())

    def equal_to_torch():
        block = built(3, 5).eval()
        expected = nn.functional.max_pool2d(block[0](images).relu(), 2)
        return (block(images) - expected).abs().max().item()

    steps = [
        (shape, Case("shape of the output for 2 images of 3 x 12 x 12, 5 channels out", (3, 5), [2, 5, 6, 6])),
        (shape, Case("the same with a kernel of 5 x 5", (3, 5, 5), [2, 5, 6, 6])),
        (weights, Case("weights, 3 channels to 5 by 3 x 3", (3, 5), 3 * 5 * 9 + 5)),
        (negative, Case("number of outputs below 0", (), 0.0)),
        (equal_to_torch, Case("distance from max_pool2d(block[0](x).relu(), 2)", (), 0.0)),
        (zeros, Case("share of outputs dropped in training, dropout 0.5", (True, 0.5), 0.5, 0.06)),
        (zeros, Case("share of outputs dropped in evaluation, dropout 0.5", (False, 0.5), 0.0)),
    ]
    return _in_turn(steps)


@exercise("02")
def evaluate(answer: Callable) -> Verdict:
    """Check exercise 4: the mean loss over all faces, in evaluation mode, without gradients."""

    class Echo(nn.Module):
        """Answers with its input times a weight; dropout spoils it in training mode."""

        def __init__(self):
            super().__init__()
            self.weight, self.dropout = nn.Parameter(torch.tensor(1.0)), nn.Dropout(0.9)
            self.saw_gradients = False

        def forward(self, images):
            self.saw_gradients |= torch.is_grad_enabled()
            return self.dropout(self.weight * images)

    def batch(size, error):
        images = torch.ones(size, 2, 2)
        return {"image": images, "keypoints": images + error}

    def value(training, *errors):
        net = Echo().train(training)
        found = answer(net, [batch(size, error) for size, error in errors], nn.functional.mse_loss)
        return found.detach() if isinstance(found, torch.Tensor) else found

    def gradients():
        net = Echo()
        answer(net, [batch(2, 1.0)], nn.functional.mse_loss)
        return float(net.saw_gradients)

    def changed():
        net = Echo()
        answer(net, [batch(2, 1.0)], nn.functional.mse_loss)
        return net.weight.item()

    steps = [
        (value, Case("one batch, every error 2", (False, (4, 2.0)), 4.0)),
        (value, Case("the same, from a network in training mode", (True, (4, 2.0)), 4.0)),
        (value, Case("6 faces with error 1, then 2 with error 3", (True, (6, 1.0), (2, 3.0)), 3.0)),
        (gradients, Case("forward passes that record gradients (0: none)", (), 0.0)),
        (changed, Case("a weight of 1 after the evaluation", (), 1.0)),
    ]
    return _in_turn(steps)


@exercise("02")
def tiny_net(answer: Callable) -> Verdict:
    """Check exercise 5: a trained network of under 100,000 weights, scored on people it has not seen."""
    what = "tiny_net(loader)"
    try:
        net = answer(practice_loader())
        if is_stub(net):
            return Verdict(0, 2, "not attempted yet")
        if not isinstance(net, nn.Module):
            return Verdict(0, 2, f"{what}: expected an nn.Module, got {type(net).__name__}")
        count = sum(weight.numel() for weight in net.parameters())
        if count >= MOST_WEIGHTS:
            return Verdict(0, 2, f"{what}: expected fewer than {MOST_WEIGHTS:,} weights, got {count:,}")
        score = _score(net)
    except Exception as error:  # whatever a learner's code raises is part of the verdict
        return Verdict(0, 2, f"{what}: it raised {type(error).__name__}: {error}")
    if not score <= GOAL:  # NaN as well
        return Verdict(1, 2, f"{count:,} weights: expected a validation NME of at most {GOAL}, got {score:.4f}")
    return Verdict(2, 2, f"{count:,} weights, validation NME {score:.4f}, well done")


class PracticeLoader:
    """Batches of 400 practice faces as the notebook's loaders give them; another window and mirroring every time."""

    def __init__(self, held_out: bool = False):
        self.held_out, self.epoch = held_out, 0

    def __len__(self) -> int:
        return len(_practice_batches()[self.held_out])

    def __iter__(self):
        self.epoch += 1
        for images, keypoints in _practice_batches()[self.held_out](self.epoch):
            yield {"image": (images - 0.45) / 0.23, "keypoints": (keypoints - 48) / 24}


def practice_loader() -> PracticeLoader:
    """Return the loader that exercise 5 trains on: dicts of normalised images (16, 1, 96, 96) and keypoints."""
    return PracticeLoader()


@functools.cache
def _practice_batches():
    """Return batches of 400 training faces and of 100 faces of other people."""
    from fkd_helpers import data  # these two are slow to import
    from fkd_helpers.train.batches import NONE, Augment, FaceBatches

    training, other = data.split(data.load("puppets", n=500, seed=202), "person")
    window = Augment(**vars(NONE) | {"flip": 0.5, "shift": 0.03, "zoom": 0.03})
    batches = FaceBatches(training, options=window, size=96, batch_size=16)
    return batches, FaceBatches(other, options=NONE, size=96, batch_size=50).without_augmentation()


@torch.no_grad()
def _score(net: nn.Module) -> float:
    """Return the NME of a network on the practice faces that it did not train on."""
    from fkd_helpers.faces.metrics import nme

    net.eval()
    pairs = [(net(batch["image"]), batch["keypoints"]) for batch in PracticeLoader(held_out=True)]
    predicted, target = (torch.cat(part).numpy() for part in zip(*pairs, strict=True))
    return float(nme(predicted, target).mean())


def _refuse(expected: str, got: object):
    raise TypeError(f"expected {expected}, got {type(got).__name__}")


def _in_turn(steps: list[tuple[Callable, Case]]) -> Verdict:
    """Run one case each of several functions, and stop at the first that fails."""
    for passed, (function, case) in enumerate(steps):
        verdict = run(function, [case])
        if not verdict.solved:
            message = verdict.message
            if passed and message == "not attempted yet":
                message = f"{case.what}: it returned nothing"
            return Verdict(passed, len(steps), message)
    return Verdict(len(steps), len(steps))
