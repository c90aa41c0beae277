"""The parts of the project agree: environment and package, README and commands, modules and their order."""

import ast
import re
import subprocess
import sys
import tomllib
from graphlib import TopologicalSorter
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

# The modules of the design, lowest first: none imports from one after it. Others fit in wherever no circle arises.
ORDER = """
    errors files records boxes photos data reading puppets download transforms metrics networks pretrained models losses
    run_files schedules averages checkpoints training rate_finder loggers
    published experiments tables
    detect predict face_table batch tracking sprites pose filters emotion_features emotion emotion_table expressions
    plots emotion_plots verdicts exercises checks installation benchmark commands cli __main__
""".split()


ENGINE_ROOM = """
    predict detect face_table batch tracking training models networks pretrained losses transforms keypoint_runs
    experiments labelling
    sprites pose filters emotion_features emotion
    engine sources recorder recordings pipeline moods mailbox meter pacing frames
    schedules averages checkpoints run_data run_files rate_finder loggers
""".split()


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
    assert {"predict", "train", "fetch", "benchmark"} <= named
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


def imports(path: Path, *, inside_functions: bool) -> set[str]:
    """Return what a module imports, as dotted names; `if TYPE_CHECKING` counts as inside."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = ast.walk(tree) if inside_functions else tree.body
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return found


def test_imports_point_one_way():
    """At its top a module imports only what is before it; a late import inside a function may point elsewhere."""
    graph = {}
    for path in MODULES:
        module = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        own = {name.split(".")[1] for name in imports(path, inside_functions=False) if name.startswith("fkd_helpers.")}
        graph.setdefault(module, set()).update(own - {module})
    assert "data" in graph["reading"]
    tuple(TopologicalSorter(graph).static_order())  # a circle raises CycleError and names it
    for module in graph.keys() & set(ORDER):
        for other in graph[module] & set(ORDER):
            assert ORDER.index(other) < ORDER.index(module), f"{module} imports {other}, which comes after it"


def test_the_engine_room_knows_no_notebook():
    """Predictor, trainer and live engine take callbacks: they import no Jupyter, no plots, no command line."""
    for path in MODULES:
        if path.stem in ENGINE_ROOM:
            names = {name.split(".")[0] for name in imports(path, inside_functions=True)}
            assert not names & {"IPython", "ipywidgets", "matplotlib", "anywidget"}, path.stem
            own = imports(path, inside_functions=True)
            assert not own & {"fkd_helpers.plots", "fkd_helpers.cli"}, path.stem


@pytest.mark.parametrize("module", ["", ".data", ".metrics", ".boxes", ".photos", ".download", ".live.moods"])
def test_no_torch_where_none_is_needed(module):
    code = f"import sys, fkd_helpers{module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
