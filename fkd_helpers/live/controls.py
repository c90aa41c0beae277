"""The buttons and settings around the live picture."""

from collections.abc import Callable

import ipywidgets as widgets

from fkd_helpers.core.errors import InputError, unknown
from fkd_helpers.filters.filters import FILTERS
from fkd_helpers.live.moods import EMOTIONS
from fkd_helpers.live.settings import LiveSettings
from fkd_helpers.predict.runtime import WEIGHTS

SOURCES = {  # what it is, and what its address means
    "browser": ("this page's camera", ""),
    "camera": ("a camera at the kernel", "number or URL"),
    "file": ("a video file", "path of the file, or its URL"),
    "images": ("a folder of pictures", "path of the folder"),
    "puppet": ("a moving puppet face", ""),
}
BUTTONS = {  # tooltip and colour
    "Start": ("Start the source", "success"),
    "Stop": ("Stop: the camera goes off", "danger"),
    "Record": ("Record to a new MP4 file, until pressed again", ""),
    "Snapshot": ("Save the picture as it is now", ""),
}
ONLY_FOR = {"smooth": "rules", "hold": "rules", "calm": "expressions"}  # the emotion that a setting is for
WRAP = widgets.Layout(flex_flow="row wrap")


class Buttons(widgets.HBox):
    """Start, Stop, Record and Snapshot; each calls its action without arguments."""

    def __init__(self, actions: dict[str, Callable[[], None]], on_error: Callable[[str], None]):
        self.by_name = {}
        for name, (tooltip, style) in BUTTONS.items():
            self.by_name[name] = button = widgets.Button(description=name, tooltip=tooltip, button_style=style)
            button.on_click(lambda _, action=actions[name]: _call_and_report(on_error, action))
        super().__init__(list(self.by_name.values()), layout=WRAP)
        self.show(running=False, recording=False)

    def show(self, *, running: bool, recording: bool) -> None:
        """Disable the buttons that make no sense in the current state."""
        for name, button in self.by_name.items():
            button.disabled = running == (name == "Start")
        self.by_name["Record"].description = "Stop recording" if recording else "Record"

    def announce(self) -> None:
        """Send one state update per button; ipykernel 7.4 otherwise queues its clicks behind the running cell."""
        for button in self.by_name.values():
            button.send_state("tooltip")


class Controls(widgets.HBox):
    """Source, camera, address, model, filter, emotion and its smoothing, mirror.

    on_change gets the name and the new value of a setting.
    """

    def __init__(
        self, settings: LiveSettings, on_change: Callable[[str, object], None], on_error: Callable[[str], None], *,
        source: str, address: str, mirror: bool,
    ):  # fmt: skip
        if source not in SOURCES:
            raise unknown("source", source, SOURCES)
        values = vars(settings) | {"source": source, "camera": "", "address": address, "mirror": mirror}

        def choice(options):
            return {"options": [(f"{name}: {text}" if text else name, name) for name, text in options.items()]}

        models = {file.stem: "" for file in sorted(WEIGHTS.glob("*.safetensors"))} | {settings.model: ""}
        filters = {name: "" for name in ("none", *FILTERS, settings.filter) if name}
        seconds = {"min": 0, "max": 10, "step": 0.05}
        kinds = {  # numbers, not sliders: a slider of ipywidgets has no name for a screen reader
            "source": ("Source", widgets.Dropdown, choice({name: what for name, (what, _) in SOURCES.items()})),
            "camera": ("Camera", widgets.Dropdown, {"options": [("any", "")]}),
            "address": ("Address", widgets.Text, {"continuous_update": False}),
            "model": ("Model", widgets.Dropdown, choice(models)),
            "filter": ("Filter", widgets.Dropdown, choice(filters)),
            "emotion": ("Emotion", widgets.Dropdown, choice(EMOTIONS)),
            "smooth": ("Smoothing", widgets.BoundedFloatText, seconds | {"max": 0.95}),
            "hold": ("Hold (seconds)", widgets.BoundedFloatText, seconds),
            "calm": ("Calm (seconds)", widgets.BoundedFloatText, seconds),
            "mirror": ("Mirror", widgets.Checkbox, {}),
        }
        make = {"layout": widgets.Layout(width="400px"), "style": {"description_width": "110px"}}
        self.by_name = {}
        for name, (description, kind, options) in kinds.items():
            value = "none" if values[name] is None else values[name]
            self.by_name[name] = widget = kind(description=description, value=value, **options, **make)
            widget.observe(lambda change, name=name: _call_and_report(on_error, on_change, name, change.new), "value")
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
        """Show the controls that the source and the emotion need."""
        placeholder = SOURCES[self["source"]][1]
        self.by_name["address"].placeholder = placeholder
        hidden = {"camera": self["source"] != "browser", "address": not placeholder}
        hidden |= {name: self["emotion"] != emotion for name, emotion in ONLY_FOR.items()}
        self.children = [widget for name, widget in self.by_name.items() if not hidden.get(name)]


def _call_and_report(on_error, function, *values):
    try:
        function(*values)
    except InputError as error:
        on_error(str(error))
