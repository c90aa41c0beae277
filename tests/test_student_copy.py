"""The copy for students: nothing solved, nothing run, nothing missing."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import student_copy

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Path:
    return student_copy.student_copy(tmp_path_factory.mktemp("class") / "course")


def cells(folder, kind):
    """Give the cells of a kind of each notebook in a folder, by the notebook's name."""
    for path in sorted((folder / "notebooks").glob("*.ipynb")):
        found = json.loads(path.read_text(encoding="utf-8"))["cells"]
        yield path, [cell for cell in found if cell["cell_type"] == kind]


def test_all_notebooks_are_there_with_their_code_and_none_was_run(copy):
    assert list(cells(ROOT, "code"))
    for (path, ours), (name, theirs) in zip(cells(ROOT, "code"), cells(copy, "code"), strict=True):
        assert path.name == name.name and [cell["source"] for cell in ours] == [cell["source"] for cell in theirs]
        assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in theirs)


def test_no_solution_is_in_it(copy):
    assert not [path for path in copy.rglob("*") if "solutions" in path.name or path.name == "instructors.md"]
    assert not (copy / "tests").exists()
    for path, found in cells(copy, "markdown"):
        assert not [cell for cell in found if "_solutions.ipynb" in "".join(cell["source"])], path.name


def test_every_link_leads_somewhere(copy):
    texts = [(path.parent, "".join(cell["source"])) for path, found in cells(copy, "markdown") for cell in found]
    texts += [(path.parent, path.read_text(encoding="utf-8")) for path in copy.rglob("*.md")]
    assert "notebooks/12_scale.ipynb" in (copy / "README.md").read_text(encoding="utf-8")  # for the start page
    own = [folder / found for folder, text in texts for found in re.findall(r"\]\((?![a-z]+:|#)([^)#\s]+)", text)]
    assert len(own) > 10 and not [target for target in own if not target.exists()]


def test_it_runs_by_itself(copy):
    code = (
        "import fkd_helpers as fkd, pathlib; from fkd_helpers import data, predict;"
        "from fkd_helpers.core import records;"
        "assert pathlib.Path(fkd.__file__).parents[1] == pathlib.Path.cwd();"
        "assert records.find('benchmark') and len(data.load('puppets', n=2)) == 2; predict.KeypointPredictor()"
    )
    answer = subprocess.run([sys.executable, "-c", code], cwd=copy, env={"PYTHONPATH": str(copy)}, capture_output=True)
    assert answer.returncode == 0, answer.stderr.decode()


def test_a_folder_with_something_in_it_is_refused(tmp_path):
    (tmp_path / "mine.txt").write_text("my work")
    with pytest.raises(SystemExit, match="expected a folder that is new or empty"):
        student_copy.student_copy(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
