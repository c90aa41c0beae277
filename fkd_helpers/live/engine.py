"""The live engine: frames in, faces and emotions out, always the latest; it knows no Jupyter.

Two threads: one reads the source, one looks for faces. Between them is a mailbox of one slot, so that a slow moment
costs frames and never time: what is shown is never older than one frame's work.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2

from fkd_helpers.core.errors import InputError
from fkd_helpers.core.files import free_path
from fkd_helpers.faces.images import write_photo
from fkd_helpers.live.mailbox import Mailbox
from fkd_helpers.live.pipeline import Pipeline, Result
from fkd_helpers.live.recorder import Recorder, Saved, facts
from fkd_helpers.live.settings import LiveSettings, check_limits
from fkd_helpers.live.sources import Source, fit_size, open_source, read_jpeg
from fkd_helpers.live.timing import Meter, timed

AHEAD = 4  # frames that are read ahead where each one counts
NO_SOUND = "A recording has no sound; the film's is left out."


def _ignore(_):
    pass


@dataclass(eq=False)
class _Run:
    """The state of one start, so that late threads of an earlier one cannot disturb the next."""

    source: Source
    mailbox: Mailbox
    meter: Meter
    stopped: threading.Event
    message: str = ""
    threads: tuple = ()


class LiveEngine:
    """Look for faces in the frames of a source, in threads of its own.

    Args:
        seconds: end the source after so long
        every: process each frame of a file, folder or puppet, as fast as possible; otherwise they are played at their
            own speed and the latest frame wins
        on_result, on_drop, on_end, on_note: called from the engine's threads with a `Result`; the key of a submitted
            frame that gets none; the reason why the source ended by itself; a message for the user. They must not wait
            for a lock that is held around `stop`.
        settings: see `LiveSettings`

    After a source has ended by an error, `error` is that error.
    """

    def __init__(
        self, *, seconds: float | None = None, every: bool = False, on_result: Callable = _ignore,
        on_drop: Callable = _ignore, on_end: Callable = _ignore, on_note: Callable = _ignore,
        clock: Callable[[], float] = time.monotonic, **settings,
    ):  # fmt: skip
        check_limits(seconds=seconds)
        self.seconds, self.every, self.clock, self.settings = seconds, every, clock, LiveSettings().updated(**settings)
        self._on_result, self._on_drop, self._on_end, self._on_note = on_result, on_drop, on_end, on_note
        self._pipeline, self._lock = Pipeline(self.settings), threading.RLock()
        self._run, self._last, self._noted, self.error = None, None, set(), None
        self._recorder, self._recorded, self._saved = None, None, None

    def start(self, source: str, address: str | int | Path = "") -> None:
        """Begin with a source, see `open_source`; one that is running is stopped before."""
        if self.running:
            self.stop()
        self._halt()
        opened = open_source(source, address)
        patient = self.every and not opened.live
        self._pipeline.reset()
        self._last, self._noted, self.error = None, set(), None
        mailbox = Mailbox(AHEAD if patient else 1, patient=patient)
        run = self._run = _Run(opened, mailbox, Meter(self.clock), threading.Event())
        targets = [self._work] if opened.frames is None else [self._work, self._read]
        run.threads = tuple(threading.Thread(target=t, args=(run,), daemon=True, name="live engine") for t in targets)
        for thread in run.threads:
            thread.start()

    def submit(self, jpeg: bytes, key: object) -> None:
        """Give a frame to the source "browser"; only the latest is kept, and every key is answered exactly once."""
        run, item = self._run, (jpeg, None, self.clock(), key)
        self._drop(run, [item] if run is None or run.source.kind != "browser" else run.mailbox.put(item))

    def change(self, **settings) -> None:
        """Change settings while it runs: all of them, or none where one is refused."""
        changed = self.settings.updated(**settings)
        self._pipeline.change(changed)
        self.settings = changed

    def stop(self) -> None:
        """Stop, wait for the threads, finish a recording; harmless when nothing runs."""
        self._halt()
        self._end_recording()

    def _halt(self):
        if (run := self._run) is not None:
            run.stopped.set()
            self._drop(run, run.mailbox.close())
            for thread, patience in zip(run.threads, (5, 1), strict=False):  # a camera may hang
                if thread is not threading.current_thread():
                    thread.join(timeout=patience)
            run.meter.end()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until the source has ended by itself, at most so many seconds; return whether it has."""
        if self._run is not None:
            self._run.threads[0].join(timeout=seconds)
        return not self.running

    @property
    def running(self) -> bool:
        """Whether a source is being processed: False as soon as it has ended or was stopped."""
        return self._run is not None and not self._run.stopped.is_set()

    def statistics(self) -> dict:
        """Return what `Meter.read` says about this run, or the last one."""
        return (self._run.meter if self._run else Meter(self.clock)).read()

    def snapshot(self, path: str | Path) -> Path:
        """Write the frame that is shown, with filter and keypoints; return its path, never an older file's."""
        if self._last is None:
            raise InputError("snapshot: no frame has come yet")
        write_photo(path := free_path(Path(path)), self._last.drawn())
        return path

    def record(self, path: str | Path) -> Path:
        """Begin a recording with the next frame; return its path, which is never an older file's."""
        with self._lock:
            if self.recording is not None:
                raise InputError(f"{path}: {self.recording} is still being recorded")
            self._end_recording()
            recorder = Recorder(path, patient=self.every, on_error=self._on_note)
            self._recorded, self._recorder, self._saved = Meter(self.clock), recorder, None
            return recorder.path

    def finish(self) -> Saved | None:
        """End the recording, or return the one that ended by itself or by `stop`; None: nothing new."""
        self._end_recording()
        saved, self._saved = self._saved, None
        return saved

    def _end_recording(self):
        with self._lock:
            recorder, self._recorder = self._recorder, None
            if recorder:
                self._recorded.end()
                self._saved = recorder.finish(**facts(self._recorded.read(), self.settings))

    @property
    def recording(self) -> Path | None:
        """The file that is being written; None when there is none, or the disk has ended it."""
        recorder = self._recorder
        return recorder.path if recorder and not recorder.message else None

    @property
    def recorded(self) -> float:
        """The length of the recording so far, in seconds."""
        recorder = self._recorder
        return recorder.seconds if recorder else 0.0

    # -- the threads

    def _read(self, run):
        frames = timed(run.source, every=self.every, seconds=self.seconds, max_fps=lambda: self.settings.max_fps,
                       clock=self.clock, stopped=run.stopped)  # fmt: skip
        try:
            for frame, when in frames:
                arrived = None if self.every and not run.source.live else self.clock()
                self._drop(run, run.mailbox.put((frame, when, arrived, None)))
                if run.stopped.is_set():
                    break
            run.message = run.source.end_message
        except Exception as error:
            run.message, self.error = f"The source failed: {error}", error
        finally:
            frames.close()
            run.source.frames.close()  # a camera's light goes off
            run.mailbox.finish()

    def _work(self, run):
        try:
            while (item := run.mailbox.take()) is not None:
                self._process(run, *item)
        except Exception as error:
            run.message, self.error = f"Stopped by a fault: {type(error).__name__}: {error}", error
        by_itself = not run.stopped.is_set()
        run.stopped.set()
        run.meter.end()
        self._drop(run, run.mailbox.close())
        self._note(run)
        self._end_recording()
        if by_itself:
            self._on_end(run.message)

    def _process(self, run, frame, when, arrived, key):
        arrived = self.clock() if arrived is None else arrived
        try:
            frame = read_jpeg(frame) if isinstance(frame, bytes) else frame
        except InputError:
            return self._drop(run, [(key,)], "unreadable")
        size, note = fit_size(*frame.shape[1::-1])
        frame = cv2.resize(frame, size, interpolation=cv2.INTER_AREA) if note else frame
        when, patient = arrived if when is None else when, self.every and not run.source.live
        try:
            faces, moods, shown = self._pipeline(frame, when, alone=not run.source.film, patient=patient)
        except Exception:
            self._drop(run, [(key,)])
            raise
        self._last = result = Result(key, frame, shown, faces, moods, self.clock() - arrived, when)
        run.meter.add(result)
        self._on_result(result)
        recorder, meter = self._recorder, self._recorded
        if recorder and not recorder.message:
            recorder.add(result.drawn(), when)
            meter.add(result)
            note = NO_SOUND if run.source.sound else note
        self._note(run, note)

    def _note(self, run, *notes):
        waiting = run.source.notes
        for note in [*notes, *(waiting.pop(0) for _ in range(len(waiting)))]:
            if note and note not in self._noted:
                self._noted.add(note)
                self._on_note(note)

    def _drop(self, run, items, why="dropped"):
        for *_, key in items:
            for meter in (run and run.meter, self._recorder and self._recorded):
                if meter:
                    meter.count(why)
            if key is not None:
                self._on_drop(key)
