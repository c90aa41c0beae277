import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

from fkd_helpers.data import load
from fkd_helpers.evaluate import predict_set
from fkd_helpers.faces.landmarks import REGIONS
from fkd_helpers.faces.metrics import nme
from fkd_helpers.predict import KeypointPredictor

pytestmark = pytest.mark.slow
FOLDER = Path(__file__).parents[1] / "benchmarks" / "peers"


@pytest.fixture
def part(monkeypatch):
    """Return a function from the name of a script in benchmarks/peers to its module."""
    monkeypatch.syspath_prepend(FOLDER)
    yield importlib.import_module
    for name in ("child", "processes", "scores", "speed"):
        sys.modules.pop(name, None)


def test_each_of_68_points_has_its_own_point_of_the_mesh(part):
    facemesh = part("processes")
    assert len(set(facemesh.FACEMESH_68)) == 68
    assert 0 <= min(facemesh.FACEMESH_68) and max(facemesh.FACEMESH_68) < 468
    names = ("JAW", "BROWS", "NOSE", "EYES", "MOUTH")
    assert [len(getattr(facemesh, name)) for name in names] == [len(points) for points in REGIONS.values()]
    mesh = np.arange(2 * 468.0).reshape(1, 468, 2)
    assert facemesh.to_68(mesh)[0, 36].tolist() == mesh[0, 33].tolist()
    assert np.isnan(facemesh.to_68(np.full((3, 1, 2), np.nan))).all()


def test_slices_hold_every_face_once_and_a_face_that_is_not_found_fails(part):
    errors = np.linspace(0.02, 0.08, 41)
    errors[0] = np.inf
    values = np.arange(41.0)
    values[-1] = np.nan
    rows = part("scores").sliced({"one": errors}, values, np.arange(41) // 2)
    assert [row["faces"] for row in rows] == [10, 10, 10, 10, 1]
    assert [(row["from"], row["to"]) for row in rows[:2]] == [(0, 9), (10, 19)] and rows[-1]["from"] is None
    first, second = (row["systems"]["one"] for row in rows[:2])
    assert first["found"] == 9 and first["failures"] == 0.1 and first["nme"] == pytest.approx(errors[1:10].mean())
    assert second["failures"] == 0 and second["nme_low"] < second["nme"] < second["nme_high"]


def test_an_adaptation_learns_another_labelling_at_any_place_and_size(part):
    target = load("puppets", n=40).keypoints.astype(float)
    side = np.ptp(target, 1).max(1)[:, None, None]
    answers = target + side * np.random.default_rng(0).normal(0, 0.03, (1, 68, 2))  # the same habit in every face
    lost = answers.copy()
    lost[3] = np.nan
    adapted = part("scores").adaptation(lost, target)
    assert nme(adapted(answers), target).max() < 0.3 * nme(answers, target).min()
    assert np.allclose(adapted(3 * answers + 100), 3 * adapted(answers) + 100)
    assert np.isnan(adapted(lost)[3]).all() and np.isfinite(adapted(lost)[4]).all()


def test_ours_answers_over_pipes_what_it_answers_here(part):
    faces = load("puppets", n=3)
    system = part("processes").System("ours", sys.executable)
    try:
        answers = system.ask("detect", faces.images)[0]
        points, seconds = system.ask("box", faces.images, faces.boxes)
        about = system.about()
    finally:
        system.close()
    predictor = KeypointPredictor()
    assert np.allclose(answers, predict_set(predictor, faces))
    assert np.allclose(points, predict_set(predictor, faces, given_boxes=True)) and (seconds > 0).all()
    assert about["installed_mb"] > 20 and about["peak_mb"] > 20
