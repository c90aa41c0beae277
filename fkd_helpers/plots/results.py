"""What evaluations found, drawn from their records alone. Built in notebook 03."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullFormatter, PercentFormatter

from fkd_helpers.core.errors import InputError
from fkd_helpers.evaluate.conditions import CONDITIONS, FAILED
from fkd_helpers.faces.landmarks import REGIONS
from fkd_helpers.plots.figures import COLOURS, OKABE_ITO, PREDICTED, TARGET, figure

SETS = (PREDICTED, *(OKABE_ITO[name] for name in ("blue", "black", "orange")))  # one colour a record
BOXES = {"scores": ("photo in", "-"), "scores_true_box": ("true box", ":")}
PARTS = {"seen": "people it saw", "unseen": "people it never saw"}


def cumulative_curves(evaluations: Sequence[Mapping]) -> Figure:
    """Draw the cumulative error curve of each evaluation, photo in and with the true box."""
    alt = "Cumulative error curves, the share of faces with an NME of at most so much"
    for record in evaluations:
        limits, shares = np.asarray(record["curve_limits"]), np.asarray(record["scores"]["curve"])
        alt += f"; {title_of(record)}: {np.interp(0.05, limits, shares):.0%} at 0.05"
    made, axes = figure(size=4.2, alt=alt)
    ax = axes[0, 0]
    for record, colour in zip(evaluations, SETS, strict=False):
        for key, (words, style) in BOXES.items():
            ax.plot(record["curve_limits"], record[key]["curve"], style, color=colour,
                    label=f"{title_of(record)}, {words}")  # fmt: skip
    ax.axvline(FAILED, color="#BBBBBB", linewidth=1, zorder=0)
    ax.set(xlabel="NME", ylabel="faces with at most that NME", ylim=(0, 1.02), xlim=(0, None))
    ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.legend(frameon=False, fontsize=8, loc="lower right")
    return made


def title_of(record: Mapping) -> str:
    """Return the set and the part that a record is about."""
    return f"{record['data']}, {record['part'] or 'all'}"


def region_bars(evaluations: Sequence[Mapping]) -> Figure:
    """Draw the NME of each region with its 95 % interval over people, one group of bars an evaluation."""
    words = [f"{title_of(record)}: " + ", ".join(
        f"{region} {_interval(record['scores'], f'nme_{region}')[0]:.3f}" for region in REGIONS
    ) for record in evaluations]  # fmt: skip
    made, axes = figure(size=2.6, alt="NME by region; " + "; ".join(words))
    made.set_size_inches(2.8 * len(evaluations) + 1.0, 2.6)
    ax = axes[0, 0]
    for i, region in enumerate(REGIONS):
        found = [_interval(record["scores"], f"nme_{region}") for record in evaluations]
        places = np.arange(len(evaluations)) + (i - 2) * 0.17
        values, errors = np.array([v for v, _ in found]), np.array([e for _, e in found]).T
        ax.bar(places, values, 0.15, yerr=errors, color=COLOURS[region], label=region, capsize=2)
    ax.set(ylabel="NME")
    ax.set_xticks(range(len(evaluations)), [title_of(record) for record in evaluations])
    made.legend(loc="outside right center", frameon=False)
    return made


def _interval(scores, key="nme"):
    """Return a score and how far its interval reaches below and above, both 0 where the record has none.

    A score that is infinite, because a face was not found, is NaN: nothing is drawn.
    """
    value = float(scores[key])
    value = value if np.isfinite(value) else float("nan")
    return value, [value - float(scores.get(f"{key}_low", value)), float(scores.get(f"{key}_high", value)) - value]


def condition_curves(evaluations: Sequence[Mapping], names: Sequence[str] = tuple(CONDITIONS)) -> Figure:
    """Draw the NME against what the photos are like: the middle of each bin, with its 95 % interval over people."""
    words = []
    for record in evaluations:
        ends = [(name, record["conditions"][name][0]["nme"], record["conditions"][name][-1]["nme"]) for name in names]
        words.append(f"{title_of(record)}: " + ", ".join(f"{n} {a:.3f} to {b:.3f}" for n, a, b in ends))
    alt = f"NME by {', '.join(names)}, from the lowest bin to the highest; " + "; ".join(words)
    made, axes = figure(1, len(names), size=2.0, alt=alt)
    made.set_figheight(2.5)
    for ax, name in zip(axes[0], names, strict=True):
        for record, colour in zip(evaluations, SETS, strict=False):
            rows = record["conditions"][name]
            values, errors = zip(*(_interval(row) for row in rows), strict=True)
            ax.errorbar([row["middle"] for row in rows], values, np.array(errors).T, color=colour, marker="o",
                        markersize=3, capsize=2, label=title_of(record))  # fmt: skip
        ax.set_title(name, fontsize=10)
        ax.set_xlabel(CONDITIONS[name], fontsize=8)
    top = 1.1 * max(ax.get_ylim()[1] for ax in axes[0])
    for ax in axes[0]:
        ax.set_ylim(0, top)
        ax.tick_params(labelleft=ax is axes[0, 0])
    axes[0, 0].set_ylabel("NME")
    if len(evaluations) > 1:
        made.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=len(SETS), frameon=False)
    return made


def robustness_curves(record: Mapping, *, columns: int = 3) -> Figure:
    """Draw for each kind of change which share of faces fails, with the true box and, where the record has it, without.

    A failure is an NME above 0.10. The change at which a tenth of the faces fail with the true box is in the alt text.
    """
    curves = record["curves"]
    tenth = {kind: breaking_point(curve["points"]) for kind, curve in curves.items()}
    words = [f"{kind} {f'at {at:.3g}' if np.isfinite(at) else 'never'}" for kind, at in tenth.items()]
    alt = f"Share of faces with an NME above {FAILED:.2f} as photos get worse; a tenth of them: {', '.join(words)}"
    rows = -(-len(curves) // columns)
    made, axes = figure(rows, min(columns, len(curves)), size=2.4, alt=alt)
    for ax, (kind, curve) in zip(axes.ravel(), curves.items(), strict=False):
        strengths = [point["strength"] for point in curve["points"]]
        for key, words, colour in (("failures", "true box", TARGET), ("photo_failures", "photo in", PREDICTED)):
            if key in curve["points"][0]:
                ax.plot(strengths, [p[key] for p in curve["points"]], color=colour, marker="o", markersize=3,
                        label=words)  # fmt: skip
        if strengths[0] > 0:  # "so many times": equal steps for equal factors
            ax.set_xscale("log", base=2)
            ax.xaxis.set_major_locator(FixedLocator(strengths))
            ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
            ax.xaxis.set_minor_formatter(NullFormatter())
        ax.set_title(kind, fontsize=10)
        ax.set_xlabel(curve["unit"], fontsize=8)
        ax.set_ylim(0, 1.02)
        ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    for ax in axes.ravel()[len(curves) :]:
        ax.set_axis_off()
    made.supylabel(f"faces with NME above {FAILED:.2f}", fontsize=9)
    made.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=2, frameon=False)
    return made


def breaking_point(points: Sequence[Mapping], *, share: float = 0.1, key: str = "failures") -> float:
    """Return the strength, between two that were measured, at which `share` of the faces fail; infinity if never.

    >>> breaking_point([{"strength": 0, "failures": 0.0}, {"strength": 10, "failures": 1.0}])
    1.0
    """
    strengths, failures = ([float(point[k]) for point in points] for k in ("strength", key))
    above = [i for i, value in enumerate(failures) if value >= share]
    if not above or above[0] == 0:
        return strengths[0] if above else float("inf")
    i = above[0]
    part = (share - failures[i - 1]) / (failures[i] - failures[i - 1])
    return strengths[i - 1] + part * (strengths[i] - strengths[i - 1])


def robustness_table(record: Mapping) -> pd.DataFrame:
    """Return for each kind of change the NME without it and at its strongest, and where a tenth of the faces fail."""
    rows = {}
    for kind, curve in record["curves"].items():
        first, last = curve["points"][0], curve["points"][-1]
        rows[kind] = {
            "unit": curve["unit"], "NME unchanged": first["nme"], "a tenth fail at": breaking_point(curve["points"]),
            "strongest": last["strength"], "NME there": last["nme"],
        }  # fmt: skip
    return pd.DataFrame.from_dict(rows, orient="index")


def seen_and_unseen(runs: Sequence[Mapping], titles: Sequence[str] | None = None) -> Figure:
    """Draw the NME, with its interval over people, on people that a network saw and on people it never saw.

    runs: training records of a split by person, with "seen" and "unseen" in "scores_by_part"

    Raises:
        InputError: a record of another split.
    """
    for run in runs:
        if missing := PARTS.keys() - run.get("scores_by_part", {}).keys():
            raise InputError(f"{run['name']}: expected scores of seen and unseen people, {sorted(missing)} missing")
    titles = list(titles or [run["name"] for run in runs])
    found = {part: [_interval(run["scores_by_part"][part]) for run in runs] for part in PARTS}
    words = [f"{title}: {PARTS['seen']} {found['seen'][i][0]:.4f}, {PARTS['unseen']} {found['unseen'][i][0]:.4f}"
             for i, title in enumerate(titles)]  # fmt: skip
    made, axes = figure(size=2.6, alt="NME with 95 % intervals; " + "; ".join(words))
    made.set_size_inches(5.0, 0.9 + 0.6 * len(runs))
    ax = axes[0, 0]
    for step, (part, colour) in enumerate(zip(PARTS, (TARGET, PREDICTED), strict=True)):
        values, errors = zip(*found[part], strict=True)
        ax.errorbar(values, np.arange(len(runs)) + 0.2 * (step - 0.5), xerr=np.array(errors).T, fmt="o", color=colour,
                    capsize=3, label=PARTS[part])  # fmt: skip
    ax.set_yticks(range(len(runs)), titles)
    ax.set(xlabel="NME", ylim=(len(runs) - 0.5, -0.5))
    made.legend(loc="outside upper center", ncols=2, frameon=False)
    return made
