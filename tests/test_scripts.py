"""Every script of benchmarks/ and tools/ can be imported, and runs once where it needs no real data and no browser."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[1]
FILES = [*ROOT.glob("benchmarks/*.py"), *ROOT.glob("tools/*.py")]
SCRIPTS = sorted(path.relative_to(ROOT).as_posix() for path in FILES)
RUN = {  # with small arguments; OUT is a folder
    "benchmarks/batch_speed.py": "--rounds 1 --photos 16 --out OUT",
    "benchmarks/soak.py": "--minutes 0.05 --out OUT",
    "benchmarks/speed.py": "--rounds 1 --only faces --out OUT",
    "tools/moving_puppet.py": "--frames 2 --out OUT/puppet.webp",
    "tools/person_leak.py": "puppets --out OUT",
    "tools/render_docs.py": "--check",
}


@pytest.mark.parametrize("path", SCRIPTS)
def test_script_can_be_imported(path, monkeypatch):
    monkeypatch.syspath_prepend((ROOT / path).parent)
    runpy.run_path(str(ROOT / path), run_name="script")


@pytest.mark.parametrize("path", RUN)
def test_script_runs(path, tmp_path):
    arguments = RUN[path].replace("OUT", str(tmp_path)).split()
    done = subprocess.run([sys.executable, ROOT / path, *arguments], cwd=ROOT, capture_output=True, text=True)
    soaked = path == "benchmarks/soak.py" and done.returncode == 1  # memory still grows in the first seconds
    assert done.returncode == 0 or soaked, done.stderr
