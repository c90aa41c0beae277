"""The settings of the live demo, the same for the engine, the widget and the command line."""

from dataclasses import dataclass, field

from fkd_helpers.core.errors import InputError, unknown
from fkd_helpers.filters.filters import filter_named
from fkd_helpers.predict import central_boxes, detect_faces, detect_fast, find_faces, find_fast
from fkd_helpers.predict.smoothing import REST

DETECTORS = {  # for the frames of a film, where few milliseconds are left, and for single pictures
    "ours": (find_fast, find_faces),
    "haar": (detect_fast, detect_faces),
    "none": (lambda frame, **_: central_boxes(frame.shape), lambda frame, **_: central_boxes(frame.shape)[:1]),
}
EMOTIONS = {  # who reads them, and what
    "rules": "negative, neutral, positive",
    "expressions": "eight, by a network",
    "none": "no emotion",
}
LONGEST = 10  # seconds of smoothing


def _option(default, text):
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True)
class LiveSettings:
    """What can be set before a live run, and changed while it runs; the command line offers these fields."""

    model: str = _option("small", "a network that ships, or a path to .onnx or .safetensors")
    device: str = _option("cpu", "cpu (ONNX Runtime), cuda or mps (PyTorch)")
    detector: str = _option("ours", "ours, for heads of any tilt; haar, OpenCV's cascade; none: each picture is a face")
    max_side: int | None = _option(None, "pixels: larger frames are searched at this size (256; pictures 1280)")
    min_face: float | None = _option(None, "smaller faces are left out: a share of the frame's longer side")
    filter: str | None = _option(None, "put a filter on every face, several with commas between")
    smooth: float = _option(REST, "seconds over which keypoints at rest are averaged; 0 turns it off")
    emotion: str = _option("rules", "rules: negative, neutral, positive; expressions: eight by a network; none")
    calm: float = _option(0.25, "seconds of averaging emotions, and for which another one must lead")
    max_fps: float | None = _option(None, "leave out frames that come faster")

    def __post_init__(self):
        for name, known in (("detector", DETECTORS), ("emotion", EMOTIONS)):
            if getattr(self, name) not in known:
                raise unknown(name, getattr(self, name), known)
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
