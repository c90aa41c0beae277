"""The experiment table: one row a record, the curve in words and as a small drawing."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fkd_helpers.core import records
from fkd_helpers.core.errors import InputError
from fkd_helpers.train.published import NETS, PUBLISHED

BARS = "▁▂▃▄▅▆▇█"
LAST = 10  # batches that the final loss is the mean of
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


@dataclass(frozen=True)
class Curve:
    """A training curve in four numbers; see `curve_of`."""

    start: float
    final: float
    noise: float
    flat: float

    def __str__(self) -> str:
        if not np.isfinite(self.final):
            return "not finite"
        calm = "calm" if self.noise < 0.1 else "noisy" if self.noise < 0.3 else "very noisy"
        calm += f" (±{100 * self.noise:.0f} %)"
        if abs(self.final - self.start) < 0.05 * abs(self.start):
            return f"stays near {self.final:.2g}, {calm}"
        falls = self.final < self.start
        moving = "still falling" if falls else "still rising"
        ends = f"flat after {100 * self.flat:.0f} %" if self.flat < 0.8 else moving
        return f"{'falls' if falls else 'rises'} {self.start:.2g} → {self.final:.2g}, {calm}, {ends}"


def curve_of(losses: Iterable[float]) -> Curve:
    """Measure a training curve, given the loss of every batch.

    start, final: mean of the first and of the last ten batches (all, where there are fewer)
    noise: spread of single batches around their running mean in the last half, as a share of that mean
    flat: the share of the training after which the running mean stays within a tenth of the whole drop of its end

    >>> curve_of([1.0] * 10 + [0.5] * 90)
    Curve(start=1.0, final=0.5, noise=0.0, flat=0.18)
    """
    losses = np.asarray(list(losses), np.float64)
    if not losses.size:
        raise ValueError("losses: expected at least one, got none")
    start, final = losses[:LAST].mean(), losses[-LAST:].mean()
    window = min(LAST, len(losses))
    smooth = np.convolve(losses, np.full(window, 1 / window), "valid")  # ends with `final`
    far = np.abs(smooth - final) > 0.1 * abs(start - final)
    flat = (np.nonzero(far)[0].max() + window) / len(losses) if far.any() else 0.0
    half = smooth[len(smooth) // 2 :]
    noise = np.std(losses[-len(half) :] - half) / max(np.abs(half).mean(), 1e-12)
    return Curve(*(float(f"{value:.4g}") for value in (start, final, noise, flat)))


def spark(values: Iterable[float], width: int = 12) -> str:
    """Draw values as a line of small bars, each the mean of its share of them, on a logarithmic scale.

    >>> spark([8, 4, 2, 1], width=4)
    '█▆▃▁'
    """
    values = np.asarray(list(values), np.float64)
    parts = np.array([part.mean() for part in np.array_split(values, min(width, len(values)))])
    if not (np.isfinite(parts).all() and (parts > 0).all()):
        return ""
    level = np.log(parts)
    level = (level - level.min()) / max(np.ptp(level), 1e-9)
    return "".join(BARS[round(v * (len(BARS) - 1))] for v in level)


def batch_losses(record: dict) -> list[float]:
    """Return the loss of every batch of a run, in order."""
    return [float(loss) for row in record.get("history", []) for loss in row["losses"]]


def table(runs: Iterable[dict]) -> pd.DataFrame:
    """Return the experiment table: one row a run, in the order given; runs that failed or are still to come say so.

    "final loss" is the mean of the last ten batches; only runs of one loss can be compared by it. NME can be compared
    throughout: "known" = other frames of people in the training set, "new" = people who are not.
    """
    rows = []
    for record in runs:
        config, rate = record["config"], f"{record['config']['learning_rate']:g}"
        nets = {net: letter for letter, net in NETS.items()}
        row = {
            "run": record["name"].removeprefix("published_"), "net": nets.get(config["net"], config["net"]),
            "batch": config["batch_size"], "loss": config["loss"], "optimiser": f"{config['optimiser']} {rate}",
        }  # fmt: skip
        wanted = record.get("epochs_wanted", config["epochs"])
        published = published_numbers(record["name"])
        if "failed" in record:
            row |= {"epochs": str(wanted), "curve": f"failed: {record['failed']}"}
        elif not record.get("history"):
            row |= {"epochs": f"0 of {wanted}", "curve": "not run here"}
        else:
            losses, done = batch_losses(record), len(record["history"])
            curve = curve_of(losses)
            row |= {
                "epochs": str(done) if done == wanted else f"{done} of {wanted}", "final loss": curve.final,
                "seconds": round(sum(float(epoch["seconds"]) for epoch in record["history"])),
                "curve": str(curve) if len(losses) >= 2 * LAST else f"{len(losses)} batches, too few to sum up",
                "drawn": spark(losses),
            }  # fmt: skip
            names = {"seen": "NME known", "unseen": "NME new", "test": "NME"}
            row |= {names.get(part, part): scores["nme"] for part, scores in record["scores"].items()}
        if published:
            row["published loss"], row["published s"] = published
        rows.append(row)
    return _ordered(pd.DataFrame(rows))


COLUMNS = (
    "run", "net", "batch", "loss", "optimiser", "epochs", "final loss", "published loss", "NME", "NME known", "NME new",
    "seconds", "published s", "drawn", "curve",
)  # fmt: skip


def _ordered(frame: pd.DataFrame) -> pd.DataFrame:
    frame = frame[[column for column in COLUMNS if column in frame]]
    frame.attrs["title"] = "experiments"
    return frame


def over_seeds(frame: pd.DataFrame, by: str | list[str], value: str = "NME new") -> pd.DataFrame:
    """Return mean, spread (standard deviation) and count of a column over the runs that agree in `by`.

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
    """Return a share as per cent with three digits, nothing for none.

    >>> percent(0.04013)
    '4.01'
    """
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
