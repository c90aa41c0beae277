"""How many frames a second the live engine gets out of a film, beside doing one thing after the other."""

import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from fkd_helpers.data.puppets import stream
from fkd_helpers.emotion import read_emotion
from fkd_helpers.live.engine import LiveEngine
from fkd_helpers.live.moods import expression_reader
from fkd_helpers.live.recorder import Recorder
from fkd_helpers.predict import KeypointPredictor


def film_speed(*, frames: int = 300, rounds: int = 5, emotion: str = "rules") -> tuple[float, float]:
    """Return the median frames a second of a 640x480 film, with keypoints and emotions and without a window.

    emotion: who reads them, "rules" or "expressions"

    The first is the engine's. The second reads a frame, detects, predicts and reads the emotion in turn; it sees only
    the film's beginning, as it takes long. They take turns.
    """
    with tempfile.TemporaryDirectory() as folder:
        recorder = Recorder(Path(folder) / "film.mp4", patient=True)
        for i, (frame, _, _) in enumerate(stream(n=frames)):
            recorder.add(frame, i / 30)
        film = recorder.finish().path
        engine, predictor = LiveEngine(every=True, emotion=emotion), KeypointPredictor()
        network = expression_reader() if emotion == "expressions" else None
        speeds = []
        for _ in range(rounds + 1):
            started = time.perf_counter()
            engine.start("file", film)
            engine.wait()
            seconds = time.perf_counter() - started
            speeds.append((frames / seconds, _in_turn(film, predictor, network, max(1, frames // 20))))
        return tuple(np.median(speeds[1:], 0).tolist())  # the first round warms up


def _in_turn(film, predictor, network, frames):
    capture, started = cv2.VideoCapture(str(film)), time.perf_counter()
    for _ in range(frames):
        frame = cv2.cvtColor(capture.read()[1], cv2.COLOR_BGR2RGB)
        for face in predictor(frame):
            network(frame, [face.keypoints]) if network else read_emotion(face.keypoints)
    capture.release()
    return frames / (time.perf_counter() - started)
