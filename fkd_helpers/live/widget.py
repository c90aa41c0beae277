"""The live demo as a widget: Start, Stop, Record and Snapshot around one live picture."""

import os
import threading
import time
import weakref
from pathlib import Path

import ipywidgets as widgets

from fkd_helpers.core.errors import InputError
from fkd_helpers.live.controls import SOURCES, Buttons, Controls
from fkd_helpers.live.engine import LiveEngine
from fkd_helpers.live.moods import CAUTION, EMOTIONS
from fkd_helpers.live.picture import Picture

GONE_AFTER = 10.0  # seconds without a sign of the browser: everything off
_demos: weakref.WeakSet = weakref.WeakSet()


def live_demo(source: str | None = None, **settings) -> "LiveDemo":
    """Return the live demo, for the last line of a cell; the camera stays off until Start.

    A demo of an earlier cell, or of an earlier run of this cell, is stopped.

    Args:
        source: "browser" (this page's camera), "camera" (one at the kernel), "file", "images" or "puppet"; None takes
            $FKD_LIVE_SOURCE, else the browser
        settings: see `LiveDemo`
    """
    for demo in list(_demos):
        demo.stop("Stopped: another demo was made.")
    return LiveDemo(source or os.environ.get("FKD_LIVE_SOURCE") or "browser", **settings)


class LiveDemo(widgets.VBox):
    """Buttons, picture and settings; `start`, `stop`, `record` and `snapshot` are what the buttons call.

    Args:
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
            on_result=self._on_result, on_drop=lambda key: self.picture.drop(key), on_end=self._on_end,
            on_note=self._say, **settings,
        )  # fmt: skip
        self.settings = Controls(
            self.engine.settings, self._on_change, self._say, source=source, address=str(address), mirror=mirror
        )
        events = {"frame": self.engine.submit, "stop": self.stop, "trouble": self.stop,
                  "cameras": self.settings.offer_cameras, "hello": lambda: self.buttons.announce()}  # fmt: skip
        self.picture = Picture(events, mirror=mirror, status="Press Start.")
        self._show_caution()
        actions = {"Start": self.start, "Stop": self.stop, "Record": self.record, "Snapshot": self.snapshot}
        self.buttons = Buttons(actions, self._say)
        super().__init__([self.buttons, self.picture, self.settings])
        self.add_class("fkd-demo")
        _demos.add(self)

    @property
    def statistics(self) -> dict:
        """What the engine counted, and under "browser" what the page measured."""
        return self.engine.statistics() | {"browser": self.picture.measured}

    def start(self) -> None:
        """Start the source that is chosen; the browser asks for its camera's permission."""
        with self._lock:
            self.stop("")
            source = self.settings["source"]
            self.engine.start(source, self.settings["address"])
            camera, max_fps = self.settings["camera"] or None, self.engine.settings.max_fps
            self.picture.begin(source, camera=camera, max_fps=max_fps)
            self._say(f"Showing {SOURCES[source][0]}.")
            self._show()
            threading.Thread(target=self._watch, args=(self.picture.session,), daemon=True).start()

    def stop(self, message: str = "Stopped: the camera is off.") -> None:
        """Stop everything: camera off, a recording finished and offered."""
        with self._lock:
            showing = self.picture.showing
            self.picture.end(message)
            self.engine.stop()
            saved = self._offer_recording()
            if showing and message:
                self._say(" ".join(filter(None, [message, saved])))
            self._show()

    def record(self) -> None:
        """Begin a recording, a new file in the folder; end it when one is under way."""
        with self._lock:
            if self.engine.recording is not None:
                self._say(self._offer_recording())
            elif not self.engine.running:
                raise InputError("Nothing is running that could be recorded: press Start first.")
            else:
                self._say(f"Recording to {self.engine.record(self._new_file('.mp4'))}.")
            self._show()

    def snapshot(self) -> None:
        """Write the frame that is shown, with its keypoints, to the folder."""
        path = self.engine.snapshot(self._new_file(".png"))
        self.picture.offer(path)
        self._say(f"Saved the picture to {path}.")

    # -- what the engine, the page and the controls say

    def _on_result(self, result):
        if result.key is None:
            frame = result.frame if result.shown is None else result.shown
            self.picture.push(frame, result.faces, result.moods, age=result.seconds)
        else:
            self.picture.answer(result.key, result.faces, result.moods, result.shown)

    def _on_end(self, message):
        """Stop, in a thread of its own: `stop` waits for the engine's thread, which calls this."""
        session = self.picture.session

        def stop():
            with self._lock:
                if self.picture.session == session:  # and not started again since
                    self.stop(message)

        threading.Thread(target=stop, daemon=True).start()

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
                self._show_caution()

    def _show_caution(self):
        self.picture.caution = CAUTION if self.engine.settings.emotion == "expressions" else ""

    def _offer_recording(self) -> str:
        """End the recording, or take the one that ended by itself; offer it and return what to say."""
        saved = self.engine.finish()
        if saved is None or saved.path is None:
            return saved.message if saved else ""
        self.picture.offer(saved.path, seconds=saved.seconds)
        return saved.message or f"Saved {saved.seconds:.1f} s to {saved.path}."

    def _new_file(self, suffix):
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{self.folder}: cannot be made ({error.strerror}); choose another folder") from None
        return self.folder / f"live-{time.strftime('%Y%m%d-%H%M%S')}{suffix}"

    def _say(self, message):
        self.picture.in_page_context(setattr, self.picture, "status", message)

    def _show(self):
        running, recording = self.engine.running, self.engine.recording is not None
        self.picture.in_page_context(lambda: self.buttons.show(running=running, recording=recording))

    def _watch(self, session):
        """Tell the page twice a second how things are, and stop everything when no page listens."""
        while self.picture.session == session:
            if time.monotonic() - self.picture.heard > GONE_AFTER:
                self.stop("Stopped: no page showed the picture for a while.")
                break
            recording = self.engine.recorded if self.engine.recording is not None else None
            own = self.settings["source"] != "browser"  # the page counts the browser's frames itself
            dropped = self.engine.statistics()["dropped"] + self.picture.skipped if own else 0
            self.picture.tell(recording=recording, dropped=dropped)
            with self._lock:  # a recording that ended by itself, as the disk is full, is offered
                if recording is None and self.engine.recording is None and (message := self._offer_recording()):
                    self._say(message)
                    self._show()
            time.sleep(0.5)
