"""The settings of the live demo, the same for the engine, the widget and the command line."""

from dataclasses import dataclass, field
from functools import partial

from fkd_helpers.core.errors import InputError, unknown
from fkd_helpers.filters.filters import filter_named
from fkd_helpers.predict.detector import find_fast
from fkd_helpers.predict.haar import find_upright
from fkd_helpers.predict.smoothing import REST

EMOTIONS = {  # who reads them, and what
    "rules": "negative, neutral, positive",
    "expressions": "eight, by a network",
    "none": "no emotion",
}
DETECTORS = {  # a face before a camera is large, so a small frame will do
    "ours": find_fast, "haar": partial(find_upright, min_face=0.12, max_side=320),
}  # fmt: skip
LONGEST = 10  # seconds of smoothing


def _option(default, text):
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True)
class LiveSettings:
    """What can be set before a live run, and changed while it runs; the command line offers these fields."""

    model: str = _option("small", "a network that ships, or a path to .onnx or .safetensors")
    detector: str = _option("ours", "ours, which finds faces of any tilt, or haar, OpenCV's cascade")
    filter: str | None = _option(None, "put a filter on every face, several with commas between")
    smooth: float = _option(REST, "seconds over which keypoints at rest are averaged; 0 turns it off")
    emotion: str = _option("rules", "rules: negative, neutral, positive; expressions: eight by a network; none")
    calm: float = _option(0.25, "seconds of averaging emotions, and for which another one must lead")
    max_fps: float | None = _option(None, "leave out frames that come faster")

    def __post_init__(self):
        if self.emotion not in EMOTIONS:
            raise unknown("emotion", self.emotion, EMOTIONS)
        if self.detector not in DETECTORS:
            raise unknown("detector", self.detector, DETECTORS)
        if not (0 <= self.smooth <= LONGEST and 0 <= self.calm <= LONGEST):
            raise InputError(f"smooth and calm: expected 0 to {LONGEST} seconds, got {self.smooth} and {self.calm}")
        if self.max_fps is not None and not self.max_fps > 0:
            raise InputError(f"max_fps: expected more than 0, got {self.max_fps}")
        for name in self.filters():
            filter_named(name)

    def filters(self) -> list[str]:
        """Return the names of the filters, in the order in which they are put on."""
        names = [name.strip() for name in (self.filter or "").split(",")]
        return [name for name in names if name not in ("", "none")]
