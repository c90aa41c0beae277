"""Draw the pictures of the README: one function a picture, made of puppets and the two portraits only.

python benchmarks/readme_pictures.py [NUMBER ...]     writes images/NN_*.png
python benchmarks/readme_pictures.py puppet           writes images/puppet.webp, the moving one
"""

import io
import sys
import tempfile
import textwrap
from pathlib import Path

import cv2
import numpy as np
from matplotlib.cbook import get_sample_data
from matplotlib.figure import Figure
from PIL import Image, ImageColor
from skimage.data import astronaut

from fkd_helpers import data, emotion, filters, plots
from fkd_helpers.core import records
from fkd_helpers.data import puppets
from fkd_helpers.data.puppets import scenery
from fkd_helpers.expressions.data import load_expressions
from fkd_helpers.faces import images as photos
from fkd_helpers.faces.landmarks import EXPRESSIONS
from fkd_helpers.kaggle15 import data as kaggle_data
from fkd_helpers.kaggle15 import puppets as kaggle_puppets
from fkd_helpers.live.pipeline import Pipeline, Result
from fkd_helpers.live.settings import LiveSettings
from fkd_helpers.plots import emotion as emotion_plots
from fkd_helpers.predict import KeypointPredictor
from fkd_helpers.train import tables
from fkd_helpers.train.ablation import ablation

IMAGES = Path(__file__).parents[1] / "images"


def visualise_data() -> Figure:
    """Notebook 01: twelve puppets with their keypoints in the colours of their regions."""
    faces = data.load("puppets")[np.arange(10, 22)]
    alt = "Twelve puppet faces, each with 68 keypoints in the colours of jaw, brows, nose, eyes and mouth"
    return plots.faces(faces.images, faces.keypoints, size=1.4, alt=alt)


def detect_faces_and_keypoints() -> Figure:
    """Notebook 03: the two portraits and puppets between them, with what the shipped network finds on them."""
    height, rng = 420, np.random.default_rng(3)
    room = scenery.background(rng, (620, height), kind=0)
    for name, centre, side, roll in GUESTS:
        person = puppets.make_puppet(rng, name=name)
        room = puppets.put_face(room, person, {"smile": 0.4}, (roll, 0, 0), side, centre)[0]
    admiral = photos.read_photo(get_sample_data("grace_hopper.jpg", asfileobj=False))
    sides = [((420, height), astronaut()), ((358, height), admiral)]
    left, right = (cv2.resize(photo, size, interpolation=cv2.INTER_AREA) for size, photo in sides)
    frame = np.hstack([left, room, right])
    figure, axes = plots.figure(alt="Seven faces found in one picture, each with its box and 68 coloured keypoints")
    figure.set_size_inches(frame.shape[1] / 112, height / 112)
    ax = axes[0, 0]
    ax.imshow(frame)
    ax.set_axis_off()
    for face in KeypointPredictor()(frame):
        plots.draw_box(ax, face.box)
        plots.draw_keypoints(ax, face.keypoints, size=6)
    return figure


GUESTS = [  # portrait, centre (x, y) and side of the face in pixels, roll in degrees; those behind first
    ("astronaut", (100, 118), 76, 6), ("astronaut", (310, 108), 70, -4), ("astronaut", (520, 120), 76, 3),
    ("admiral", (205, 262), 104, -5), ("admiral", (415, 266), 104, 4),
]  # fmt: skip


def filters_and_emotions() -> Figure:
    """Notebook 04: faces with what they wear, and below what the rules say of them and why."""
    admiral = photos.read_photo(get_sample_data("grace_hopper.jpg", asfileobj=False))[40:400, 76:436]
    centre = (159.5, 127.0)
    turn = cv2.getRotationMatrix2D(centre, -25, 1.0)
    tilted = cv2.warpAffine(astronaut()[:320, 65:385], turn, (320, 320), borderMode=cv2.BORDER_REPLICATE)
    frames = [astronaut()[:290, 80:370], admiral, tilted[5:265, 35:295]]
    for seed, name, knobs, roll in ACTORS:
        person = puppets.make_puppet(seed, name=name)
        frames.append(puppets.make_face(seed, size=300, person=person, knobs=knobs, pose=(roll, 0, 0), side=150,
                                        centre=(150, 172), plain=True)[0])  # fmt: skip
    alt = "Six faces with sunglasses, a moustache, a crown, dog ears, a mask and a hat; below the emotion of each"
    figure, axes = plots.figure(2, len(frames), size=1.75, alt=alt)
    predictor = KeypointPredictor()
    for i, (frame, worn) in enumerate(zip(frames, WORN, strict=True)):
        keypoints = predictor(frame, whole_image="fallback")[0].keypoints
        answer = emotion.read_emotion(keypoints)
        axes[0, i].imshow(filters.wear(frame, keypoints, worn))
        axes[1, i].imshow(frame)
        plots.draw_keypoints(axes[1, i], keypoints, size=3)
        axes[1, i].set_title(answer.label, color=emotion_plots.HUES[answer.label], fontsize=10, weight="bold")
        said = textwrap.fill(answer.reason.replace(" of the eye distance", ""), 34)
        axes[1, i].text(0.5, -0.04, said, fontsize=6.5, ha="center", va="top", transform=axes[1, i].transAxes)
        print(f"{worn}: {answer.label}, {answer.reason}")
    for ax in axes.ravel():
        ax.set_axis_off()
    return figure


ACTORS = [  # seed, portrait, what the face does, roll in degrees
    (0, "admiral", {"smile": 1.0, "mouth_open": 0.2}, 12),
    (1, "admiral", {"brow_lower": 1.0, "sneer": 0.6, "eye_close": 0.2}, -14),
    (3, "astronaut", {"frown": 0.7, "mouth_open": 0.35, "brow_raise": 0.75}, 8),
]  # fmt: skip
WORN = (["sunglasses"], ["moustache"], ["crown"], ["dog"], ["mask"], ["hat"])


def train_a_cnn() -> Figure:
    """Notebook 02: batch losses, NME over the epochs and what each piece of the recipe is worth, from the records."""
    alt = "A loss that falls; NME of new people over eight epochs for four recipes; bars: what changes cost"
    figure, axes = plots.figure(1, 3, alt=alt)
    figure.set_size_inches(11, 2.9)
    curve, progress, bars = axes[0]
    base = record("ablation_base")
    losses = np.array(tables.batch_losses(base))
    steps = np.linspace(0, len(base["history"]), len(losses))
    curve.semilogy(steps, losses, color="lightgray", linewidth=0.8)
    curve.semilogy(steps, np.convolve(np.pad(losses, 10, "edge"), np.full(21, 1 / 21), "valid"), color=plots.PREDICTED)
    curve.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    curve.yaxis.set_minor_formatter(lambda value, _: f"{value:g}" if value in (3, 5, 20) else "")
    curve.set(title="loss of each batch, and smoothed", xlabel="epoch")
    for (name, words), colour in zip(SHOWN.items(), ("#0072B2", plots.TARGET, "#E69F00", plots.PREDICTED), strict=True):
        rows = record(f"ablation_{name}")["history"]
        progress.plot([row["epoch"] for row in rows], [100 * row["nme"] for row in rows], color=colour, label=words)
    progress.set(title="NME of people it never saw, %", xlabel="epoch", ylim=(4, 10))
    progress.legend(frameon=False)
    worth = ablation().iloc[1:][::-1]
    bars.barh(worth.index, worth["more"], color=[plots.PREDICTED if v > 0 else plots.TARGET for v in worth["more"]])
    bars.set(title="what one change adds to it, %")
    bars.tick_params(axis="y", labelsize=8)
    return figure


def missing_labels() -> Figure:
    """Notebook 06: twelve puppets as Kaggle's file has its faces, half of them with four labels of fifteen."""
    with tempfile.TemporaryDirectory() as folder:
        faces = kaggle_data.load_15(kaggle_puppets.write_tables(folder, n=300, tests=1))
    some = [0, 1, 2, 3, 4, 5, 150, 151, 152, 153, 154, 155]
    alt = "Twelve gray puppet faces: six with fifteen labelled points, six with four"
    return plots.faces([faces.images[i] for i in some], faces.keypoints[some], size=1.4, alt=alt)


def expressions() -> Figure:
    """Notebook 07: a puppet for each of the eight expressions."""
    faces = load_expressions("puppets", n=400)
    expression, valence, arousal = (faces.extras[key] for key in ("expression", "valence", "arousal"))
    shown = [int(np.flatnonzero(expression == number)[number]) for number in range(len(EXPRESSIONS))]
    titles = [f"{EXPRESSIONS[k]}\n{valence[i]:+.1f} {arousal[i]:+.1f}" for k, i in enumerate(shown)]
    alt = "Eight puppet faces, one for each expression, with its valence and arousal"
    return plots.faces([faces.images[i] for i in shown], titles=titles, columns=8, size=1.25, alt=alt)


def moving_puppet() -> list[np.ndarray]:
    """Return the frames (h, w, 3) of a puppet that turns, smiles and blinks: what is found on it, and what it wears."""
    person = puppets.make_puppet(4, name="astronaut")
    wall = scenery.background(np.random.default_rng(12), (300, 300), kind=0)
    pipeline, frames = Pipeline(LiveSettings(filter="sunglasses")), []
    for turn in np.linspace(0, 2 * np.pi, LOOP, endpoint=False):
        happy, cross = max(0.0, np.sin(turn)), max(0.0, -np.sin(turn))
        blink, talk = max(0.0, np.cos(3 * (turn - 4))) ** 24, max(0.0, np.sin(2 * turn)) ** 2
        knobs = {"smile": happy, "mouth_open": 0.35 * talk, "frown": cross, "brow_lower": 0.6 * cross}
        knobs["eye_close"] = blink
        pose = (18 * np.sin(turn), 14 * np.cos(turn), 4 * np.sin(2 * turn))
        centre = (150 + 12 * np.sin(turn), 162 + 6 * np.cos(2 * turn))
        frame = puppets.put_face(wall, person, knobs, pose, 150, centre)[0]
        faces, moods, worn = pipeline(frame, len(frames) * PACE / 1000)
        frames.append(np.hstack([Result(None, frame, None, faces, moods, 0.0, 0.0).drawn(), worn]))
    return frames


LOOP, PACE = 60, 70  # frames, and milliseconds of each


def record(name: str) -> dict:
    """Return an experiment's record."""
    return records.read(records.RECORDS / f"experiment-{name}.json")


SHOWN = {
    "labels_given": "labels as given", "extra_none": "no photos", "base": "the recipe", "augment_0": "no augmentation",
}  # fmt: skip
PICTURES = {
    "01_visualise_data": visualise_data,
    "02_train_a_cnn": train_a_cnn,
    "03_detect_faces_and_keypoints": detect_faces_and_keypoints,
    "04_filters_and_emotions": filters_and_emotions,
    "06_missing_labels": missing_labels,
    "07_expressions": expressions,
}


def save(figure: Figure, path: Path) -> None:
    """Write a figure with 256 colours, those of the keypoints among them: a small file, and dots that stay bright."""
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=100, facecolor="white")
    with Image.open(drawn) as picture:
        picture = picture.convert("RGB")
    own = [ImageColor.getrgb(colour) for colour in (*plots.COLOURS.values(), plots.TARGET, plots.PREDICTED)]
    own += [
        (100, 36, 140),
        (72, 24, 108),
        (160, 30, 60),
        (216, 160, 32),
        (128, 80, 40),
        (255, 255, 255),
    ]  # what the sprites are made of
    common = picture.quantize(256 - len(own), Image.Quantize.MEDIANCUT).getpalette()[: 3 * (256 - len(own))]
    palette = Image.new("P", (1, 1))
    palette.putpalette([*common, *(level for colour in own for level in colour)])
    picture.quantize(palette=palette, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"images/{path.name}: {path.stat().st_size // 1000} kB")


def save_moving(frames: list[np.ndarray], path: Path) -> None:
    """Write frames as a picture that moves without end."""
    first, *rest = map(Image.fromarray, frames)
    first.save(path, save_all=True, append_images=rest, duration=PACE, loop=0, quality=55, method=4)
    print(f"images/{path.name}: {path.stat().st_size // 1000} kB")


if __name__ == "__main__":
    if len(sys.argv) == 1 or "puppet" in sys.argv[1:]:
        save_moving(moving_puppet(), IMAGES / "puppet.webp")
    for name, draw in PICTURES.items():
        if len(sys.argv) == 1 or name[:2] in sys.argv[1:]:
            save(draw(), IMAGES / f"{name}.png")
