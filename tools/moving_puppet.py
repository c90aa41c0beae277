"""Draw the moving picture of the README: a puppet that turns, smiles and blinks, what is found on it, what it wears.

    python tools/moving_puppet.py [--frames 60] [--out images/puppet.webp]
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from fkd_helpers.data import puppets
from fkd_helpers.data.puppets import scenery
from fkd_helpers.live.pipeline import Pipeline, Result
from fkd_helpers.live.settings import LiveSettings

PACE = 70  # milliseconds per frame


def draw(count: int) -> list[np.ndarray]:
    """Return the frames (h, w, 3) of one round."""
    person = puppets.make_puppet(4, name="astronaut")
    wall = scenery.background(np.random.default_rng(12), (300, 300), kind=0)
    pipeline, frames = Pipeline(LiveSettings(filter="sunglasses")), []
    for turn in np.linspace(0, 2 * np.pi, count, endpoint=False):
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "images" / "puppet.webp")
    options = parser.parse_args()
    first, *rest = map(Image.fromarray, draw(options.frames))
    first.save(options.out, save_all=True, append_images=rest, duration=PACE, loop=0, quality=55, method=4)
    print(f"{options.out}: {options.out.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
