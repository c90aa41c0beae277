"""What helps a learner along: the check of the installation, and the notes of what is solved."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import my_copies
import numpy as np
import pytest

import fkd_helpers as fkd
from fkd_helpers import cli
from fkd_helpers.course import check as installation
from fkd_helpers.course import checks, exercises, progress

ROOT = Path(__file__).parents[1]


@pytest.fixture
def notes(tmp_path, monkeypatch):
    """A user's data folder of our own, with notes switched on."""
    monkeypatch.setattr("platformdirs.user_data_path", lambda *_, **__: tmp_path / "data")
    monkeypatch.delenv(exercises.SWITCH)
    return tmp_path / "data" / "progress.json"


def box(keypoints):
    low, high = np.nanmin(keypoints, 0), np.nanmax(keypoints, 0)
    return np.r_[low, high - low]


def test_every_check_that_a_notebook_calls_is_an_exercise():
    found = progress.exercises()
    assert found["01"] == ["face_box", "flip_keypoints", "resize_keypoints", "frames_of", "features"]
    for notebook in (ROOT / "notebooks").glob("[0-9]*.ipynb"):
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        sources = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
        names = set(re.findall(r"^checks\.(\w+)\(", sources, re.M))
        assert names == set(found[notebook.name[:2]]), notebook.name


def test_a_solved_exercise_is_noted_and_an_unsolved_one_is_not(notes):
    assert fkd.progress()["done"].sum() == 0
    checks.face_box(lambda keypoints: None)
    checks.face_box(lambda keypoints: keypoints[0])
    assert not notes.exists()
    assert checks.face_box(box).solved
    table = fkd.progress()
    assert table.loc["01"].tolist() == [1, 5, "flip_keypoints"] and table["done"].sum() == 1
    assert json.loads(notes.read_text()) == {"solved": ["face_box"]}


DAMAGED = ["", "{", "[]", '{"solved": 3}', '{"solved": [["face_box"], 1]}', "null", "\x00\xff"]


@pytest.mark.parametrize("content", DAMAGED)
def test_damaged_notes_count_as_none_and_are_written_anew(notes, content):
    notes.parent.mkdir()
    notes.write_text(content, encoding="latin-1")
    assert fkd.progress()["done"].sum() == 0
    checks.face_box(box)
    assert json.loads(notes.read_text()) == {"solved": ["face_box"]}


def test_nothing_is_noted_where_somebody_wants_no_notes_or_reads_the_solutions(notes, tmp_path, monkeypatch):
    monkeypatch.setenv(exercises.SWITCH, "off")
    assert checks.face_box(box).solved and not notes.exists()
    monkeypatch.delenv(exercises.SWITCH)
    (tmp_path / "solutions").mkdir()
    monkeypatch.chdir(tmp_path / "solutions")
    assert checks.face_box(box).solved and not notes.exists()


def test_a_folder_that_cannot_be_written_stops_no_check(notes):
    notes.parent.write_text("a file where the folder should be")
    assert checks.face_box(box).solved
    assert fkd.progress()["done"].sum() == 0


# The learner's copies


def test_copies_are_made_once_and_a_fresh_one_keeps_the_old(tmp_path, monkeypatch):
    monkeypatch.setattr(my_copies, "MINE", tmp_path)
    made = my_copies.copy_missing()
    assert len(made) == len(list((ROOT / "notebooks").rglob("[0-9]*.ipynb"))) and my_copies.copy_missing() == []
    mine = tmp_path / "02_train_a_cnn.ipynb"
    mine.write_text("my work")
    my_copies.copy_missing()
    assert mine.read_text() == "my work"
    fresh, kept = my_copies.copy_fresh("02")
    assert fresh == mine and fresh.stat().st_size > 1000 and kept.read_text() == "my work"
    start = (tmp_path / "START.md").read_text(encoding="utf-8")
    for target in re.findall(r'(?:\]\(|src=")([^)"]+)', start):
        assert (tmp_path / target.replace("../", f"{ROOT}/")).exists(), target


def test_a_fresh_copy_of_no_notebook_names_those_there_are(tmp_path, monkeypatch):
    monkeypatch.setattr(my_copies, "MINE", tmp_path)
    with pytest.raises(SystemExit, match="notebook '99': expected one of 01, 02"):
        my_copies.copy_fresh("99")


# The check of the installation


def lines(capsys, **options):
    """Return whether all was well, and the lines that begin with each state."""
    good = fkd.check(camera=False, **options)
    out = capsys.readouterr().out.splitlines()
    return good, {state: [line for line in out if line.startswith(state)] for state in ("ok", "note", "FAULT")}


def test_a_good_installation_has_no_fault(capsys, notes):
    good, said = lines(capsys)
    assert good and not said["FAULT"]
    text = "\n".join(said["ok"])
    assert "takes a training step" in text and "1 face found" in text and "solved exercises are noted in" in text
    assert all(" -> " in line for line in said["note"])


def test_what_misses_is_named_with_the_next_step(capsys, monkeypatch):
    real = installation.version
    monkeypatch.setattr(installation, "version", lambda name: "1.0" if name == "numpy" else real(name))
    monkeypatch.setattr(installation, "STEPS", {installation.packages: installation.INSTALL, installation.extras: ""})
    good, said = lines(capsys)
    (fault,) = said["FAULT"]
    assert not good and fault.startswith("FAULT  numpy 1.0, expected >=") and fault.endswith(installation.INSTALL)


def test_a_step_that_breaks_is_a_fault_and_the_others_go_on(capsys, monkeypatch):
    def broken():
        raise ImportError("libGL.so.1: cannot open shared object file")

    steps = {broken: "apt install libgl1", installation.python_version: ""}
    monkeypatch.setattr(installation, "STEPS", steps)
    good, said = lines(capsys)
    assert not good and len(said["ok"]) == 1
    assert said["FAULT"] == [
        "FAULT  broken: ImportError: libGL.so.1: cannot open shared object file -> apt install libgl1"
    ]


def test_a_data_set_that_is_chosen_and_not_there_is_a_fault(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("FKD_DATASET", "ytf")
    monkeypatch.setenv("FKD_DATA_DIR", str(tmp_path))
    monkeypatch.setattr("fkd_helpers.data.loading.data_dirs", lambda: [tmp_path])
    monkeypatch.setattr(installation, "STEPS", {installation.data_sets: "unset FKD_DATASET"})
    assert not lines(capsys)[0]


def test_the_camera_is_left_alone_on_request_and_closed_after_one_picture(capsys, monkeypatch):
    from fkd_helpers.live import sources

    closed = []

    def pictures():
        try:
            yield np.zeros((480, 640, 3), np.uint8), None
            raise AssertionError("more than one picture was taken")
        finally:
            closed.append(True)

    monkeypatch.setattr(sources, "open_source", lambda *_: sources.Source("camera", pictures()))
    monkeypatch.setattr(installation.sys, "platform", "darwin")
    monkeypatch.setattr(installation, "STEPS", {installation.camera_works: ""})
    assert fkd.check(camera=False) and not closed
    assert fkd.check() and closed and "640 x 480" in capsys.readouterr().out


def test_the_command_ends_with_0_or_1(capsys, monkeypatch):
    monkeypatch.setattr(installation, "STEPS", {installation.python_version: "a new one"})
    assert cli.main(["check", "--no-camera"]) == 0
    monkeypatch.setattr(installation, "LEAST_PYTHON", (99, 0))
    assert cli.main(["check", "--no-camera"]) == 1
    assert "FAULT  Python" in capsys.readouterr().out


def test_the_check_speaks_where_almost_nothing_is_installed():
    code = (
        "import sys\nfor name in ('numpy', 'cv2', 'torch', 'yaml', 'pandas', 'platformdirs', 'av', 'packaging'):\n"
        "    sys.modules[name] = None\nfrom fkd_helpers import cli\nsys.exit(cli.main(['check', '--no-camera']))"
    )
    answer = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    faults = [line for line in answer.stdout.splitlines() if line.startswith("FAULT")]
    assert answer.returncode == 1 and not answer.stderr and len(faults) >= 5
    # an older onnxruntime reports the missing numpy as a plain ImportError, which has that step's own advice
    advice = installation.INSTALL, installation.STEPS[installation.photo_to_keypoints]
    assert all(line.endswith(advice) for line in faults)


def test_the_package_is_still_cheap_to_import():
    code = "import sys, fkd_helpers; sys.exit(any(name in sys.modules for name in ('numpy', 'pandas', 'torch')))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


@pytest.mark.parametrize("told", [None, "2"])
def test_a_notebook_leaves_a_core_free_unless_told_otherwise(told):
    code = "import fkd_helpers, torch; fkd_helpers.setup(); fkd_helpers.setup(); print(torch.get_num_threads())"
    others = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    asked = others | ({"OMP_NUM_THREADS": told} if told else {})
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=asked, capture_output=True, text=True, check=True)
    threads = int(said.stdout.splitlines()[-1])
    assert threads == int(told) if told else 1 <= threads <= max(1, os.cpu_count() - 1)
