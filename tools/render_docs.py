"""Write the tables and the bound numbers of README.md, the model cards and docs/ from data/records.

`make readme` rewrites them; `python tools/render_docs.py --check` only tells whether they are as the records say. A
table stands between `<!-- NAME -->` and `<!-- /NAME -->`; a number in prose is bound to a field of a record by
`5,770<!-- = facts-ytf/images/all -->` and keeps the decimals that stand there.
"""

import json
import re
import sys
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
from fkd_helpers.train.ablation import ablation
from fkd_helpers.train.grid import recorded
from fkd_helpers.train.published import published_grid
from fkd_helpers.train.tables import epochs_to, markdown, number, percent, table

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    path for pattern in ("*.md", "data/*.md", "docs/**/*.md", "fkd_helpers/weights/*.md") for path in ROOT.glob(pattern)
)
FINDERS = {"ours": "ours", "dlib_hog": "HOG + dlib", "dlib_haar": "Haar + dlib", "mediapipe": "MediaPipe"}


def record(name: str) -> dict:
    """Return the record of that name."""
    return records.read(records.RECORDS / f"{name}.json")


def official_table() -> str:
    """Return our scores on the official test beside those of others, as Markdown."""
    ours = record("evaluation-ytf-test-small")
    lines = ["| 68 points, official test | NME % | MAE at 224 px | PCK 0.10 % | AUC 0.5 |", "|---|---|---|---|---|"]
    for name, scores, bold in (
        ("**this course, photo in, keypoints out**", ours["scores"], "**"),
        ("the same, its answers not moved", ours["raw"], ""),
    ):
        lines.append(
            f"| {name} | {bold}{percent(scores['nme'])}{bold} | {scores['mae_224']:.3g} "
            f"| {percent(scores['pck_0.10'])} | {scores['auc_0.5']:.3f} |"
        )
    row = record("published-ytf-test")["rows"][0]
    lines.append(f"| {row['system']} | {row['nme']} | {row['mae_224']} | {row['pck_0.10']} | {row['auc_0.5']} |")
    return "\n".join([*lines, *official_peers()])


def official_peers() -> list[str]:
    """Return the rows of the public models in the table of the official test, as Markdown."""
    found, lines = record("fairness-ytf-test"), []
    for name in list(found["systems"])[1:]:
        lost = 1 - found["systems"][name]["as_answered"]["found"] / found["faces"]
        words = FINDERS[name] + (f" ({percent(lost)} % no face)" if lost else "")
        for key, title in (("as_answered", words), ("adapted", "the same, adapted")):
            scores = found["systems"][name][key]
            lines.append(f"| {title} | {percent(scores['nme'])} | {scores['mae_224']:.3g} "
                         f"| {percent(scores['pck_0.10'])} | {scores['auc_0.5']:.3f} |")  # fmt: skip
    return lines


def speed_table() -> str:
    """Return how fast the package is beside the naive way, as Markdown."""
    lines = ["| ours / the naive way | unit | ours | naive | times faster |", "|---|---|---|---|---|"]
    for row in record("benchmark-speed")["rows"]:
        numbers = (number(row[key]) for key in ("ours", "naive", "ratio"))
        lines.append(f"| {row['what']} | {row['unit']} | {' | '.join(numbers)} |")
    return "\n".join(lines)


def score_table() -> str:
    """Return the shipped network's scores on every set that it was scored on, as Markdown.

    "Not moved" is the NME of the answers as the network gives them; all else is scored where the labels lie.
    """
    found = [entry for entry in records.find("evaluation") if entry["model"] == "small"]
    keys = {
        "faces": "faces", "nme": "NME % (95 % interval)", "raw": "not moved %", "nme_median": "median %",
        "nme_over_0.10": "over 0.10 %", "pck_0.05": "PCK 0.05 %", "pck_0.10": "PCK 0.10 %", "mae_224": "MAE at 224 px",
    }  # fmt: skip
    keys |= {f"nme_{region}": f"{region} %" for region in ("jaw", "brows", "nose", "eyes", "mouth")}
    lines = [f"| set | box | {' | '.join(keys.values())} |", "|" + "---|" * (len(keys) + 2)]
    for entry in found:
        for box, ending in (("found by the detector", ""), ("given", "_true_box")):
            scores = entry[f"scores{ending}"] | {"raw": entry[f"raw{ending}"]["nme"]}
            cells = {k: f"{scores[k]:.3g}" if k in ("faces", "mae_224") else percent(scores[k]) for k in keys}
            cells["nme"] += f" ({percent(scores['nme_low'])} to {percent(scores['nme_high'])})"
            lines.append(f"| {entry['data']}, {entry['part']} | {box} | {' | '.join(cells.values())} |")
    return "\n".join(lines)


def expression_scores() -> str:
    """Return the scores of the shipped expression network beside the published ones, as Markdown."""
    found, file = record("expressions-lite0_160_s0"), ROOT / "fkd_helpers" / "weights" / "expressions.onnx"
    rows = [{"": "here", **{word: found["scores"][key] for key, word in COLUMNS.items()}}]
    rows += [{"": "published, best of each", **{COLUMNS[key]: value for key, value in PUBLISHED.items()}}]
    table = markdown(pd.DataFrame(rows).set_index("").T.reset_index(names="score"), digits=3)
    return f"{found['test_faces']} faces; the file has {file.stat().st_size / 1e6:.1f} MB.\n\n{table}"


def recipe() -> str:
    """Return how the shipped network was trained, as Markdown."""
    runs = [record(f"training-{name}") for name in ("keypoints68", "keypoints68_fine", "keypoints68_centred")]
    first = runs[0]
    lines = [
        f"- network `{first['config']['net']}`, {first['weights']:,} weights; gray crops of 112 x 112 pixels",
        f"- {first['training_faces']:,} faces: {first['config']['data']} (training) and nine tenths of "
        f"{first['config']['extra_data']}",
    ]
    parts = ("from random weights", "from those, with gentler augmentation", "from those, with labels centred")
    for name, run in zip(parts, runs, strict=True):
        config, scores = run["config"], run["scores"]
        lines.append(
            f"- {name}: {config['epochs']} epochs of about {run['seconds_an_epoch']:.0f} s on "
            f"{run['machine']['cores']} cores; {config['optimiser']}, learning rate {config['learning_rate']:g}, "
            f"{config['schedule']}, batch {config['batch_size']}, loss {config['loss']}, augmentation "
            f"{config['augment']:g}, seed {config['seed']}; after it NME {percent(scores['nme'])} % on the official "
            "test with the true box"
        )
    return "\n".join(lines)


def people_table() -> str:
    """Return what seen and unseen people cost: the same recipe without a fifth of the people, as Markdown."""
    lines = ["| same recipe, a fifth of the people kept out | faces | NME % | 95 % interval |", "|---|---|---|---|"]
    parts = {"unseen": "people it never saw, all frames", "seen": "people it saw, test frames"}
    for labels, name in (("given", "keypoints68_people"), ("centred", "keypoints68_people_centred")):
        run = record(f"training-{name}")
        for part, words in parts.items():
            scores = run["scores_by_part"][part]
            lines.append(
                f"| {words}; labels {labels} | {scores['faces']} | {percent(scores['nme'])} "
                f"| {percent(scores['nme_low'])} to {percent(scores['nme_high'])} |"
            )
    return "\n".join(lines)


def jaw_table() -> str:
    """Return what learning the jaw of the photos costs and gains, as Markdown."""
    lines = ["| jaw of the photos, 3 more epochs | official test NME % | its jaw % | photos NME % | their jaw % |"]
    lines.append("|---|---|---|---|---|")
    for use in ("ignored", "learned"):
        parts = record(f"training-trial_jaw_{use}")["scores_by_part"]
        cells = (percent(parts[part][key]) for part in ("test", "extra") for key in ("nme", "nme_jaw"))
        lines.append(f"| {use} | {' | '.join(cells)} |")
    return "\n".join(lines)


def ablation_table() -> str:
    """Return what each piece of the recipe is worth, and how fast it learns, as Markdown."""
    lines = ["| changed | runs | new people NME % | more | known people | photos |", "|---|---|---|---|---|---|"]
    for change, row in ablation().iterrows():
        spread = f" ± {row['spread']:.2f}" if row["runs"] > 1 else ""
        more = f"{row['more']:+.2f}{'' if row['clear'] else ' (chance)'}" if row["more"] else ""
        cells = (f"{row['new people']:.2f}{spread}", more, *(f"{row[key]:.2f}" for key in ("known people", "photos")))
        lines.append(f"| {change} | {row['runs']:.0f} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", how_fast()])


def how_fast() -> str:
    """Return how soon the recipe is below the published score, in a sentence."""
    published = float(record("published-ytf-test")["rows"][0]["nme"])
    runs = [record(f"experiment-{name}") for name in ("ablation_base", "ablation_base_seed1", "ablation_base_seed2")]
    found = [epochs_to(run, published / 100) for run in runs]
    seconds = [spent for _, spent in found]
    return (
        f"From random weights the recipe is below the published NME of {published} % after {max(e for e, _ in found)} "
        f"epoch, {min(seconds):.0f} to {max(seconds):.0f} s of training on {runs[0]['machine']['cores']} cores "
        "(three seeds; people it never saw, true box)."
    )


def experiments_table() -> str:
    """Return the fifteen published runs and ours beside them, as Markdown."""
    found = table(recorded(published_grid()))
    lines = ["| run | net | batch | loss | optimiser | epochs | published final loss | ours | NME %, known people "
             "| NME %, new people | our curve |", "|" + "---|" * 11]  # fmt: skip
    for _, row in found.iterrows():
        run = np.isfinite(row["final loss"])
        ours = [f"{row['final loss']:.3f}", *(f"{100 * row[key]:.1f}" for key in ("NME known", "NME new"))]
        cells = [row[key] for key in ("run", "net", "batch", "loss", "optimiser", "epochs")]
        curve = f"{row['drawn']} {row['curve']}" if run else row["curve"]
        cells += [f"{row['published loss']:.3f}", *(ours if run else ["", "", ""]), curve]
        lines.append(f"| {' | '.join(str(cell) for cell in cells)} |")
    return "\n".join(lines)


def condition_table() -> str:
    """Return the NME on the lowest and the highest fifth of the official test by each condition, as Markdown."""
    lines = [
        "| official test by | of the lowest fifth | NME % | of the highest fifth | NME % |",
        "|---|---|---|---|---|",
    ]
    for name, bins in record("evaluation-ytf-test-small")["conditions"].items():
        cells = (f"{bins[i]['middle']:.3g} | {percent(bins[i]['nme'])}" for i in (0, -1))
        lines.append(f"| {name}, {CONDITIONS[name]} | {' | '.join(cells)} |")
    return "\n".join(lines)


def robustness_table() -> str:
    """Return what each kind of change costs, and where a tenth of the faces fail, as Markdown."""
    found = record("robustness-ytf-test-small")
    lines = ["| change of the photo, true box given | at | NME % | at | NME % | a tenth of the faces fail at |"]
    lines.append("|---|---|---|---|---|---|")
    for kind, curve in found["curves"].items():
        points = curve["points"]
        cells = (f"{points[i]['strength']:g} | {percent(points[i]['nme'])}" for i in (2, -2))
        tenth = breaking_point(points)
        lines.append(
            f"| {kind}, {curve['unit']} | {' | '.join(cells)} | {f'{tenth:.3g}' if np.isfinite(tenth) else '-'} |"
        )
    return "\n".join(lines)


AN_EXERCISE = 10  # minutes of a lesson; learners differ


def first_cell(path: Path) -> str:
    """Return the text of a notebook's first cell."""
    return "".join(json.loads(path.read_text(encoding="utf-8"))["cells"][0]["source"])


def times(path: Path) -> tuple[int, str]:
    """Return what a notebook's first cell says: minutes of reading, and how long all cells take."""
    text = " ".join(re.sub("<!--.*?-->", "", first_cell(path)).split())
    reading = re.search(r"about (\d+) minutes of reading", text)
    running = re.search(r"[Aa]ll cells together run in (?:less than |about )?(\d+ (?:seconds|minutes))", text)
    if not (reading and running):
        raise InputError(f"{path.name}: its first cell should say \"about N minutes of reading\" and \"All cells "
                         "together run in ...\"")  # fmt: skip
    return int(reading[1]), running[1]


def timings_table() -> str:
    """Return reading, exercises and running time of each notebook, as Markdown."""
    lines = ["| notebook | reading, minutes | exercises | with exercises, minutes | all cells run within |"]
    lines.append("|---|---|---|---|---|")
    for path in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb")):
        (reading, running), count = times(path), list(EXERCISES.values()).count(path.name[:2])
        lesson = reading + AN_EXERCISE * count
        lines.append(f"| [{path.stem}](../notebooks/{path.name}) | {reading} | {count} | {lesson} | {running} |")
    return "\n".join(lines)


def from_record(name: str, *tables: str) -> str:
    """Return tables that a record holds, as Markdown."""
    return "\n\n".join(markdown(pd.DataFrame(record(name)["tables"][table])) for table in tables)


SECTIONS = {
    "timings": timings_table, "official": official_table, "scores": score_table, "expression-scores": expression_scores,
    "recipe": recipe, "people": people_table, "jaw": jaw_table, "ablation": ablation_table,
    "experiments": experiments_table, "speed": speed_table,
    "conditions": condition_table, "robustness": robustness_table,
    "peers": lambda: from_record("benchmark-peers", "speed", "cost"),
    "fairness": lambda: from_record("fairness-ytf-test", "slices"),
    "worse": lambda: from_record("fairness-ytf-test", "worse"),
}  # fmt: skip


def rendered(text: str) -> str:
    """Return a page with its tables `<!-- NAME --> ... <!-- /NAME -->` and its bound numbers written anew."""
    for name, make in SECTIONS.items():
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.S)
        if pattern.search(text):
            body = make()
            text = pattern.sub(lambda match, body=body: f"{match[1]}{body}\n{match[2]}", text)
    return BOUND.sub(lambda match: looked_up(match[3], match[1]) + match[2] + f"<!-- = {match[3]} -->", text)


# a number, perhaps bold or in per cent, and the field of a record that it comes from
BOUND = re.compile(r"(\d[\d,]*(?:\.\d+)?)(\**(?: ?%)?\**)<!-- = (\S+) -->")


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
