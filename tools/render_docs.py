"""Write the tables and the bound numbers of README.md, the model cards and docs/ from data/records.

`make readme` rewrites them; `python tools/render_docs.py --check` only tells whether they are as the records say. A
table stands between `<!-- NAME -->` and `<!-- /NAME -->`; a number in prose is bound to a field of a record by
`5,770<!-- = facts-ytf/images/all -->` and keeps the decimals that stand there.
"""

import json
import re
import sys
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from fkd_helpers.core import records
from fkd_helpers.core.errors import InputError
from fkd_helpers.course import checks  # noqa: F401  they fill EXERCISES
from fkd_helpers.course.exercises import EXERCISES
from fkd_helpers.evaluate import CONDITIONS
from fkd_helpers.expressions.report import COLUMNS, PUBLISHED
from fkd_helpers.plots.results import breaking_point
from fkd_helpers.train.grid import published_grid, recorded
from fkd_helpers.train.tables import ablation, epochs_to, markdown, number, percent, table

ROOT = Path(__file__).parents[1]
PATTERNS = ("*.md", "data/*.md", "docs/**/*.md", "fkd_helpers/weights/*.md")
PAGES = sorted(path for pattern in PATTERNS for path in ROOT.glob(pattern))
FINDERS = {"dlib_hog": "HOG + dlib", "dlib_haar": "Haar + dlib", "mediapipe": "MediaPipe"}
AN_EXERCISE = 10  # minutes of a lesson; learners differ


def record(name: str) -> dict:
    """Return the record of that name."""
    return records.read(records.RECORDS / f"{name}.json")


def lines_of(header: str, rows: Iterable[Sequence]) -> str:
    """Return a Markdown table; header: its columns, separated by " | "."""
    columns = header.count(" | ") + 1
    return "\n".join([f"| {header} |", "|---" * columns + "|", *(f"| {' | '.join(map(str, row))} |" for row in rows)])


def percents(scores: dict, *keys: str) -> list[str]:
    return [percent(scores[key]) for key in keys]


def interval(scores: dict) -> str:
    return " to ".join(percents(scores, "nme_low", "nme_high"))


def official_table() -> str:
    """Return our scores on the official test beside those of others."""

    def cells(scores):
        auc = f"{scores['auc_0.5']:.3f}"
        return [percent(scores["nme"]), f"{scores['mae_224']:.3g}", percent(scores["pck_0.10"]), auc]

    ours, found = record("evaluation-ytf-test-small"), record("fairness-ytf-test")
    nme, *rest = cells(ours["scores"])
    rows = [["**this course, photo in, keypoints out**", f"**{nme}**", *rest]]
    rows += [["the same, its answers not moved", *cells(ours["raw"])]]
    published = record("published-ytf-test")["rows"][0]
    rows += [[published[key] for key in ("system", "nme", "mae_224", "pck_0.10", "auc_0.5")]]
    for name, title in FINDERS.items():
        scores = found["systems"][name]
        lost = 1 - scores["as_answered"]["found"] / found["faces"]
        rows += [[title + (f" ({percent(lost)} % no face)" if lost else ""), *cells(scores["as_answered"])]]
        rows += [["the same, adapted", *cells(scores["adapted"])]]
    return lines_of("68 points, official test | NME % | MAE at 224 px | PCK 0.10 % | AUC 0.5", rows)


def speed_table() -> str:
    """Return how fast the package is beside the naive way."""
    rows = record("benchmark-speed")["rows"]
    rows = [[row["what"], row["unit"], *(number(row[key]) for key in ("ours", "naive", "ratio"))] for row in rows]
    return lines_of("ours / the naive way | unit | ours | naive | times faster", rows)


def score_table() -> str:
    """Return the shipped network's scores on every set; "not moved" is the NME of its own answers."""
    keys = ("nme_median", "nme_over_0.10", "pck_0.05", "pck_0.10")
    regions = ("jaw", "brows", "nose", "eyes", "mouth")
    rows = []
    for entry in [entry for entry in records.find("evaluation") if entry["model"] == "small"]:
        for box, ending in (("found by the detector", ""), ("given", "_true_box")):
            scores, raw = entry[f"scores{ending}"], entry[f"raw{ending}"]
            rows.append([
                f"{entry['data']}, {entry['part']}", box, f"{scores['faces']:.3g}",
                f"{percent(scores['nme'])} ({interval(scores)})", percent(raw["nme"]), *percents(scores, *keys),
                f"{scores['mae_224']:.3g}", *percents(scores, *(f"nme_{region}" for region in regions)),
            ])  # fmt: skip
    header = "set | box | faces | NME % (95 % interval) | not moved % | median % | over 0.10 % | PCK 0.05 %"
    return lines_of(" | ".join([header, "PCK 0.10 % | MAE at 224 px", *(f"{part} %" for part in regions)]), rows)


def expression_scores() -> str:
    """Return the scores of the shipped expression network beside the published ones."""
    found, file = record("expressions-lite0_160_s0"), ROOT / "fkd_helpers" / "weights" / "expressions.onnx"
    columns = {"here": found["scores"], "published, best of each": PUBLISHED}
    rows = [{"score": title} | {name: scores[key] for name, scores in columns.items() if key in scores}
            for key, title in COLUMNS.items()]  # fmt: skip
    table = markdown(pd.DataFrame(rows), digits=3)
    return f"{found['test_faces']} faces; the file has {file.stat().st_size / 1e6:.1f} MB.\n\n{table}"


def recipe() -> str:
    """Return how the shipped network was trained."""
    steps = {
        "keypoints68": "from random weights", "keypoints68_fine": "from those, with gentler augmentation",
        "keypoints68_centred": "from those, with labels centred",
    }  # fmt: skip
    runs = {words: record(f"training-{name}") for name, words in steps.items()}
    first = runs["from random weights"]
    lines = [
        f"- network `{first['config']['net']}`, {first['weights']:,} weights; gray crops of 112 x 112 pixels",
        f"- {first['training_faces']:,} faces: {first['config']['data']} (training) and nine tenths of "
        f"{first['config']['extra_data']}",
    ]
    for words, run in runs.items():
        config = run["config"]
        lines.append(
            f"- {words}: {config['epochs']} epochs of about {run['seconds_an_epoch']:.0f} s on "
            f"{run['machine']['cores']} cores; {config['optimiser']}, learning rate {config['learning_rate']:g}, "
            f"{config['schedule']}, batch {config['batch_size']}, loss {config['loss']}, augmentation "
            f"{config['augment']:g}, seed {config['seed']}; after it NME {percent(run['scores']['nme'])} % on the "
            "official test with the true box"
        )
    return "\n".join(lines)


def people_table() -> str:
    """Return what seen and unseen people cost: the same recipe without a fifth of the people."""
    titles = {"unseen": "people it never saw, all frames", "seen": "people it saw, test frames"}
    rows = []
    for labels, name in (("given", "keypoints68_people"), ("centred", "keypoints68_people_centred")):
        for part, title in titles.items():
            scores = record(f"training-{name}")["scores_by_part"][part]
            rows.append([f"{title}; labels {labels}", scores["faces"], percent(scores["nme"]), interval(scores)])
    return lines_of("same recipe, a fifth of the people kept out | faces | NME % | 95 % interval", rows)


def jaw_table() -> str:
    """Return what learning the jaw of the photos costs and gains."""
    rows = []
    for use in ("ignored", "learned"):
        parts = record(f"training-trial_jaw_{use}")["scores_by_part"]
        rows.append([use, *percents(parts["test"], "nme", "nme_jaw"), *percents(parts["extra"], "nme", "nme_jaw")])
    header = "jaw of the photos, 3 more epochs | official test NME % | its jaw % | photos NME % | their jaw %"
    return lines_of(header, rows)


def ablation_table() -> str:
    """Return what each piece of the recipe is worth, and how soon it is below the published score."""
    rows = []
    for change, row in ablation().iterrows():
        spread = f" ± {row['spread']:.2f}" if row["runs"] > 1 else ""
        more = f"{row['more']:+.2f}{'' if row['clear'] else ' (chance)'}" if row["more"] else ""
        others = (f"{row[key]:.2f}" for key in ("known people", "photos"))
        rows.append([change, f"{row['runs']:.0f}", f"{row['new people']:.2f}{spread}", more, *others])
    published = float(record("published-ytf-test")["rows"][0]["nme"])
    runs = [record(f"experiment-ablation_base{seed}") for seed in ("", "_seed1", "_seed2")]
    epochs, seconds = zip(*(epochs_to(run, published / 100) for run in runs), strict=True)
    return lines_of("changed | runs | new people NME % | more | known people | photos", rows) + (
        f"\n\nFrom random weights the recipe is below the published NME of {published} % after {max(epochs)} "
        f"epoch, {min(seconds):.0f} to {max(seconds):.0f} s of training on {runs[0]['machine']['cores']} cores "
        "(three seeds; people it never saw, true box)."
    )


def experiments_table() -> str:
    """Return the fifteen published runs and ours beside them."""
    rows = []
    for _, row in table(recorded(published_grid())).iterrows():
        ran = np.isfinite(row["final loss"])
        ours = [f"{row['final loss']:.3f}", *(f"{100 * row[key]:.1f}" for key in ("NME known", "NME new"))]
        cells = [row[key] for key in ("run", "net", "batch", "loss", "optimiser", "epochs")]
        rows.append([*cells, f"{row['published loss']:.3f}", *(ours if ran else ["", "", ""]), row["curve"]])
    header = "run | net | batch | loss | optimiser | epochs | published final loss | ours | NME %, known people"
    return lines_of(f"{header} | NME %, new people | our curve", rows)


def condition_table() -> str:
    """Return the NME on the lowest and the highest fifth of the official test by each condition."""
    rows = []
    for name, bins in record("evaluation-ytf-test-small")["conditions"].items():
        cells = [cell for i in (0, -1) for cell in (f"{bins[i]['middle']:.3g}", percent(bins[i]["nme"]))]
        rows.append([f"{name}, {CONDITIONS[name]}", *cells])
    return lines_of("official test by | of the lowest fifth | NME % | of the highest fifth | NME %", rows)


def robustness_table() -> str:
    """Return what each kind of change costs, and where a tenth of the faces fail."""
    rows = []
    for kind, curve in record("robustness-ytf-test-small")["curves"].items():
        points = curve["points"]
        cells = [cell for i in (2, -2) for cell in (f"{points[i]['strength']:g}", percent(points[i]["nme"]))]
        tenth = breaking_point(points)
        rows.append([f"{kind}, {curve['unit']}", *cells, f"{tenth:.3g}" if np.isfinite(tenth) else "-"])
    header = "change of the photo, true box given | at | NME % | at | NME % | a tenth of the faces fail at"
    return lines_of(header, rows)


def detector_table() -> str:
    """Return the share of failed faces behind each detector, by condition."""
    by_detector = record("detector-wild68-held-out")["conditions"]
    rows = []
    for condition in by_detector["ours"]:
        cells = [by_detector[name][condition] for name in ("haar", "ours")]
        if "failed" in cells[0]:
            shares = [[f"{100 * cell[key]:.1f}" for key in ("failed", "low", "high")] for cell in cells]
            rows.append([f"failed %, {condition}", *(f"{share} ({low} to {high})" for share, low, high in shares)])
        else:
            rows.append([f"false faces in {cells[0]['photos']} {condition}", *(cell["false_faces"] for cell in cells)])
    return lines_of("wild68, held-out | Haar | ours", rows)


def timings_table() -> str:
    """Return reading, exercises and running time of each notebook, as its first cell says them."""
    rows = []
    for path in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb")):
        text = " ".join("".join(json.loads(path.read_text(encoding="utf-8"))["cells"][0]["source"]).split())
        reading = re.search(r"about (\d+) minutes of reading", text)
        running = re.search(r"[Aa]ll cells together run in (?:less than |about )?(\d+ (?:seconds|minutes))", text)
        if not (reading and running):
            wanted = '"about N minutes of reading" and "All cells together run in ..."'
            raise InputError(f"{path.name}: its first cell should say {wanted}")
        count, minutes = list(EXERCISES.values()).count(path.name[:2]), int(reading[1])
        link = f"[{path.stem}](../notebooks/{path.name})"
        rows.append([link, minutes, count, minutes + AN_EXERCISE * count, running[1]])
    header = "notebook | reading, minutes | exercises | with exercises, minutes | all cells run within"
    return lines_of(header, rows)


def from_record(name: str, *tables: str) -> str:
    """Return tables that a record holds, as Markdown."""
    return "\n\n".join(markdown(pd.DataFrame(record(name)["tables"][table])) for table in tables)


SECTIONS = {
    "timings": timings_table, "official": official_table, "scores": score_table, "expression-scores": expression_scores,
    "recipe": recipe, "people": people_table, "jaw": jaw_table, "ablation": ablation_table,
    "experiments": experiments_table, "speed": speed_table, "conditions": condition_table,
    "robustness": robustness_table, "peers": partial(from_record, "benchmark-peers", "speed", "cost"),
    "fairness": partial(from_record, "fairness-ytf-test", "slices"),
    "worse": partial(from_record, "fairness-ytf-test", "worse"), "detector": detector_table,
}  # fmt: skip
# a number, perhaps bold or in per cent, and the field of a record that it comes from
BOUND = re.compile(r"(\d[\d,]*(?:\.\d+)?)(\**(?: ?%)?\**)<!-- = (\S+) -->")


def rendered(text: str) -> str:
    """Return a page with its tables `<!-- NAME --> ... <!-- /NAME -->` and its bound numbers written anew."""
    for name, make in SECTIONS.items():
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.S)
        if pattern.search(text):
            body = make()
            text = pattern.sub(lambda match, body=body: f"{match[1]}{body}\n{match[2]}", text)
    return BOUND.sub(lambda match: looked_up(match[3], match[1]) + match[2] + f"<!-- = {match[3]} -->", text)


def looked_up(source: str, written: str) -> str:
    """Return the number of a record's field, `RECORD/KEY/KEY`, with as many decimals as what is written."""
    name, *keys = source.split("/")
    value = record(name)
    try:
        for key in keys:
            value = value[int(key)] if isinstance(value, list) else value[key]
        return f"{value:,.{len(written.partition('.')[2])}f}"
    except (KeyError, IndexError, TypeError, ValueError):
        raise InputError(f"<!-- = {source} -->: no number there") from None


def main(check: bool) -> int:
    """Rewrite the pages, or tell which are stale; return the exit code."""
    stale = 0
    for page in PAGES:
        old = page.read_text(encoding="utf-8")
        new = rendered(old)
        stale += old != new
        if check and old != new:
            print(f"{page.relative_to(ROOT)} is stale: run `make readme`")
        elif old != new:
            page.write_text(new, encoding="utf-8")
    return int(check and stale > 0)


if __name__ == "__main__":
    try:
        sys.exit(main("--check" in sys.argv))
    except InputError as error:
        sys.exit(f"render_docs: {error}")
