"""The parts of the project agree: environment and package, pages and commands, what the browser draws."""

import contextlib
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from unittest import mock

import cv2
import pytest
import yaml

from fkd_helpers import cli, filters
from fkd_helpers.course import checks
from fkd_helpers.emotion import LABELS
from fkd_helpers.faces.landmarks import COLOURS, REGIONS

ROOT = Path(__file__).parents[1]
MODULES = sorted([*(ROOT / "fkd_helpers").rglob("*.py"), *ROOT.glob("web/*.js")])
PAGES = ["README.md", "CONTRIBUTING.md", "data/README.md", *sorted(f"docs/{p.name}" for p in ROOT.glob("docs/*.md"))]
CONDA_NAMES = {"pytorch-cpu": "torch"}  # where conda-forge calls a package otherwise
BINARY = {".png", ".jpg", ".webp", ".gz", ".bin", ".npz", ".onnx", ".safetensors"}
MAX_BYTES = 60e6


def page(name) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], capture_output=True, text=True, cwd=ROOT)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [path for name in filter(None, listed.stdout.split("\0")) if (path := ROOT / name).exists()]


def requirements(entries) -> dict[str, str]:
    """Return the version part of each requirement by its name."""
    parts = [re.fullmatch(r"([A-Za-z0-9_.-]+)(.*)", entry.replace(" ", "")).groups() for entry in entries]
    return {CONDA_NAMES.get(name.lower(), name.lower()): version for name, version in parts}


@pytest.fixture(scope="module")
def declared() -> dict[str, str]:
    """Return the requirements of the package and its extras, and of Python."""
    project = tomllib.loads(page("pyproject.toml"))["project"]
    own = [entry for entries in project["optional-dependencies"].values() for entry in entries]
    own = [entry for entry in own if not entry.startswith("fkd-helpers")]
    return requirements([*project["dependencies"], *own]) | {"python": project["requires-python"]}


def test_conda_environment_has_the_versions_of_the_package(declared):
    entries = yaml.safe_load(page("environment.yml"))["dependencies"]
    by_pip = next(entry for entry in entries if isinstance(entry, dict))["pip"]
    named = requirements(entry for entry in [*entries, *by_pip] if isinstance(entry, str) and not entry.startswith("-"))
    named.pop("pip")
    assert "-e .[all]" in by_pip and named == {name: declared.get(name) for name in named}


def test_constraints_name_every_dependency(declared):
    pinned = {line.partition("==")[0] for line in page("constraints.txt").splitlines() if not line.startswith("#")}
    assert not {name.replace("_", "-").replace(".", "-") for name in declared} - {"python"} - pinned


@pytest.mark.parametrize("name", PAGES)
def test_page_names_what_exists(name):
    text = page(name)
    targets = re.findall(r"^([a-z-]+):", page("Makefile"), re.M)
    assert set(re.findall(r"(?:^|`)make ([a-z-]+)", text, re.M)) <= {*targets, "test-lowest", "test-latest"}
    for command in set(re.findall(r"-m fkd_helpers ([a-z]+)", text)):
        assert command in cli.COMMANDS, command
    links = re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", text) + re.findall(r'(?:src|href)="([^"]+)"', text)
    for target in links:
        if not re.match(r"[a-z]+:|#", target):
            assert ((ROOT / name).parent / target.partition("#")[0]).exists(), target
    assert not re.findall(r"!\[\s*\]", text) and all("alt=" in tag for tag in re.findall(r"<img\b[^>]*>", text))


def test_page_options_exist(capsys):
    text = "\n".join(map(page, PAGES))
    for command, options in set(re.findall(r"^`?python -m fkd_helpers ([a-z]+)([^`\n]*)", text, re.M)):
        action = re.findall(r"^ (train|predict|check|evaluate|compare)\b", options)
        with contextlib.suppress(SystemExit):
            cli.main([command, *action, "--help"])
        told = capsys.readouterr().out
        assert not [option for option in re.findall(r"--[a-z-]+", options.partition("#")[0]) if option not in told]


EXAMPLES = ["docs/prerequisites.md", "docs/capstone.md", "docs/cheat_sheet.md", "CONTRIBUTING.md"]


@pytest.mark.parametrize("name", EXAMPLES)
@mock.patch.dict(filters.FILTERS)
def test_page_examples_run(name, capsys):
    """The first example of a page does what the page says: it prints the answer, or a check stops where it says."""
    snippet = re.search(r"^```python\n(.*?)^```", page(name), re.M | re.S)[1]
    space = {"cv2": cv2, "face_filter": filters.face_filter}
    exec(snippet, space)
    said = capsys.readouterr().out
    if name == "docs/prerequisites.md":
        answer = page(name).partition("<summary>Answer</summary>")[2]
        assert said.splitlines() == re.findall(r"`([^`]+)`", answer)[:4]
    elif name == "docs/cheat_sheet.md":
        assert space["picture"].shape == space["astronaut"]().shape and said.strip() in LABELS
    else:
        own = space.get("monocle") or space["clown_nose"]
        assert checks.own_filter(own).message.startswith("half as large")


@pytest.mark.parametrize("script", ["fkd_helpers/live/widget.js", "web/draw.js"])
def test_pages_colour_regions_as_python_does(script):
    found = re.search(r"const REGIONS = (.*?);", page(script))[1]
    expected = [(str(max(points) + 1), COLOURS[region]) for region, points in REGIONS.items()]
    assert re.findall(r'\[(\d+), "(#\w+)"\]', found) == expected


def test_notebook_shows_the_page_as_it_is():
    cells = json.loads(page("notebooks/11_deploy.ipynb"))["cells"]
    text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    pieces, scripts = re.findall(r"^```js\n(.*?)^```", text, re.M | re.S), list(ROOT.glob("web/*.js"))
    assert pieces and not [piece for piece in pieces if not any(piece in script.read_text() for script in scripts)]


def test_no_path_of_a_machine_is_tracked():
    pattern = re.compile(rb"(?<![\w.:/-])/(?:root|work|home|Users|tmp)/\w")
    for path in tracked():
        assert path.suffix in BINARY or not pattern.search(path.read_bytes()), path
        assert path.suffix != ".onnx" or b'File "/' not in path.read_bytes(), path  # an exporter's stack traces


def test_repository_is_small():
    assert sum(path.stat().st_size for path in tracked()) < MAX_BYTES


def test_modules_are_short():
    assert not [path for path in MODULES if len(path.read_text(encoding="utf-8").splitlines()) > 250]


LIGHT = (".cli", ".data.download", ".data.puppets", ".faces.boxes", ".faces.metrics", ".live.moods", ".live.command")
HEAVY = {"IPython", "ipywidgets", "matplotlib", "skimage", "torch"}


def test_import_and_live_engine_leave_heavy_packages_alone():
    imports = ", ".join(f"fkd_helpers{module}" for module in LIGHT)
    code = f"import sys, {imports}; fkd_helpers.live.command.LiveEngine(); print({HEAVY} & set(sys.modules))"
    answer = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert answer.stdout == "set()\n", answer.stderr


def test_rooms_import_only_from_rooms_below():
    """The contract of pyproject.toml, proved by import-linter."""
    linter = Path(sys.executable).with_name("lint-imports")
    answer = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stdout
