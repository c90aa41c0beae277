"""The live demo as a widget: Start, Stop, Record and Snapshot around one live picture. Built in notebook 05."""

import os
import threading
import time
import weakref
from pathlib import Path

import ipywidgets as widgets

from fkd_helpers.errors import InputError, unknown
from fkd_helpers.live.engine import LiveEngine
from fkd_helpers.live.picture import Picture
from fkd_helpers.runners import WEIGHTS

SOURCES = {
    "browser": "this page's camera",
    "camera": "a camera at the kernel",
    "file": "a video file",
    "images": "a folder of pictures",
    "puppet": "the moving puppet face",
}
from fkd_helpers.filters import FILTERS  # noqa: E402

GONE_AFTER = 10.0  # seconds without a sign of the browser: everything off
_demos: weakref.WeakSet = weakref.WeakSet()


def live_demo(source: str | None = None, **settings) -> "LiveDemo":
    """Return the live demo, for the last line of a cell; the camera stays off until Start.

    source: "browser" (this page's camera), "camera" (one at the kernel), "file", "images" or "puppet"; None takes
        $FKD_LIVE_SOURCE, else the browser
    settings: of `LiveDemo`

    A demo that an earlier cell, or an earlier run of this cell, has made is stopped.

    Raises:
        InputError: an unknown source, model or filter.
    """
    for demo in list(_demos):
        demo.stop("Stopped: another demo was made.")
    return LiveDemo(source or os.environ.get("FKD_LIVE_SOURCE") or "browser", **settings)


class LiveDemo(widgets.VBox):
    """Buttons, picture and settings; `start`, `stop`, `record` and `snapshot` are what the buttons call.

    address: number or URL of the camera, path of the file or folder
    model, filter, smooth, hold: of the engine
    mirror: show the picture as a mirror does; None does so for a camera
    max_fps: frames beyond it are left out; folder: where recordings and snapshots go
    """

    def __init__(
        self,
        source: str = "browser",
        *,
        address: str | int = "",
        model: str = "small",
        filter: str | None = None,
        smooth: float = 0.4,
        hold: int = 15,
        mirror: bool | None = None,
        max_fps: float | None = None,
        folder: str | Path = "recordings",
    ):
        if source not in SOURCES:
            raise unknown("source", source, SOURCES)
        self.max_fps, self.folder, self._lock = max_fps, Path(folder), threading.RLock()
        self.engine = LiveEngine(
            model=model, filter=filter, smooth=smooth, hold=hold, max_fps=max_fps,
            on_result=self._result, on_drop=lambda key: self.picture.drop(key), on_end=self._ended,
        )  # fmt: skip
        mirror = source in ("browser", "camera") if mirror is None else mirror
        self.picture = Picture(
            {"frame": self.engine.submit, "stop": self.stop, "trouble": self._trouble,
             "cameras": self._cameras, "hello": self._hello},
            mirror=mirror, status="Press Start.",
        )  # fmt: skip
        self._make_buttons()
        self._make_settings(source, str(address), model, filter, smooth, hold)
        super().__init__([self.buttons, self.picture, self.settings])
        self.add_class("fkd-demo")
        _demos.add(self)

    # -- what the buttons do

    def start(self) -> None:
        """Start the source that is chosen; the browser asks for its camera's permission."""
        with self._lock:
            self.stop("")
            self.picture.status = "Starting ..."
            source = self.source.value
            try:
                self.engine.start(source, self.address.value)
            except InputError as error:
                self.picture.status = f"{error}"
                return
            self.picture.begin(source, camera=self.camera.value or None, max_fps=self.max_fps)
            self.picture.status = f"Showing {SOURCES[source]}."
            self._buttons(True)
            threading.Thread(target=self._watch, args=(self.picture.session,), daemon=True).start()

    def stop(self, words: str = "Stopped: the camera is off.") -> None:
        """Stop everything: camera off, a recording finished and offered."""
        with self._lock:
            running = self.engine.running
            self.picture.end()
            self.engine.stop()
            if running:
                self.picture.status = words
            self._buttons(False)

    def record(self) -> None:
        """Begin a recording, a new file in the folder."""

    def snapshot(self) -> None:
        """Write the frame that is shown, with its keypoints, to the folder."""

    # -- what the engine and the page say

    def _result(self, result):
        if result.key is None:
            frame = result.frame if result.shown is None else result.shown
            self.picture.push(frame, result.faces, result.labels, spent=result.seconds)
        else:
            self.picture.answer(result.key, result.faces, result.labels, result.shown)

    def _ended(self, words):
        self.picture.end()
        self.picture.status = words
        self._buttons(False)

    def _trouble(self, words):
        self.stop(words)
        self.picture.status = words

    def _cameras(self, cameras):
        if cameras:
            chosen = self.camera.value
            self.camera.options = [("any", ""), *cameras]
            self.camera.value = chosen if chosen in [identity for _, identity in cameras] else ""

    def _hello(self):
        """A page shows this demo: let every widget say something, for one that never has waits for a running cell."""
        for widget in (*self.buttons.children, *self.settings.children):
            widget.send_state("tooltip" if widget.has_trait("tooltip") else None)

    def _watch(self, session):
        while self.picture.session == session:
            if time.monotonic() - self.picture.heard > GONE_AFTER:
                self.stop("Stopped: no page showed the picture for a while. Press Start to go on.")
                break
            self.picture.tell()
            time.sleep(0.5)

    # -- how it looks

    def _make_buttons(self):
        made = [
            widgets.Button(description=name, tooltip=words, button_style=style, disabled=off)
            for name, words, style, off in (
                ("Start", "Start the source", "success", False),
                ("Stop", "Stop, camera off", "danger", True),
                ("Record", "Record to a new MP4 file", "", True),
                ("Snapshot", "Save the picture as it is now", "", True),
            )
        ]
        self.start_button, self.stop_button, self.record_button, self.snapshot_button = made
        acts = (self.start, self.stop, self._record_or_not, self.snapshot)
        for button, act in zip(made, acts, strict=True):
            button.on_click(lambda button, act=act: act())
        self.buttons = widgets.HBox(made, layout=widgets.Layout(flex_flow="row wrap"))

    def _record_or_not(self):
        pass

    def _buttons(self, running):
        self.start_button.disabled = running
        for button in (self.stop_button, self.record_button, self.snapshot_button):
            button.disabled = not running

    def _make_settings(self, source, address, model, filter, smooth, hold):
        layout = widgets.Layout(width="320px")
        style = {"description_width": "110px"}
        common = {"layout": layout, "style": style}
        models = sorted({file.stem for file in WEIGHTS.glob("*.onnx")} | {model})
        self.source = widgets.Dropdown(
            options=[(f"{name}: {what}", name) for name, what in SOURCES.items()],
            value=source,
            description="Source",
            **common,
        )
        self.camera = widgets.Dropdown(options=[("any", "")], description="Camera", **common)
        self.address = widgets.Text(value=address, description="Address", placeholder="number, URL, path", **common)
        self.model = widgets.Dropdown(options=models, value=model, description="Model", **common)
        self.filter = widgets.Dropdown(
            options=[("none", ""), *((name, name) for name in FILTERS)],
            value=filter or "",
            description="Filter",
            **common,
        )
        self.smooth = widgets.FloatSlider(value=smooth, min=0, max=0.95, step=0.05, description="Smoothing", **common)
        self.hold = widgets.IntSlider(value=hold, min=0, max=60, description="Hold (frames)", **common)
        self.mirror = widgets.Checkbox(value=self.picture.mirror, description="Mirror", indent=True, **common)
        widgets.link((self.mirror, "value"), (self.picture, "mirror"))
        made = [self.source, self.camera, self.address, self.model, self.filter, self.smooth, self.hold, self.mirror]
        self.settings = widgets.HBox(made, layout=widgets.Layout(flex_flow="row wrap"))
