"""Configs and their YAML."""

import dataclasses

import pytest
import yaml

from fkd_helpers.core.config import CONFIGS, TASKS, Kaggle15Config, KeypointsConfig, load_config
from fkd_helpers.core.errors import InputError


@pytest.mark.parametrize("task", TASKS)
def test_config_comes_back_from_a_yaml_file(tmp_path, task):
    config = TASKS[task](name="mine", learning_rate=1e-5, epochs=3)
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump({"task": task, **dataclasses.asdict(config)}))
    assert load_config(tmp_path / "mine.yaml") == config
    assert load_config(tmp_path / "mine.yaml", epochs=9).epochs == 9


def test_load_config_finds_the_task_of_our_own():
    found = {file.stem: type(load_config(file.stem)) for file in CONFIGS.glob("*.yaml")}
    assert found["keypoints15"] is Kaggle15Config and found["keypoints68"] is KeypointsConfig


def test_load_config_reads_old_names_and_numbers_that_yaml_takes_for_text(tmp_path):
    (tmp_path / "a.yaml").write_text("learning_rate: 1e-3\nclip: 2\nschedule: one_cycle\n")
    assert load_config() == KeypointsConfig()
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
        ("task: keypoint", "unknown task in .*'keypoint': did you mean 'keypoints'"),
        ("task: expressions", "expected a config of the task 'keypoints', got one of 'expressions'"),
        ("- a\n- b", "expected lines of `key: value`, got list"),
        ("a: [", "not YAML"),
    ],
)
def test_load_config_names_what_is_wrong(tmp_path, text, message):
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        load_config(tmp_path / "a.yaml", task="keypoints")
    assert "a.yaml" in str(caught.value) and len(str(caught.value).splitlines()) == 1


def test_load_config_names_files_that_are_not_there(tmp_path):
    for path, message in [
        ("keypoint68", "unknown config 'keypoint68': did you mean 'keypoints68'"),
        (tmp_path / "none.yaml", "unknown config '.*none.yaml'.* Known: .*keypoints68"),
    ]:
        with pytest.raises(InputError, match=message):
            load_config(path)
