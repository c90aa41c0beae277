"""What is said of the real expression set, and of models together: records from run folders, and the model we ship.

    FKD_DATA_DIR=... python tools/expression_records.py facts
    FKD_DATA_DIR=... python tools/expression_records.py together NAME RUN RUN ...
    python tools/expression_records.py keep RUN RUN ...
    python tools/expression_records.py export RUN

`together` gives the mean of the runs' answers on the test part: weights are equal, nothing is fitted on that part.
"""

import argparse
import dataclasses
import time
from pathlib import Path

import numpy as np
import pandas as pd
import skimage.data

from fkd_helpers.core import records
from fkd_helpers.core.config import load_config
from fkd_helpers.expressions.data import conflicts, contents, load_expressions, split_expressions
from fkd_helpers.expressions.model import ExpressionNet, export_expressions
from fkd_helpers.expressions.reader import ExpressionReader
from fkd_helpers.expressions.report import COLUMNS, PUBLISHED
from fkd_helpers.expressions.task import record
from fkd_helpers.faces.landmarks import EXPRESSIONS
from fkd_helpers.nets import load_weights
from fkd_helpers.predict import KeypointPredictor
from fkd_helpers.predict.runtime import WEIGHTS
from fkd_helpers.train.tables import markdown


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


def stored(folder: Path) -> tuple[np.ndarray, list[str]]:
    """Return the test answers (n, classes + 2) of a run and the names of their faces."""
    with np.load(folder / "answers.npz") as held:
        return held["answers"], held["names"].tolist()


def together(options) -> None:
    """Write the record of the mean of several runs' answers."""
    test = split_expressions(load_expressions(options.data))[2]
    found = [stored(folder) for folder in options.runs]
    assert all(names == list(test.names) for _, names in found), "runs of another test part"
    answers = np.mean([answers for answers, _ in found], 0)
    if options.classes == 7:  # the same answers, asked about seven expressions alone
        kept = test.extras["expression"] < 7
        answers, test = answers[kept], test[kept]
        shares = answers[:, :7] / answers[:, :7].sum(1, keepdims=True)
        answers = np.concatenate([shares, answers[:, 8:]], 1)
    path = record(options.name, answers, test, folder=options.out, runs=[folder.name for folder in options.runs])
    print({key: records.read(path)["scores"][key] for key in ("accuracy", "valence_rmse", "arousal_rmse")})


def keep(options) -> None:
    """Copy the records of runs to those of the course, without their machines' paths."""
    for folder in options.runs:
        found = records.read(folder / f"expressions-{folder.name}.json")
        content = {
            key: found[key] for key in found if key not in ("record", "kind", "name", "date", "versions", "machine")
        }
        for row in content.get("history", []):
            row.pop("losses", None)
        records.write("expressions", found["name"], folder=options.out, **content)


def export(options) -> None:
    """Write the weights of a run of a backbone as the model that ships."""
    found = records.read(options.runs[0] / f"expressions-{options.runs[0].name}.json")
    known = {field.name for field in dataclasses.fields(load_config())}
    config = load_config(**{key: value for key, value in found["config"].items() if key in known})
    net = load_weights(ExpressionNet(config.net, classes=config.classes), options.runs[0] / f"{config.net}.safetensors")
    path = export_expressions(net, WEIGHTS / "expressions.onnx", size=config.size)
    size = path.stat().st_size
    records.write(
        "readingspeed", "expressions", folder=options.out, bytes=size, ms_a_face=milliseconds(path), threads=1
    )
    card = WEIGHTS / "expressions.md"
    head, _, rest = card.read_text(encoding="utf-8").partition(f"{MARKS[0]}\n")
    body = scores_table(found, size)
    card.write_text(f"{head}{MARKS[0]}\n{body}\n{MARKS[1]}{rest.partition(MARKS[1])[2]}", encoding="utf-8")


def milliseconds(path: Path, times: int = 100) -> float:
    """Return the median processor time of one face on one thread, its crop included."""
    reader, spent = ExpressionReader(path), []
    frame, points = portrait()
    for _ in range(times):
        begun = time.process_time()
        reader(frame, [points])
        spent.append(1000 * (time.process_time() - begun))
    return float(np.median(spent))


def portrait() -> tuple[np.ndarray, np.ndarray]:
    """Return a photo and the keypoints of its face."""
    frame = skimage.data.astronaut()
    return frame, KeypointPredictor()(frame)[0].keypoints


def scores_table(found: dict, size: int) -> str:
    """Return the scores of a record as a table of Markdown, beside the published ones."""
    rows = [{"": "here", **{word: found["scores"][key] for key, word in COLUMNS.items()}}]
    rows += [{"": "published, best of each", **{COLUMNS[key]: value for key, value in PUBLISHED.items()}}]
    table = markdown(pd.DataFrame(rows).set_index("").T.reset_index(names="score"), digits=3)
    return f"{found['test_faces']} faces; the file has {size / 1e6:.1f} MB.\n\n{table}"


MARKS = ("<!-- scores -->", "<!-- /scores -->")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="affectnet")
    parser.add_argument("--out", type=Path, help="folder (default: the course's own)")
    actions = parser.add_subparsers(required=True)
    actions.add_parser("facts").set_defaults(run=facts)
    for function in (together, keep, export):
        action = actions.add_parser(function.__name__)
        if function is together:
            action.add_argument("name")
            action.add_argument("--classes", type=int, choices=(7, 8), default=8)
        action.add_argument("runs", type=Path, nargs="+")
        action.set_defaults(run=function)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
