from dataclasses import fields

import numpy as np
import pytest

from fkd_helpers.core.config import CHOICES, CONFIGS, RANGES, RunConfig, as_yaml, load_config
from fkd_helpers.core.errors import InputError
from fkd_helpers.course import verdicts

# Run configs


def test_a_config_comes_back_from_its_yaml(tmp_path):
    config = RunConfig(name="mine", learning_rate=1e-5, epochs=3, split="person")
    (tmp_path / "mine.yaml").write_text(as_yaml(config))
    assert load_config(tmp_path / "mine.yaml") == config
    assert load_config(tmp_path / "mine.yaml", epochs=9).epochs == 9
    assert load_config() == RunConfig()


def test_our_own_configs_load():
    names = [file.stem for file in CONFIGS.glob("*.yaml")]
    assert "keypoints68" in names
    assert all(load_config(name).epochs > 0 for name in names)


def test_numbers_that_yaml_reads_as_text(tmp_path):
    (tmp_path / "a.yaml").write_text("learning_rate: 1e-3\nclip: 2\n")
    config = load_config(tmp_path / "a.yaml")
    assert config.learning_rate == 0.001 and config.clip == 2.0 and isinstance(config.clip, float)


@pytest.mark.parametrize(
    "text, message",
    [
        ("learning_rte: 0.1", "unknown key in .*'learning_rte': did you mean 'learning_rate'"),
        ("1: 2", "unknown key in .*'1'"),
        ("epochs: true", "epochs: expected int, got True"),
        ("epochs: 2.5", "epochs: expected int, got 2.5"),
        ("epochs: ten", "epochs: expected int, got 'ten'"),
        ("clip: true", "clip: expected float, got True"),
        ("clip: much", "clip: expected float, got 'much'"),
        ("seed:", "seed: expected int, got None"),
        ("name: 3", "name: expected str, got 3"),
        ("name: a/b", "name: expected letters.* got 'a/b'"),
        ("epochs: 0", "epochs: expected 1 to 100000, got 0"),
        ("learning_rate: .nan", "learning_rate: expected 1e-08 to 10, got nan"),
        ("clip: .inf", "clip: expected 0 to 1e.06, got inf"),
        ("split: peson", "unknown split 'peson': did you mean 'person'"),
        ("optimiser: adamww", "unknown optimiser 'adamww': did you mean 'adamw'"),
        ("- a\n- b", "expected lines of `key: value`, got list"),
        ("a: [", "not YAML"),
    ],
)
def test_configs_that_are_none(tmp_path, text, message):
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        load_config(tmp_path / "a.yaml")
    assert "a.yaml" in str(caught.value) and len(str(caught.value).splitlines()) == 1


def test_config_files_that_are_none(tmp_path):
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x80")
    (tmp_path / "folder.yaml").mkdir()
    for path, message in [
        (tmp_path / "binary.yaml", "not YAML"), (tmp_path / "folder.yaml", "cannot be read"),
        ("keypoint68", "unknown config 'keypoint68': did you mean 'keypoints68'"),
        (tmp_path / "none.yaml", "unknown config '.*none.yaml'.* Known: .*keypoints68"),
    ]:  # fmt: skip
        with pytest.raises(InputError, match=message):
            load_config(path)


def test_ranges_and_choices_are_those_of_fields():
    kinds = {field.name: field.type for field in fields(RunConfig)}
    assert set(RANGES) | set(CHOICES) <= set(kinds)
    assert {key for key, kind in kinds.items() if kind in (int, float)} == set(RANGES)


# Verdicts on exercises

CASES = [verdicts.Case("twice one", (np.array([1.0]),), [2.0]), verdicts.Case("twice three", (np.array([3.0]),), [6.0])]


def twice_in_place(values):
    values *= 2
    return values


@pytest.mark.parametrize(
    "function, passed, message",
    [
        (lambda v: 2 * v, 2, "2 of 2, well done"),
        (lambda v: list(2 * v), 2, "2 of 2, well done"),
        (lambda v: None, 0, "0 of 2: not attempted yet"),
        (lambda v: ..., 0, "0 of 2: not attempted yet"),
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
