"""Write the tables and the bound numbers of README.md, the model cards and docs/ from data/records.

`make readme` rewrites them. A table is between `<!-- NAME -->` and `<!-- /NAME -->`; a number in prose is bound to a
field of a record by `5,770<!-- = facts-ytf/images/all -->` and keeps its number of decimals.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from fkd_helpers.core import records
from fkd_helpers.core.errors import InputError
from fkd_helpers.expressions.metrics import COLUMNS
from fkd_helpers.train.grid import published_grid, recorded
from fkd_helpers.train.tables import ablation, markdown, number, percent, table

ROOT = Path(__file__).parents[1]
PATTERNS = ("*.md", "data/*.md", "docs/**/*.md", "fkd_helpers/weights/*.md")
PAGES = sorted(path for pattern in PATTERNS for path in ROOT.glob(pattern))
FINDERS = {"dlib_hog": "HOG + dlib", "dlib_haar": "Haar + dlib", "mediapipe": "MediaPipe"}
REGIONS = ("jaw", "brows", "nose", "eyes", "mouth")
RECIPE = {
    "keypoints68": "from random weights", "keypoints68_fine": "from those, with gentler augmentation",
    "keypoints68_centred": "from those, with labels centred",
    "keypoints68_upright": "from those, on upright faces, many of them dark, blurred or small",
}  # fmt: skip
PUBLISHED = {"accuracy": 0.482, "valence_rmse": 0.380, "valence_r": 0.620, "arousal_rmse": 0.332, "arousal_r": 0.499}
AN_EXERCISE = 10  # minutes of a lesson; learners differ
PATHS = {
    "a weekend": "01 02 05 06 08", "the whole course": "01 02 03 04 05 06 07 08 09 10 11 12",
    "I know PyTorch": "03 04 05 09 10 11 12",
}  # fmt: skip
SECTIONS: dict[str, Callable[[], str]] = {}
# a number, perhaps bold or in per cent, and the field of a record that it comes from
BOUND = re.compile(r"(\d[\d,]*(?:\.\d+)?)(\**(?: ?%)?\**)<!-- = (\S+) -->")


def record(name: str) -> dict:
    return records.read(records.RECORDS / f"{name}.json")


def percents(scores: dict, *keys: str) -> list[str]:
    return [percent(scores[key]) for key in keys]


def interval(scores: dict) -> str:
    return " to ".join(percents(scores, "nme_low", "nme_high"))


def section(name: str, header: str = "") -> Callable:
    """Register what a section shows: a function that returns text, or rows for a table with this header."""

    def register(function):
        names = header.split(" | ")
        SECTIONS[name] = (lambda: markdown(pd.DataFrame(function(), columns=names, dtype=str))) if header else function
        return function

    return register


@section("official", "68 points, official test | NME % | MAE at 224 px | PCK 0.10 % | AUC 0.5")
def official_test():
    def cells(scores):
        nme, pck = percents(scores, "nme", "pck_0.10")
        return [nme, f"{scores['mae_224']:.3g}", pck, f"{scores['auc_0.5']:.3f}"]

    ours, found = record("evaluation-ytf-test-small"), record("fairness-ytf-test")
    nme, *rest = cells(ours["scores"])
    yield ["**this course, photo in, keypoints out**", f"**{nme}**", *rest]
    yield ["the same, label shift not corrected", *cells(ours["raw"])]
    yield [record("published-ytf-test")["rows"][0][key] for key in ("system", "nme", "mae_224", "pck_0.10", "auc_0.5")]
    for name, title in FINDERS.items():
        scores = found["systems"][name]
        lost = 1 - scores["as_answered"]["found"] / found["faces"]
        yield [title + (f" ({percent(lost)} % no face)" if lost else ""), *cells(scores["as_answered"])]
        yield ["the same, adapted", *cells(scores["adapted"])]


@section("speed", "ours / the naive way | unit | ours | naive | times faster")
def speed():
    for row in record("benchmark-speed")["rows"]:
        yield [row["what"], row["unit"], *(number(row[key]) for key in ("ours", "naive", "ratio"))]


@section("scores", "set | box | faces | NME % (95 % interval) | shift not corrected % | median % | over 0.10 % | "
         "PCK 0.05 % | PCK 0.10 % | MAE at 224 px | " + " | ".join(f"{region} %" for region in REGIONS))  # fmt: skip
def shipped_network():
    keys = ("nme_median", "nme_over_0.10", "pck_0.05", "pck_0.10")
    for entry in (entry for entry in records.find("evaluation") if entry["model"] == "small"):
        for box, ending in (("found by the detector", ""), ("given", "_true_box")):
            scores, raw = entry[f"scores{ending}"], entry[f"raw{ending}"]
            yield [
                f"{entry['data']}, {entry['part']}", box, f"{scores['faces']:.3g}",
                f"{percent(scores['nme'])} ({interval(scores)})", percent(raw["nme"]), *percents(scores, *keys),
                f"{scores['mae_224']:.3g}", *percents(scores, *(f"nme_{region}" for region in REGIONS)),
            ]  # fmt: skip


@section("expression-scores")
def expressions():
    found, file = record("expressions-shipped"), ROOT / "fkd_helpers" / "weights" / "expressions.onnx"
    columns = {"here": found["scores"], "published, best of each": PUBLISHED}
    rows = [
        {"score": title} | {name: scores[key] for name, scores in columns.items() if key in scores}
        for key, title in COLUMNS.items()
    ]
    seven = f"without contempt {found['accuracy_of_seven']:.3f} of seven"
    size = f"{found['test_faces']} faces ({seven}); the file has {file.stat().st_size / 1e6:.1f} MB."
    return f"{size}\n\n{markdown(pd.DataFrame(rows), digits=3)}"


@section("recipe", "part of the training | epochs | seconds per epoch | learning rate | augmentation | "
         "NME %, official test, true box")  # fmt: skip
def recipe():
    for name, title in RECIPE.items():
        run = record(f"training-{name}")
        config, nme = run["config"], percent(run["scores"]["nme"])
        seconds = f"{run['seconds_an_epoch']:.0f}"
        yield [title, config["epochs"], seconds, config["learning_rate"], config["augment"], nme]


@section("people", "same recipe, a fifth of the people kept out | faces | NME % | 95 % interval")
def seen_and_unseen_people():
    for labels, name in (("given", "keypoints68_people"), ("centred", "keypoints68_people_centred")):
        for part, title in (("unseen", "people it never saw, all frames"), ("seen", "people it saw, test frames")):
            scores = record(f"training-{name}")["scores_by_part"][part]
            yield [f"{title}; labels {labels}", scores["faces"], percent(scores["nme"]), interval(scores)]


@section("jaw", "jaw of the photos, 3 more epochs | official test NME % | its jaw % | photos NME % | their jaw %")
def jaw_of_the_photos():
    for use in ("ignored", "learned"):
        parts = record(f"training-trial_jaw_{use}")["scores_by_part"]
        yield [use, *(cell for part in ("test", "extra") for cell in percents(parts[part], "nme", "nme_jaw"))]


@section("ablation", "changed | runs | new people NME % | more | known people | photos")
def ablations():
    for change, row in ablation().iterrows():
        spread = f" ± {row['spread']:.2f}" if row["runs"] > 1 else ""
        more = f"{row['more']:+.2f}{'' if row['clear'] else ' (chance)'}" if row["more"] else ""
        others = (f"{row[key]:.2f}" for key in ("known people", "photos"))
        yield [change, f"{row['runs']:.0f}", f"{row['new people']:.2f}{spread}", more, *others]


@section("experiments", "run | net | batch | loss | optimiser | epochs | published final loss | ours | "
         "NME %, validation people | known people | new people | the same as")  # fmt: skip
def published_runs():
    faces = ("NME validation", "NME known", "NME new")
    for _, row in table(recorded(published_grid())).iterrows():
        cells = [row[key] for key in ("run", "net", "batch", "loss", "optimiser", "epochs")]
        ours = [f"{row['final loss']:.3f}", *(f"{100 * row[key]:.1f}" for key in faces)]
        ran = np.isfinite(row["final loss"])
        yield [*cells, f"{row['published loss']:.3f}", *(ours if ran else [""] * 4), row["note"]]
    means = record("leak-ytf")["nme_mean_frame"]
    yield ["mean face", *[""] * 7, *(percent(means[part]) for part in ("validation", "seen", "unseen")), ""]


@section("robustness", "change of the photo | at | true box: NME % | photo in: failed % | at | true box: NME % | "
         "photo in: failed %")  # fmt: skip
def robustness():
    for kind, curve in record("robustness-ytf-test-small")["curves"].items():
        points = [curve["points"][i] for i in (2, 4)]
        cells = ((f"{point['strength']:g}", *percents(point, "nme", "photo_failures")) for point in points)
        yield [f"{kind}, {curve['unit']}", *(cell for part in cells for cell in part)]


@section("keypoint-errors", "photos | surest tenth: expected % | measured % | least sure: expected % | measured %")
def keypoint_errors():
    for condition, bins in record("keypoint-errors-wild68")["conditions"].items():
        cells = [percent(bins[key][i]) for i in (0, -1) for key in ("expected", "measured")]
        yield [condition, *cells]


@section("closed-eyes", "lids shut by | eyes: NME % (95 % interval) | other points: NME % | opening, labels | opening, "
         "keypoints | below the limit of a blink %")  # fmt: skip
def closed_eyes():
    for row in record("closed-eyes-puppets")["levels"]:
        eyes, low, high, others = percents(row, "nme_eyes", "nme_eyes_low", "nme_eyes_high", "nme_others")
        openings = (f"{row[key]:.2f}" for key in ("opening", "opening_predicted"))
        yield [f"{row['closed']:.0%}", f"{eyes} ({low} to {high})", others, *openings, percent(row["seen_as_shut"])]


@section("detector", "wild68, held-out | Haar | ours")
def detectors():
    by_detector = record("detector-wild68-held-out")["conditions"]
    for condition in by_detector["ours"]:
        cells = [by_detector[name][condition] for name in ("haar", "ours")]
        if "failed" in cells[0]:
            shares = [[f"{100 * cell[key]:.1f}" for key in ("failed", "low", "high")] for cell in cells]
            yield [f"failed %, {condition}", *(f"{share} ({low} to {high})" for share, low, high in shares)]
        else:
            yield [f"false faces in {cells[0]['photos']} {condition}", *(cell["false_faces"] for cell in cells)]


def by_group(*columns: tuple[str, int]):
    """Give the rows of the London set: the group, its people, and columns (key, decimals) in % with their intervals."""
    for row in record("fairness-london")["groups"]:
        cells = [", ".join(filter(None, (row["by"], row["group"]))), row["people"]]
        for key, decimals in columns:
            found = [f"{100 * row[key][end]:.{decimals}f}" for end in ("mean", "low", "high")] if key in row else None
            cells.append(f"{found[0]} ({found[1]} to {found[2]})" if found else "")
        yield cells


GROUPS = "what people said | people | "
section("groups", GROUPS + "NME % | NME % without the jaw | NME points more than all others")(
    lambda: by_group(("nme", 1), ("nme_without_jaw", 1), ("nme_more", 1))
)
section("groups-expressions", GROUPS + "neutral photo called neutral % | smiling photo called happy % | "
        "the smiling photo has the larger share of happy %")(
    lambda: by_group(("neutral_named", 0), ("smiling_named", 0), ("happier_when_smiling", 0))
)  # fmt: skip


@section("paths", "path | notebooks | reading, hours | with exercises, hours")
def paths():
    times = {re.search(r"\d\d", link)[0]: (reading, whole) for link, reading, _, whole, _ in timings()}
    for path, notebooks in PATHS.items():
        hours = np.array([times[name] for name in notebooks.split()]).sum(0) / 60
        yield [path, notebooks.replace(" ", ", "), *hours.round().astype(int)]


@section("timings", "notebook | reading, minutes | exercises | with exercises, minutes | all cells run within")
def timings():
    for path in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb")):
        notebook = path.read_text(encoding="utf-8")
        text = " ".join("".join(json.loads(notebook)["cells"][0]["source"]).split())
        reading = re.search(r"about (\d+) minutes of reading", text)
        running = re.search(r"[Aa]ll cells together run in (?:less than |about )?(\d+ (?:seconds|minutes))", text)
        if not (reading and running):
            wanted = '"about N minutes of reading" and "All cells together run in ..."'
            raise InputError(f"{path.name}: its first cell should say {wanted}")
        count, minutes = notebook.count('"### Exercise '), int(reading[1])
        link = f"[{path.stem}](../notebooks/{path.name})"
        yield [link, minutes, count, minutes + AN_EXERCISE * count, running[1]]


def from_record(name: str, *tables: str) -> str:
    """Return tables that a record holds, as Markdown."""
    return "\n\n".join(markdown(pd.DataFrame(record(name)["tables"][table])) for table in tables)


section("peers")(lambda: from_record("benchmark-peers", "speed", "cost"))
section("fairness")(lambda: from_record("fairness-ytf-test", "slices"))
section("worse")(lambda: from_record("fairness-ytf-test", "worse"))


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


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(rendered(page.read_text(encoding="utf-8")), encoding="utf-8")
