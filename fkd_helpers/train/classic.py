"""The classic course's way to a batch: the whole image at 250 pixels, a random square of 224. Built in notebook 02.

No face is looked for and no box is cut: where the face lies is for the network to find out. The fifteen published runs
were made so, and our copies of them are.
"""

import copy
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import torch

from fkd_helpers.data import FaceSet
from fkd_helpers.faces.images import to_gray

RESCALED, INPUT = 250, 224  # pixels: the shorter side of the image, the side of the square
CENTRE, UNIT = 100.0, 50.0  # the published runs learn (keypoint - 100) / 50


class ClassicBatches:
    """Batches for `training.fit`: images (n, 1, 224, 224) float32 in 0..1, keypoints (n, k, 2) in their pixels."""

    def __init__(self, faces: FaceSet, *, batch_size: int = 10, seed: int = 0, shuffle: bool = True):
        def rescaled(image):
            gray = to_gray(np.asarray(image))
            height, width = (max(INPUT, round(side * RESCALED / min(gray.shape))) for side in gray.shape)
            method = cv2.INTER_AREA if min(gray.shape) > RESCALED else cv2.INTER_LINEAR
            return cv2.resize(gray, (width, height), interpolation=method)

        with ThreadPoolExecutor() as pool:
            self.images = list(pool.map(rescaled, faces.images))
        pairs = zip(self.images, faces.images, strict=True)
        self.scale = np.array([np.divide(new.shape[::-1], old.shape[1::-1]) for new, old in pairs])[:, None]
        self.keypoints = ((faces.keypoints + 0.5) * self.scale - 0.5).astype(np.float32)
        self.room = np.array([image.shape[::-1] for image in self.images]) - INPUT  # for the square's corner, x and y
        self.batch_size, self.seed, self.shuffle = min(batch_size, len(faces)), seed, shuffle

    @property
    def faces(self) -> int:
        """How many faces there are."""
        return len(self.images)

    def __len__(self) -> int:
        return -(-len(self.images) // self.batch_size)

    def __call__(self, epoch: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        rng = np.random.default_rng([self.seed, epoch])
        n = len(self.images)
        order = rng.permutation(n) if self.shuffle else np.arange(n)
        corners = rng.integers(0, self.room + 1) if self.shuffle else self.room // 2
        for i in range(len(self)):
            chosen = order[i * self.batch_size : (i + 1) * self.batch_size]
            squares = [
                self.images[j][y : y + INPUT, x : x + INPUT] for j, (x, y) in zip(chosen, corners[chosen], strict=True)
            ]
            keypoints = self.keypoints[chosen] - corners[chosen, None].astype(np.float32)
            yield torch.from_numpy(np.stack(squares))[:, None] / 255, torch.from_numpy(keypoints)

    def to_images(self, keypoints: np.ndarray) -> np.ndarray:
        """Return keypoints (n, k, 2) of the middle squares, in order, in pixels of the images they were cut from."""
        return (keypoints + (self.room // 2)[:, None] + 0.5) / self.scale - 0.5

    def without_augmentation(self) -> "ClassicBatches":
        """Return the same faces in order, through the square in the middle."""
        plain = copy.copy(self)
        plain.shuffle = False
        return plain
