"""Plausible wrong answers to the exercises of notebooks 08 and 11."""

from io import BytesIO

import numpy as np
import onnxruntime
from PIL import Image, UnidentifiedImageError

WRONG: dict[str, dict] = {}


def age_by(taken, shown, now, *, since=None):
    ages = np.full(len(now), np.nan)
    for i, moment in enumerate(now):
        if len(there := np.flatnonzero(shown <= moment)):
            ages[i] = moment - (taken if since is None else since)[there[-1]]
    return ages


def wired(button, act):
    button.on_click(act)
    return button


def only_begin(button, begin, end):
    return wired(button, lambda _: begin())


def at_once(button, begin, end):
    begin()
    return wired(button, lambda _: end())


def reversed_words(button, begin, end):
    def press(_):
        (begin if button.description == "Record" else end)()
        button.description = "Record"

    return wired(button, press)


def averaged(points, m):
    smoothed = [points[0]]
    for frame in points[1:]:
        smoothed.append(m * smoothed[-1] + (1 - m) * frame)
    return np.stack(smoothed)


WRONG["08"] = {
    "latest_wins": [
        lambda arrivals, work: list(range(len(arrivals))),  # a queue: all of them
        lambda arrivals, work: list(range(0, len(arrivals), max(1, round(work / 0.04)))),  # every so many
    ],
    "toggle_button": [only_begin, at_once, reversed_words],
    "picture_age": [
        lambda taken, shown, now: age_by(taken, shown, now, since=shown),  # since it was drawn, not taken
        lambda taken, shown, now: age_by(taken, np.where(np.isnan(shown), taken + 0.06, shown), now),
        lambda taken, shown, now: np.nan_to_num(age_by(taken, shown, now)),  # none yet counts as new
    ],
    "steady": [
        lambda points, fps, side: points,  # no smoothing
        lambda points, fps, side: averaged(points, 0.8),  # too late
    ],
}


def points_of(path, images):
    session = onnxruntime.InferenceSession(path)
    name = session.get_inputs()[0].name
    return np.concatenate([session.run(None, {name: images[i : i + 1]})[0] for i in range(len(images))])


def apart(first, second, images):
    return points_of(first, images) - points_of(second, images)


def int8_by(values, low, high, *, clip=True, whole=np.round):
    scale = (high - low) / 255
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


def status_by(content_type, body, max_bytes, max_pixels, *, length=True, decode=False, limit=0):
    if not content_type.startswith("image/"):
        return 415
    if length and len(body) > max_bytes:
        return 413
    try:
        with Image.open(BytesIO(body)) as image:
            if decode:
                image.load()
            return 413 if image.width * image.height > max_pixels + limit else 200
    except (UnidentifiedImageError, OSError):
        return 400


WRONG["11"] = {
    "largest_difference": [
        lambda first, second, images: np.abs(apart(first, second, images)).max(),  # of a coordinate
        lambda first, second, images: np.linalg.norm(apart(first, second, images[:1]), axis=-1).max(),  # one image
    ],
    "through_int8": [
        lambda v, low, high: int8_by(v, low, high, clip=False),
        lambda v, low, high: int8_by(v, low, high, whole=np.floor),  # cut, not rounded
    ],
    "calibration_reader": [
        lambda images, name, batch: Reader(in_batches(images, name, batch), endless=True),  # begins again
        lambda images, name, batch: Reader(in_batches(images, name, batch)[:1]),
    ],
    "status_for": [
        lambda *request: status_by(*request, length=False),
        lambda *request: status_by(*request, decode=True),  # a header would have been enough
        lambda *request: status_by(*request, limit=-1),  # exactly the limit is refused
    ],
}
