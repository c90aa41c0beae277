"""What each piece of a recipe is worth: runs with one change each, beside their base. Built in notebook 02."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from fkd_helpers.core import records
from fkd_helpers.core.errors import InputError

BASE = "ablation_base"
PARTS = {"unseen": "new people", "seen": "known people", "extra": "photos"}
WORDS = {
    ("labels", "given"): "labels as given, not moved onto their points",
    ("loss", "mse"): "squared error of the points alone",
    ("loss", "wing"): "wing loss of the points alone",
    ("augment", 0.0): "no augmentation",
    ("augment", 1.0): "twice the augmentation",
    ("average", 0.0): "no moving average of the weights",
    ("extra_use", "none"): "no photos, video frames only",
    ("extra_use", "but_jaw"): "photos without their jaw",
}
CLEAR = 2.0  # spreads of the base by which a difference must exceed chance


def ablation(runs: Iterable[dict] | None = None) -> pd.DataFrame:
    """Return one row a change: NME in per cent as mean and spread over seeds, and the difference that it makes.

    runs: records named `ablation_...`, one of them `ablation_base`; without them those of `data/records`

    The base is the first row, the dearest change the second. "spread" is the standard deviation over seeds, NaN for
    one run; "more" is the mean NME of new people less the base's; "clear" says whether that is more than twice the
    base's spread. "new people" are in no training set, "known people" are, with other frames; "photos" are held-out
    photos in the wild.

    Raises:
        InputError: there is no base among the runs.
    """
    runs = list(records.find("experiment") if runs is None else runs)
    runs = [run for run in runs if run["name"].startswith("ablation_") and "failed" not in run]
    base = next((run["config"] for run in runs if run["name"] == BASE), None)
    if base is None:
        raise InputError(f"ablation: expected a record {BASE!r} among them, got {len(runs)} ablation records")
    rows = [{"change": _change(run["config"], base)} | _scores(run) for run in runs]
    by_change = pd.DataFrame(rows).groupby("change", sort=False)
    frame = by_change.mean()
    first, parts = _change(base, base), list(frame)
    frame.insert(0, "runs", by_change.size())
    frame.insert(2, "spread", by_change[parts[0]].std())
    frame.insert(3, "more", frame[parts[0]] - frame.loc[first, parts[0]])
    frame.insert(4, "clear", frame["more"].abs() > CLEAR * frame.loc[first, "spread"])
    order = frame.drop(first).sort_values("more", ascending=False)
    return pd.concat([frame.loc[[first]], order])


def _change(config: dict, base: dict) -> str:
    """Return in words what a config has that the base has not."""
    others = [key for key in base if key not in ("name", "seed", "device") and config.get(key) != base[key]]
    said = [WORDS.get((key, config.get(key)), f"{key} {base[key]} -> {config.get(key)}") for key in others]
    return "; ".join(said) or "the recipe as it is"


def _scores(run: dict) -> dict[str, float]:
    return {words: 100 * run["scores"].get(part, {}).get("nme", np.nan) for part, words in PARTS.items()}
