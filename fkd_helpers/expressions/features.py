"""What networks that stay as they are see in faces, computed once and kept. Built in notebook 07.

Features of a frozen backbone do not change, so a learner's head trains on them in seconds.
"""

import hashlib
import warnings
from collections.abc import Callable

import numpy as np
import torch

from fkd_helpers.core.errors import unknown
from fkd_helpers.core.files import cache_file, whole_file
from fkd_helpers.data import FaceSet
from fkd_helpers.emotion.features import features, upright
from fkd_helpers.expressions.model import ExpressionNet
from fkd_helpers.expressions.views import SIZE, as_tensor, upright_crops, view
from fkd_helpers.predict import KeypointPredictor

CACHE_VERSION = 1


def cached(key: str, make: Callable[[], np.ndarray]) -> np.ndarray:
    """Return the array of a key from the user's cache, or make it and keep it there."""
    path = cache_file("expressions", f"{CACHE_VERSION} {key}", ".npy")
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):  # none yet, or a damaged one
        array = make()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path, shared=True) as partial, partial.open("wb") as stream:
            np.save(stream, array)
    except OSError as error:
        warnings.warn(f"no cache in {path.parent} ({error.strerror}): computed again next time", stacklevel=2)
    return array


def key_of(faces: FaceSet) -> str:
    """Return a short digest of which images a set holds, for the cache."""
    text = hashlib.sha256()
    for name, image in zip(faces.names, faces.images, strict=True):
        text.update(f"{name} {image.shape}".encode())
        text.update(np.ascontiguousarray(image[:: max(len(image) // 8, 1)]).tobytes())
    return text.hexdigest()[:16]


def face_keypoints(faces: FaceSet) -> np.ndarray:
    """Return the keypoints (n, 68, 2) that our network finds, in pixels; the photo itself where no face is detected.

    Of several faces in a photo the largest is meant. The landmarks that come with a set are not looked at: a user's
    photo has none.
    """

    def find():
        predictor, found = KeypointPredictor(), []
        for image in faces.images:
            seen = predictor(np.asarray(image), whole_image="fallback")
            found.append(max(seen, key=lambda face: face.box[2:].prod()).keypoints)
        return np.stack(found).astype(np.float32)

    return cached(f"keypoints {key_of(faces)}", find)


def face_crops(faces: FaceSet, size: int = SIZE) -> np.ndarray:
    """Return the upright crops (n, s, s, 3) uint8 of a set, by the keypoints that our network finds.

    size: of the input that they are for; see `upright_crops`
    """
    return upright_crops(faces.images, face_keypoints(faces), size)


def landmark_features(keypoints: np.ndarray) -> np.ndarray:
    """Return what geometry says of faces (n, 68, 2): the 12 measures of notebook 04 and the upright points (n, 148)."""
    flat = upright(keypoints).reshape(len(keypoints), -1)
    return np.nan_to_num(np.concatenate([features(keypoints), flat], 1)).astype(np.float32)


def backbone_features(crops: np.ndarray, backbone: str, *, size: int = SIZE, key: str = "") -> np.ndarray:
    """Return the features (n, width) of stored crops by a backbone that was never shown an expression label.

    Plain and mirrored window, their mean. `key` of the set (see `key_of`) keeps them in the cache.
    """

    @torch.inference_mode()
    def run():
        net = ExpressionNet(backbone, pretrained=True).eval().to(memory_format=torch.channels_last)
        rows = []
        for start in range(0, len(crops), 64):
            seen = view(crops[start : start + 64], "none", size=size, rng=np.random.default_rng(0))
            images = as_tensor(seen)
            rows.append((net.pooled(images) + net.pooled(images.flip(-1))).numpy() / 2)
        return np.concatenate(rows)

    return cached(f"{backbone} {size} {key}", run) if key else run()


INPUTS = ("landmarks", "lite0", "encoder", "all")


def inputs_named(name: str, faces: FaceSet) -> np.ndarray:
    """Return the features (n, f) of a set by name: "landmarks", "lite0", "encoder" (frozen), or "all" of them.

    Raises:
        InputError: another name, or a backbone whose package is not here.
    """
    if name not in INPUTS:
        raise unknown("features", name, INPUTS)
    kinds = INPUTS[:-1] if name == "all" else (name,)
    key, crops, columns = key_of(faces), None, []
    for kind in kinds:
        if kind == "landmarks":
            columns.append(landmark_features(face_keypoints(faces)))
            continue
        crops = face_crops(faces) if crops is None else crops
        columns.append(backbone_features(crops, kind, key=key))
    return np.concatenate(columns, 1)
