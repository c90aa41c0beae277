"""From a photo or a frame to faces with keypoints, a score and expected errors."""

from fkd_helpers.predict.detector import find_faces, find_fast
from fkd_helpers.predict.folder import Summary, left_out_path, predict_folder, predict_paths, predict_photos
from fkd_helpers.predict.haar import find_upright
from fkd_helpers.predict.predictor import DETECTORS, Face, KeypointPredictor
from fkd_helpers.predict.runtime import load_runner, model_path
from fkd_helpers.predict.smoothing import FaceSmoother, OneEuro
from fkd_helpers.predict.tracker import Tracker

__all__ = [
    "DETECTORS", "Face", "FaceSmoother", "KeypointPredictor", "OneEuro", "Summary", "Tracker", "find_faces",
    "find_fast", "find_upright", "left_out_path", "load_runner", "model_path",
    "predict_folder", "predict_paths", "predict_photos",
]  # fmt: skip
