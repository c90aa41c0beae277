"""The experiment table, one row per record; the ablation table."""

from collections.abc import Iterable, Mapping
from dataclasses import fields

import numpy as np
import pandas as pd

from fkd_helpers.core import records
from fkd_helpers.core.config import KeypointsConfig
from fkd_helpers.core.errors import InputError
from fkd_helpers.train.published import NETS, PUBLISHED

FREE = {"name", "device"}  # neither changes what a run gives
LAST = 10  # batches that the final loss is the mean of
NMES = {"validation": "NME validation", "seen": "NME known", "unseen": "NME new", "test": "NME"}
COLUMNS = (
    "run", "net", "batch", "loss", "optimiser", "epochs", "published loss", "final loss", "NME", *NMES.values(),
    "seconds", "published s", "note",
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


def table(runs: Iterable[dict]) -> pd.DataFrame:
    """Return the experiment table: one row per run, in the order given.

    "final loss" is the mean of the last ten batches; "known" people are in the training set, "new" ones are not. "note"
    names the longer run that a run is the beginning of, and says which runs failed or are still to come.
    """
    runs, rows, nets = list(runs), [], {net: letter for letter, net in NETS.items()}
    published = {f"published_{row:02d}": run[-2:] for row, run in enumerate(PUBLISHED, 1)}
    for record in runs:
        config, history, name = record["config"], record.get("history", []), record["name"]
        wanted = config["epochs"]
        row = {
            "run": name.removeprefix("published_"), "net": nets.get(config["net"], config["net"]),
            "batch": config["batch_size"], "loss": config["loss"],
            "optimiser": f"{config['optimiser']} {config['learning_rate']:g}",
            "epochs": str(wanted) if len(history) == wanted else f"{len(history)} of {wanted}",
        }  # fmt: skip
        if "failed" in record:
            row["note"] = f"failed: {record['failed']}"
        elif not history:
            row["note"] = "pending"
        else:
            losses = [float(loss) for epoch in history for loss in epoch["losses"]]
            row |= {"final loss": np.mean(losses[-LAST:]), "note": _longer(record, runs)}
            row["seconds"] = round(sum(float(epoch["seconds"]) for epoch in history))
            row |= {NMES.get(part, part): scores["nme"] for part, scores in record["scores"].items()}
        if (original := name.partition("-")[0]) in published:
            row["published loss"], row["published s"] = published[original]
        rows.append(row)
    frame = pd.DataFrame(rows)
    return frame[[column for column in dict.fromkeys(COLUMNS) if column in frame]]


def settings_of(record: Mapping, *free: str) -> dict:
    """Return what the record of a run and that of the same run share: every setting but name, device and `free` ones.

    A setting that an older record does not know yet has today's default; one that is no more plays no part.
    """
    values = records.plain(KeypointsConfig()) | records.plain(record["config"])
    return {field.name: values[field.name] for field in fields(KeypointsConfig) if field.name not in (*FREE, *free)}


def _longer(record: dict, runs: list[dict]) -> str:
    """Return in words which part of a longer run a run is; nothing if it is no part of one."""
    constant = record["config"]["schedule"] == "constant"  # else the rates depend on the length
    settings = settings_of(record, "epochs")
    same = [run for run in runs if constant and settings_of(run, "epochs") == settings]
    longest = max(same, key=lambda run: len(run.get("history", [])), default=record)
    if len(longest.get("history", [])) <= len(record["history"]):
        return ""
    return f"run {longest['name'].removeprefix('published_')} after epoch {len(record['history'])}"


def number(value: float) -> str:
    """Return a number with three digits, or as many as stand before the point: 0.123, 1,234."""
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


def ablation(runs: Iterable[dict] | None = None) -> pd.DataFrame:
    """Return one row per change: NME in per cent as mean and spread over seeds, and the difference that it makes.

    The base comes first, then the most harmful change. "spread" is the standard deviation over seeds; "more" is the
    mean NME of new people less the base's; "clear" says whether that exceeds twice the base's spread.
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
