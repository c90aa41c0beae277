"""Draw the moving picture of the README: a puppet that turns, smiles and blinks, what is found on it, what it wears.

    python tools/moving_puppet.py [--frames 60] [--out images/puppet.webp]
"""

from pathlib import Path

import numpy as np
from PIL import Image

from fkd_helpers.core.options import run_script
from fkd_helpers.data import puppets
from fkd_helpers.data.puppets import scenery
from fkd_helpers.live.pipeline import Pipeline, Result
from fkd_helpers.live.settings import LiveSettings

PACE = 70  # milliseconds per frame


def main(*, frames: int = 60, out: Path = Path(__file__).parents[1] / "images" / "puppet.webp") -> None:
    """Draw one round and write it."""
    person = puppets.make_puppet(4, name="astronaut")
    wall = scenery.background(np.random.default_rng(12), (300, 300), kind=0)
    pipeline, drawn = Pipeline(LiveSettings(filter="sunglasses")), []
    for turn in np.linspace(0, 2 * np.pi, frames, endpoint=False):
        happy, cross = max(0.0, np.sin(turn)), max(0.0, -np.sin(turn))
        blink, talk = max(0.0, np.cos(3 * (turn - 4))) ** 24, max(0.0, np.sin(2 * turn)) ** 2
        knobs = {"smile": happy, "mouth_open": 0.35 * talk, "frown": cross, "brow_lower": 0.6 * cross}
        pose = (18 * np.sin(turn), 14 * np.cos(turn), 4 * np.sin(2 * turn))
        centre = (150 + 12 * np.sin(turn), 162 + 6 * np.cos(2 * turn))
        frame = puppets.put_face(wall, person, knobs | {"eye_close": blink}, pose, 150, centre)[0]
        faces, moods, worn = pipeline(frame, len(drawn) * PACE / 1000)
        seen = Result(None, frame, faces, moods, None, 0.0, 0.0).drawn()
        drawn.append(Image.fromarray(np.hstack([seen, worn])))
    drawn[0].save(out, save_all=True, append_images=drawn[1:], duration=PACE, loop=0, quality=55, method=4)
    print(f"{out}: {out.stat().st_size // 1000} kB")


if __name__ == "__main__":
    run_script(main)
