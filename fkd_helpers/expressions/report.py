"""What an expression model does on a test part, as figures and one HTML page; all models compared."""

import base64
import html
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from fkd_helpers.core import records
from fkd_helpers.core.files import whole_file
from fkd_helpers.data import FaceSet
from fkd_helpers.expressions.metrics import all_scores, by_class
from fkd_helpers.faces.landmarks import EXPRESSIONS
from fkd_helpers.plots import expressions as plots
from fkd_helpers.plots.training import training_curves

WORST = 50
# what others reported on an equal or easier task (seven classes); see the notebook's sources
PUBLISHED = {"accuracy": 0.482, "valence_rmse": 0.380, "valence_r": 0.620, "arousal_rmse": 0.332, "arousal_r": 0.499}
COLUMNS = {
    "accuracy": "accuracy",
    "macro_f1": "macro F1",
    "kappa": "kappa",
    "auc_roc": "ROC AUC",
    "calibration": "calibration error",
    "valence_rmse": "valence RMSE",
    "valence_r": "valence r",
    "valence_sign": "valence sign",
    "arousal_rmse": "arousal RMSE",
    "arousal_r": "arousal r",
}
STYLE = "body{font:15px sans-serif;max-width:60em;margin:2em auto}td,th{padding:.15em .6em;text-align:right}"


def worst_rows(answers: np.ndarray, faces: FaceSet, *, count: int = WORST) -> pd.DataFrame:
    """Return the faces whose label an answer found least likely, as an index: place in the part, no picture.

    Such a face is either hard, or labelled wrong: look before you blame the model.
    """
    shares, labels = np.asarray(answers)[:, :-2], faces.extras["expression"]
    of_label = shares[np.arange(len(shares)), labels]
    order = np.argsort(of_label, kind="stable")[:count]
    table = pd.DataFrame({"face": order, "labelled": np.array(EXPRESSIONS)[labels[order]]})
    table["called"] = np.array(EXPRESSIONS)[shares[order].argmax(1)]
    table["share of the label"], table["share of the answer"] = of_label[order], shares[order].max(1)
    for column, name in ((-2, "valence"), (-1, "arousal")):
        table[f"{name} off by"] = answers[order, column] - faces.extras[name][order]
    return table


def compare(folder: Path | None = None, *, seeds: bool = False) -> pd.DataFrame:
    """Return a row per model from the records of a folder (default: those of the course), the best accuracy last.

    Runs that differ only in their seed ("NAME_s0", "NAME_s1" ...) become one row with their means, unless `seeds`. Fast
    runs, which only try whether all works, are left out.
    """
    rows = []
    for record in records.find("expressions", folder=folder):
        if not record.get("fast") and "scores" in record:
            stem, _, seed = record["name"].rpartition("_s")
            name = stem if seed.isdigit() and not seeds else record["name"]
            scores = {title: float(record["scores"][key]) for key, title in COLUMNS.items()}
            rows.append({"model": name, "classes": len(record["confusion"]), "seeds": 1, **scores})
    table = pd.DataFrame(rows, columns=["model", "classes", "seeds", *COLUMNS.values()])
    groups = table.groupby("model", sort=False)
    means = groups.agg({"classes": "first", "seeds": "sum", **dict.fromkeys(COLUMNS.values(), "mean")}).reset_index()
    means["±"] = groups["accuracy"].std(ddof=0).to_numpy()
    return means.sort_values("accuracy", ignore_index=True)


def published_row() -> pd.DataFrame:
    """Return what others reached, each column by another of their models, as a row for the table of `compare`."""
    return pd.DataFrame([{"model": "published, best of each"} | {COLUMNS[key]: v for key, v in PUBLISHED.items()}])


def write_report(
    folder: str | Path, answers: np.ndarray, faces: FaceSet, *, title: str, history: Sequence[Mapping] = ()
) -> Path:
    """Write figures as PNG, `worst.csv` and `report.html`, which holds them all; no face is shown or written.

    Args:
        answers: (n, classes + 2), shares then valence and arousal
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    shares, labels, worst = answers[:, :-2], faces.extras["expression"], worst_rows(answers, faces)
    with whole_file(folder / "worst.csv") as partial:
        worst.to_csv(partial, index=False, float_format="%.3f")
    figures = {
        "confusion": plots.confusion_figure(shares, labels),
        "curves": plots.curves_figure(shares, labels),
        "circumplex": plots.circumplex_figure(answers, faces),
        "calibration": plots.calibration_figure(shares, labels),
    }
    if history:
        figures["training"] = training_curves(history)
    scores = pd.DataFrame(all_scores(answers, faces).items(), columns=["score", "value"])
    parts = [f"<h1>{html.escape(title)}</h1><p>{len(faces)} test faces, seen once.</p>", _table(scores)]
    parts += ["<h2>By expression</h2>", _table(by_class(shares, labels))]
    for name, made in figures.items():
        picture = io.BytesIO()
        made.savefig(picture, format="png", dpi=90)
        with whole_file(folder / f"{name}.png") as partial:
            partial.write_bytes(picture.getvalue())
        source = f"data:image/png;base64,{base64.b64encode(picture.getvalue()).decode()}"
        parts.append(f'<h2>{name.capitalize()}</h2><img alt="{html.escape(made.get_label())}" src="{source}">')
    parts += ["<h2>Least expected labels</h2><p>Places in the test part; hard, or labelled wrong.</p>", _table(worst)]
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
    with whole_file(folder / "report.html") as partial:
        partial.write_text(f"{head}<style>{STYLE}img{{max-width:100%}}</style>{''.join(parts)}</html>", "utf-8")
    return folder / "report.html"


def _table(frame: pd.DataFrame) -> str:
    return frame.to_html(index=False, float_format="{:.3f}".format, na_rep="", border=0)
