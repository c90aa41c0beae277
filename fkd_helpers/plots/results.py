"""Figures and a table of evaluation records."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from fkd_helpers.core.errors import InputError
from fkd_helpers.evaluate import CONDITIONS, FAILED
from fkd_helpers.faces.landmarks import COLOURS, OKABE_ITO, PREDICTED, REGIONS, TARGET
from fkd_helpers.plots import figure

SETS = (PREDICTED, *(OKABE_ITO[name] for name in ("blue", "black", "orange")))  # one colour per record
BOXES = {"scores": ("photo in", "-"), "scores_true_box": ("true box", ":")}
PARTS = {"seen": "people it saw", "unseen": "people it never saw"}
PERCENT = PercentFormatter(1, decimals=0)


def title_of(record: Mapping) -> str:
    """Return the set and the part that a record is about."""
    return f"{record['data']}, {record['part'] or 'all'}"


def _intervals(rows, key="nme"):
    """Return the scores (n,) of rows and the reach (2, n) of their intervals; NaN, which is not drawn, for infinity."""
    table = pd.DataFrame(list(rows))
    values = table[key].astype(float).replace(np.inf, np.nan)  # a record holds "inf"
    low, high = (table.get(f"{key}_{end}", values).astype(float).fillna(values) for end in ("low", "high"))
    return values, np.stack([values - low, high - values])


def _alt(what: str, titles: Sequence[str], numbers: Sequence[str]) -> str:
    """Return an alt text: what is drawn, and the numbers of each title."""
    return "; ".join([what, *(f"{title}: {told}" for title, told in zip(titles, numbers, strict=True))])


def _legend_above(made, ax, columns: int = 2):
    made.legend(*ax.get_legend_handles_labels(), loc="outside upper center", ncols=columns, frameon=False)


def cumulative_curves(evaluations: Sequence[Mapping]) -> Figure:
    """Draw the cumulative error curve of each evaluation, photo in and with the true box."""
    titles = [title_of(record) for record in evaluations]
    shares = [np.interp(0.05, record["curve_limits"], record["scores"]["curve"]) for record in evaluations]
    what = "Cumulative error curves, the share of faces with an NME of at most so much"
    made, ((ax,),) = figure(size=4.2, alt=_alt(what, titles, [f"{share:.0%} at 0.05" for share in shares]))
    for record, title, colour in zip(evaluations, titles, SETS, strict=False):
        for key, (name, style) in BOXES.items():
            ax.plot(record["curve_limits"], record[key]["curve"], style, color=colour, label=f"{title}, {name}")
    ax.axvline(FAILED, color="#BBBBBB", linewidth=1, zorder=0)
    ax.set(xlabel="NME", ylabel="faces with at most that NME", ylim=(0, 1.02), xlim=(0, None))
    ax.yaxis.set_major_formatter(PERCENT)
    ax.legend(frameon=False, fontsize=8, loc="lower right")
    return made


def region_bars(evaluations: Sequence[Mapping]) -> Figure:
    """Draw the NME of each region with its 95 % interval over people, one group of bars per evaluation."""
    titles, scores = [title_of(record) for record in evaluations], [record["scores"] for record in evaluations]
    numbers = [", ".join(f"{region} {float(score[f'nme_{region}']):.3f}" for region in REGIONS) for score in scores]
    made, ((ax,),) = figure(size=2.6, alt=_alt("NME by region", titles, numbers))
    made.set_size_inches(2.8 * len(titles) + 1.0, 2.6)
    for i, region in enumerate(REGIONS):
        values, errors = _intervals(scores, f"nme_{region}")
        positions = np.arange(len(titles)) + (i - 2) * 0.17
        ax.bar(positions, values, 0.15, yerr=errors, color=COLOURS[region], label=region, capsize=2)
    ax.set(ylabel="NME")
    ax.set_xticks(range(len(titles)), titles)
    made.legend(loc="outside right center", frameon=False)
    return made


def condition_curves(evaluations: Sequence[Mapping], names: Sequence[str] = tuple(CONDITIONS)) -> Figure:
    """Draw the NME against what the photos are like: the middle of each bin, with its 95 % interval over people."""
    titles, bins = [title_of(record) for record in evaluations], [record["conditions"] for record in evaluations]
    reach = "{} {:.3f} to {:.3f}".format
    ends = [", ".join(reach(name, rows[name][0]["nme"], rows[name][-1]["nme"]) for name in names) for rows in bins]
    what = f"NME by {', '.join(names)}, from the lowest bin to the highest"
    made, (axes,) = figure(1, len(names), size=2.0, alt=_alt(what, titles, ends))
    made.set_figheight(2.5)
    for ax, name in zip(axes, names, strict=True):
        for rows, title, colour in zip(bins, titles, SETS, strict=False):
            middles = [row["middle"] for row in rows[name]]
            style = {"color": colour, "marker": "o", "markersize": 3, "capsize": 2, "label": title}
            ax.errorbar(middles, *_intervals(rows[name]), **style)
        ax.set_title(name, fontsize=10)
        ax.set_xlabel(CONDITIONS[name], fontsize=8)
    top = 1.1 * max(ax.get_ylim()[1] for ax in axes)
    for ax in axes:
        ax.set_ylim(0, top)
        ax.tick_params(labelleft=ax is axes[0])
    axes[0].set_ylabel("NME")
    if len(evaluations) > 1:
        _legend_above(made, axes[0], len(SETS))
    return made


def robustness_curves(record: Mapping, *, columns: int = 3) -> Figure:
    """Draw for each kind of change which share of faces fails (NME above 0.10), with the true box and without."""
    curves = record["curves"]
    limits = [(kind, breaking_point(curve["points"])) for kind, curve in curves.items()]
    tenth = [f"{kind} at {limit:.3g}" if np.isfinite(limit) else f"{kind} never" for kind, limit in limits]
    alt = f"Share of faces with an NME above {FAILED:.2f} as photos get worse; a tenth of them: {', '.join(tenth)}"
    made, axes = figure(math.ceil(len(curves) / columns), min(columns, len(curves)), size=2.4, alt=alt)
    for ax, (kind, curve) in zip(axes.ravel(), curves.items(), strict=False):
        points = pd.DataFrame(curve["points"])
        for key, name, colour in (("failures", "true box", TARGET), ("photo_failures", "photo in", PREDICTED)):
            if key in points:
                ax.plot(points["strength"], points[key], color=colour, marker="o", markersize=3, label=name)
        if points["strength"][0] > 0:  # "so many times": equal steps for equal factors
            ax.set_xscale("log", base=2)
            ax.set_xticks(points["strength"], [f"{strength:g}" for strength in points["strength"]])
        ax.set_title(kind, fontsize=10)
        ax.set_xlabel(curve["unit"], fontsize=8)
        ax.set_ylim(0, 1.02)
        ax.yaxis.set_major_formatter(PERCENT)
    for ax in axes.ravel()[len(curves) :]:
        ax.set_axis_off()
    made.supylabel(f"faces with NME above {FAILED:.2f}", fontsize=9)
    _legend_above(made, axes[0, 0])
    return made


def breaking_point(points: Sequence[Mapping], *, share: float = 0.1) -> float:
    """Return the strength, between two that were measured, at which `share` of the faces fail; infinity if never."""
    strengths, failures = (np.array([point[key] for point in points], float) for key in ("strength", "failures"))
    if not (failures >= share).any():
        return float("inf")
    i = int((failures >= share).argmax())
    return float(np.interp(share, failures[max(i - 1, 0) : i + 1], strengths[max(i - 1, 0) : i + 1]))


def robustness_table(record: Mapping) -> pd.DataFrame:
    """Return for each kind of change the NME without it and at its strongest, and where a tenth of the faces fail."""
    rows = {}
    for kind, curve in record["curves"].items():
        first, last, limit = curve["points"][0], curve["points"][-1], breaking_point(curve["points"])
        rows[kind] = {"unit": curve["unit"], "NME unchanged": first["nme"], "a tenth fail at": limit}
        rows[kind] |= {"strongest": last["strength"], "NME there": last["nme"]}
    return pd.DataFrame.from_dict(rows, orient="index")


def seen_and_unseen(runs: Sequence[Mapping], titles: Sequence[str] | None = None) -> Figure:
    """Draw the NME of training records of a split by person, on people that the network saw and on held-out people."""
    for run in runs:
        if missing := PARTS.keys() - run.get("scores_by_part", {}).keys():
            raise InputError(f"{run['name']}: expected scores of seen and unseen people, {sorted(missing)} missing")
    titles = list(titles or [run["name"] for run in runs])
    scores = [run["scores_by_part"] for run in runs]
    numbers = [", ".join(f"{name} {score[part]['nme']:.4f}" for part, name in PARTS.items()) for score in scores]
    made, ((ax,),) = figure(size=2.6, alt=_alt("NME with 95 % intervals", titles, numbers))
    made.set_size_inches(5.0, 0.9 + 0.6 * len(runs))
    for step, (part, colour) in enumerate(zip(PARTS, (TARGET, PREDICTED), strict=True)):
        values, errors = _intervals([score[part] for score in scores])
        heights = np.arange(len(runs)) + 0.2 * (step - 0.5)
        ax.errorbar(values, heights, xerr=errors, fmt="o", color=colour, capsize=3, label=PARTS[part])
    ax.set_yticks(range(len(runs)), titles)
    ax.set(xlabel="NME", ylim=(len(runs) - 0.5, -0.5))
    _legend_above(made, ax)
    return made
