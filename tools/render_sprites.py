"""Render the filters' sprites: each SVG of fkd_helpers/assets/sprites to a PNG and the JSON of its anchors.

    python tools/render_sprites.py [NAME ...]        needs a chromium that playwright can start

The drawings lie over the mean face of the shape model, so an anchor's place in a drawing is where the mean face has the
keypoints that it follows. A drawing is cut to what is not transparent, its anchors included.
"""

import io
import json
import shutil
import sys

import numpy as np
from PIL import Image
from playwright.sync_api import sync_playwright

from fkd_helpers.faces.landmarks import generic_face
from fkd_helpers.faces.sprites import FOLDER

LEFT, UPPER, WIDTH, HEIGHT = 0, -150, 800, 950  # the drawings' viewBox
SIDE, CENTRE = 320, (400, 450)  # of the mean face in it
EDGE = 2  # transparent pixels left around a drawing
# jaw behind the eyes and nose before them: their mean turns with the eyes, so that nothing leans in a turned head
ON_THE_EYES = list(range(36, 42)), list(range(42, 48)), [2, 14, 30, 31, 33, 35]
TEMPLES = [0, 1, 17, 36], [16, 15, 26, 45]
# what each drawing follows: two anchors give a similarity, three an affine map
FOLLOWS = {
    "sunglasses": ON_THE_EYES, "mask": ON_THE_EYES, "tears": ON_THE_EYES, "hat": TEMPLES, "crown": TEMPLES,
    "moustache": ([48], [54], [31, 33, 35]), "dog": (*ON_THE_EYES[:2], [30, 33]),
}  # fmt: skip


def render(page, name: str) -> None:
    """Write NAME.png and NAME.json beside NAME.svg."""
    drawing = (FOLDER / f"{name}.svg").read_text(encoding="utf-8")
    page.set_content(f"<style>body {{ margin: 0 }} svg {{ display: block }}</style>{drawing}")
    picture = Image.open(io.BytesIO(page.screenshot(omit_background=True))).convert("RGBA")
    face = generic_face()[:, :2] * SIDE + np.array(CENTRE) - [LEFT, UPPER] - 0.5
    places = np.stack([face[keypoints].mean(0) for keypoints in FOLLOWS[name]])
    drawn = np.array(picture.getchannel("A").getbbox()).reshape(2, 2)
    corner = np.floor(np.minimum(drawn[0], places.min(0))).astype(int) - EDGE
    end = np.ceil(np.maximum(drawn[1], places.max(0) + 1)).astype(int) + EDGE
    picture.crop((*corner.tolist(), *end.tolist())).save(FOLDER / f"{name}.png", optimize=True)
    lines = [
        json.dumps({"pixel": np.round(place, 2).tolist(), "keypoints": keypoints})
        for keypoints, place in zip(FOLLOWS[name], places - corner, strict=True)
    ]
    text = '{"anchors": [\n  ' + ",\n  ".join(lines) + "\n]}\n"
    (FOLDER / f"{name}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        for name in sys.argv[1:] or sorted(FOLLOWS):
            render(page, name)
