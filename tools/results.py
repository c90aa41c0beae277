"""Score the shipped network again on the real set, beside the numbers of the README, and say what differs.

    make results        needs the real set (make data, or FKD_DATA_DIR)
"""  # fmt: skip

import tempfile
from pathlib import Path

import pandas as pd

from fkd_helpers.core import records
from fkd_helpers.core.options import run_script
from fkd_helpers.evaluate import evaluate_model

RECORD = "evaluation-ytf-test-small.json"
COLUMNS = {"nme": "NME", "mae_224": "MAE at 224 px", "pck_0.10": "PCK 0.10", "auc_0.5": "AUC 0.5"}
ROWS = {"scores": "photo in, keypoints out", "raw": "the same, label shift not corrected"}
CLOSE = 5e-4  # relative; versions of OpenCV and ONNX Runtime round in other places, which moves the last decimals


def compare(published: dict, measured: dict) -> tuple[pd.DataFrame, list[str]]:
    """Return the scores of two records side by side, and a line for each that differs."""
    rows, different = {}, []
    for key, title in ROWS.items():
        for column, name in COLUMNS.items():
            before, now = (float(record[key][column]) for record in (published, measured))
            rows[title, name] = {"README": before, "measured now": now}
            if abs(before - now) > CLOSE * before:
                different.append(f"{title}, {name}: {before:.5g} in the README, {now:.5g} now")
    if published["data_digest"] != measured["data_digest"]:
        different.append("the faces are others than those of the README: their digests differ")
    return pd.DataFrame.from_dict(rows, orient="index"), different


def main() -> int:
    """Evaluate, and compare; the exit code is 1 where something differs."""
    with tempfile.TemporaryDirectory() as folder:
        evaluate_model("ytf", "test", folder=Path(folder))
        table, different = compare(*(records.read(place / RECORD) for place in (records.RECORDS, Path(folder))))
    print(table.to_string(float_format="%.4f"))
    print("\n".join(different) or "all as in the README; the rows of other systems are not measured again")
    return int(bool(different))


if __name__ == "__main__":
    run_script(main)
