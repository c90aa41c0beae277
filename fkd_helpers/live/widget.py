"""The live demo as a widget: Start, Stop, Record and Snapshot around one live picture, and its settings."""

import base64
import threading
import time
from collections.abc import Callable
from html import escape
from pathlib import Path

import ipywidgets as widgets

from fkd_helpers.core.errors import InputError, unknown
from fkd_helpers.filters.filters import FILTERS
from fkd_helpers.live.engine import LiveEngine
from fkd_helpers.live.moods import CAUTION
from fkd_helpers.live.picture import Picture
from fkd_helpers.live.settings import EMOTIONS, LONGEST
from fkd_helpers.live.sources import SOURCES

GONE_AFTER = 10.0  # seconds without a sign of the browser: everything off
LARGEST_SHOWN = 50_000_000  # bytes of a recording that is sent to the page; a larger one stays in its folder
NAME = "live-%Y%m%d-%H%M%S"  # of a recording or a snapshot, by its time
VIDEO = '<video controls width="400" aria-label="{name}" src="{url}"></video>'
IMAGE = '<img width="400" alt="The snapshot: the live picture with its keypoints" src="{url}">'
BUTTONS = {
    "Start": {"tooltip": "Start the source", "button_style": "success"},
    "Stop": {"tooltip": "Stop: the camera goes off", "button_style": "danger"},
    "Record": {"tooltip": "Record to a new MP4 file, until pressed again"},
    "Snapshot": {"tooltip": "Save the picture as it is now"},
}
WRAP = widgets.Layout(flex_flow="row wrap")


class LiveDemo(widgets.VBox):
    """Buttons, picture and settings (see `LiveSettings`); the buttons call `start`, `stop`, `record` and `snapshot`.

    `source` and `address` are those of SOURCES; recordings and snapshots go to `folder`. `mirror` None shows a camera
    as a mirror does; recordings are never mirrored.
    """

    def __init__(
        self, source: str = "browser", *, address: str | int = "", mirror: bool | None = None,
        folder: str | Path = "recordings", **settings,
    ):  # fmt: skip
        if source not in SOURCES:
            raise unknown("source", source, SOURCES)
        mirror = source in ("browser", "camera") if mirror is None else mirror
        self.folder, self._lock = Path(folder), threading.RLock()
        on_result, on_drop = lambda result: self.picture.show(result), lambda key: self.picture.post("drop", key)
        self.engine = LiveEngine(on_result=on_result, on_drop=on_drop, **settings)
        self.saved, self._row = widgets.HTML(), widgets.HBox(layout=WRAP)
        self.buttons = {name: widgets.Button(description=name, **style) for name, style in BUTTONS.items()}
        for name, button in self.buttons.items():
            button.on_click(lambda _, name=name: self._call(getattr(self, name.lower())))
        self.controls = _controls(vars(self.engine.settings), source=source, address=str(address), mirror=mirror)
        for name, control in self.controls.items():
            control.observe(lambda change, name=name: self._call(self._on_change, name, change.new), "value")
        events = {"frame": self.engine.submit, "stop": self.stop, "hello": self._announce}
        self.picture = Picture(events, mirror=mirror)  # last: the page may say hello before this line ends
        buttons = widgets.HBox(list(self.buttons.values()), layout=WRAP)
        super().__init__([buttons, self.picture, self.saved, self._row])
        self.add_class("fkd-demo")
        self._say("Press Start.")

    def start(self) -> None:
        """Start the source that is chosen; the browser asks for its camera's permission."""
        with self._lock:
            self.stop("")
            source = self.controls["source"].value
            self.engine.start(source, self.controls["address"].value)
            self._say(f"Showing {SOURCES[source][0]}.")  # first: a page without a camera answers at once
            self.picture.begin(source, max_fps=self.engine.settings.max_fps, side=640)
            threading.Thread(target=self._watch, args=(self.picture.session,), daemon=True).start()

    def stop(self, message: str = "Stopped: the camera is off.") -> None:
        """Stop everything: camera off, a recording finished and shown."""
        with self._lock:
            showing = self.picture.showing
            self.picture.end(message)
            self.engine.stop()
            saved = self._finish_recording()
            self._say(f"{message} {saved}".strip() if showing and message else self.picture.status)

    def record(self) -> None:
        """Begin a recording, a new file in the folder; end it when one is under way."""
        with self._lock:
            if self.engine.recording is not None:
                self._say(self._finish_recording())
            elif not self.engine.running:
                raise InputError("Nothing is running that could be recorded: press Start first.")
            else:
                self._say(f"Recording to {self.engine.record(self.folder / time.strftime(NAME + '.mp4'))}.")

    def snapshot(self) -> None:
        """Write the frame that is shown, with its keypoints, to the folder."""
        path = self.engine.snapshot(self.folder / time.strftime(NAME + ".png"))
        self._show_file(path, IMAGE, "image/png")
        self._say(f"Saved the picture to {path}.")

    def _call(self, function: Callable, *values):
        try:
            function(*values)
        except (InputError, OSError) as error:
            self._say(str(error))

    def _on_change(self, name, value):
        if name == "mirror":
            self.picture.mirror = value
        elif name not in ("source", "address"):
            try:
                self.engine.change(**{name: value})
            finally:  # a value that was refused is not shown as chosen
                value = getattr(self.engine.settings, name)
                self.controls[name].value = "none" if value is None else value
        elif self.engine.running:
            self.start()
        self._say(self.picture.status)

    def _finish_recording(self) -> str:
        """End the recording, if there is one; show it and return what to say."""
        saved = self.engine.finish()
        if saved is None or not saved.frames:
            return "Nothing was recorded: no frame came." if saved else ""
        self._show_file(saved.path, VIDEO, "video/mp4")
        return f"Saved {saved.seconds:.1f} s to {saved.path}."

    def _show_file(self, path, tag, mime):
        if path.stat().st_size <= LARGEST_SHOWN:
            url, name = f"data:{mime};base64,{base64.b64encode(path.read_bytes()).decode()}", escape(path.name)
            html = f'<p>{tag.format(name=name, url=url)}</p><a download="{name}" href="{url}">Download {name}</a>'
            self.picture.in_page_context(setattr, self.saved, "value", html)

    def _announce(self):
        """Send one state update per button; ipykernel 7.4 otherwise queues its clicks behind the running cell."""
        for button in self.buttons.values():
            button.send_state("tooltip")

    def _say(self, message):
        """Show a message, and the buttons and settings that make sense in the current state."""
        self.picture.in_page_context(self._show, message)

    def _show(self, message):
        self.picture.status = message
        self.picture.caution = CAUTION if self.engine.settings.emotion == "expressions" else ""
        for name, button in self.buttons.items():
            button.disabled = self.engine.running == (name == "Start")
        self.buttons["Record"].description = "Stop recording" if self.engine.recording else "Record"
        self.controls["address"].placeholder = placeholder = SOURCES[self.controls["source"].value][1]
        self._row.children = [control for name, control in self.controls.items() if name != "address" or placeholder]

    def _watch(self, session):
        """Tell the page twice a second how things are; stop when the source has ended or no page listens."""
        while self.picture.session == session:
            if time.monotonic() - self.picture.heard > GONE_AFTER:
                return self.stop("Stopped: no page showed the picture for a while.")
            recording = self.engine.recording
            own = self.controls["source"].value != "browser"  # the page counts the browser's frames itself
            dropped = self.engine.run.meter.read()["dropped"] + self.picture.skipped if own else 0
            self.picture.post("readout", recording=recording and recording.seconds, dropped=dropped)
            with self._lock:
                if self.picture.session == session and not self.engine.running:
                    return self.stop(self.engine.message)
            time.sleep(0.5)


live_demo = LiveDemo  # for the last line of a cell


def _controls(settings: dict, **values) -> dict[str, widgets.Widget]:
    """Return the controls of source and settings by name."""
    values |= settings | {"filter": settings["filter"] or "none"}
    choices = {  # (label, value)
        "source": [(f"{name}: {text}", name) for name, (text, _) in SOURCES.items()],
        "address": widgets.Text(continuous_update=False),
        "filter": list(dict.fromkeys(["none", *FILTERS, values["filter"]])),
        "smooth": widgets.BoundedFloatText(max=LONGEST, step=0.05),  # a slider of ipywidgets has no accessible name
        "emotion": [(f"{name}: {text}", name) for name, text in EMOTIONS.items()],
        "calm": widgets.BoundedFloatText(max=LONGEST, step=0.05),
        "mirror": widgets.Checkbox(),
    }
    controls = {name: widgets.Dropdown(options=x) if isinstance(x, list) else x for name, x in choices.items()}
    for name, control in controls.items():
        control.value, control.layout.width, control.style.description_width = values[name], "400px", "120px"
        control.description = name.capitalize() + " (seconds)" * (name in ("smooth", "calm"))
    return controls
