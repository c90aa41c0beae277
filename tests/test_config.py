from dataclasses import fields

import numpy as np
import pytest
import yaml

from fkd_helpers.core.config import CONFIGS, TASKS, KeypointsConfig, as_yaml, load_config
from fkd_helpers.core.errors import InputError
from fkd_helpers.course import verdicts

# Records


def test_config_comes_back_from_its_yaml(tmp_path):
    for kind in TASKS.values():
        config = kind(name="mine", learning_rate=1e-5, epochs=3)
        (tmp_path / "mine.yaml").write_text(as_yaml(config))
        assert load_config(tmp_path / "mine.yaml") == config
    assert load_config(tmp_path / "mine.yaml", epochs=9).epochs == 9
    assert load_config() == KeypointsConfig()


def test_load_config_finds_the_task_of_our_own():
    found = {file.stem: load_config(file.stem).task for file in CONFIGS.glob("*.yaml")}
    assert {name: task for name, task in found.items() if task not in name} == {
        "keypoints15": "kaggle15", "keypoints15_keras": "kaggle15", "keypoints15_residual": "kaggle15"
    }  # fmt: skip


def test_load_config_reads_files_from_before_tasks(tmp_path):
    """They have every field of every task, and some that are gone."""
    flat = {field.name: field.default for kind in TASKS.values() for field in fields(kind)} | {"norm_parts": 1}
    flat |= {"name": "old", "net": "small", "loss": "mse"}
    (tmp_path / "old.yaml").write_text(yaml.safe_dump(flat | {"missing": "drop"}))
    assert load_config(tmp_path / "old.yaml", task="kaggle15").missing == "drop"
    with pytest.raises(InputError, match=r"unknown key in .*'missing'"):
        load_config(tmp_path / "old.yaml")


def test_load_config_reads_old_names_and_numbers_that_yaml_takes_for_text(tmp_path):
    (tmp_path / "a.yaml").write_text("learning_rate: 1e-3\nclip: 2\nschedule: one_cycle\n")
    config = load_config(tmp_path / "a.yaml")
    assert (config.learning_rate, config.clip, config.schedule) == (0.001, 2.0, "warmup_cosine")


@pytest.mark.parametrize(
    "text, message",
    [
        ("learning_rte: 0.1", "unknown key in .*'learning_rte': did you mean 'learning_rate'"),
        ("epochs: ten", "epochs: expected int, got 'ten'"),
        ("clip: much", "clip: expected float, got 'much'"),
        ("name: a/b", "name: expected letters.* got 'a/b'"),
        ("epochs: 0", "epochs: expected 1 to 100000, got 0"),
        ("learning_rate: .nan", "learning_rate: expected 1e-08 to 10, got nan"),
        ("optimiser: adamww", "unknown optimiser 'adamww': did you mean 'adamw'"),
        ("schedule: plateau\npatience: 3", "patience: expected 0, or more than the 3 epochs"),
        ("task: keypoint", "unknown task in .*'keypoint': did you mean 'keypoints'"),
        ("- a\n- b", "expected lines of `key: value`, got list"),
        ("a: [", "not YAML"),
    ],
)
def test_load_config_names_what_is_wrong(tmp_path, text, message):
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        load_config(tmp_path / "a.yaml")
    assert "a.yaml" in str(caught.value) and len(str(caught.value).splitlines()) == 1


def test_load_config_names_files_that_are_none(tmp_path):
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x80")
    (tmp_path / "folder.yaml").mkdir()
    for path, message in [
        (tmp_path / "binary.yaml", "not YAML"), (tmp_path / "folder.yaml", "cannot be read"),
        ("keypoint68", "unknown config 'keypoint68': did you mean 'keypoints68'"),
        (tmp_path / "none.yaml", "unknown config '.*none.yaml'.* Known: .*keypoints68"),
    ]:  # fmt: skip
        with pytest.raises(InputError, match=message):
            load_config(path)
    with pytest.raises(InputError, match="expressions: expected a config of the task 'keypoints', got one of"):
        load_config("expressions", task="keypoints")


# Verdicts on exercises

CASES = [verdicts.Case("twice one", (np.array([1.0]),), [2.0]), verdicts.Case("twice three", (np.array([3.0]),), [6.0])]


def twice_in_place(values):
    values *= 2
    return values


@pytest.mark.parametrize(
    "function, passed, message",
    [
        (lambda v: 2 * v, 2, "2 of 2, well done"),
        (lambda v: None, 0, "0 of 2: not attempted yet"),
        (lambda v: 2 * v if v[0] < 2 else None, 1, "1 of 2: twice three: it returned nothing"),
        (lambda v: v + 1, 1, "1 of 2: twice three: expected 6 at [0], got 4"),
        (lambda v: v[0] * 2, 0, "0 of 2: twice one: expected shape (1,), got ()"),
        (lambda v: "two", 0, "0 of 2: twice one: expected numbers, got str"),
        (lambda v: v * np.nan, 0, "0 of 2: twice one: expected 2 at [0], got nan"),
        (lambda v: 1 / 0, 0, "0 of 2: twice one: it raised ZeroDivisionError: division by zero"),
        (lambda: 1, 0, None),
        (None, 0, None),
        (twice_in_place, 0, "0 of 2: twice one: it changed its argument in place; work on a copy"),
    ],
)
def test_verdicts(function, passed, message):
    verdict = verdicts.run(function, CASES)
    assert verdict.passed == passed and verdict.solved == (passed == 2)
    assert repr(verdict) == message or (message is None and "it raised TypeError" in repr(verdict))
    assert len(repr(verdict).splitlines()) == 1
    assert CASES[0].arguments[0][0] == 1  # a case is not changed by whom it checks
