"""Batches of training examples: a face is cut once, wide and square; every epoch sees another window of that crop."""

import copy
import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import torch

from fkd_helpers.data.faceset import FaceSet
from fkd_helpers.faces.boxes import CROP_SIZE, MARGIN, crop, square_of, to_crop, to_frame
from fkd_helpers.faces.images import to_gray
from fkd_helpers.faces.pose import upright_boxes
from fkd_helpers.train.augment import BASE_MARGIN, NONE, WINDOW, Augment, augment
from fkd_helpers.train.distributed import processes, shard

BASE_SIZE = 200  # pixels: one pixel of the base crop is then about one pixel of the network's input
FRAME_SCALED, FRAME_INPUT = 250, 224  # pixels: shorter side of the resized image, side of the square cut from it
TUNED = Augment()
FRAME_UNIT, FRAME_CENTRE = 50.0, 100.0  # the published runs learn (keypoint - 100) / 50


class Batches(ABC):
    """Batches of n examples: `batches(epoch)` yields those of an epoch, the same ones whenever it is asked for.

    A subclass writes `make`; of several processes each makes its own shard of every batch. An epoch of more `steps`
    than there are examples for shows them more than once.
    """

    drop_last = True  # leave the incomplete last batch of a shuffled epoch out
    options = NONE

    def __init__(self, n: int, *, batch_size: int, seed: int = 0, shuffle: bool = True, steps: int | None = None):
        self.n, self.batch_size, self.seed, self.shuffle, self.steps = n, min(batch_size, n), seed, shuffle, steps

    @abstractmethod
    def make(self, index: np.ndarray, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Return inputs and targets of the examples at these indices; chance comes from `rng` alone."""

    def __len__(self) -> int:
        if self.shuffle and self.steps:
            return self.steps
        batches = self.n / self.batch_size
        return math.floor(batches) if self.shuffle and self.drop_last else math.ceil(batches)

    def __call__(self, epoch: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        rank, count = processes()
        rng = np.random.default_rng([self.seed, epoch])
        order = self.order(rng)
        if rank:  # every process draws the same order, then its own augmentation
            rng = np.random.default_rng([self.seed, epoch, rank])
        for step in range(len(self)):
            index = order[step * self.batch_size : (step + 1) * self.batch_size]
            yield self.make(index[shard(len(index), rank, count)], rng)

    def order(self, rng: np.random.Generator) -> np.ndarray:
        """Return the examples of an epoch, one row each; a row is what `make` gets as an index."""
        if not self.shuffle:
            return np.arange(self.n)
        rounds = math.ceil(self.steps * self.batch_size / self.n) if self.steps else 1
        return np.concatenate([rng.permutation(self.n) for _ in range(rounds)])

    def without_augmentation(self) -> "Batches":
        """Return the same examples in order, not augmented."""
        plain = copy.copy(self)
        plain.options, plain.shuffle = NONE, False
        return plain


class FaceBatches(Batches):
    """Faces by the crop rule: images (n, 1, size, size) float32 in 0..1, keypoints (n, k, 2) in their pixels.

    `upright` turns each of the faces, which must have the 68 points, so that its eyes are level.
    """

    def __init__(
        self, faces: FaceSet, *, options: Augment = TUNED, size: int = CROP_SIZE, batch_size=64, upright=False, **rest
    ):  # fmt: skip
        super().__init__(len(faces), batch_size=batch_size, **rest)
        self.boxes = upright_boxes(faces.keypoints) if upright else np.column_stack([faces.boxes, np.zeros(len(faces))])
        self.crops, self.keypoints = base_crops(faces, self.boxes)
        self.options, self.size = options, size
        self.share, self.mirror = WINDOW, faces.mirror
        if options.flip and self.mirror is None:
            points = faces.keypoints.shape[1]
            warnings.warn(f"no mirror order is known for these {points} keypoints: no face is mirrored", stacklevel=2)

    def make(self, index, rng):
        options = dict(options=self.options, size=self.size, share=self.share, mirror=self.mirror)
        images, keypoints = augment(self.crops[index], self.keypoints[index], **options, rng=rng)
        return torch.from_numpy(images)[:, None] / 255, torch.from_numpy(keypoints)

    def to_images(self, keypoints: np.ndarray) -> np.ndarray:
        """Bring keypoints (n, k, 2) of the plain windows, in order, to pixels of the images they were cut from."""
        return to_frame(keypoints, square_of(self.boxes[:, :4], margin=MARGIN), self.size, self.boxes[:, 4])


class FrameBatches(Batches):
    """Whole frames as in the published runs, without boxes: a random square of 224 pixels from the image at 250."""

    drop_last = False

    def __init__(self, faces: FaceSet, *, batch_size: int = 10, **rest):
        super().__init__(len(faces), batch_size=batch_size, **rest)
        with ThreadPoolExecutor() as pool:
            self.images = list(pool.map(_frame, faces.images))
        pairs = zip(self.images, faces.images, strict=True)
        self.scale = np.array([np.divide(new.shape[::-1], old.shape[1::-1]) for new, old in pairs])[:, None]
        self.keypoints = ((faces.keypoints + 0.5) * self.scale - 0.5).astype(np.float32)
        self.room = np.array([image.shape[::-1] for image in self.images]) - FRAME_INPUT  # for the corner, x and y

    def order(self, rng):
        corners = self.room // 2
        order = super().order(rng)
        if self.shuffle:
            corners = rng.integers(0, self.room + 1)
        return np.column_stack([order, corners[order]])

    def make(self, index, rng):
        squares = np.zeros((len(index), FRAME_INPUT, FRAME_INPUT), np.uint8)
        for square, (i, x, y) in zip(squares, index, strict=True):
            square[:] = self.images[i][y : y + FRAME_INPUT, x : x + FRAME_INPUT]
        keypoints = self.keypoints[index[:, 0]] - index[:, None, 1:].astype(np.float32)
        return torch.from_numpy(squares)[:, None] / 255, torch.from_numpy(keypoints)

    def to_images(self, keypoints: np.ndarray) -> np.ndarray:
        """Bring keypoints (n, k, 2) of the middle squares, in order, to pixels of the images they were cut from."""
        return (keypoints + (self.room // 2)[:, None] + 0.5) / self.scale - 0.5


def _frame(image: np.ndarray) -> np.ndarray:
    gray = to_gray(np.asarray(image))
    height, width = (max(FRAME_INPUT, round(side * FRAME_SCALED / min(gray.shape))) for side in gray.shape)
    method = cv2.INTER_AREA if min(gray.shape) > FRAME_SCALED else cv2.INTER_LINEAR
    return cv2.resize(gray, (width, height), interpolation=method)


def base_crops(faces: FaceSet, boxes: np.ndarray, *, size: int = BASE_SIZE) -> tuple[np.ndarray, np.ndarray]:
    """Cut each face by a box with a roll (n, 5): gray crops (n, size, size) uint8 and keypoints (n, k, 2) in them."""
    squares, rolls = square_of(boxes[:, :4], margin=BASE_MARGIN), boxes[:, 4]

    def cut(i):
        return crop(to_gray(np.asarray(faces.images[i])), squares[i], size, rolls[i])

    with ThreadPoolExecutor() as pool:
        crops = np.stack(list(pool.map(cut, range(len(faces)))))
    return crops, to_crop(faces.keypoints, squares, size, rolls)
