"""One system, asked over pipes: it runs in the environment that its packages need.

    python child.py ours|mediapipe|dlib

A question is a line of JSON, {"task": name, "images": n, "boxes": [...]}, and n images. The answer is two arrays:
points (n, k, 2), pixels of each image, NaN where no face was found, and seconds (n,). Of several faces the largest is
meant. {"task": "about"} is answered by JSON.
"""

import functools
import importlib.util
import io
import json
import os
import sys
import time
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import numpy as np
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOTS = {
    "ours": ("fkd-helpers",), "mediapipe": ("mediapipe",), "dlib": ("dlib-bin", "numpy", "opencv-contrib-python"),
}  # fmt: skip


def send(stream, array: np.ndarray) -> None:
    """Write an array to a pipe: its length in bytes on a line, then the array as .npy."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    stream.write(b"%d\n" % buffer.tell() + buffer.getvalue())


def receive(stream) -> np.ndarray:
    """Read an array that `send` wrote."""
    return np.load(io.BytesIO(stream.read(int(stream.readline()))))


def ours():
    """Return our ways from a frame to 68 points, and the files beside the packages that they need."""
    from fkd_helpers import predict

    predictor = predict.KeypointPredictor()
    tracker = predict.Tracker(predictor)

    def largest(faces):
        return max(faces, key=lambda face: face.box[2] * face.box[3]).keypoints if faces else None

    return {
        "tracked": lambda frame, _: largest(tracker(frame)),
        "detect": lambda frame, _: largest(predictor(frame, whole_image="fallback")),
        "box": lambda frame, box: predictor.at_boxes(frame, box[None])[0][0],
    }, [Path(predict.__file__).parent]


def mediapipe():
    """Return FaceMesh's ways from a frame to its 468 points: following a face, or finding it in each frame anew."""
    from mediapipe.python.solutions.face_mesh import FaceMesh

    def way(**options):
        mesh = functools.cache(lambda: FaceMesh(**options))  # made when it is first asked

        def look(frame, _):
            faces = mesh().process(frame).multi_face_landmarks or ()
            found = [np.array([(point.x, point.y) for point in face.landmark]) for face in faces]
            largest = max(found, key=lambda points: np.ptp(points, 0).prod(), default=None)
            return None if largest is None else largest * frame.shape[1::-1] - 0.5  # shares of the image, from its edge

        return look

    return {
        "tracked": way(static_image_mode=False, max_num_faces=1),
        "static": way(static_image_mode=True, max_num_faces=1),
    }, []


def dlib():
    """Return dlib's ways from a frame to 68 points: after Haar, after its own detector, in a known box."""
    import cv2
    from _dlib_pybind11 import get_frontal_face_detector, rectangle, shape_predictor

    # found without importing it: that would need an old setuptools
    folder = Path(importlib.util.find_spec("face_recognition_models").submodule_search_locations[0])
    weights = folder / "models" / "shape_predictor_68_face_landmarks.dat"
    fit, hog = shape_predictor(str(weights)), get_frontal_face_detector()
    cascade = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_default.xml")

    def points(frame, found):
        if not found:
            return None
        shape = fit(frame, max(found, key=lambda face: face.area()))
        return np.array([(point.x, point.y) for point in shape.parts()], float)

    def square(box):
        x, y, w, h = (round(float(value)) for value in box)
        return rectangle(x, y, x + w - 1, y + h - 1)

    def by_haar(frame, _):
        least = max(24, round(0.05 * max(frame.shape)))  # all as fkd_helpers.predict.haar searches
        gray = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
        found = cascade.detectMultiScale(gray, 1.1, 3, minSize=(least, least))
        return points(frame, [square(box) for box in found])

    return {
        "haar": by_haar, "hog": lambda frame, _: points(frame, hog(frame, 0)),
        "box": lambda frame, box: points(frame, [square(box)]),
    }, [weights]  # fmt: skip


def about(roots, extra) -> dict:
    """Return peak memory of this process, size of its packages and of all that they require, and versions."""
    needed, left = {}, list(roots)
    while left:
        if (name := canonicalize_name(left.pop())) in needed:
            continue
        try:
            needed[name] = distribution(name)
        except PackageNotFoundError:
            continue
        needs = [Requirement(line) for line in needed[name].requires or ()]
        left += [need.name for need in needs if not need.marker or need.marker.evaluate({"extra": ""})]
    beside = size(file for path in extra for file in (path.rglob("*") if path.is_dir() else [path]))
    installed = sum(size(Path(file.locate()) for file in dist.files or ()) for dist in needed.values())
    status = Path("/proc/self/status").read_text()  # getrusage would count what the parent held before
    return {
        "peak_mb": int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6,
        "installed_mb": (installed + beside) / 1e6, "packages": len(needed),
        "versions": {name: needed[canonicalize_name(name)].version for name in roots},
    }  # fmt: skip


def size(paths) -> int:
    """Return the bytes of all files."""
    return sum(path.stat().st_size for path in paths if path.is_file())


def answer(look, images, boxes) -> tuple[np.ndarray, np.ndarray]:
    """Return points (n, k, 2) and seconds (n,) of one way on some images."""
    found, seconds = [], []
    for image, box in zip(images, boxes, strict=True):
        started = time.perf_counter()
        found.append(look(image, None if box is None else np.array(box)))
        seconds.append(time.perf_counter() - started)
    count = next((len(points) for points in found if points is not None), 68)
    nothing = np.full((count, 2), np.nan)
    return np.stack([nothing if points is None else points for points in found]), np.array(seconds)


if __name__ == "__main__":
    source, sink = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints goes where errors go
    tasks, extra = {"ours": ours, "mediapipe": mediapipe, "dlib": dlib}[sys.argv[1]]()
    for line in source:
        question = json.loads(line)
        if question["task"] == "about":
            sink.write(json.dumps(about(ROOTS[sys.argv[1]], extra)).encode() + b"\n")
        else:
            images = [receive(source) for _ in range(question["images"])]
            boxes = question["boxes"] or [None] * len(images)
            for array in answer(tasks[question["task"]], images, boxes):
                send(sink, array)
        sink.flush()
