"""Draw the pictures of the README: one function a picture, made of puppets and the two portraits only.

python benchmarks/readme_pictures.py [NUMBER ...]     writes images/NN_*.png
"""

import io
import sys
from pathlib import Path

import cv2
import numpy as np
from matplotlib.cbook import get_sample_data
from matplotlib.figure import Figure
from PIL import Image, ImageColor
from skimage.data import astronaut

from fkd_helpers import data, photos, plots, puppets, scenery
from fkd_helpers.predict import KeypointPredictor

IMAGES = Path(__file__).parents[1] / "images"


def visualise_data() -> Figure:
    """Notebook 01: twelve puppets with their keypoints in the colours of their regions."""
    faces = data.load("puppets").subset(np.arange(10, 22))
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
PICTURES = {"01_visualise_data": visualise_data, "03_detect_faces_and_keypoints": detect_faces_and_keypoints}


def save(figure: Figure, path: Path) -> None:
    """Write a figure with 256 colours, those of the keypoints among them: a small file, and dots that stay bright."""
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=100, facecolor="white")
    with Image.open(drawn) as picture:
        picture = picture.convert("RGB")
    own = [ImageColor.getrgb(colour) for colour in (*plots.COLOURS.values(), plots.TARGET, plots.PREDICTED)]
    common = picture.quantize(256 - len(own), Image.Quantize.MEDIANCUT).getpalette()[: 3 * (256 - len(own))]
    palette = Image.new("P", (1, 1))
    palette.putpalette([*common, *(level for colour in own for level in colour)])
    picture.quantize(palette=palette, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"images/{path.name}: {path.stat().st_size // 1000} kB")


if __name__ == "__main__":
    for name, draw in PICTURES.items():
        if len(sys.argv) == 1 or name[:2] in sys.argv[1:]:
            save(draw(), IMAGES / f"{name}.png")
