"""Start the systems, each in its own process and environment, and ask them."""

import contextlib
import json
import subprocess
import sys
import venv
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from child import receive, send

PACKAGES = ("mediapipe==0.10.21", "dlib-bin==20.0.1.post1", "face_recognition_models==0.3.0")
# which of FaceMesh's 468 points lie where the 68 of the iBUG order do: the usual choice, by region
JAW = (127, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 356)
BROWS = (70, 63, 105, 66, 107, 336, 296, 334, 293, 300)
NOSE = (168, 197, 5, 4, 98, 97, 2, 326, 327)
EYES = (33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380)
MOUTH = (61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181, 78, 82, 13, 312, 308, 317, 14, 87)
FACEMESH_68 = JAW + BROWS + NOSE + EYES + MOUTH


def to_68(points: np.ndarray) -> np.ndarray:
    """Return 68 points (n, 68, 2) of a mesh's (n, 468, 2), or as they are."""
    return points[:, list(FACEMESH_68)] if points.shape[1] == 468 else points


class System:
    """A system in a process of its own; what its libraries print goes to the terminal."""

    def __init__(self, name: str, python: str | Path):
        command = [str(python), str(Path(__file__).with_name("child.py")), name]
        self._child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(
        self, task: str, images: Sequence[np.ndarray], boxes: Sequence[np.ndarray] | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return 68 points (n, 68, 2), pixels of each image, NaN where no face was found, and seconds (n,)."""
        boxes = None if boxes is None else np.asarray(boxes).tolist()
        self._put({"task": task, "images": len(images), "boxes": boxes}, *images)
        points, seconds = receive(self._child.stdout), receive(self._child.stdout)
        return to_68(points), seconds

    def about(self) -> dict:
        """Return peak memory and install size, see child.about."""
        self._put({"task": "about"})
        return json.loads(self._child.stdout.readline())

    def close(self) -> None:
        """End the process."""
        self._child.kill()
        self._child.communicate()

    def _put(self, question, *images):
        self._child.stdin.write(json.dumps(question).encode() + b"\n")
        for image in images:
            send(self._child.stdin, np.asarray(image))
        self._child.stdin.flush()


@contextlib.contextmanager
def started(environment: Path) -> Iterator[dict[str, System]]:
    """Give the three systems by name, and end them afterwards; the second environment is made when it is missing."""
    python = environment / "bin" / "python"
    if not python.exists():
        venv.create(environment, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
    pythons = {"ours": sys.executable, "mediapipe": python, "dlib": python}
    systems = {name: System(name, own) for name, own in pythons.items()}
    try:
        yield systems
    finally:
        for system in systems.values():
            system.close()
