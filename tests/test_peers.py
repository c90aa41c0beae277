import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

from fkd_helpers.data import load
from fkd_helpers.evaluate import predict_set
from fkd_helpers.faces.landmarks import REGIONS
from fkd_helpers.predict import KeypointPredictor

pytestmark = pytest.mark.slow
FOLDER = Path(__file__).parents[1] / "benchmarks" / "peers"


@pytest.fixture
def part(monkeypatch):
    """Return a function from the name of a script in benchmarks/peers to its module."""
    monkeypatch.syspath_prepend(FOLDER)
    yield importlib.import_module
    for name in ("child", "processes", "speed"):
        sys.modules.pop(name, None)


def test_each_of_68_points_has_its_own_point_of_the_mesh(part):
    facemesh = part("processes")
    assert len(set(facemesh.FACEMESH_68)) == 68
    assert 0 <= min(facemesh.FACEMESH_68) and max(facemesh.FACEMESH_68) < 468
    names = ("JAW", "BROWS", "NOSE", "EYES", "MOUTH")
    assert [len(getattr(facemesh, name)) for name in names] == [len(points) for points in REGIONS.values()]
    mesh = np.arange(2 * 468.0).reshape(1, 468, 2)
    assert facemesh.to_68(mesh)[0, 36].tolist() == mesh[0, 33].tolist()
    points, _ = part("child").answer(lambda image, box: None, [0, 0, 0], [None] * 3)
    assert points.shape == (3, 68, 2) and np.isnan(points).all()


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
