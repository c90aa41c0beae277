"""The live engine: frames in, faces and emotions out, always the latest; it knows no Jupyter.

Two threads: one reads the source, one looks for faces. Between them is one slot, so that a slow moment costs frames and
never time: what is shown is never older than one frame's work.
"""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from fkd_helpers.core.errors import InputError
from fkd_helpers.core.files import free_path
from fkd_helpers.faces.images import read_photo, write_photo
from fkd_helpers.live.pipeline import Pipeline, Result
from fkd_helpers.live.recorder import Meter, Recorder
from fkd_helpers.live.settings import LiveSettings
from fkd_helpers.live.sources import Source, open_source


class Run:
    """One start of the engine: its source, its statistics, and the slot in which the newest item waits to be taken.

    Every item comes out exactly once: by `take`, by `put` (displaced, or refused by a closed slot), or by `close`.
    """

    def __init__(self, source: Source):
        self.source, self.meter, self.stopped = source, Meter(), threading.Event()
        self.error, self.threads = None, []
        self._waiting, self._closed, self._changed = [], False, threading.Condition()

    def put(self, item: object) -> list:
        """Put an item in; return what will therefore not be taken: nothing, a displaced item, or this one."""
        with self._changed:
            if self._closed:
                return [item]
            displaced, self._waiting = self._waiting, [item]
            self._changed.notify()
            return displaced

    def take(self) -> object | None:
        """Wait for an item and return it; None once the slot is closed and empty."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            return self._waiting.pop() if self._waiting else None

    def close(self, *, keep: bool = False) -> list:
        """Accept no more items; return the one that waits, unless it is kept to be taken."""
        with self._changed:
            left, self._waiting = ([], self._waiting) if keep else (self._waiting, [])
            self._closed = True
            self._changed.notify()
            return left


class LiveEngine:
    """Look for faces in the frames of a source, in threads of its own.

    With `every` each frame of a film is processed, as fast as possible; otherwise it plays at its own speed and the
    latest wins. `on_result` gets each `Result`, `on_drop` the key of each submitted frame without one; the engine's
    threads call them, so that they must not wait for a lock that is held for `stop`.
    """

    def __init__(
        self, *, seconds: float | None = None, every: bool = False,
        on_result: Callable[[Result], None] = lambda _: None, on_drop: Callable[[object], None] = lambda _: None,
        **settings,
    ):  # fmt: skip
        if seconds is not None and not seconds > 0:
            raise InputError(f"seconds: expected more than 0, got {seconds}")
        self.seconds, self.every, self._on_result, self._on_drop = seconds, every, on_result, on_drop
        self._pipeline, self._lock = Pipeline(LiveSettings(**settings)), threading.RLock()
        self.run, self._last, self.recording = Run(Source("none")), None, None
        self.run.stopped.set()

    @property
    def settings(self) -> LiveSettings:
        """The settings in use; `change` changes them."""
        return self._pipeline.settings

    def start(self, source: str, address: str | int | Path = "") -> None:
        """Begin with a source, see `open_source`; one that is running is stopped before."""
        self.stop()
        self.run = run = Run(open_source(source, address))
        self._last, self._pipeline = None, Pipeline(self.settings, self._pipeline)
        work = [(self._work, iter(run.take, None))]
        if self.every and not run.source.live:
            work = [(self._work, self._frames(run))]
        elif run.source.frames is not None:  # otherwise they are submitted
            work.append((self._read, self._frames(run)))
        run.threads = [threading.Thread(target=target, args=(run, items), daemon=True) for target, items in work]
        for thread in run.threads:
            thread.start()

    def submit(self, jpeg: bytes, key: object) -> None:
        """Give a frame to the source "browser"; only the latest is kept, and every key is answered exactly once."""
        run, item = self.run, (jpeg, None, time.monotonic(), key)
        self._drop(run, run.put(item) if run.source.kind == "browser" else [item])

    def change(self, **settings) -> None:
        """Change settings while it runs: all of them, or none where one is refused."""
        self._pipeline = Pipeline(LiveSettings(**(vars(self.settings) | settings)), self._pipeline)

    def stop(self) -> None:
        """Stop and wait for the threads; a recording waits for `finish`. Harmless when nothing runs."""
        self.run.stopped.set()
        self._drop(self.run, self.run.close())
        for thread in self.run.threads:
            if thread is not threading.current_thread():
                thread.join(timeout=3)  # a camera may hang
        self.run.meter.end()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until the source has ended by itself, at most so many seconds; return whether it has."""
        # no join: up to Python 3.12 one that Ctrl-C interrupts counts its thread as ended
        return self.run.stopped.wait(seconds)

    @property
    def running(self) -> bool:
        """Whether a source is being processed: False as soon as it has ended or was stopped."""
        return not self.run.stopped.is_set()

    @property
    def message(self) -> str:
        """Why the run has ended."""
        return f"Stopped by a fault: {self.run.error}" if self.run.error else self.run.source.end_message

    def snapshot(self, path: Path) -> Path:
        """Write the frame that is shown, with filter and keypoints; return its path, never an older file's."""
        if self._last is None:
            raise InputError("snapshot: no frame has come yet")
        path = free_path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_photo(path, self._last.drawn())
        return path

    def record(self, path: str | Path) -> Path:
        """Begin a recording with the next frame; return its path, which is never an older file's."""
        self.finish()
        self.recording = Recorder(path)
        return self.recording.path

    def finish(self) -> Recorder | None:
        """End the recording and return it; None where there is none."""
        with self._lock:
            recorder, self.recording = self.recording, None
        return recorder and recorder.finish()

    # -- the threads

    def _frames(self, run) -> Iterator[tuple]:
        """Yield the frames of a source as (frame, when, arrived, key), at most `max_fps`, no longer than `seconds`.

        With `every` a film is read by its own clock; otherwise a frame has the time of its arrival, as with a camera.
        """
        began = first = due = None
        try:
            for frame, when in run.source.frames:
                if when is not None and not self.every:
                    began = time.monotonic() - when if began is None else began
                    run.stopped.wait(max(0.0, began + when - time.monotonic()))
                    when = None
                when = time.monotonic() if when is None else when
                first, due = (when, when) if first is None else (first, due)
                if self.seconds is not None and when - first >= self.seconds:
                    run.source.end_message = f"Ended after {self.seconds:g} seconds."
                    return
                if rate := self.settings.max_fps:
                    if when < due - 1e-6:
                        continue
                    due = max(due, when - 1 / rate) + 1 / rate
                yield frame, when, time.monotonic(), None
                if run.stopped.is_set():
                    return
        finally:
            run.source.frames.close()  # a camera's light goes off

    def _read(self, run, items):
        try:
            for item in items:
                self._drop(run, run.put(item))
        except Exception as error:
            run.error = error
        run.close(keep=True)

    def _work(self, run, items):
        try:
            for item in items:
                self._process(run, *item)
        except Exception as error:
            run.error = error
        run.meter.end()
        self._drop(run, run.close())
        run.stopped.set()

    def _process(self, run, frame, when, arrived, key):
        try:
            frame = read_photo(frame) if isinstance(frame, bytes) else frame
        except InputError:
            return self._drop(run, [(key,)])
        when = arrived if when is None else when
        try:
            found = self._pipeline(frame, when)
        except Exception:
            self._drop(run, [(key,)])
            raise
        self._last = result = Result(key, frame, *found, time.monotonic() - arrived, when)
        run.meter.add(result)
        self._on_result(result)
        with self._lock:
            if self.recording:
                self.recording.add(result.drawn(), when)

    def _drop(self, run, items):
        for *_, key in items:
            run.meter.drop()
            if key is not None:
                self._on_drop(key)
