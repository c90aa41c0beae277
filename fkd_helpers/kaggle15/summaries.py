"""The tables of notebook 06, from the records of its runs. Built in notebook 06."""

from pathlib import Path

import pandas as pd

from fkd_helpers.core import records
from fkd_helpers.core.errors import InputError

KIND = "kaggle15"
STRATEGIES = {"mask": "masked loss", "fill": "filled with the mean", "drop": "incomplete rows dropped"}


def runs_15(folder: Path | None = None) -> dict[str, dict]:
    """Return the records of runs on Kaggle's 15 points by name.

    Raises:
        InputError: there are none.
    """
    found = {record["name"]: record for record in records.find(KIND, folder=folder)}
    if not found:
        raise InputError(f"{folder or records.RECORDS}: no record of a run on Kaggle's 15 points")
    return found


def strategy_table(runs: dict[str, dict]) -> pd.DataFrame:
    """Return one row a strategy for missing labels: mean and spread (standard deviation) of RMSE over the seeds.

    runs: of `runs_15`; those named strategy_... count
    """
    rows = [
        {"missing": run["config"]["missing"], "all": run["scores"]["rmse"], "complete": run["scores"]["rmse_complete"],
         "faces": run["training_faces"]}
        for name, run in runs.items() if name.startswith("strategy_")
    ]  # fmt: skip
    groups = pd.DataFrame(rows).groupby("missing")
    table = pd.DataFrame({
        "faces": groups["faces"].first(), "seeds": groups.size(),
        "RMSE": groups["all"].mean(), "spread": groups["all"].std(),
        "RMSE complete": groups["complete"].mean(), "spread complete": groups["complete"].std(),
    })  # fmt: skip
    return table.loc[[name for name in STRATEGIES if name in table.index]].rename(index=STRATEGIES)


def framework_table(runs: dict[str, dict]) -> pd.DataFrame:
    """Return one row a network that was trained at length: what it is and what it scores.

    runs: of `runs_15`; those named after their configs, keypoints15..., count
    epochs: on these faces, those before included, of a run that started from the weights of another on them
    """
    rows = [
        {"run": name, "framework": run["framework"].partition(" ")[0], "net": run["config"]["net"],
         "weights": f"{run['weights'] / 1e6:.1f} M", "epochs": run.get("epochs_before", 0) + run["config"]["epochs"],
         "RMSE": run["scores"]["rmse"], "RMSE complete": run["scores"]["rmse_complete"],
         "mirrored too": run.get("scores_mirrored", {}).get("rmse", float("nan"))}
        for name, run in runs.items() if name.startswith("keypoints15")
    ]  # fmt: skip
    return pd.DataFrame(rows).set_index("run").sort_values("RMSE")
