"""The live demo as a widget: Start, Stop, Record and Snapshot around one live picture."""

import base64
import os
import threading
import time
from html import escape
from pathlib import Path

import ipywidgets as widgets

from fkd_helpers.core.errors import InputError
from fkd_helpers.live.controls import SOURCES, WRAP, Controls, call
from fkd_helpers.live.engine import LiveEngine
from fkd_helpers.live.moods import CAUTION, EMOTIONS
from fkd_helpers.live.picture import Picture, to_jpeg

GONE_AFTER = 10.0  # seconds without a sign of the browser: everything off
LARGEST_SHOWN = 50_000_000  # bytes of a recording that is sent to the page; a larger one stays in its folder
NAME = "live-%Y%m%d-%H%M%S"  # of a recording or a snapshot, by its time
VIDEO = '<video controls width="400" aria-label="{name}" src="{url}"></video>'
IMAGE = '<img width="400" alt="The snapshot: the live picture with its keypoints" src="{url}">'
BUTTONS = {  # tooltip and colour
    "Start": ("Start the source", "success"),
    "Stop": ("Stop: the camera goes off", "danger"),
    "Record": ("Record to a new MP4 file, until pressed again", ""),
    "Snapshot": ("Save the picture as it is now", ""),
}


def live_demo(source: str | None = None, **settings) -> "LiveDemo":
    """Return the live demo, for the last line of a cell; the source is $FKD_LIVE_SOURCE or the browser if not given."""
    return LiveDemo(source or os.environ.get("FKD_LIVE_SOURCE") or "browser", **settings)


class LiveDemo(widgets.VBox):
    """Buttons, picture and settings; `start`, `stop`, `record` and `snapshot` are what the buttons call.

    Args:
        source: "browser" (this page's camera), "camera" (one at the kernel), "file", "images" or "puppet"
        address: number or URL of the camera, path of the file or folder
        mirror: show the picture as a mirror does; None does so for a camera (recordings are never mirrored)
        folder: where recordings and snapshots go
        settings: see `LiveSettings`
    """

    def __init__(
        self, source: str = "browser", *, address: str | int = "", mirror: bool | None = None,
        folder: str | Path = "recordings", **settings,
    ):  # fmt: skip
        self.folder, self._lock = Path(folder), threading.RLock()
        mirror = source in ("browser", "camera") if mirror is None else mirror
        self.engine = LiveEngine(
            on_result=self._on_result, on_drop=lambda key: self.picture.post("drop", key), **settings
        )
        place = {"source": source, "address": str(address), "mirror": mirror}
        self.settings = Controls(self.engine.settings, self._on_change, self._say, **place)
        events = {"frame": self.engine.submit, "stop": self.stop, "cameras": self.settings.offer_cameras,
                  "hello": self._announce}  # fmt: skip
        self.picture, self.saved, self.buttons = Picture(events, mirror=mirror), widgets.HTML(), {}
        for name, (tooltip, style) in BUTTONS.items():
            self.buttons[name] = button = widgets.Button(description=name, tooltip=tooltip, button_style=style)
            button.on_click(lambda _, name=name: call(self._say, getattr(self, name.lower())))
        self._say("Press Start.")
        row = widgets.HBox(list(self.buttons.values()), layout=WRAP)
        super().__init__([row, self.picture, self.saved, self.settings])
        self.add_class("fkd-demo")

    def start(self) -> None:
        """Start the source that is chosen; the browser asks for its camera's permission."""
        with self._lock:
            self.stop("")
            source = self.settings["source"]
            self.engine.start(source, self.settings["address"])
            camera, max_fps = self.settings["camera"] or None, self.engine.settings.max_fps
            self.picture.begin(source, camera=camera, max_fps=max_fps)
            self._say(f"Showing {SOURCES[source][0]}.")
            threading.Thread(target=self._watch, args=(self.picture.session,), daemon=True).start()

    def stop(self, message: str = "Stopped: the camera is off.") -> None:
        """Stop everything: camera off, a recording finished and shown."""
        with self._lock:
            showing = self.picture.showing
            self.picture.end(message)
            self.engine.stop()
            saved = self._show_recording()
            self._say(f"{message} {saved}".strip() if showing and message else self.picture.status)

    def record(self) -> None:
        """Begin a recording, a new file in the folder; end it when one is under way."""
        with self._lock:
            if self.engine.recording is not None:
                self._say(self._show_recording())
            elif not self.engine.running:
                raise InputError("Nothing is running that could be recorded: press Start first.")
            else:
                self._say(f"Recording to {self.engine.record(self.folder / time.strftime(NAME + '.mp4'))}.")

    def snapshot(self) -> None:
        """Write the frame that is shown, with its keypoints, to the folder."""
        path = self.engine.snapshot(self.folder / time.strftime(NAME + ".png"))
        self._show_file(path, IMAGE, "image/png")
        self._say(f"Saved the picture to {path}.")

    # -- what the engine and the controls say

    def _on_result(self, result):
        if result.key is None:
            frame = result.frame if result.shown is None else result.shown
            self.picture.push(frame, result.faces, result.moods, age=result.seconds)
        else:
            shown = [] if result.shown is None else [to_jpeg(result.shown)]
            self.picture.post("result", result.key, result.faces, result.moods, shown)

    def _on_change(self, name, value):
        if name == "mirror":
            self.picture.mirror = value
        elif name in ("source", "camera", "address"):
            if self.engine.running:
                self.start()
        else:
            try:
                self.engine.change(**{name: value})
                if name == "emotion":
                    self._say(f"Emotion: {EMOTIONS[value]}.")
            finally:  # a value that was refused is not shown as chosen
                self.settings.by_name[name].value = getattr(self.engine.settings, name)
                self._say(self.picture.status)

    def _show_recording(self) -> str:
        """End the recording, or take the one that ended by itself; show it and return what to say."""
        saved = self.engine.finish()
        if saved is None or not saved.frames:
            return saved.message if saved else ""
        self._show_file(saved.path, VIDEO, "video/mp4")
        return saved.message or f"Saved {saved.seconds:.1f} s to {saved.path}."

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
        """Show a message, and disable the buttons that make no sense in the current state."""
        self.picture.in_page_context(self._show, message)

    def _show(self, message):
        self.picture.status = message
        self.picture.caution = CAUTION if self.engine.settings.emotion == "expressions" else ""
        for name, button in self.buttons.items():
            button.disabled = self.engine.running == (name == "Start")
        self.buttons["Record"].description = "Stop recording" if self.engine.recording else "Record"

    def _watch(self, session):
        """Tell the page twice a second how things are; stop when the source has ended or no page listens."""
        while self.picture.session == session:
            if time.monotonic() - self.picture.heard > GONE_AFTER:
                return self.stop("Stopped: no page showed the picture for a while.")
            recording = self.engine.recording
            own = self.settings["source"] != "browser"  # the page counts the browser's frames itself
            dropped = self.engine.run.meter.read()["dropped"] + self.picture.skipped if own else 0
            self.picture.post("readout", recording=recording and recording.seconds, dropped=dropped)
            with self._lock:
                if self.picture.session == session and not self.engine.running:
                    return self.stop(self.engine.message)
                if self.engine.recording is None and (message := self._show_recording()):
                    self._say(message)
            time.sleep(0.5)
