"""Jitter and delay of smoothed keypoints: none, exponential, One-Euro, on a noisy puppet at rest and on pans.

    python benchmarks/smoothing.py [--out data/records]

Jitter is the mean length of the second difference of the tracked keypoints of a face at rest, as a share of the eye
distance; delay is how far the smoothed points trail the tracked ones on a pan at constant speed, in frames.
"""

import time
from functools import partial
from pathlib import Path

import numpy as np

from fkd_helpers.core import records
from fkd_helpers.core.options import run_script
from fkd_helpers.data import puppets
from fkd_helpers.data.puppets import scenery
from fkd_helpers.faces.metrics import unit
from fkd_helpers.predict import KeypointPredictor, OneEuro, Tracker
from fkd_helpers.predict.smoothing import REST

FPS, FRAMES, SETTLED, SIDE = 30, 90, 30, 150  # frames per second, frames per clip, frames to settle, pixels of the face
PANS = (1.0, 2.0, 4.0)  # pixels per frame


def tracked(step: float, *, noise: float, seed: int) -> np.ndarray:
    """Return the keypoints (FRAMES, 68, 2) of a puppet that moves `step` pixels per frame before a noisy camera."""
    person, rng, tracker = puppets.make_puppet(seed), np.random.default_rng(seed), Tracker(KeypointPredictor())
    wall, found = scenery.background(rng, (640, 480), kind=0), []
    for i in range(FRAMES):
        centre = (320 + step * (i - (FRAMES - 1) / 2), 240)
        frame, _, _ = puppets.put_face(wall, person, {}, (0, 0, 0), SIDE, centre)
        frame = np.clip(frame + rng.normal(0, noise, frame.shape), 0, 255).astype(np.uint8)
        found.append(tracker(frame)[0].keypoints)
    return np.stack(found)


def one_euro(points: np.ndarray, rest: float) -> np.ndarray:
    """Smooth keypoints (frames, k, 2) by the One-Euro filter."""
    euro = OneEuro(rest)
    return np.stack([euro(frame, i / FPS, unit=SIDE) for i, frame in enumerate(points)])


def exponential(points: np.ndarray, m: float) -> np.ndarray:
    """Keep the share `m` of the average in each frame of keypoints (frames, k, 2)."""
    smoothed = [points[0]]
    for frame in points[1:]:
        smoothed.append(m * smoothed[-1] + (1 - m) * frame)
    return np.stack(smoothed)


def measure(*, noise: float, seeds: tuple[int, ...]) -> list[dict]:
    """Return a row per way of smoothing: jitter and delays, means over the seeds."""
    ways = {"none": partial(exponential, m=0.0)}
    ways |= {f"exponential, m = {m}": partial(exponential, m=m) for m in (0.4, 0.6, 0.8)}
    ways |= {f"One-Euro, {rest:g} s": partial(one_euro, rest=rest) for rest in (REST / 3, REST, 2 * REST)}
    found = {name: [] for name in ways}
    for seed in seeds:
        still, *pans = (tracked(step, noise=noise, seed=seed) for step in (0.0, *PANS))
        eyes = float(unit(still).mean())
        for name, smooth in ways.items():
            jitter = np.linalg.norm(np.diff(smooth(still)[SETTLED:], 2, axis=0), axis=-1).mean() / eyes
            pairs = zip(pans, PANS, strict=True)
            delays = [(points - smooth(points))[SETTLED:, :, 0].mean() / step for points, step in pairs]
            found[name].append([jitter, *delays, *(step * FPS / eyes for step in PANS)])
    rows = []
    for name, values in found.items():
        jitter, *rest = np.mean(values, 0).tolist()
        delays, speeds = rest[: len(PANS)], rest[len(PANS) :]
        rows.append({"smoothing": name, "jitter": jitter, "delay_frames": delays, "units_per_s": speeds})
    return [row | {"jitter_share": row["jitter"] / rows[0]["jitter"]} for row in rows]


def main(*, out: Path | None = None) -> None:
    """Measure jitter and delay of smoothed keypoints; `out` keeps the record."""
    settings, started = {"noise": 8, "seeds": (4, 5, 6)}, time.perf_counter()
    rows, seconds = measure(**settings), time.perf_counter() - started
    for row in rows:
        print(records.plain(row))
    if out:
        config = settings | {"fps": FPS, "frames": FRAMES, "side": SIDE, "pixels_per_frame": PANS, "model": "small"}
        content = {"config": config, "digest": records.digest_of(config), "seconds": seconds, "rows": rows}
        print(records.write("smoothing", "puppet", folder=out, **content))


if __name__ == "__main__":
    run_script(main)
