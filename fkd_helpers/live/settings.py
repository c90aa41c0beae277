"""The settings of the live demo, the same for the engine, the widget and the command line."""

from dataclasses import dataclass, field, replace

from fkd_helpers.core.errors import InputError, unknown
from fkd_helpers.filters.filters import filter_named
from fkd_helpers.live.moods import EMOTIONS

DETECTORS = ("haar", "none")


def _option(default, text, name=None):
    return field(default=default, metadata={"help": text, "option": name})


@dataclass(frozen=True)
class LiveSettings:
    """What can be set before a live run, and changed while it runs; the command line offers these fields."""

    model: str = _option("small", "a network that ships, or a path to .onnx or .safetensors")
    device: str = _option("cpu", "cpu (ONNX Runtime), cuda or mps (PyTorch)")
    detector: str = _option("haar", "haar, or none: each picture is a face")
    filter: str | None = _option(None, "put a filter on every face, several with commas between")
    emotion: str = _option("rules", "rules: negative, neutral, positive; expressions: eight by a network; none")
    smooth: float = _option(0.4, "rules: share of an emotion that stays after a thirtieth of a second")
    hold: float = _option(0.25, "rules: seconds for which another emotion must lead", "--emotion-hold")
    calm: float = _option(0.5, "expressions: seconds of averaging, and for which another one must lead")
    max_fps: float | None = _option(None, "leave out frames that come faster")

    def __post_init__(self):
        for name, known in (("detector", DETECTORS), ("emotion", EMOTIONS)):
            if getattr(self, name) not in known:
                raise unknown(name, getattr(self, name), known)
        for name, top in (("smooth", 0.99), ("hold", 10), ("calm", 10)):
            if not 0 <= getattr(self, name) <= top:
                raise InputError(f"{name}: expected 0 to {top}, got {getattr(self, name)}")
        check_limits(max_fps=self.max_fps)
        self.filters()

    def updated(self, **changes) -> "LiveSettings":
        """Return the settings with some of them changed."""
        for name in changes.keys() - vars(self).keys():
            raise unknown("setting", name, vars(self))
        return replace(self, **changes)

    def changes_from(self, other: "LiveSettings | None") -> set[str]:
        """Return the names of the settings that differ from other ones; all of them where there are none."""
        return {name for name, value in vars(self).items() if other is None or value != getattr(other, name)}

    def filters(self) -> list:
        """Return the filters, in the order in which they are put on."""
        names = [name.strip() for name in (self.filter or "").split(",")]
        return [filter_named(name) for name in names if name not in ("", "none")]


def check_limits(**limits: float | None) -> None:
    """Raise InputError for a limit that is not above 0; None is no limit."""
    for name, value in limits.items():
        if value is not None and not value > 0:
            raise InputError(f"{name}: expected more than 0, got {value}")
