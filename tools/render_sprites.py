"""Render the filters' sprites: each SVG of fkd_helpers/assets/sprites to a PNG and the JSON of its anchors.

    python tools/render_sprites.py [NAME ...]        needs a chromium that playwright can start

The drawings lie over the mean face of the shape model, so an anchor's place in a drawing is where the mean face has the
keypoints that it follows. A drawing is cut to what is not transparent, its anchors included.
"""

import io
import json
import shutil
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import sync_playwright

from fkd_helpers.faces.landmarks import generic_face

FOLDER = Path(__file__).parents[1] / "fkd_helpers" / "assets" / "sprites"
LEFT, UPPER, WIDTH, HEIGHT = 0, -150, 800, 950  # the drawings' viewBox
SIDE, CENTRE = 320, (400, 450)  # of the mean face in it
EDGE = 2  # transparent pixels left around a drawing

LEFT_EYE, RIGHT_EYE = list(range(36, 42)), list(range(42, 48))
# jaw behind the eyes and nose before them: their mean turns with the eyes, so that nothing leans in a turned head
BELOW_EYES = [2, 14, 30, 31, 33, 35]
TEMPLES = [0, 1, 17, 36], [16, 15, 26, 45]
ON_THE_EYES = LEFT_EYE, RIGHT_EYE, BELOW_EYES
# what each drawing follows: two anchors give a similarity, three an affine map
FOLLOWS = {
    "sunglasses": ON_THE_EYES, "mask": ON_THE_EYES, "tears": ON_THE_EYES, "hat": TEMPLES, "crown": TEMPLES,
    "moustache": ([48], [54], [31, 33, 35]), "dog": (LEFT_EYE, RIGHT_EYE, [30, 33]),
}  # fmt: skip


def render(names: list[str]) -> None:
    """Write NAME.png and NAME.json beside each NAME.svg."""
    face = generic_face()[:, :2] * SIDE + np.array(CENTRE) - [LEFT, UPPER] - 0.5
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        for name in names:
            drawing = (FOLDER / f"{name}.svg").read_text(encoding="utf-8")
            page.set_content(f"<style>body {{ margin: 0 }} svg {{ display: block }}</style>{drawing}")
            picture = Image.open(io.BytesIO(page.screenshot(omit_background=True))).convert("RGBA")
            places = np.stack([face[keypoints].mean(0) for keypoints in FOLLOWS[name]])
            drawn = np.array(picture.getchannel("A").getbbox()).reshape(2, 2)
            corner = np.floor(np.minimum(drawn[0], places.min(0))).astype(int) - EDGE
            end = np.ceil(np.maximum(drawn[1], places.max(0) + 1)).astype(int) + EDGE
            cut = picture.crop((*corner.tolist(), *end.tolist()))
            cut.save(FOLDER / f"{name}.png", optimize=True)
            write_anchors(FOLDER / f"{name}.json", FOLLOWS[name], places - corner)
            print(f"{name}: {cut.width}x{cut.height}, {(FOLDER / f'{name}.png').stat().st_size // 1000} kB")
        browser.close()


def write_anchors(path: Path, follows, places) -> None:
    """Write the anchors, one a line."""
    lines = [
        json.dumps({"pixel": np.round(place, 2).tolist(), "keypoints": keypoints})
        for keypoints, place in zip(follows, places, strict=True)
    ]
    path.write_text('{"anchors": [\n  ' + ",\n  ".join(lines) + "\n]}\n", encoding="utf-8")


if __name__ == "__main__":
    render(sys.argv[1:] or sorted(FOLLOWS))
