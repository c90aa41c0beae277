"""Write the expression network that ships: the mean of the weights of some runs, its scores and how fast it answers.

    FKD_DATA_DIR=... python tools/export_expressions.py RUN RUN ...      # folders of runs from one start
"""

import time
from pathlib import Path

import numpy as np
import skimage.data
import torch

from fkd_helpers.core import records
from fkd_helpers.core.options import run_script
from fkd_helpers.expressions.crops import face_crops, mean_over_mirror
from fkd_helpers.expressions.data import load_expressions, split_expressions
from fkd_helpers.expressions.model import ExpressionNet, export_expressions
from fkd_helpers.expressions.reader import ExpressionReader
from fkd_helpers.expressions.task import facts_of
from fkd_helpers.nets.weights import read
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


def main(runs: list[str], *, out: Path | None = None) -> None:
    """Export the mean of the weights of runs from one start, and write the records of its scores, size and speed."""
    config = records.read(Path(runs[0]) / f"expressions-{Path(runs[0]).name}.json")["config"]
    net, file = ExpressionNet(config["net"], classes=config["classes"]), f"{config['net']}.safetensors"
    weights = [read(Path(run) / file)[0] for run in runs]
    mean = {key: torch.stack([one[key].double() for one in weights]).mean(0) for key in weights[0]}
    net.load_state_dict({key: value.to(weights[0][key].dtype) for key, value in mean.items()})
    path = export_expressions(net, WEIGHTS / "expressions.onnx", size=config["size"])
    reader, faces = ExpressionReader(path), load_expressions(config["data"], classes=config["classes"])
    test = split_expressions(faces, validation=config["validation"])[2]
    answers = mean_over_mirror(reader.run, face_crops(test, reader.size), size=reader.size)
    facts = facts_of(answers, test) | {"runs": [Path(run).name for run in runs], "data": config["data"]}
    records.write("expressions", "shipped", folder=out, **facts)
    speed = {"bytes": path.stat().st_size, "ms_a_face": milliseconds(path), "threads": 1}
    records.write("readingspeed", "expressions", folder=out, **speed)


if __name__ == "__main__":
    run_script(main)
