"""Time a tracked frame of ours beside MediaPipe's FaceMesh, on the same frames, in turns.

    python benchmarks/peers.py [--environment build/peers] [--rounds 30] [--out data/records]

MediaPipe brings its own NumPy and OpenCV, so it gets a second environment, made here by pip when it is missing. Ours:
`Tracker`, its network on one thread, on 640x480 frames, without those in which the detector looks, and the mean with
them. FaceMesh: its tracking mode, which also detects only when it loses the face (468 points, a larger network).
"""

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

import numpy as np

from fkd_helpers import records
from fkd_helpers.predict import KeypointPredictor
from fkd_helpers.puppets import stream
from fkd_helpers.tracking import Tracker

PEER = "mediapipe==0.10.21"
BURST = 8  # frames in a turn
CHILD = """
import itertools, json, sys, time
import mediapipe, numpy
frames = itertools.cycle(numpy.load(sys.argv[1]))
mesh = mediapipe.solutions.face_mesh.FaceMesh(static_image_mode=False, max_num_faces=1)
for line in sys.stdin:
    spent, found = [], 0
    for _ in range(int(line)):
        frame = next(frames)
        started = time.perf_counter()
        faces = mesh.process(frame).multi_face_landmarks
        spent.append(time.perf_counter() - started)
        found += bool(faces)
    print(json.dumps([spent, found]), flush=True)
"""


def peer_python(environment: Path) -> Path:
    """Return the Python of the second environment, which is made when it is missing."""
    python = environment / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if not python.exists():
        venv.create(environment, with_pip=True)
    if subprocess.run([python, "-c", "import mediapipe"], capture_output=True).returncode:
        subprocess.run([python, "-m", "pip", "install", "--quiet", PEER], check=True)
    return python


def compare(python: Path, rounds: int) -> dict:
    """Return milliseconds a frame of both, taking turns of 8 frames."""
    frames = [frame for frame, _, _ in stream(n=120)]
    ours, theirs, detected = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "frames.npy", np.stack(frames))
        command = [str(python), "-c", CHILD, str(Path(folder) / "frames.npy")]
        child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        tracker, feed, found = Tracker(KeypointPredictor()), itertools.cycle(frames), [0, 0]
        for turn in range(rounds + 3):
            for _ in range(BURST):
                frame, looked = next(feed), tracker._looked
                started = time.perf_counter()
                faces = tracker(frame)
                if turn >= 3:  # the first turns warm up
                    ours.append(time.perf_counter() - started)
                    detected.append(tracker._looked != looked)
                    found[0] += bool(faces)
            child.stdin.write(f"{BURST}\n")
            child.stdin.flush()
            spent, hits = json.loads(child.stdout.readline())
            if turn >= 3:
                theirs += spent
                found[1] += hits
        child.stdin.close()
        child.wait()
    times, looks = 1000 * np.array(ours), np.array(detected)
    return {
        "frames": len(ours),
        "ours_ms": {"tracked": np.median(times[~looks]), "mean": times.mean(), "found": found[0]},
        "facemesh_ms": {"tracked": 1000 * np.median(theirs), "mean": 1000 * np.mean(theirs), "found": found[1]},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--environment", type=Path, default=Path("build/peers"))
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--note", default="", help="under which circumstances, for the record")
    parser.add_argument("--out", type=Path, help="folder of the record (default: printed only)")
    options = parser.parse_args()
    found = compare(peer_python(options.environment.absolute()), options.rounds)
    print(json.dumps(records.plain(found), indent=1))
    if options.out:
        print(records.write("benchmark", "peers", folder=options.out, peer=PEER, note=options.note, **found))


if __name__ == "__main__":
    main()
