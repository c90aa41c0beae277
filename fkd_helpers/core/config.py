"""One flat, typed, frozen configuration for every training run. Built in notebook 02."""

import dataclasses
import re
from dataclasses import dataclass
from pathlib import Path

from fkd_helpers.core.errors import InputError, unknown

CONFIGS = Path(__file__).parents[1] / "configs"


@dataclass(frozen=True)
class RunConfig:
    """What a training run is made of; a run is a pure function of it and of the data.

    data, extra_data: names or folders of data sets; of the extra one, a tenth is kept out
    extra_use: what is learned of the extra set: "all" points, "but_jaw" (another convention), "none" (it is scored)
    split: "official" (the set's own folders) or "person" (a fifth of the people held out of training)
    labels: "centred" = where the points are, for sets whose labels lie beside them (see data/labels.py), or "given"
    view: "face" = the crop rule around the true box, augmented; "frame" = the classic course's whole image, 224 pixels
    unit: how many pixels count as 1 in a loss; the size of its gradient depends on it
    momentum: of sgd only
    norm_parts: above 1, batch normalisation takes each of so many parts of a batch by itself; where as many processes
        train together, none of them waits for another at a layer
    augment: how strong the augmentation is, 1 = as tuned, 0 = none
    average: decay per step of the moving average of the weights, 0 = none
    start: a safetensors file of the same network to start from, "imagenet" for a network on a known backbone, "" =
        random weights
    validation: share of the training people that are not learned from but watched: what chooses the best epoch, lowers
        the rate on a plateau and stops early; with 0 the first held-out part, which is scored too, is watched
    missing: of Kaggle's 15 points, what becomes of faces that lack some: "mask" = learned from where they have labels,
        "drop" = left out, "fill" = the mean of the point stands in
    recipe: of expressions: the augmentation, "none", "v1" or "v2" (stronger, with erasing, perspective, mixup)
    size: of expressions: pixels of the square input
    freeze: of expressions: so many first stages of the backbone stay as they are
    classes: of expressions: 8, or 7 = without contempt
    share: of expressions: of valence and arousal in the loss, 0 = classes alone, 1 = valence and arousal alone
    smoothing: of expressions: of the labels
    balance: of expressions: "none", "loss" = rare classes weigh more, "draw" = rare classes are drawn more often
    patience: epochs without a better watched number after which training stops, 0 = never
    log: "csv" or "wandb" = every epoch's numbers go to that logger of Lightning too
    """

    name: str = "keypoints68"
    data: str = "puppets"
    extra_data: str = ""
    extra_use: str = "but_jaw"
    split: str = "official"
    net: str = "small"
    start: str = ""
    labels: str = "centred"
    missing: str = "mask"
    view: str = "face"
    loss: str = "heatmap"
    unit: float = 1.0
    optimiser: str = "adamw"
    learning_rate: float = 3e-3
    momentum: float = 0.9
    weight_decay: float = 1e-4
    schedule: str = "one_cycle"
    epochs: int = 20
    recipe: str = "v1"
    size: int = 112
    freeze: int = 0
    classes: int = 8
    share: float = 0.5
    smoothing: float = 0.1
    balance: str = "none"
    patience: int = 0
    validation: float = 0.0
    batch_size: int = 64
    norm_parts: int = 1
    augment: float = 1.0
    average: float = 0.998
    clip: float = 5.0
    precision: str = "32-true"
    device: str = "auto"
    seed: int = 0
    log: str = ""

    def __post_init__(self):
        if not re.fullmatch(r"\w[\w.-]*", self.name):  # files are called after it
            raise InputError(f"name: expected letters, digits, '_', '-' and '.', got {self.name!r}")
        for key, choices in CHOICES.items():
            if getattr(self, key) not in choices:
                raise unknown(key, getattr(self, key), choices)
        for key, (low, high) in RANGES.items():
            if not low <= getattr(self, key) <= high:
                raise InputError(f"{key}: expected {low:g} to {high:g}, got {getattr(self, key)!r}")
        if self.norm_parts > 1 and (self.batch_size % self.norm_parts or self.batch_size < 2 * self.norm_parts):
            wanted = "expected a divisor of the batch size that leaves two faces or more to a part"
            raise InputError(f"norm_parts: {wanted}, got {self.norm_parts} with a batch size of {self.batch_size}")
        if self.schedule == "plateau" and 0 < self.patience <= PLATEAU_WAIT:
            wanted = f"expected 0, or more than the {PLATEAU_WAIT} epochs that the schedule 'plateau' waits"
            raise InputError(f"patience: {wanted}, got {self.patience}")


PLATEAU_WAIT = 3  # epochs without a better watched number, after which the schedule lowers the rate
CHOICES = {
    "split": ("official", "person"),
    "labels": ("centred", "given"),
    "missing": ("mask", "drop", "fill"),
    "view": ("face", "frame"),
    "recipe": ("none", "v1", "v2"),
    "balance": ("none", "loss", "draw"),
    "extra_use": ("all", "but_jaw", "none"),
    "optimiser": ("sgd", "adam", "adamw"),
    "schedule": ("one_cycle", "cosine", "step", "plateau", "constant"),
    "precision": ("32-true", "bf16-mixed", "16-mixed"),
    "device": ("auto", "cpu", "cuda", "mps"),
    "log": ("", "csv", "wandb"),
}
RANGES = {
    "learning_rate": (1e-8, 10), "momentum": (0, 0.9999), "weight_decay": (0, 1), "epochs": (1, 100_000),
    "batch_size": (1, 100_000), "norm_parts": (1, 50_000), "augment": (0, 3), "unit": (1e-3, 1e4),
    "average": (0, 0.99999), "clip": (0, 1e6), "seed": (0, 2**31 - 1), "patience": (0, 100_000), "validation": (0, 0.5),
    "size": (64, 512), "freeze": (0, 100), "classes": (7, 8), "share": (0, 1), "smoothing": (0, 0.9),
}  # fmt: skip


def load_config(path: str | Path | None = None, **overrides) -> RunConfig:
    """Return the run config of a YAML file (a path, or the name of one of ours), with values overridden.

    Raises:
        InputError: no such file, not YAML, an unknown key, a value of another type or out of range.
    """
    import yaml

    values: dict = {}
    if path is not None:
        file = Path(path) if Path(path).suffix in (".yaml", ".yml") else CONFIGS / f"{path}.yaml"
        if not file.exists():
            raise unknown("config", path, [f.stem for f in CONFIGS.glob("*.yaml")])
        try:
            values = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
        except OSError as error:
            raise InputError(f"{file}: cannot be read ({error.strerror})") from None
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise InputError(f"{file}: not YAML ({' '.join(str(error).split())})") from None
        if not isinstance(values, dict):
            raise InputError(f"{file}: expected lines of `key: value`, got {type(values).__name__}")
    return _checked({**values, **overrides}, where=str(path or "config"))


def _checked(values: dict, where: str) -> RunConfig:
    fields = {field.name: field.type for field in dataclasses.fields(RunConfig)}
    for key, value in values.items():
        if key not in fields:
            raise unknown(f"key in {where}", key, fields)
        kind = fields[key]
        if kind is float and type(value) in (int, str):
            try:
                values[key] = float(value)  # YAML reads 1e-3 as text
                continue
            except ValueError:
                pass
        if type(value) is not kind:
            raise InputError(f"{where}: {key}: expected {kind.__name__}, got {value!r}")
    try:
        return RunConfig(**values)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def as_yaml(config: RunConfig) -> str:
    """Return a config as the YAML that `load_config` reads."""
    import yaml

    return yaml.safe_dump(dataclasses.asdict(config), sort_keys=False)
