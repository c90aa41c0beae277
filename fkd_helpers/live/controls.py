"""The settings around the live picture."""

from collections.abc import Callable

import ipywidgets as widgets

from fkd_helpers.core.errors import InputError, unknown
from fkd_helpers.filters.filters import FILTERS
from fkd_helpers.live.moods import EMOTIONS
from fkd_helpers.live.settings import LONGEST, LiveSettings
from fkd_helpers.predict.runtime import WEIGHTS

SOURCES = {  # what it is, and what its address means
    "browser": ("this page's camera", ""),
    "camera": ("a camera at the kernel", "number or URL"),
    "file": ("a video file", "path of the file, or its URL"),
    "images": ("a folder of pictures", "path of the folder"),
    "puppet": ("a moving puppet face", ""),
}
WRAP = widgets.Layout(flex_flow="row wrap")


class Controls(widgets.HBox):
    """Source, camera, address, model, filter, smoothing, emotion, mirror.

    on_change gets the name and the new value of a setting.
    """

    def __init__(
        self, settings: LiveSettings, on_change: Callable[[str, object], None], on_error: Callable[[str], None], *,
        source: str, address: str, mirror: bool,
    ):  # fmt: skip
        if source not in SOURCES:
            raise unknown("source", source, SOURCES)
        values = vars(settings) | {"source": source, "camera": "", "address": address, "mirror": mirror}
        models = dict.fromkeys([*(file.stem for file in sorted(WEIGHTS.glob("*.safetensors"))), settings.model])
        filters = dict.fromkeys(["none", *FILTERS, settings.filter or "none"])
        seconds = {"min": 0, "max": LONGEST, "step": 0.05}
        kinds = {  # numbers, not sliders: a slider of ipywidgets has no name for a screen reader
            "source": ("Source", widgets.Dropdown, {"options": _choice({k: what for k, (what, _) in SOURCES.items()})}),
            "camera": ("Camera", widgets.Dropdown, {"options": [("any", "")]}),
            "address": ("Address", widgets.Text, {"continuous_update": False}),
            "model": ("Model", widgets.Dropdown, {"options": list(models)}),
            "filter": ("Filter", widgets.Dropdown, {"options": list(filters)}),
            "smooth": ("Smooth (seconds)", widgets.BoundedFloatText, seconds),
            "emotion": ("Emotion", widgets.Dropdown, {"options": _choice(EMOTIONS)}),
            "calm": ("Calm (seconds)", widgets.BoundedFloatText, seconds),
            "mirror": ("Mirror", widgets.Checkbox, {}),
        }
        make = {"layout": widgets.Layout(width="400px"), "style": {"description_width": "120px"}}
        self.by_name = {}
        for name, (description, kind, options) in kinds.items():
            value = "none" if values[name] is None else values[name]
            self.by_name[name] = widget = kind(description=description, value=value, **options, **make)
            widget.observe(lambda change, name=name: call(on_error, on_change, name, change.new), "value")
        super().__init__(layout=WRAP)
        self.by_name["source"].observe(self._show, "value")
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

    def _show(self, _=None):
        """Show the controls that the source needs."""
        self.by_name["address"].placeholder = placeholder = SOURCES[self["source"]][1]
        hidden = {"camera": self["source"] != "browser", "address": not placeholder}
        self.children = [widget for name, widget in self.by_name.items() if not hidden.get(name)]


def _choice(texts):
    return [(f"{name}: {text}", name) for name, text in texts.items()]


def call(on_error: Callable[[str], None], function: Callable, *values) -> None:
    """Call a function; tell the user what was wrong with the input, or with the disk."""
    try:
        function(*values)
    except (InputError, OSError) as error:
        on_error(str(error))
