import dataclasses

import numpy as np
import pytest

from fkd_helpers.core import records
from fkd_helpers.core.config import RunConfig
from fkd_helpers.core.errors import InputError
from fkd_helpers.train.ablation import BASE, ablation
from fkd_helpers.train.grid import recorded
from fkd_helpers.train.published import published_grid
from fkd_helpers.train.tables import epochs_to, table


def run(name, unseen, **changes):
    config = dataclasses.asdict(dataclasses.replace(RunConfig(), name=name, **changes))
    return {"name": name, "config": config, "scores": {"unseen": {"nme": unseen}, "seen": {"nme": 0.9 * unseen}}}


RUNS = [
    run("ablation_flip", 0.06, augment=0.0), run("ablation_base", 0.050), run("ablation_base_seed1", 0.052, seed=1),
    run("ablation_rate", 0.0505, learning_rate=1e-3), run("ablation_flip_seed1", 0.07, augment=0.0, seed=1),
    run("published_01", 0.5), run("ablation_broken", 0.1) | {"failed": "the loss became nan"},
]  # fmt: skip


def test_seeds_are_one_row_and_a_change_is_said_in_words():
    found = ablation(RUNS)
    assert list(found.index) == ["the recipe as it is", "no augmentation", "learning_rate 0.003 -> 0.001"]
    assert found["runs"].tolist() == [2, 2, 1]
    assert found["new people"].tolist() == pytest.approx([5.1, 6.5, 5.05])
    assert found["known people"].iloc[0] == pytest.approx(0.9 * 5.1) and found["photos"].isna().all()
    assert found["spread"].iloc[:2].tolist() == pytest.approx([0.2 / 2**0.5, 1 / 2**0.5])
    assert np.isnan(found["spread"].iloc[2])


def test_a_difference_within_the_spread_of_the_base_is_not_clear():
    found = ablation(RUNS)
    assert found["more"].tolist() == pytest.approx([0, 1.4, -0.05])
    assert found["clear"].tolist() == [False, True, False]


def test_without_a_base_there_is_nothing_to_compare_with():
    with pytest.raises(InputError, match=r"'ablation_base'.*got 1"):
        ablation([run("ablation_flip", 0.06)])


def test_the_committed_ablation_has_three_seeds_of_its_base():
    found = ablation()
    assert found["runs"].iloc[0] == 3 and len(found) == 9
    base = records.read(records.RECORDS / f"experiment-{BASE}.json")
    assert epochs_to(base, 0.130) == (1, float(base["history"][0]["seconds"]))
    assert epochs_to(base, 0.01) is None


def test_a_run_without_a_record_is_a_row_that_says_so(tmp_path):
    grid = published_grid()
    records.write("experiment", "published_02", folder=tmp_path, config=grid[1], failed="the loss became nan")
    found = table(recorded(grid[:3], tmp_path))
    assert found["run"].tolist() == ["01", "02", "03"]
    assert found["curve"].tolist() == ["not run here", "failed: the loss became nan", "not run here"]
    assert found["epochs"].tolist() == ["0 of 1", "1", "0 of 1"] and found["published loss"].notna().all()
