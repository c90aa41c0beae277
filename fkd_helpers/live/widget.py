"""The live demo as a widget: Start, Stop, Record and Snapshot around one live picture. Built in notebook 05."""

import os
import threading
import time
import weakref
from pathlib import Path

import ipywidgets as widgets

from fkd_helpers.core.errors import InputError
from fkd_helpers.live.controls import SOURCES, Buttons, Settings
from fkd_helpers.live.engine import LiveEngine
from fkd_helpers.live.moods import CAUTION, EMOTIONS
from fkd_helpers.live.picture import Picture

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
    model, filter, emotion, smooth, hold, calm: of the engine
    mirror: show the picture as a mirror does; None does so for a camera (recordings are never mirrored)
    max_fps: frames beyond it are left out; folder: where recordings and snapshots go
    """

    def __init__(
        self,
        source: str = "browser",
        *,
        address: str | int = "",
        model: str = "small",
        filter: str | None = None,
        emotion: str = "rules",
        smooth: float = 0.4,
        hold: int = 15,
        calm: float = 0.5,
        mirror: bool | None = None,
        max_fps: float | None = None,
        folder: str | Path = "recordings",
    ):
        self.max_fps, self.folder, self._lock, self._starts = max_fps, Path(folder), threading.RLock(), 0
        mirror = source in ("browser", "camera") if mirror is None else mirror
        self.settings = Settings(
            self._changed, self._say, source=source, address=str(address), model=model, filter=filter,
            emotion=emotion, smooth=smooth, hold=hold, calm=calm, mirror=mirror,
        )  # fmt: skip
        self.engine = LiveEngine(
            model=model, filter=filter, emotion=emotion, smooth=smooth, hold=hold, calm=calm, max_fps=max_fps,
            on_result=self._result, on_drop=lambda key: self.picture.drop(key), on_end=self._ended, on_note=self._say,
        )  # fmt: skip
        events = {"frame": self.engine.submit, "stop": self.stop, "trouble": self.stop,
                  "cameras": self.settings.offer_cameras, "hello": self._hello}  # fmt: skip
        self.picture = Picture(
            events, mirror=mirror, status="Press Start.", caution=CAUTION if emotion == "expressions" else ""
        )
        acts = {"Start": self.start, "Stop": self.stop, "Record": self.record, "Snapshot": self.snapshot}
        self.buttons = Buttons(acts, self._say)
        super().__init__([self.buttons, self.picture, self.settings])
        self.add_class("fkd-demo")
        _demos.add(self)

    @property
    def statistics(self) -> dict:
        """What the engine counted, and under "browser" what the page measured."""
        return self.engine.statistics() | {"browser": self.picture.measured}

    # -- what the buttons do

    def start(self) -> None:
        """Start the source that is chosen; the browser asks for its camera's permission.

        Raises:
            InputError: a source that cannot be opened.
        """
        with self._lock:
            self.stop("")
            self._starts += 1
            source = self.settings["source"]
            self.engine.start(source, self.settings["address"])
            self.picture.begin(source, camera=self.settings["camera"] or None, max_fps=self.max_fps)
            self._say(f"Showing {SOURCES[source][0]}.")
            self._show()
            threading.Thread(target=self._watch, args=(self.picture.session,), daemon=True).start()

    def stop(self, words: str = "Stopped: the camera is off.") -> None:
        """Stop everything: camera off, a recording finished and offered."""
        with self._lock:
            showing = self.picture.showing
            self.picture.end(words)
            self.engine.stop()
            saved = self._offer_recording()
            if showing and words:
                self._say(" ".join(filter(None, [words, saved])))
            self._show()

    def record(self) -> None:
        """Begin a recording, a new file in the folder; end it when one is under way.

        Raises:
            InputError: nothing is running, or the file cannot be written.
        """
        with self._lock:
            if self.engine.recording is not None:
                self._say(self._offer_recording())
            elif not self.engine.running:
                raise InputError("Nothing is running that could be recorded: press Start first.")
            else:
                self._say(f"Recording to {self.engine.record(self._new_file('.mp4'))}.")
            self._show()

    def snapshot(self) -> None:
        """Write the frame that is shown, with its keypoints, to the folder.

        Raises:
            InputError: no frame yet, or the file cannot be written.
        """
        path = self.engine.snapshot(self._new_file(".png"))
        self.picture.offer(path)
        self._say(f"Saved the picture to {path}.")

    # -- what the engine, the page and the settings say

    def _result(self, result):
        if result.key is None:
            frame = result.frame if result.shown is None else result.shown
            self.picture.push(frame, result.faces, result.moods, spent=result.seconds)
        else:
            self.picture.answer(result.key, result.faces, result.moods, result.shown)

    def _ended(self, words):
        """Stop, in a thread of its own: `stop` waits for the engine's, which says this."""
        starts = self._starts

        def stop():
            with self._lock:
                if self._starts == starts:  # and not started again since
                    self.stop(words)

        threading.Thread(target=stop, daemon=True).start()

    def _changed(self, name, value):
        if name == "mirror":
            self.picture.mirror = value
        elif name in ("source", "camera", "address"):
            if self.engine.running:
                self.start()
        elif name == "emotion":
            self._choose_emotion(value)
        else:
            self.engine.change(**{name: value or None if name == "filter" else value})

    def _choose_emotion(self, emotion):
        try:
            self.engine.change(emotion=emotion)
            self._say(f"Emotion: {EMOTIONS[emotion]}.")
        finally:  # one that cannot be had is not shown as chosen
            self.settings.by_name["emotion"].value = self.engine.settings["emotion"]
            self.picture.caution = CAUTION if self.engine.settings["emotion"] == "expressions" else ""

    def _offer_recording(self) -> str:
        """Finish the recording under way, or take the one that ended by itself; offer it and return what to say."""
        saved = self.engine.finish()
        if saved is None or saved.path is None:
            return "" if saved is None else saved.words or "Nothing was recorded: no frame came."
        self.picture.offer(saved.path, seconds=saved.seconds)
        return saved.words or f"Saved {saved.seconds:.1f} s to {saved.path}."

    def _new_file(self, suffix):
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{self.folder}: cannot be made ({error.strerror}); choose another folder") from None
        return self.folder / f"live-{time.strftime('%Y%m%d-%H%M%S')}{suffix}"

    def _hello(self):
        self.buttons.speak()

    def _say(self, words):
        self.picture.as_heard(setattr, self.picture, "status", words)

    def _show(self):
        running, recording = self.engine.running, self.engine.recording is not None
        self.picture.as_heard(lambda: self.buttons.show(running=running, recording=recording))

    def _watch(self, session):
        while self.picture.session == session:
            if time.monotonic() - self.picture.heard > GONE_AFTER:
                self.stop("Stopped: no page showed the picture for a while.")
                break
            recording = self.engine.recording is not None
            own = self.settings["source"] != "browser"  # of the browser's frames the page counts them itself
            dropped = self.engine.statistics()["dropped"] + self.picture.skipped if own else 0
            self.picture.tell(recording=self.engine.recorded if recording else None, dropped=dropped)
            with self._lock:  # one that ended by itself, as the disk is full, is offered
                if self.engine.recording is None and (words := self._offer_recording()):
                    self._say(words)
                    self._show()
            time.sleep(0.5)
