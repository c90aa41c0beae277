"""What an expression network sees: faces cut once, upright, in colour; in every epoch through another window."""

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import torch

from fkd_helpers.core.files import cached
from fkd_helpers.core.records import digest_of
from fkd_helpers.data import FaceSet
from fkd_helpers.expressions.reader import MARGIN, SIZE, upright_crop
from fkd_helpers.predict.predictor import KeypointPredictor
from fkd_helpers.train.augment import NONE, Augment, apply_look, draw_looks, window_maps
from fkd_helpers.train.batches import Batches

ROOM, STORED = 0.35, 160  # around a stored crop, as MARGIN; its pixels, of which the plain window has 117
RECIPES = {
    "none": NONE,
    "v1": Augment(rotate=8, zoom=0.08, shift=0.04, flip=0.5, light=0.3, noise=0, blur=0, occlude=0),
    "v2": Augment(rotate=10, zoom=0.10, shift=0.05, flip=0.5, light=0.4, noise=0, blur=0.1, occlude=0.35),
}
TINT, PERSPECTIVE = 0.15, 0.06  # strength of colour casts; of the perspective, v2 alone
MIXUP = 0.2  # parameter of mixup's Beta distribution, v2 alone
CHUNK = 64  # faces that are looked at together
CROP = 64  # pixels: a picture of at most this side is the crop of a face


def key_of(faces: FaceSet) -> str:
    """Return a short digest of the images of a set, for the cache."""
    text = hashlib.sha256()
    for name, image in zip(faces.names, faces.images, strict=True):
        text.update(f"{name} {image.shape}".encode())
        text.update(np.ascontiguousarray(image[:: max(len(image) // 8, 1)]).tobytes())
    return text.hexdigest()[:16]


def face_keypoints(faces: FaceSet) -> np.ndarray:
    """Return the keypoints (n, 68, 2) that our network finds, cached: of the largest face, or of the whole photo."""
    predictor = KeypointPredictor()

    def find():
        found = []
        for image in faces.images:
            seen = predictor(np.asarray(image), whole_image="always" if max(image.shape) <= CROP else "fallback")
            found.append(max(seen, key=lambda face: face.box[2:].prod()).keypoints)
        return {"keypoints": np.stack(found).astype(np.float32)}

    network = digest_of(predictor.runner.facts)
    return cached("expressions", f"keypoints {key_of(faces)} {network}", find)["keypoints"]


def face_crops(faces: FaceSet, size: int = SIZE) -> np.ndarray:
    """Return the upright crops of a set, by our network's keypoints; see `upright_crops`."""
    return upright_crops(faces.images, face_keypoints(faces), size)


def upright_crops(images: Sequence[np.ndarray], keypoints: np.ndarray, size: int = SIZE) -> np.ndarray:
    """Cut each of n faces once, with room around it, sharp enough for inputs of `size` pixels: (n, s, s, 3) uint8."""

    def cut(i):
        return upright_crop(np.asarray(images[i]), keypoints[i], round(STORED * size / SIZE), room=ROOM)

    with ThreadPoolExecutor() as pool:
        return np.stack(list(pool.map(cut, range(len(images)))))


def view(crops: np.ndarray, recipe: str, *, size: int = SIZE, rng: np.random.Generator) -> np.ndarray:
    """Look at stored crops (n, s, s, 3) through new windows (n, size, size, 3), uint8, by one of RECIPES."""
    options, n, share = RECIPES[recipe], len(crops), (1 + 2 * MARGIN) / (1 + 2 * ROOM)
    maps, _ = window_maps(n, crops.shape[1], options=options, size=size, share=share, rng=rng)
    maps = np.concatenate([maps, np.tile([[[0.0, 0.0, 1.0]]], (n, 1, 1))], 1)
    looks = draw_looks(n, size, options, rng)
    cast = rng.uniform(-1, 1, (n, 1, 1, 3)) * TINT * (recipe != "none")
    looks["table"] = (looks["table"][:, None, :, None] * np.exp(cast)).clip(0, 255).round().astype(np.uint8)
    if recipe == "v2":
        lean = np.tile(np.eye(3), (n, 1, 1))
        lean[:, 2, :2] = rng.normal(0, PERSPECTIVE, (n, 2)) / size
        lean[:, :2, 2] = -lean[:, 2, :2] * (size / 2) ** 2  # about the middle, to first order
        maps = maps @ lean
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    images = np.empty((n, size, size, 3), np.uint8)
    for i in range(n):
        image = cv2.warpPerspective(crops[i], maps[i], (size, size), flags=flags, borderMode=cv2.BORDER_REPLICATE)
        images[i] = image if recipe == "none" else apply_look(image, {key: look[i] for key, look in looks.items()})
    return images


def mean_over_mirror(answer: Callable[[np.ndarray], np.ndarray], crops: np.ndarray, *, size: int = SIZE) -> np.ndarray:
    """Return the mean of what a function answers to the plain windows (n, size, size, 3) and to their mirror images."""
    chunks = (crops[start : start + CHUNK] for start in range(0, len(crops), CHUNK))
    seen = (view(chunk, "none", size=size, rng=np.random.default_rng(0)) for chunk in chunks)
    return np.concatenate([(answer(images) + answer(images[:, :, ::-1])) / 2 for images in seen])


def as_tensor(crops: np.ndarray) -> torch.Tensor:
    """Return crops (n, h, w, 3) uint8 as images (n, 3, h, w) float32 in 0..1, channels last in memory."""
    return torch.from_numpy(np.ascontiguousarray(crops)).permute(0, 3, 1, 2).float() / 255


class ExpressionBatches(Batches):
    """Batches of images (b, 3, size, size) in 0..1 and targets (b, classes + 2): shares, then valence and arousal."""

    def __init__(self, crops: np.ndarray, targets: np.ndarray, *, recipe="v1", size: int = SIZE, batch_size=32, **rest):
        super().__init__(len(crops), batch_size=batch_size, **rest)
        self.crops, self.targets, self.recipe, self.size = crops, np.asarray(targets, np.float32), recipe, size

    def make(self, index, rng):
        images = as_tensor(view(self.crops[index], self.recipe, size=self.size, rng=rng))
        targets = torch.from_numpy(self.targets[index])
        if self.recipe == "v2":  # mixup
            share = float(rng.beta(MIXUP, MIXUP))
            share, other = max(share, 1 - share), torch.from_numpy(rng.permutation(len(index)))
            images, targets = (share * part + (1 - share) * part[other] for part in (images, targets))
        return images, targets
