"""Write the weights of a run of a backbone as the expression network that ships, and how fast it answers.

    python tools/export_expressions.py RUN      # the folder of the run
"""

import time
from pathlib import Path

import numpy as np
import skimage.data

from fkd_helpers.core import records
from fkd_helpers.core.options import run_script
from fkd_helpers.expressions.model import ExpressionNet, export_expressions
from fkd_helpers.expressions.reader import ExpressionReader
from fkd_helpers.nets import load_weights
from fkd_helpers.predict import KeypointPredictor
from fkd_helpers.predict.runtime import WEIGHTS


def milliseconds(path: Path, times: int = 100) -> float:
    """Return the median processor time of one face on one thread, its crop included."""
    reader, frame, spent = ExpressionReader(path), skimage.data.astronaut(), []
    points = KeypointPredictor()(frame)[0].keypoints
    for _ in range(times):
        begun = time.process_time()
        reader(frame, [points])
        spent.append(1000 * (time.process_time() - begun))
    return float(np.median(spent))


def main(run: Path, *, out: Path | None = None) -> None:
    """Export a run, and write the record of the file's size and speed."""
    config = records.read(run / f"expressions-{run.name}.json")["config"]
    net = load_weights(ExpressionNet(config["net"], classes=config["classes"]), run / f"{config['net']}.safetensors")
    path = export_expressions(net, WEIGHTS / "expressions.onnx", size=config["size"])
    facts = {"bytes": path.stat().st_size, "ms_a_face": milliseconds(path), "threads": 1}
    records.write("readingspeed", "expressions", folder=out, **facts)


if __name__ == "__main__":
    run_script(main)
