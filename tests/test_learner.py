"""What helps a learner along: the check of the installation, the notes of what is solved, copies of the notebooks."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import my_copies
import pytest

import fkd_helpers as fkd
from fkd_helpers import cli
from fkd_helpers.course import checks, exercises, installation
from fkd_helpers.faces.boxes import box_of

ROOT = Path(__file__).parents[1]


@pytest.fixture
def notes(tmp_path, monkeypatch):
    """A user's data folder of our own, with notes switched on."""
    monkeypatch.setattr("platformdirs.user_data_path", lambda *_, **__: tmp_path / "data")
    monkeypatch.delenv(exercises.SWITCH, raising=False)
    return tmp_path / "data" / "progress.json"


def test_a_solved_exercise_is_noted_and_an_unsolved_one_is_not(notes):
    checks.face_box(lambda keypoints: keypoints[0])
    assert not notes.exists() and fkd.progress()["done"].sum() == 0
    checks.face_box(box_of)
    assert fkd.progress().loc["01"].tolist() == [1, 5, "flip_keypoints"] and fkd.progress()["done"].sum() == 1
    assert json.loads(notes.read_text()) == {"solved": ["face_box"]}


@pytest.mark.parametrize("content", ["", "[]", '{"solved": 3}', '{"solved": [["face_box"], 1]}', "\x00\xff"])
def test_damaged_notes_count_as_none_and_are_written_anew(notes, content):
    notes.parent.mkdir()
    notes.write_text(content, encoding="latin-1")
    checks.face_box(box_of)
    assert json.loads(notes.read_text()) == {"solved": ["face_box"]}


def test_nothing_is_noted_where_somebody_wants_no_notes_or_reads_the_solutions(notes, tmp_path, monkeypatch):
    monkeypatch.setenv(exercises.SWITCH, "off")
    assert checks.face_box(box_of).solved and not notes.exists()
    monkeypatch.delenv(exercises.SWITCH)
    (tmp_path / "solutions").mkdir()
    monkeypatch.chdir(tmp_path / "solutions")
    assert checks.face_box(box_of).solved and not notes.exists()


def test_a_folder_that_cannot_be_written_stops_no_check(notes):
    notes.parent.write_text("a file where the folder should be")
    assert checks.face_box(box_of).solved


def test_copies_are_made_once_and_a_fresh_one_keeps_the_old(tmp_path, monkeypatch):
    monkeypatch.setattr(my_copies, "MINE", tmp_path)
    made = my_copies.copy_missing()
    assert len(made) == len(list((ROOT / "notebooks").rglob("[0-9]*.ipynb")))
    mine = tmp_path / "02_train_a_cnn.ipynb"
    mine.write_text("my work")
    assert my_copies.copy_missing() == [] and mine.read_text() == "my work"
    fresh, kept = my_copies.copy_fresh("2")
    assert fresh == mine and fresh.stat().st_size > 1000 and kept.read_text() == "my work"
    start = (tmp_path / "START.md").read_text(encoding="utf-8")
    for target in re.findall(r'(?:\]\(|src=")([^)"]+)', start):
        assert (tmp_path / target.replace("../", f"{ROOT}/")).exists(), target
    with pytest.raises(SystemExit, match="notebook '99': expected one of 01, 02"):
        my_copies.copy_fresh("99")


def test_a_good_installation_has_no_fault(capsys, notes):
    assert fkd.check()
    said = capsys.readouterr().out
    assert "takes a training step" in said and "1 face found" in said and str(notes) in said


def test_what_is_missing_or_broken_is_named_with_the_next_step(capsys, monkeypatch, tmp_path):
    def broken():
        raise ImportError("libGL.so.1: cannot open shared object file")

    real = installation.version
    monkeypatch.setattr(installation, "version", lambda name: "1.0" if name == "numpy" else real(name))
    monkeypatch.setenv("FKD_DATASET", "ytf")
    monkeypatch.setattr("fkd_helpers.data.loading.data_dirs", lambda: [tmp_path])
    steps = {broken: "apt install libgl1", installation.packages: installation.INSTALL}
    monkeypatch.setattr(installation, "STEPS", steps | {installation.data_sets: "unset it", installation.folders: ""})
    assert cli.main(["check"]) == 1
    first, second, third, fourth, last = capsys.readouterr().out.splitlines()
    assert first == "FAULT  broken: ImportError: libGL.so.1: cannot open shared object file -> apt install libgl1"
    assert second.startswith("FAULT  numpy 1.0, expected >=") and second.endswith(installation.INSTALL)
    assert third.startswith("FAULT") and third.endswith("-> unset it")
    assert fourth.startswith("ok") and last.startswith("3 to mend first")


def test_the_check_speaks_where_almost_nothing_is_installed():
    code = (
        "import sys\nfor name in ('numpy', 'cv2', 'torch', 'pandas', 'platformdirs', 'av', 'packaging'):\n"
        "    sys.modules[name] = None\nfrom fkd_helpers import cli\nsys.exit(cli.main(['check']))"
    )
    answer = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    faults = [line for line in answer.stdout.splitlines() if line.startswith("FAULT")]
    assert answer.returncode == 1 and not answer.stderr and len(faults) >= 5
    # an older onnxruntime reports the missing numpy as a plain ImportError, which has that step's own advice
    advice = installation.INSTALL, installation.STEPS[installation.photo_to_keypoints]
    assert all(line.endswith(advice) for line in faults)


def test_a_notebook_leaves_a_core_free():
    code = "import fkd_helpers, torch; fkd_helpers.setup(); fkd_helpers.setup(); print(torch.get_num_threads())"
    others = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=others, capture_output=True, text=True)
    assert 1 <= int(said.stdout.splitlines()[-1]) <= max(1, os.cpu_count() - 1)
