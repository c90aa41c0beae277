"""The command `expressions`: training, its report, the table of models, reading a photo."""

import numpy as np
import pytest
import torch

from fkd_helpers import cli
from fkd_helpers.data import puppets
from fkd_helpers.expressions.model import ExpressionNet, export_expressions
from fkd_helpers.faces import images as photos


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    torch.manual_seed(0)
    return export_expressions(ExpressionNet("encoder").eval(), tmp_path_factory.mktemp("onnx") / "random.onnx")


def test_a_fast_run_and_what_it_prints(tmp_path, capsys):
    out = tmp_path / "run"
    assert (
        cli.main(["expressions", "train", "--fast", "--net", "head_landmarks", "--name", "t", "--out", str(out)]) == 0
    )
    said = capsys.readouterr().out
    assert "accuracy 0." in said and "valence: RMSE" in said and (out / "report.html").exists()
    assert cli.main(["expressions", "compare", "--records", str(out)]) == 2  # a fast run is no result
    assert "no record" in capsys.readouterr().err


def test_the_table_of_the_course_has_four_kinds_of_models(capsys):
    assert cli.main(["expressions", "compare"]) == 0
    rows = capsys.readouterr().out.splitlines()
    names = {row.split("|")[1].strip() for row in rows[2:]}
    assert {"head_landmarks", "head_lite0", "published, best of each"} <= names and len(names) >= 5


def test_a_photo_is_read(tmp_path, model, capsys):
    frame, _, _ = puppets.make_face(3, size=240)
    photos.write_photo(tmp_path / "face.png", frame)
    assert cli.main(["expressions", "predict", str(tmp_path / "face.png"), "--model", str(model)]) == 0
    said = capsys.readouterr().out
    assert said.startswith("face 1 at [") and "valence " in said and said.count("%") == 3


def test_evaluation_writes_one_page(tmp_path, model, monkeypatch, capsys):
    from fkd_helpers.expressions import data as expressions_data

    whole = expressions_data.load_expressions
    monkeypatch.setattr(expressions_data, "load_expressions", lambda name: whole(name, n=80))
    assert cli.main(["expressions", "evaluate", "--model", str(model), "--out", str(tmp_path / "page")]) == 0
    assert "report:" in capsys.readouterr().out and (tmp_path / "page/report.html").stat().st_size > 50_000


@pytest.mark.parametrize(("arguments", "words"), [
    (["train", "--net", "lite"], "did you mean 'lite0'"), (["train", "--recipe", "v9"], "unknown recipe"),
    (["train", "--classes", "6"], "expected 7 to 8"), (["check", "nowhere"], "unknown data set"),
    (["predict", "nowhere.jpg"], "no such file"), (["train", "--net", "head_points"], "unknown features"),
    (["evaluate", "--model", "nowhere.onnx"], "no such model file"),
])  # fmt: skip
def test_bad_input_is_said_in_a_line(arguments, words, capsys, tmp_path):
    out = ["--out", str(tmp_path)] if arguments[0] == "train" else []
    assert cli.main(["expressions", *arguments, *out]) == 2
    said = capsys.readouterr().err
    assert words in said and said.count("\n") == 1


def test_readings_are_numbers_of_a_plane(model):
    from fkd_helpers.expressions.reader import ExpressionReader

    frame, points, _ = puppets.make_face(5)
    (read,) = ExpressionReader(model)(frame, [points])
    assert read.shares.sum() == pytest.approx(1, abs=1e-5) and np.abs([read.valence, read.arousal]).max() <= 1
