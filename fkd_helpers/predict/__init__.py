"""From a photo or a frame to faces with keypoints."""

from fkd_helpers.predict.detector import find_faces, find_fast
from fkd_helpers.predict.folder import Summary, left_out_path, predict_folder, predict_paths, predict_photos
from fkd_helpers.predict.haar import detect, detect_faces, detect_fast, to_face_box
from fkd_helpers.predict.predictor import DETECTORS, Face, KeypointPredictor, central_boxes
from fkd_helpers.predict.runtime import load_runner, model_path
from fkd_helpers.predict.smoothing import FaceSmoother, OneEuro
from fkd_helpers.predict.tracker import Tracker

__all__ = [
    "DETECTORS", "Face", "FaceSmoother", "KeypointPredictor", "OneEuro", "Summary", "Tracker", "central_boxes",
    "detect", "detect_faces", "detect_fast", "find_faces", "find_fast", "left_out_path", "load_runner",
    "model_path", "predict_folder", "predict_paths", "predict_photos", "to_face_box",
]  # fmt: skip
