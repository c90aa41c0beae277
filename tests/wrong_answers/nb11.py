"""Plausible wrong answers to the exercises of notebook 11."""

from io import BytesIO

import numpy as np
import onnxruntime
from PIL import Image, UnidentifiedImageError


def points_of(path, images):
    session = onnxruntime.InferenceSession(path)
    name = session.get_inputs()[0].name
    return np.concatenate([session.run(None, {name: images[i : i + 1]})[0] for i in range(len(images))])


def apart(first, second, images):
    return points_of(first, images) - points_of(second, images)


def int8_by(values, low, high, *, clip=True, whole=np.round, steps=255):
    scale = (high - low) / steps
    zero = np.round(-128 - low / scale)
    stored = whole(values / scale) + zero
    return (np.clip(stored, -128, 127) - zero if clip else stored - zero) * scale


class Reader:
    def __init__(self, batches, *, endless=False):
        self.batches, self.left, self.endless = batches, list(batches), endless

    def get_next(self):
        if not self.left and self.endless:
            self.left = list(self.batches)
        return self.left.pop(0) if self.left else None


def in_batches(images, name, batch, *, last=True):
    return [{name: images[i : i + batch]} for i in range(0, len(images) if last else len(images) - batch + 1, batch)]


def status_by(content_type, body, max_bytes, max_pixels, *, types=True, length=True, decode=False, limit=0, none=400):
    if types and not content_type.startswith("image/"):
        return 415
    if length and len(body) > max_bytes:
        return 413
    try:
        with Image.open(BytesIO(body)) as image:
            if decode:
                image.load()
            return 413 if image.width * image.height > max_pixels + limit else 200
    except (UnidentifiedImageError, OSError):
        return none


WRONG = {
    "largest_difference": [
        lambda first, second, images: np.abs(apart(first, second, images)).max(),  # of a coordinate
        lambda first, second, images: np.linalg.norm(apart(first, second, images[:1]), axis=-1).max(),  # one image
    ],
    "through_int8": [
        lambda v, low, high: int8_by(v, low, high, clip=False),
        lambda v, low, high: int8_by(v, low, high, whole=np.floor),  # cut, not rounded
        lambda v, low, high: (
            low + np.round((np.clip(v, low, high) - low) / (high - low) * 255) * (high - low) / 255
        ),  # zero lies between two steps
    ],
    "calibration_reader": [
        lambda images, name, batch: Reader(in_batches(images, name, batch), endless=True),  # begins again
        lambda images, name, batch: Reader(in_batches(images, name, batch)[:1]),
    ],
    "status_for": [
        lambda *request: status_by(*request, types=False),
        lambda *request: status_by(*request, length=False),
        lambda *request: status_by(*request, decode=True),  # a header would have been enough
        lambda *request: status_by(*request, limit=-1),  # exactly the limit is refused
        lambda *request: status_by(*request, none=415),
    ],
}
