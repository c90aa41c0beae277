"""Jitter and delay of smoothed keypoints: none, exponential, One-Euro, on a noisy puppet at rest and on pans.

    python benchmarks/smoothing.py [--write]

Jitter is the mean length of the second difference of the tracked keypoints of a face at rest, as a share of the eye
distance; delay is how far the smoothed points trail the tracked ones on a pan at constant speed, in frames.
"""

import argparse
import time
from collections.abc import Callable, Iterator

import numpy as np

from fkd_helpers.core import records
from fkd_helpers.data import puppets
from fkd_helpers.data.puppets import scenery
from fkd_helpers.faces.metrics import eye_distance
from fkd_helpers.predict import KeypointPredictor, OneEuro, Tracker
from fkd_helpers.predict.smoothing import REST

FPS, FRAMES, SETTLED, SIDE = 30, 90, 30, 150  # frames per second, frames per clip, frames to settle, pixels of the face
PANS = (1.0, 2.0, 4.0)  # pixels per frame


def clip(step: float, *, noise: float, seed: int) -> Iterator[np.ndarray]:
    """Yield frames of a puppet that moves `step` pixels per frame to the right before a noisy camera."""
    person, rng = puppets.make_puppet(seed), np.random.default_rng(seed)
    wall = scenery.background(rng, (640, 480), kind=0)
    for i in range(FRAMES):
        centre = (320 + step * (i - (FRAMES - 1) / 2), 240)
        frame, _, _ = puppets.put_face(wall, person, {}, (0, 0, 0), SIDE, centre)
        yield np.clip(frame + rng.normal(0, noise, frame.shape), 0, 255).astype(np.uint8)


def one_euro(rest: float) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function that smooths keypoints (frames, k, 2) by the One-Euro filter."""

    def smooth(points: np.ndarray) -> np.ndarray:
        euro = OneEuro(rest)
        return np.stack([euro(frame, i / FPS, unit=SIDE) for i, frame in enumerate(points)])

    return smooth


def exponential(m: float) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function that keeps the share `m` of the average in each frame of keypoints (frames, k, 2)."""

    def smooth(points: np.ndarray) -> np.ndarray:
        smoothed = [points[0]]
        for frame in points[1:]:
            smoothed.append(m * smoothed[-1] + (1 - m) * frame)
        return np.stack(smoothed)

    return smooth


def measure(*, noise: float = 8, seeds: tuple[int, ...] = (4, 5, 6)) -> list[dict]:
    """Return a row per way of smoothing: jitter and delays, means over the seeds."""
    ways = {"none": exponential(0.0)} | {f"exponential, m = {m}": exponential(m) for m in (0.4, 0.6, 0.8)}
    ways |= {f"One-Euro, {rest:g} s": one_euro(rest) for rest in (REST / 3, REST, 2 * REST)}
    found = {name: [] for name in ways}
    for seed in seeds:
        tracked = {}
        for step in (0.0, *PANS):
            tracker = Tracker(KeypointPredictor())
            tracked[step] = np.stack([tracker(frame)[0].keypoints for frame in clip(step, noise=noise, seed=seed)])
        eyes = float(eye_distance(tracked[0.0]).mean())
        for name, smooth in ways.items():
            second = np.diff(smooth(tracked[0.0])[SETTLED:], 2, axis=0)
            delays = [(tracked[step] - smooth(tracked[step]))[SETTLED:, :, 0].mean() / step for step in PANS]
            speeds = [step * FPS / eyes for step in PANS]
            found[name].append([np.linalg.norm(second, axis=-1).mean() / eyes, *delays, *speeds])
    rows = []
    for name, values in found.items():
        jitter, *rest = np.mean(values, 0).tolist()
        delays, speeds = rest[: len(PANS)], rest[len(PANS) :]
        rows.append({"smoothing": name, "jitter": jitter, "delay_frames": delays, "eye_distances_per_s": speeds})
    return [row | {"jitter_share": row["jitter"] / rows[0]["jitter"]} for row in rows]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="keep the record data/records/smoothing-puppet.json")
    options = parser.parse_args()
    settings, started = {"noise": 8, "seeds": (4, 5, 6)}, time.perf_counter()
    rows, seconds = measure(**settings), time.perf_counter() - started
    for row in rows:
        delays = ", ".join(f"{delay:.2f}" for delay in row["delay_frames"])
        print(f"{row['smoothing']:22} jitter {row['jitter']:.4f} ({row['jitter_share']:.2f}), frames late: {delays}")
    if options.write:
        config = settings | {"fps": FPS, "frames": FRAMES, "side": SIDE, "pixels_per_frame": PANS, "model": "small"}
        content = {"config": config, "digest": records.digest_of(config), "seconds": seconds, "rows": rows}
        print(records.write("smoothing", "puppet", **content))


if __name__ == "__main__":
    main()
