"""The live engine: frames in, faces and emotions out, always the latest; it knows no Jupyter.

Two threads: one reads the source, one looks for faces. Between them is a mailbox of one slot, so that a slow moment
costs frames and never time: what is shown is never older than one frame's work.
"""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from fkd_helpers.core.errors import InputError
from fkd_helpers.core.files import free_path
from fkd_helpers.faces.images import read_photo, write_photo
from fkd_helpers.live.mailbox import Mailbox
from fkd_helpers.live.pipeline import Pipeline, Result
from fkd_helpers.live.recorder import Recorder
from fkd_helpers.live.settings import LiveSettings
from fkd_helpers.live.sources import Source, fit, open_source
from fkd_helpers.live.timing import Meter, timed


def _ignore(_):
    pass


@dataclass(eq=False)
class Run:
    """The state of one start, so that late threads of an earlier one cannot disturb the next."""

    source: Source
    mailbox: Mailbox = field(default_factory=Mailbox)
    meter: Meter = field(default_factory=Meter)
    stopped: threading.Event = field(default_factory=threading.Event)
    error: Exception | None = None
    threads: list = field(default_factory=list)


class LiveEngine:
    """Look for faces in the frames of a source, in threads of its own.

    Args:
        seconds: end the source after so long
        every: process each frame of a file, folder or puppet, as fast as possible; otherwise they are played at their
            own speed and the latest frame wins
        on_result, on_drop: called from the engine's threads with a `Result`, and with the key of a submitted frame
            that gets none; they must not wait for a lock that is held around `stop`
        settings: see `LiveSettings`

    `run` has the meter of this run, or of the last one, and the error that ended it, if any.
    """

    def __init__(
        self, *, seconds: float | None = None, every: bool = False, on_result: Callable[[Result], None] = _ignore,
        on_drop: Callable[[object], None] = _ignore, **settings,
    ):  # fmt: skip
        if seconds is not None and not seconds > 0:
            raise InputError(f"seconds: expected more than 0, got {seconds}")
        self.seconds, self.every, self.settings = seconds, every, LiveSettings().updated(**settings)
        self._on_result, self._on_drop = on_result, on_drop
        self._pipeline, self._lock = Pipeline(self.settings), threading.RLock()
        self.run, self._last, self._recorder, self._saved = Run(Source("none")), None, None, None
        self.run.stopped.set()

    def start(self, source: str, address: str | int | Path = "") -> None:
        """Begin with a source, see `open_source`; one that is running is stopped before."""
        if self.running:
            self.stop()
        run = Run(open_source(source, address))
        self.run, self._last, self._pipeline = run, None, Pipeline(self.settings, self._pipeline)
        if self.every and not run.source.live:
            work = [(self._work, self._frames(run))]
        elif run.source.frames is None:  # they are submitted
            work = [(self._work, iter(run.mailbox.take, None))]
        else:
            work = [(self._work, iter(run.mailbox.take, None)), (self._read, self._frames(run))]
        run.threads = [threading.Thread(target=target, args=(run, items), daemon=True) for target, items in work]
        for thread in run.threads:
            thread.start()

    def submit(self, jpeg: bytes, key: object) -> None:
        """Give a frame to the source "browser"; only the latest is kept, and every key is answered exactly once."""
        run, item = self.run, (jpeg, None, time.monotonic(), key)
        self._drop(run, run.mailbox.put(item) if run.source.kind == "browser" else [item])

    def change(self, **settings) -> None:
        """Change settings while it runs: all of them, or none where one is refused."""
        self._pipeline = Pipeline(self.settings.updated(**settings), self._pipeline)
        self.settings = self._pipeline.settings

    def stop(self) -> None:
        """Stop, wait for the threads, finish a recording; harmless when nothing runs."""
        run = self.run
        run.stopped.set()
        self._drop(run, run.mailbox.close())
        for thread in run.threads:
            if thread is not threading.current_thread():
                thread.join(timeout=3)  # a camera may hang
        run.meter.end()
        self._end_recording()

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
        """Why the run has ended, and what was left out on the way."""
        end = f"Stopped by a fault: {self.run.error}" if self.run.error else self.run.source.end_message
        return "\n".join([end, *self.run.source.notes])

    def snapshot(self, path: str | Path) -> Path:
        """Write the frame that is shown, with filter and keypoints; return its path, never an older file's."""
        if self._last is None:
            raise InputError("snapshot: no frame has come yet")
        path = free_path(Path(path))
        path.parent.mkdir(parents=True, exist_ok=True)
        write_photo(path, self._last.drawn())
        return path

    def record(self, path: str | Path) -> Path:
        """Begin a recording with the next frame; return its path, which is never an older file's."""
        with self._lock:
            if self.recording is not None:
                raise InputError(f"{path}: {self.recording.path} is still being recorded")
            self._end_recording()
            self._recorder, self._saved = Recorder(path), None
            return self._recorder.path

    def finish(self) -> Recorder | None:
        """End the recording, or return the one that ended by itself or by `stop`; None: nothing new."""
        self._end_recording()
        saved, self._saved = self._saved, None
        return saved

    @property
    def recording(self) -> Recorder | None:
        """What is being recorded; None when there is nothing, or the disk has ended it."""
        recorder = self._recorder
        return recorder if recorder and not recorder.message else None

    def _end_recording(self):
        with self._lock:
            recorder, self._recorder = self._recorder, None
            self._saved = recorder.finish(self.settings) if recorder else self._saved

    # -- the threads

    def _frames(self, run) -> Iterator[tuple]:
        """Yield the frames of a source as (frame, when, arrived, key)."""
        frames = timed(run.source, every=self.every, seconds=self.seconds, max_fps=lambda: self.settings.max_fps,
                       stopped=run.stopped)  # fmt: skip
        try:
            first = True
            for frame, when in frames:
                yield frame, when, time.monotonic(), None
                first = False
                if run.stopped.is_set():
                    return
            if first:
                raise InputError("no frame of it can be read")
        finally:
            run.source.frames.close()  # a camera's light goes off

    def _read(self, run, items):
        try:
            for item in items:
                self._drop(run, run.mailbox.put(item))
        except Exception as error:
            run.error = error
        run.mailbox.close(keep=True)

    def _work(self, run, items):
        try:
            for item in items:
                self._process(run, *item)
        except Exception as error:
            run.error = error
        run.meter.end()
        self._drop(run, run.mailbox.close())
        self._end_recording()
        run.stopped.set()

    def _process(self, run, frame, when, arrived, key):
        try:
            frame = fit(read_photo(frame) if isinstance(frame, bytes) else frame)
        except InputError:
            return self._drop(run, [(key,)], "unreadable")
        when = arrived if when is None else when
        try:
            faces, moods, shown = self._pipeline(frame, when, alone=not run.source.film)
        except Exception:
            self._drop(run, [(key,)])
            raise
        self._last = result = Result(key, frame, shown, faces, moods, time.monotonic() - arrived, when)
        run.meter.add(result)
        self._on_result(result)
        with self._lock:
            if recorder := self.recording:
                recorder.add(result.drawn(), when)
                recorder.meter.add(result)

    def _drop(self, run, items, why="dropped"):
        for *_, key in items:
            run.meter.count(why)
            if recorder := self.recording:
                recorder.meter.count(why)
            if key is not None:
                self._on_drop(key)
