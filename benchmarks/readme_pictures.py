"""Draw the pictures of the README: one function a picture, made of puppets and the two portraits only.

python benchmarks/readme_pictures.py [NUMBER ...]     writes images/NN_*.png
"""

import io
import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image, ImageColor

from fkd_helpers import data, plots

IMAGES = Path(__file__).parents[1] / "images"


def visualise_data() -> Figure:
    """Notebook 01: twelve puppets with their keypoints in the colours of their regions."""
    faces = data.load("puppets").subset(np.arange(10, 22))
    alt = "Twelve puppet faces, each with 68 keypoints in the colours of jaw, brows, nose, eyes and mouth"
    return plots.faces(faces.images, faces.keypoints, size=1.4, alt=alt)


PICTURES = {"01_visualise_data": visualise_data}


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
