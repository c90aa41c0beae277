"""What networks that stay as they are see in faces, computed once and cached: keypoints, crops, features for a head."""

import hashlib

import numpy as np
import torch

from fkd_helpers.core.errors import unknown
from fkd_helpers.core.files import cached
from fkd_helpers.data import FaceSet
from fkd_helpers.emotion.features import features, upright
from fkd_helpers.expressions.crops import as_tensor, mean_over_mirror, upright_crops
from fkd_helpers.expressions.model import ExpressionNet
from fkd_helpers.expressions.upright import SIZE
from fkd_helpers.predict.predictor import KeypointPredictor

CACHE_VERSION = 1
INPUTS = ("landmarks", "lite0", "encoder", "all")


def key_of(faces: FaceSet) -> str:
    """Return a short digest of the images of a set, for the cache."""
    text = hashlib.sha256()
    for name, image in zip(faces.names, faces.images, strict=True):
        text.update(f"{name} {image.shape}".encode())
        text.update(np.ascontiguousarray(image[:: max(len(image) // 8, 1)]).tobytes())
    return text.hexdigest()[:16]


def face_keypoints(faces: FaceSet) -> np.ndarray:
    """Return the keypoints (n, 68, 2) that our network finds: of the largest face, or of the photo if none is detected.

    The landmarks that come with a set are not looked at: a user's photo has none.
    """

    def find():
        predictor = KeypointPredictor()
        found = (predictor(np.asarray(image), whole_image="fallback") for image in faces.images)
        largest = [max(seen, key=lambda face: face.box[2:].prod()).keypoints for seen in found]
        return {"keypoints": np.stack(largest).astype(np.float32)}

    return cached("expressions", f"{CACHE_VERSION} keypoints {key_of(faces)}", find)["keypoints"]


def face_crops(faces: FaceSet, size: int = SIZE) -> np.ndarray:
    """Return the upright crops (n, s, s, 3) uint8 for inputs of `size` pixels, by our network's keypoints."""
    return upright_crops(faces.images, face_keypoints(faces), size)


def landmark_features(keypoints: np.ndarray) -> np.ndarray:
    """Return 12 measures of faces (n, 68, 2), as the emotion rules take them, and their upright points: (n, 148)."""
    flat = upright(keypoints).reshape(len(keypoints), -1)
    return np.nan_to_num(np.concatenate([features(keypoints), flat], 1)).astype(np.float32)


@torch.inference_mode()
def backbone_features(crops: np.ndarray, backbone: str) -> np.ndarray:
    """Return the features (n, width) of stored crops by a backbone that never saw a label."""
    net = ExpressionNet(backbone, pretrained=True).eval().to(memory_format=torch.channels_last)
    return mean_over_mirror(lambda seen: net.pooled(as_tensor(seen)).numpy(), crops)


def features_named(name: str, faces: FaceSet) -> np.ndarray:
    """Return the features (n, f) of a set by name: "landmarks", "lite0", "encoder" (frozen), or "all" of them."""
    if name not in INPUTS:
        raise unknown("features", name, INPUTS)
    if name == "all":
        return np.concatenate([features_named(kind, faces) for kind in INPUTS[:-1]], 1)
    if name == "landmarks":
        return landmark_features(face_keypoints(faces))
    key = f"{CACHE_VERSION} {name} {SIZE} {key_of(faces)}"
    return cached("expressions", key, lambda: {"features": backbone_features(face_crops(faces), name)})["features"]
