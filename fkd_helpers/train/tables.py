"""The experiment table, one row per record; means over seeds; the ablation table."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from fkd_helpers.core import records
from fkd_helpers.core.errors import InputError
from fkd_helpers.core.text import bars
from fkd_helpers.train.published import NETS, PUBLISHED

LAST = 10  # batches that the final loss is the mean of
NMES = {"validation": "NME validation", "seen": "NME known", "unseen": "NME new", "test": "NME"}
COLUMNS = (
    "run", "net", "batch", "loss", "optimiser", "epochs", "final loss", "published loss", "NME", *NMES.values(),
    "seconds", "published s", "curve",
)  # fmt: skip
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


def spark(values: Iterable[float], width: int = 12) -> str:
    """Draw values as a line of small bars, each the mean of its share of them, on a logarithmic scale.

    >>> spark([8, 4, 2, 1], width=4)
    '█▆▃▁'
    """
    values = np.asarray(list(values), np.float64)
    means = np.array([part.mean() for part in np.array_split(values, min(width, len(values)))])
    if not (np.isfinite(means).all() and (means > 0).all()):
        return ""
    level = np.log(means)
    level = (level - level.min()) / max(np.ptp(level), 1e-9)
    return bars(level)


def table(runs: Iterable[dict]) -> pd.DataFrame:
    """Return the experiment table: one row per run, in the order given; runs that failed or are still to come say so.

    "final loss" is the mean of the last ten batches; only runs of one loss can be compared by it. NME can be compared
    throughout: "known" = other frames of people in the training set, "new" = people who are not.
    """
    rows, nets = [], {net: letter for letter, net in NETS.items()}
    for record in runs:
        config, history = record["config"], record.get("history", [])
        wanted = record.get("epochs_wanted", config["epochs"])
        row = {
            "run": record["name"].removeprefix("published_"), "net": nets.get(config["net"], config["net"]),
            "batch": config["batch_size"], "loss": config["loss"],
            "optimiser": f"{config['optimiser']} {config['learning_rate']:g}",
            "epochs": str(wanted) if len(history) == wanted else f"{len(history)} of {wanted}",
        }  # fmt: skip
        if "failed" in record:
            row["curve"] = f"failed: {record['failed']}"
        elif not history:
            row["curve"] = "pending"
        else:
            losses = [float(loss) for epoch in history for loss in epoch["losses"]]
            row |= {"final loss": np.mean(losses[-LAST:]), "curve": spark(losses)}
            row["seconds"] = round(sum(float(epoch["seconds"]) for epoch in history))
            row |= {NMES.get(part, part): scores["nme"] for part, scores in record["scores"].items()}
        if published := published_numbers(record["name"]):
            row["published loss"], row["published s"] = published
        rows.append(row)
    frame = pd.DataFrame(rows)
    return frame[[column for column in dict.fromkeys(COLUMNS) if column in frame]]


def over_seeds(frame: pd.DataFrame, by: str | list[str], value: str = "NME new") -> pd.DataFrame:
    """Return mean, standard deviation and count of a column over the runs that agree in `by`.

    >>> over_seeds(pd.DataFrame({"loss": ["l1", "l1"], "NME new": [0.1, 0.3]}), "loss").loc["l1", "mean"]
    np.float64(0.2)
    """
    return frame.groupby(by, sort=False)[value].agg(["mean", "std", "count"])


def epochs_to(record: dict, wanted: float) -> tuple[int, float] | None:
    """Return after how many epochs, and how many seconds of training, a run was first below an NME; None if never.

    >>> rows = [{"epoch": 1, "seconds": 20.0, "nme": 0.2}, {"epoch": 2, "seconds": 21.0, "nme": 0.1}]
    >>> epochs_to({"history": rows}, 0.13)
    (2, 41.0)
    """
    spent = 0.0
    for row in record.get("history", ()):
        spent += float(row["seconds"])
        if float(row["nme"]) < wanted:
            return row["epoch"], spent
    return None


def number(value: float) -> str:
    """Return a number with three digits, or as many as stand before the point.

    >>> number(0.12345), number(1234.5)
    ('0.123', '1,234')
    """
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def percent(share: float | None) -> str:
    """Return a share as per cent with three digits, nothing for none."""
    return "" if share is None else f"{100 * share:.3g}"


def markdown(frame: pd.DataFrame, *, digits: int = 4) -> str:
    """Return a table as Markdown; numbers with that many digits after the point, nothing for a missing one."""

    def cell(value):
        if isinstance(value, float):
            return "" if np.isnan(value) else f"{value:.{digits}f}"
        return str(value).replace("|", "/")

    lines = [list(frame.columns), ["---"] * len(frame.columns), *frame.to_numpy(object).tolist()]
    return "\n".join("| " + " | ".join(cell(value) for value in line) + " |" for line in lines)


def published_numbers(name: str) -> tuple[float, float] | None:
    """Return final training loss and seconds of the published run that a config of ours is named after.

    >>> published_numbers("published_03")
    (0.1832, 18.2)
    """
    rows = {f"published_{row:02d}": run[-2:] for row, run in enumerate(PUBLISHED, 1)}
    return rows.get(name.partition("-")[0])


def ablation(runs: Iterable[dict] | None = None) -> pd.DataFrame:
    """Return one row per change: NME in per cent as mean and spread over seeds, and the difference that it makes.

    The base comes first, then the most harmful change. "spread" is the standard deviation over seeds, NaN for one run;
    "more" is the mean NME of new people less the base's; "clear" says whether that exceeds twice the base's spread.

    Args:
        runs: records named `ablation_...`, one of them `ablation_base`; None = those of `data/records`
    """
    runs = list(records.find("experiment") if runs is None else runs)
    runs = [run for run in runs if run["name"].startswith("ablation_") and "failed" not in run]
    base = next((run["config"] for run in runs if run["name"] == BASE), None)
    if base is None:
        raise InputError(f"ablation: expected a record {BASE!r} among them, got {len(runs)} ablation records")
    rows = [
        {"change": _change(run["config"], base)}
        | {words: 100 * run["scores"].get(part, {}).get("nme", np.nan) for part, words in PARTS.items()}
        for run in runs
    ]
    by_change = pd.DataFrame(rows).groupby("change", sort=False)
    frame, new = by_change.mean(), PARTS["unseen"]
    first = _change(base, base)
    frame.insert(0, "runs", by_change.size())
    frame.insert(2, "spread", by_change[new].std())
    frame.insert(3, "more", frame[new] - frame.loc[first, new])
    frame.insert(4, "clear", frame["more"].abs() > CLEAR * frame.loc[first, "spread"])
    return pd.concat([frame.loc[[first]], frame.drop(first).sort_values("more", ascending=False)])


def _change(config: dict, base: dict) -> str:
    """Return in words what a config has that the base has not."""
    others = [key for key in base if key not in ("name", "seed", "device") and config.get(key) != base[key]]
    said = [WORDS.get((key, config.get(key)), f"{key} {base[key]} -> {config.get(key)}") for key in others]
    return "; ".join(said) or "the recipe as it is"
