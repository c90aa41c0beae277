import re
from pathlib import Path

import numpy as np
import pytest
import render_docs
import results

from fkd_helpers.core import records
from fkd_helpers.core.errors import InputError
from fkd_helpers.predict.runtime import WEIGHTS

ROOT = Path(__file__).parents[1]


def test_pages_are_as_the_records_say():
    stale = [page for page in render_docs.PAGES if render_docs.rendered(page.read_text()) != page.read_text()]
    assert not stale, "run `make readme`"


def test_a_number_of_a_page_is_written_anew_and_its_place_must_exist():
    bound = "**5,770**<!-- = facts-ytf/images/all --> frames, 347.0<!-- = facts-ytf/people/both --> people"
    assert render_docs.rendered(bound.replace("5,770", "12").replace("347.0", "0.1")) == bound
    with pytest.raises(InputError, match="facts-ytf/imagse/all -->: no number there"):
        render_docs.rendered("7<!-- = facts-ytf/imagse/all -->")


GOALS = [  # a field of a record, the least and the most that it may be
    ("evaluation-ytf-test-small/scores/nme", 0, 0.042),  # 0.0401 but for one face: the detector sees another one there
    ("evaluation-ytf-test-small/scores/not_found", 0, 0),
    ("readingspeed-expressions/ms_a_face", 0, 15),
    ("emotion-affectnet/scores/rules-landmarks/balanced_accuracy", 0.56, 1),
    ("emotion-affectnet/scores/learned-landmarks/balanced_accuracy", 0.60, 1),
    ("kaggle15-keypoints15/scores/rmse", 0, 1.7),
    ("kaggle15-keypoints15_residual/scores/rmse", 0, 2.0),
    ("kaggle15-keypoints15_keras/scores/rmse", 0, 2.55),
    ("benchmark-peers/mediapipe_to_ours", 1, np.inf),
    ("benchmark-peers/haar_dlib_to_ours", 10, np.inf),
    ("smoothing-puppet/rows/5/jitter_share", 0, 1 / 3),  # One-Euro, as it ships
    ("smoothing-puppet/rows/5/delay_frames/0", 0, 1),
]


@pytest.mark.parametrize("field, least, most", GOALS)
def test_record_reaches_its_goal(field, least, most):
    assert least <= float(render_docs.looked_up(field, "0.0000")) <= most


def test_every_record_can_be_read():
    for path in records.RECORDS.glob("*.json"):
        record = records.read(path)
        assert path.stem == f"{record['kind']}-{record['name']}"


def test_results_that_agree_and_those_that_do_not_are_told_apart():
    published = records.read(records.RECORDS / results.RECORD)
    table, different = results.compare(published, published)
    assert len(table) == 8 and different == []
    worse = published | {"scores": published["scores"] | {"nme": 0.05}, "data_digest": "another"}
    nme, digest = results.compare(published, worse)[1]
    assert nme.endswith("0.05 now") and "digests differ" in digest


def test_the_shipped_files_are_small_and_have_a_card():
    assert sum(file.stat().st_size for file in WEIGHTS.iterdir()) < 15e6
    for file in WEIGHTS.glob("*.onnx"):
        assert file.stat().st_size < 8e6 and file.with_suffix(".md").exists()


def test_the_card_of_expressions_begins_with_what_it_must_not_be_used_for_and_shows_its_record():
    card = (WEIGHTS / "expressions.md").read_text(encoding="utf-8")
    assert re.search(r"^## (.*)", card, re.M)[1] == "What it must not be used for"
    scores = records.read(records.RECORDS / "expressions-shipped.json")["scores"]
    assert f"| accuracy | {scores['accuracy']:.3f} |" in card
    assert f"| arousal RMSE | {scores['arousal_rmse']:.3f} |" in card


def test_the_cells_that_a_teacher_types_are_under_the_headings_that_are_named():
    page = (ROOT / "docs" / "instructors.md").read_text(encoding="utf-8").split("## Which cells")[1]
    named = re.findall(r"\[([^\]]+)\]\(\.\./(notebooks/\S+)\)", page)
    assert len(named) > 12
    for heading, path in named:
        assert re.search(rf'"##+ {re.escape(heading)}', (ROOT / path).read_text(encoding="utf-8")), heading
