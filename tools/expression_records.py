"""What is said of the real expression set, and of models together: records from run folders, and the model we ship.

    FKD_DATA_DIR=... python tools/expression_records.py facts
    FKD_DATA_DIR=... python tools/expression_records.py together RUN RUN ... --name NAME
    python tools/expression_records.py keep RUN RUN ...
    python tools/expression_records.py export RUN

`together` gives the mean of the runs' answers on the test part: weights are equal, nothing is fitted on that part.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import skimage.data

from fkd_helpers.core import records
from fkd_helpers.expressions.data import conflicts, contents, load_expressions, split_expressions
from fkd_helpers.expressions.model import ExpressionNet, export_expressions
from fkd_helpers.expressions.reader import ExpressionReader
from fkd_helpers.expressions.task import facts_of
from fkd_helpers.faces.landmarks import EXPRESSIONS
from fkd_helpers.nets import load_weights
from fkd_helpers.predict import KeypointPredictor
from fkd_helpers.predict.runtime import WEIGHTS


def facts(options) -> None:
    """Write the record of what a check of the set finds."""
    faces = load_expressions(options.data)
    same, different = conflicts(faces)
    outside = ((faces.keypoints < 0) | (faces.keypoints > 223)).any((1, 2)).mean()
    expression = faces.extras["expression"]
    points = np.stack([faces.extras["valence"], faces.extras["arousal"]], 1)
    means = np.stack([points[expression == k].mean(0) for k in range(8)])
    right = np.linalg.norm(points[:, None] - means, axis=2).argmin(1) == expression
    by_scales = {name: right[expression == k].mean() for k, name in enumerate(EXPRESSIONS)}
    records.write(
        "faces8", options.data, folder=options.out, faces=len(faces), pairs=len(same), conflicts=len(different),
        damaged=len(faces.problems), landmarks_outside=outside,
        class_from_scales=right.mean(), class_from_scales_by_class=by_scales,
        contents=contents(faces).to_dict("records"),
        parts=dict(zip(("training", "validation", "test"), map(len, split_expressions(faces)), strict=True)),
    )  # fmt: skip


def together(options) -> None:
    """Write the record of the mean of several runs' answers."""
    test = split_expressions(load_expressions(options.data))[2]
    runs = [np.load(folder / "answers.npz") for folder in options.runs]
    assert all(run["names"].tolist() == list(test.names) for run in runs), "runs of another test part"
    answers = np.mean([run["answers"] for run in runs], 0)
    if options.classes == 7:  # the same answers, asked about seven expressions alone
        kept = test.extras["expression"] < 7
        answers, test = answers[kept], test[kept]
        shares = answers[:, :7] / answers[:, :7].sum(1, keepdims=True)
        answers = np.concatenate([shares, answers[:, 8:]], 1)
    facts = facts_of(answers, test) | {"runs": [folder.name for folder in options.runs]}
    path = records.write("expressions", options.name, folder=options.out, **facts)
    print({key: records.read(path)["scores"][key] for key in ("accuracy", "valence_rmse", "arousal_rmse")})


def keep(options) -> None:
    """Copy the records of runs to those of the course, without their machines' paths."""
    for folder in options.runs:
        found = records.read(folder / f"expressions-{folder.name}.json")
        own = ("record", "kind", "name", "date", "versions", "machine")
        content = {key: value for key, value in found.items() if key not in own}
        for row in content.get("history", []):
            row.pop("losses", None)
        records.write("expressions", found["name"], folder=options.out, **content)


def export(options) -> None:
    """Write the weights of a run of a backbone as the model that ships."""
    folder = options.runs[0]
    config = records.read(folder / f"expressions-{folder.name}.json")["config"]
    net = load_weights(ExpressionNet(config["net"], classes=config["classes"]), folder / f"{config['net']}.safetensors")
    path = export_expressions(net, WEIGHTS / "expressions.onnx", size=config["size"])
    size, ms = path.stat().st_size, milliseconds(path)
    records.write("readingspeed", "expressions", folder=options.out, bytes=size, ms_a_face=ms, threads=1)


def milliseconds(path: Path, times: int = 100) -> float:
    """Return the median processor time of one face on one thread, its crop included."""
    reader, frame, spent = ExpressionReader(path), skimage.data.astronaut(), []
    points = KeypointPredictor()(frame)[0].keypoints
    for _ in range(times):
        begun = time.process_time()
        reader(frame, [points])
        spent.append(1000 * (time.process_time() - begun))
    return float(np.median(spent))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("facts", "together", "keep", "export"))
    parser.add_argument("runs", type=Path, nargs="*")
    parser.add_argument("--data", default="affectnet")
    parser.add_argument("--name", default="together", help="of the record of several runs together")
    parser.add_argument("--classes", type=int, choices=(7, 8), default=8)
    parser.add_argument("--out", type=Path, help="folder (default: the course's own)")
    options = parser.parse_args()
    {"facts": facts, "together": together, "keep": keep, "export": export}[options.what](options)


if __name__ == "__main__":
    main()
