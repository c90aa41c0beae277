"""What an expression model does on a test part, as files: figures, worst faces, one HTML page. Built in notebook 07."""

import base64
import csv
import html
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from fkd_helpers.core import records
from fkd_helpers.core.files import whole_file
from fkd_helpers.expressions.data import ExpressionSet
from fkd_helpers.expressions.metrics import all_scores, by_class
from fkd_helpers.faces.landmarks import EXPRESSIONS
from fkd_helpers.plots.expressions import (
    calibration_figure,
    circumplex_figure,
    confusion_figure,
    curves_figure,
    history_figure,
)

WORST = 50
# what others reported on an equal or easier task (seven classes); see the notebook's sources
PUBLISHED = {"accuracy": 0.482, "valence_rmse": 0.380, "valence_r": 0.620, "arousal_rmse": 0.332, "arousal_r": 0.499}
COLUMNS = {
    "accuracy": "accuracy", "macro_f1": "macro F1", "kappa": "kappa", "auc_roc": "ROC AUC",
    "calibration": "calibration error", "valence_rmse": "valence RMSE", "valence_r": "valence r",
    "valence_sign": "valence sign", "arousal_rmse": "arousal RMSE", "arousal_r": "arousal r",
}  # fmt: skip


def worst_rows(answers: np.ndarray, faces: ExpressionSet, *, count: int = WORST) -> pd.DataFrame:
    """Return the faces whose label an answer found least likely, as an index: place in the part, no picture.

    Such a face is either hard, or labelled wrong: look before you blame the model.
    """
    shares = np.asarray(answers)[:, :-2]
    of_label = shares[np.arange(len(shares)), faces.expression]
    order = np.argsort(of_label, kind="stable")[:count]
    return pd.DataFrame({
        "face": order, "labelled": [EXPRESSIONS[faces.expression[i]] for i in order],
        "called": [EXPRESSIONS[shares[i].argmax()] for i in order], "share of the label": of_label[order],
        "share of the answer": shares[order].max(1), "valence off by": answers[order, -2] - faces.valence[order],
        "arousal off by": answers[order, -1] - faces.arousal[order],
    })  # fmt: skip


def compare(folder: Path | None = None, *, seeds: bool = False) -> pd.DataFrame:
    """Return a row a model from the records of a folder (default: those of the course), the best accuracy last.

    Runs that differ only in their seed ("NAME_s0", "NAME_s1" ...) become one row with their means, unless `seeds`.
    Fast runs, which only try whether all works, are left out.
    """
    groups: dict[str, list[dict]] = {}
    for record in records.find("expressions", folder=folder):
        if not record.get("fast"):
            stem, _, seed = record["name"].rpartition("_s")
            groups.setdefault(stem if seed.isdigit() and not seeds else record["name"], []).append(record)
    rows = []
    for name, found in groups.items():
        row = {"model": name, "classes": len(found[0]["confusion"]), "seeds": len(found)}
        row |= {word: np.mean([float(r["scores"][key]) for r in found]) for key, word in COLUMNS.items()}
        rows.append(row | {"±": np.std([float(r["scores"]["accuracy"]) for r in found])})
    table = pd.DataFrame(rows, columns=["model", "classes", "seeds", *COLUMNS.values(), "±"])
    return table.sort_values("accuracy", ignore_index=True)


def published_row() -> pd.DataFrame:
    """Return what others reach, each column by another of their models, as a row for `compare`'s table."""
    return pd.DataFrame([{"model": "published, best of each"} | {COLUMNS[key]: v for key, v in PUBLISHED.items()}])


def write_report(
    folder: str | Path, answers: np.ndarray, faces: ExpressionSet, *, title: str, history: Sequence[Mapping] = (),
    table: pd.DataFrame | None = None,
) -> Path:  # fmt: skip
    """Write figures as PNG, `worst.csv`, `metrics.csv` (a row an epoch) and `report.html`, which holds them all.

    answers: (n, classes + 2), shares then valence and arousal; no face is shown or written
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    shares = answers[:, :-2]
    figures = {
        "confusion": confusion_figure(shares, faces.expression), "curves": curves_figure(shares, faces.expression),
        "circumplex": circumplex_figure(answers, faces), "calibration": calibration_figure(shares, faces.expression),
    }  # fmt: skip
    if history:
        figures["training"] = history_figure(history)
        _write_csv(folder / "metrics.csv", history)
    worst = worst_rows(answers, faces)
    with whole_file(folder / "worst.csv") as partial:
        worst.to_csv(partial, index=False, float_format="%.3f")
    scores = pd.DataFrame([{"score": key, "value": value} for key, value in all_scores(answers, faces).items()])
    parts = [f"<h1>{html.escape(title)}</h1><p>{len(faces)} test faces, seen once.</p>", _table(scores),
             "<h2>By expression</h2>", _table(pd.DataFrame(by_class(shares, faces.expression)))]  # fmt: skip
    for name, made in figures.items():
        parts.append(f"<h2>{name.capitalize()}</h2>{_picture(made, folder / f'{name}.png')}")
    parts += ["<h2>Least expected labels</h2><p>Places in the test part; hard, or labelled wrong.</p>", _table(worst)]
    if table is not None and len(table):
        parts += ["<h2>All models</h2>", _table(table)]
    style = "body{font:15px sans-serif;max-width:60em;margin:2em auto}td,th{padding:.15em .6em;text-align:right}"
    page = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
    with whole_file(folder / "report.html") as partial:
        partial.write_text(f"{page}<style>{style}img{{max-width:100%}}</style>{''.join(parts)}</html>", "utf-8")
    return folder / "report.html"


def _write_csv(path: Path, rows: Iterable[Mapping]) -> None:
    rows = [{key: value for key, value in row.items() if key != "losses"} for row in rows]
    with whole_file(path) as partial, partial.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _table(frame: pd.DataFrame) -> str:
    return frame.to_html(index=False, float_format="{:.3f}".format, na_rep="", border=0)


def _picture(made, path: Path) -> str:
    held = io.BytesIO()
    made.savefig(held, format="png", dpi=90)
    with whole_file(path) as partial:
        partial.write_bytes(held.getvalue())
    data = base64.b64encode(held.getvalue()).decode()
    return f'<img alt="{html.escape(made.get_label())}" src="data:image/png;base64,{data}">'
