"""Write the tables of README.md, of the model card and of docs/ from data/records and the notebooks' first cells.

`python benchmarks/render_docs.py` rewrites them, and the bound numbers in the prose of all pages and notebooks (see
bound_numbers.py); `--check` only tells whether they are as the records say.
"""

import json
import re
import sys
from pathlib import Path

import bound_numbers
import numpy as np
from PIL import Image

from fkd_helpers.core import records
from fkd_helpers.core.errors import InputError
from fkd_helpers.course import peers
from fkd_helpers.course.benchmark import table as speed_table
from fkd_helpers.course.exercises import exercises
from fkd_helpers.evaluate import CONDITIONS
from fkd_helpers.plots.results import breaking_point
from fkd_helpers.train.ablation import ablation
from fkd_helpers.train.grid import recorded
from fkd_helpers.train.published import published_grid
from fkd_helpers.train.tables import epochs_to, markdown, percent, table

ROOT = Path(__file__).parents[1]
CARD = ROOT / "fkd_helpers" / "weights" / "small.md"
RENDERED = (ROOT / "README.md", CARD, *(ROOT / "docs" / f"{name}.md" for name in ("instructors", "results", "map")))


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
        words = peers.FINDERS[name] + (f" ({percent(lost)} % no face)" if lost else "")
        for key, title in (("as_answered", words), ("adapted", "the same, adapted")):
            scores = found["systems"][name][key]
            lines.append(f"| {title} | {percent(scores['nme'])} | {scores['mae_224']:.3g} "
                         f"| {percent(scores['pck_0.10'])} | {scores['auc_0.5']:.3f} |")  # fmt: skip
    return lines


def peers_tables() -> str:
    """Return how fast, hungry and large public models are beside ours, as Markdown."""
    return "\n\n".join(markdown(made(record("benchmark-peers"))) for made in (peers.speed_table, peers.cost_table))


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


LESSONS = {  # notebook -> what you learn there, and what its picture in images/ shows
    "01": (
        "read 68 keypoints, transform pictures and points together, and say why a test set can flatter",
        "Twelve puppet faces with their 68 keypoints in the colours of five regions",
    ),
    "02": (
        "go from a two-layer net to a table of experiments, read loss curves, say why losses cannot be compared and "
        "NME can",
        "A loss falls over eight epochs; the error on unseen people; what each part of the recipe is worth",
    ),
    "03": (
        "go from any photo to the keypoints of every face in it, follow faces over a clip, see on which faces the "
        "network is good",
        "A group photo: a box and 68 keypoints on each of seven faces",
    ),
    "04": (
        "make sunglasses follow a tilted head, hide faces, count blinks; read negative, neutral or positive by rules "
        "that say why, and measure how often they are wrong",
        "Six faces with filters, and below each its keypoints and the emotion that the rules read",
    ),
    "05": (
        "Start, Stop and Record around your webcam, a film or a moving puppet; how a frame travels, what latency is, "
        "what smoothing costs",
        "The live demo in JupyterLab: a face with keypoints, frame rate and latency",
    ),
    "06": (
        "a loss that is blind where there is no label, three strategies compared, PyTorch beside Keras, duplicates, "
        "an answer sheet that is checked",
        "Twelve gray puppet faces: six with fifteen labelled points, six with four",
    ),
    "07": (
        "eight expressions, valence and arousal from one network: doubtful labels, frozen against fine-tuned, "
        "calibration, and what it must not be used for",
        "Eight puppet faces, one for each expression, with its valence and arousal",
    ),
    "08": (
        "take a network to where it is used: one file, eight bits, a web page, many processes, a cluster; see other "
        "people's models beside ours, and for whom a mean is a lie",
        "A web page with a camera picture: a puppet with 68 keypoints, buttons Start and Stop",
    ),
}
WIDEST = 240  # pixels, of a picture in that table; none is higher than half of it
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


def notebooks_table() -> str:
    """Return the notebooks with picture, subject and minutes, as Markdown."""
    lines = ["| a glimpse | what you learn | minutes |", "|---|---|---|"]
    for path in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb")):
        title = re.match(r"# ([^:\n]*)", first_cell(path))[1]
        learn, shows = LESSONS[path.name[:2]]
        picture, image = Path("images", f"{path.stem}.png"), ""
        if (ROOT / picture).exists():
            with Image.open(ROOT / picture) as opened:
                width = min(WIDEST, WIDEST // 2 * opened.width // opened.height)
            image = f'<img src="{picture.as_posix()}" width="{width}" alt="{shows}">'
        lines.append(f"| {image} | **[{title}](notebooks/{path.name})**: {learn} | {times(path)[0]} |")
    return "\n".join(lines)


def timings_table() -> str:
    """Return reading, exercises and running time of each notebook, as Markdown."""
    lines = ["| notebook | reading, minutes | exercises | with exercises, minutes | all cells run within |"]
    lines.append("|---|---|---|---|---|")
    for path in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb")):
        (reading, running), count = times(path), len(exercises()[path.name[:2]])
        lesson = reading + AN_EXERCISE * count
        lines.append(f"| [{path.stem}](../notebooks/{path.name}) | {reading} | {count} | {lesson} | {running} |")
    return "\n".join(lines)


SECTIONS = {
    "notebooks": notebooks_table, "timings": timings_table,
    "official": official_table, "scores": score_table, "recipe": recipe, "people": people_table, "jaw": jaw_table,
    "ablation": ablation_table, "experiments": experiments_table,
    "conditions": condition_table, "robustness": robustness_table,
    "speed": lambda: speed_table(record("benchmark-speed")), "peers": peers_tables,
    "fairness": lambda: markdown(peers.slice_table(record("fairness-ytf-test"))),
    "worse": lambda: markdown(peers.worse_table(record("fairness-ytf-test"))),
}  # fmt: skip


def rendered(text: str) -> str:
    """Return a page with every `<!-- NAME --> ... <!-- /NAME -->` of ours filled anew."""
    for name, make in SECTIONS.items():
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.S)
        if pattern.search(text):
            body = make()
            text = pattern.sub(lambda match, body=body: f"{match[1]}{body}\n{match[2]}", text)
    return text


def main(check: bool) -> int:
    """Rewrite the pages, or tell which are stale; return the exit code."""
    stale = 0
    for page in bound_numbers.PAGES:
        old = page.read_text(encoding="utf-8")
        new = bound_numbers.renewed_page(page, rendered(old) if page in RENDERED else old)
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
