"""Train the face detector by a config, resume where it stopped, and write it as ONNX.

    python tools/train_detector.py fkd_helpers/configs/detector.yaml runs/detector

The config names the labelled sets and a folder of face-free photos, in `training` and `validation`.
"""

import sys
from functools import partial
from pathlib import Path

from fkd_helpers.core.config import load_config
from fkd_helpers.nets.detector import export_detector
from fkd_helpers.train.detector import DetectorTask
from fkd_helpers.train.run import run

if __name__ == "__main__":
    config, folder = sys.argv[1:]
    settings = load_config(config, task="detector")
    task = DetectorTask(settings)
    print(run(task, settings, folder, say=partial(print, flush=True)))
    export_detector(task.model, Path(folder) / "detector.onnx", run=settings.name, data=settings.data)
