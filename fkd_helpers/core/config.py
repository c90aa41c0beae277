"""Configurations of training runs: one small dataclass for all of them, a subclass per task, and their YAML files."""

import contextlib
import dataclasses
import re
from dataclasses import dataclass
from pathlib import Path

import yaml

from fkd_helpers.core.errors import InputError, unknown
from fkd_helpers.core.files import read_text

CONFIGS = Path(__file__).parents[1] / "configs"


def setting(default, *allowed, help: str = ""):
    """Declare a field of a config: its default, the texts or the range (low, high) that it allows, and its meaning."""
    return dataclasses.field(default=default, metadata={"allowed": allowed, "help": help})


@dataclass(frozen=True)
class TrainConfig:
    """What every training run has; a run is a pure function of its config and its data."""

    name: str = setting("run", help="names the record and the default folder")
    data: str = setting("puppets", help="name or folder of a data set")
    net: str = setting("small", help="name of a network")
    start: str = setting("", help="a safetensors file of the same network, or '' for random weights")
    loss: str = setting("heatmap", help="name of a loss")
    optimiser: str = setting("adamw", "sgd", "adam", "adamw")
    learning_rate: float = setting(3e-3, 1e-8, 10)
    momentum: float = setting(0.9, 0, 0.9999, help="used by sgd only")
    weight_decay: float = setting(1e-4, 0, 1)
    schedule: str = setting("warmup_cosine", "warmup_cosine", "constant")
    epochs: int = setting(20, 1, 100_000)
    patience: int = setting(0, 0, 100_000, help="epochs without a gain before training stops early; 0 = never")
    validation: float = setting(0.0, 0, 0.5, help="share of the training people that are watched, not learned from")
    batch_size: int = setting(64, 1, 100_000)
    average: float = setting(0.998, 0, 0.99999, help="decay per step of the moving average of the weights; 0 = none")
    clip: float = setting(5.0, 0, 1e6, help="largest norm of the gradients; 0 = no limit")
    precision: str = setting("32-true", "32-true", "bf16-mixed", "16-mixed")
    device: str = setting("auto", "auto", "cpu", "cuda", "mps")
    seed: int = setting(0, 0, 2**31 - 1)

    def __post_init__(self):
        if self.schedule == "one_cycle":  # its name in older configs and records
            object.__setattr__(self, "schedule", "warmup_cosine")
        if not re.fullmatch(r"\w[\w.-]*", self.name):  # files are named after it
            raise InputError(f"name: expected letters, digits, '_', '-' and '.', got {self.name!r}")
        for field in dataclasses.fields(self):
            value, allowed = getattr(self, field.name), field.metadata["allowed"]
            if allowed and field.type is str and value not in allowed:
                raise unknown(field.name, value, allowed)
            if field.type is not str and not allowed[0] <= value <= allowed[1]:
                raise InputError(f"{field.name}: expected {allowed[0]:g} to {allowed[1]:g}, got {value!r}")


@dataclass(frozen=True)
class KeypointsConfig(TrainConfig):
    """Keypoints of any number: 68, or those of one's own data set."""

    name: str = setting("keypoints68")
    extra_data: str = setting("", help="a second training set, of which a tenth is held out")
    extra_use: str = setting("but_jaw", "all", "but_jaw", "none", help="what is learned of it; 'none' only scores it")
    split: str = setting("official", "official", "person", help="its own folders, or a fifth of the people held out")
    labels: str = setting("centred", "centred", "given", help="move labels that lie beside their points, or not")
    view: str = setting("face", "face", "upright", "frame", help="crops of faces, or whole images of 224 pixels")
    unit: float = setting(1.0, 1e-3, 1e4, help="how many pixels count as 1 in the loss")
    augment: float = setting(1.0, 0, 3, help="strength of the augmentation; 0 = none")


@dataclass(frozen=True)
class Kaggle15Config(TrainConfig):
    """Kaggle's 15 keypoints, some of which may be missing."""

    name: str = setting("keypoints15")
    missing: str = setting("mask", "mask", "drop", "fill", help="faces that lack points: use the rest, none, or a mean")
    unit: float = setting(1.0, 1e-3, 1e4, help="how many pixels count as 1 in the loss")
    augment: float = setting(1.0, 0, 3, help="strength of the augmentation; 0 = none")


@dataclass(frozen=True)
class ExpressionsConfig(TrainConfig):
    """Expressions, valence and arousal; `start` "imagenet": the backbone as pretrained (encoder: on keypoints)."""

    name: str = setting("expressions")
    net: str = setting("encoder", help="a backbone: lite0, or the encoder of our keypoint network")
    loss: str = setting("mse", "mse", help="of valence and arousal")
    recipe: str = setting("v1", "none", "v1", "v2", help="the augmentation; v2 adds erasing, perspective and mixup")
    size: int = setting(112, 64, 512, help="side of the square input, pixels")
    freeze: int = setting(0, 0, 100, help="so many first stages of the backbone are not trained")
    classes: int = setting(8, 7, 8, help="7 = without contempt")
    share: float = setting(0.5, 0, 1, help="weight of valence and arousal in the loss, beside the classes")
    smoothing: float = setting(0.1, 0, 0.9, help="of the class labels")
    teacher: str = setting("", help="weights of the same backbone, towards whose answers the targets are moved")


@dataclass(frozen=True)
class DetectorConfig(TrainConfig):
    """The face detector, on pictures composed of labelled photos and of scenery."""

    name: str = setting("detector")
    data: str = setting("puppets", help="names or folders of data sets, separated by blanks")
    net: str = setting("detector", "detector")
    loss: str = setting("focal", "focal", help="of the map of centres")
    scenery: str = setting("", help="a folder with face-free photos in training and validation; '' = drawn scenery")
    steps: int = setting(100, 1, 1_000_000, help="batches an epoch")


TASKS: dict[str, type[TrainConfig]] = {
    "keypoints": KeypointsConfig, "kaggle15": Kaggle15Config, "expressions": ExpressionsConfig,
    "detector": DetectorConfig,
}  # fmt: skip


def load_config(path: str | Path | None = None, *, task: str | None = None, **overrides) -> TrainConfig:
    """Return the config of a YAML file (a path, or the name of one of ours) and of a task, some values overridden."""
    where, values = str(path or "config"), {} if path is None else _read_yaml(path)
    named = values.pop("task", task or "keypoints")
    if named not in TASKS:
        raise unknown(f"task in {where}", named, TASKS)
    if task not in (None, named):
        raise InputError(f"{where}: expected a config of the task {task!r}, got one of {named!r}")
    values |= overrides
    types = {field.name: field.type for field in dataclasses.fields(TASKS[named])}
    for key, value in values.items():
        if key not in types:
            raise unknown(f"key in {where}", key, types)
        if types[key] is float and type(value) in (int, str):  # YAML reads 1e-3 as text
            with contextlib.suppress(ValueError):
                values[key] = value = float(value)
        if type(value) is not types[key]:
            raise InputError(f"{where}: {key}: expected {types[key].__name__}, got {value!r}")
    try:
        return TASKS[named](**values)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def _read_yaml(path: str | Path) -> dict:
    file = Path(path) if Path(path).suffix in (".yaml", ".yml") else CONFIGS / f"{path}.yaml"
    if not file.exists():
        raise unknown("config", path, [f.stem for f in CONFIGS.glob("*.yaml")])
    try:
        values = yaml.safe_load(read_text(file)) or {}
    except yaml.YAMLError as error:
        raise InputError(f"{file}: not YAML ({' '.join(str(error).split())})") from None
    if not isinstance(values, dict):
        raise InputError(f"{file}: expected lines of `key: value`, got {type(values).__name__}")
    return values
