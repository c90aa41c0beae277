"""The buttons and settings around the live picture."""

from collections.abc import Callable

import ipywidgets as widgets

from fkd_helpers.core.errors import InputError, unknown
from fkd_helpers.filters.filters import FILTERS
from fkd_helpers.live.moods import EMOTIONS
from fkd_helpers.predict.runtime import WEIGHTS

SOURCES = {  # what it is, and what its address means
    "browser": ("this page's camera", ""),
    "camera": ("a camera at the kernel", "number or URL"),
    "file": ("a video file", "path of the file"),
    "images": ("a folder of pictures", "path of the folder"),
    "puppet": ("a moving puppet face", ""),
}
BUTTONS = {  # what it says to those who linger, and its colour
    "Start": ("Start the source", "success"),
    "Stop": ("Stop: the camera goes off", "danger"),
    "Record": ("Record to a new MP4 file, until pressed again", ""),
    "Snapshot": ("Save the picture as it is now", ""),
}
WRAP = widgets.Layout(flex_flow="row wrap")


class Buttons(widgets.HBox):
    """Start, Stop, Record and Snapshot; each calls its act, without arguments."""

    def __init__(self, acts: dict[str, Callable[[], None]], complain: Callable[[str], None]):
        self.by_name = {
            name: widgets.Button(description=name, tooltip=words, button_style=style)
            for name, (words, style) in BUTTONS.items()
        }
        for name, button in self.by_name.items():
            button.on_click(lambda _, act=acts[name]: _or_complain(act, complain))
        super().__init__(list(self.by_name.values()), layout=WRAP)
        self.show(running=False, recording=False)

    def show(self, *, running: bool, recording: bool) -> None:
        """Let those be pressed that make sense now."""
        for name, button in self.by_name.items():
            button.disabled = running == (name == "Start")
        self.by_name["Record"].description = "Stop recording" if recording else "Record"

    def speak(self) -> None:
        """Let every button say something: one that never has waits for a running cell to end (ipykernel 7.4)."""
        for button in self.by_name.values():
            button.send_state("tooltip")


class Settings(widgets.HBox):
    """Source, camera, address, model, filter, emotion and how it is steadied, mirror.

    changed: gets the name and the new value of a setting that was changed
    """

    def __init__(
        self, changed: Callable[[str, object], None], complain: Callable[[str], None], *,
        source: str, address: str, model: str, filter: str | None, emotion: str, smooth: float, hold: int, calm: float,
        mirror: bool,
    ):  # fmt: skip
        for kind, name, known in (("source", source, SOURCES), ("emotion", emotion, EMOTIONS)):
            if name not in known:
                raise unknown(kind, name, known)
        models = sorted({file.stem for file in WEIGHTS.glob("*.safetensors")} | {model})  # of keypoints
        sources = [(f"{name}: {what}", name) for name, (what, _) in SOURCES.items()]
        emotions = [(f"{name}: {what}", name) for name, what in EMOTIONS.items()]
        filters = [("none", ""), *((name, name) for name in FILTERS)]
        make = {"layout": widgets.Layout(width="400px"), "style": {"description_width": "110px"}}
        self.by_name = {
            "source": widgets.Dropdown(description="Source", options=sources, value=source, **make),
            "camera": widgets.Dropdown(description="Camera", options=[("any", "")], **make),
            "address": widgets.Text(description="Address", value=address, continuous_update=False, **make),
            "model": widgets.Dropdown(description="Model", options=models, value=model, **make),
            "filter": widgets.Dropdown(description="Filter", options=filters, value=filter or "", **make),
            "emotion": widgets.Dropdown(description="Emotion", options=emotions, value=emotion, **make),
            # numbers, not sliders: a slider of ipywidgets has no name for a screen reader
            "smooth": widgets.BoundedFloatText(
                description="Smoothing", value=smooth, min=0, max=0.95, step=0.05, **make
            ),
            "hold": widgets.BoundedIntText(description="Hold (frames)", value=hold, min=1, max=60, **make),
            "calm": widgets.BoundedFloatText(description="Calm (seconds)", value=calm, min=0, max=10, step=0.1, **make),
            "mirror": widgets.Checkbox(description="Mirror", value=mirror, **make),
        }
        for name, widget in self.by_name.items():
            widget.observe(lambda change, name=name: _or_complain(lambda: changed(name, change.new), complain), "value")
        super().__init__(layout=WRAP)
        for name in ("source", "emotion"):
            self.by_name[name].observe(lambda _: self._show(), "value")
        self._show()

    def __getitem__(self, name: str):
        return self.by_name[name].value

    def offer_cameras(self, cameras: list[tuple[str, str]]) -> None:
        """Offer the cameras (name, id) of the page; the one that was chosen stays."""
        camera, chosen = self.by_name["camera"], self["camera"]
        if cameras and chosen in ("", *(identity for _, identity in cameras)):
            with camera.hold_trait_notifications():
                camera.options = [("any", ""), *cameras]
                camera.value = chosen

    def _show(self):
        """Show what source and emotion ask for: a camera of the page or an address, and how to steady the emotion."""
        words = SOURCES[self["source"]][1]
        self.by_name["address"].placeholder = words
        by_rules, by_network = self["emotion"] == "rules", self["emotion"] == "expressions"
        hidden = {"camera": self["source"] != "browser", "address": not words,
                  "smooth": not by_rules, "hold": not by_rules, "calm": not by_network}  # fmt: skip
        self.children = [widget for name, widget in self.by_name.items() if not hidden.get(name)]


def _or_complain(act, complain):
    try:
        act()
    except InputError as error:
        complain(str(error))
