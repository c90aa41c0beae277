"""The parts of the project agree: environment and package, README and commands, modules and their order."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "fkd_helpers"
MODULES = sorted(PACKAGE.rglob("*.py"))
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = ["README.md", "CONTRIBUTING.md", "data/README.md", *sorted(f"docs/{p.name}" for p in ROOT.glob("docs/*.md"))]
ALL = "\n".join((ROOT / page).read_text(encoding="utf-8") for page in PAGES)
BINARY = {".png", ".jpg", ".webp", ".gz", ".bin", ".npz", ".onnx", ".safetensors"}
CONDA_NAMES = {"pytorch-cpu": "torch"}  # where conda-forge calls a package otherwise

def requirements(entries) -> dict[str, str]:
    """Return the version part of each requirement by its name."""
    parts = [re.fullmatch(r"([A-Za-z0-9_.-]+)(.*)", entry.replace(" ", "")).groups() for entry in entries]
    return {CONDA_NAMES.get(name.lower(), name.lower()): version for name, version in parts}


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def declared() -> dict[str, str]:
    extras = project()["optional-dependencies"]
    own = [entry for entries in extras.values() for entry in entries if not entry.startswith("fkd-helpers")]
    return requirements([*project()["dependencies"], *own]) | {"python": project()["requires-python"]}


def test_the_conda_environment_has_the_versions_of_the_package():
    entries = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    by_pip = next(entry for entry in entries if isinstance(entry, dict))["pip"]
    assert "-e .[all]" in by_pip
    named = requirements(entry for entry in [*entries, *by_pip] if isinstance(entry, str) and not entry.startswith("-"))
    named.pop("pip")
    assert named == {name: declared().get(name) for name in named}
    assert {"torch", "torchvision", "numpy", "jupyterlab"} <= set(named)


def test_exact_versions_are_given_for_all_that_is_declared():
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9a-z.]+", line) for line in lines)
    missing = {name.replace("_", "-").replace(".", "-") for name in declared()} - {"python"}
    assert not missing - {line.partition("==")[0] for line in lines}


def test_each_make_target_that_is_named_exists():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    named = {target for target in re.findall(r"(?:^|`)make ([a-z]+)", ALL, re.M)}
    named |= set(re.findall(r'@echo "make ([a-z]+)', (ROOT / "Makefile").read_text()))
    assert {"lab", "test", "data"} <= named <= targets


def test_each_command_that_is_named_exists():
    named = {command for command in re.findall(r"-m fkd_helpers ([a-z]+)", ALL)}
    assert {"predict", "train", "fetch"} <= named
    for command in sorted(named):
        answer = subprocess.run(
            [sys.executable, "-m", "fkd_helpers", command, "--help"], capture_output=True, text=True, cwd=ROOT
        )
        assert answer.returncode == 0 and command in answer.stdout, answer.stderr


def test_each_option_that_is_named_exists():
    for command, options in re.findall(r"^`?python -m fkd_helpers ([a-z]+)([^`\n]*)", ALL, re.M):
        answer = subprocess.run(
            [sys.executable, "-m", "fkd_helpers", command, "--help"], capture_output=True, text=True, cwd=ROOT
        )
        for option in re.findall(r"--[a-z-]+", options.partition("#")[0]):
            assert option in answer.stdout, f"{command} {option}"


@pytest.mark.parametrize("page", PAGES)
def test_links_and_pictures_exist(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    targets = re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", text) + re.findall(r'(?:src|href)="([^"]+)"', text)
    own = [target for target in targets if not re.match(r"[a-z]+:|#", target)]
    assert own
    for target in own:
        assert ((ROOT / page).parent / target.partition("#")[0]).exists(), target
    assert not re.findall(r"!\[\s*\]", text), "a picture without alt text"


def test_no_path_of_somebodys_machine():
    listed = subprocess.run(["git", "ls-files", "-z"], capture_output=True, text=True, cwd=ROOT)
    if listed.returncode:
        pytest.skip("not a git checkout")
    pattern = re.compile(rb"(?<![\w.:/-])/(?:root|work|home|Users|tmp)/\w")
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        if (
            path.suffix not in {".png", ".jpg", ".webp", ".gz", ".bin", ".npz", ".onnx", ".safetensors"}
            and path.exists()
        ):
            assert not (found := pattern.search(path.read_bytes())), f"{name}: {found}"
        if path.suffix == ".onnx":  # an exporter notes where each line of code lay
            assert b'File "/' not in path.read_bytes(), name


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_a_module_is_short(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) < 250


@pytest.mark.parametrize(
    "module", ["", ".data", ".faces.metrics", ".faces.boxes", ".faces.images", ".data.download", ".live.moods"]
)
def test_no_torch_where_none_is_needed(module):
    code = f"import sys, fkd_helpers{module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_a_room_imports_only_from_rooms_below_it():
    """The contract of pyproject.toml, proved by import-linter."""
    linter = Path(sys.executable).with_name("lint-imports")
    answer = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stdout
