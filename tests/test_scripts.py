"""Every script of benchmarks/ and tools/ can be imported, and runs once where it can: most others need a real set.

Not run: live_browser.py, serve.py, ray_training.py and peers (minutes), render_sprites.py (writes what ships),
install.py (CI begins with it).
"""

import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fkd_helpers.core import records
from fkd_helpers.data import load
from fkd_helpers.faces.images import write_photo
from fkd_helpers.faces.metrics import unit

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[1]
FILES = [*ROOT.glob("benchmarks/*.py"), *ROOT.glob("tools/*.py")]
SCRIPTS = sorted(path.relative_to(ROOT).as_posix() for path in FILES)
RUN = {  # with small arguments; OUT is a folder
    "benchmarks/closed_eyes.py": "--faces 2 --films 1 --frames 10 --out OUT",
    "benchmarks/speed.py": "--rounds 1 --only faces --out OUT",
}


@pytest.mark.parametrize("path", SCRIPTS)
def test_script_can_be_imported(path, monkeypatch):
    monkeypatch.syspath_prepend((ROOT / path).parent)
    runpy.run_path(str(ROOT / path), run_name="script")


@pytest.mark.parametrize("path", RUN)
def test_script_runs(path, tmp_path):
    arguments = RUN[path].replace("OUT", str(tmp_path)).split()
    done = subprocess.run([sys.executable, ROOT / path, *arguments], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_people_whose_points_are_noisy_score_worse_in_any_order_of_points(tmp_path):
    faces, rng = load("puppets", n=24), np.random.default_rng(0)
    noise = rng.normal(0, 0.1, (12, 68, 2)) * unit(faces.keypoints[12:])[:, None, None]
    human = np.concatenate([faces.keypoints[:12], faces.keypoints[12:] + noise])[:, rng.permutation(68)]
    for kind in ("neutral", "smiling"):
        for i, image in enumerate(faces.images):
            (tmp_path / kind).mkdir(exist_ok=True)
            write_photo(tmp_path / kind / f"{i}.jpg", image)
    pd.DataFrame(human.reshape(24, -1), [f"neutral/{i}.jpg" for i in range(24)]).to_csv(
        tmp_path / "points189.csv", index_label="file"
    )
    pd.DataFrame({
        "face_id": range(24), "face_age": 30, "face_gender": ["x"] * 12 + ["y"] * 12, "face_eth": ["z"] * 4 + ["w"] * 20
    }).to_csv(tmp_path / "people.csv", index=False)  # fmt: skip
    done = subprocess.run([sys.executable, ROOT / "benchmarks/groups.py", tmp_path, "--out", tmp_path], cwd=ROOT)
    assert done.returncode == 0
    rows = {row["group"]: row for row in records.read(next(tmp_path.glob("*.json")))["groups"]}
    assert set(rows) == {"", "25 to 34", "x", "y", "w"}  # four people are no group
    assert rows["x"]["nme"]["mean"] < 0.07 and rows["y"]["nme_more"]["low"] > 0.05
    assert rows["x"]["neutral_found"]["mean"] == 1
