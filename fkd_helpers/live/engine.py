"""The live engine: frames in, faces and emotions out, always the latest; no Jupyter in it. Built in notebook 05.

Two threads: one reads the source, one looks for faces. Between them is a mailbox of one slot, so that a slow moment
costs frames and never time: what is shown is never older than one frame's work.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fkd_helpers.core.errors import InputError
from fkd_helpers.core.files import free_path
from fkd_helpers.faces.images import write_photo
from fkd_helpers.live.frames import read_jpeg, small_enough
from fkd_helpers.live.mailbox import Mailbox
from fkd_helpers.live.meter import Meter
from fkd_helpers.live.pacing import check_wishes, timed
from fkd_helpers.live.pipeline import Pipeline, Result, drawn
from fkd_helpers.live.recorder import Saved
from fkd_helpers.live.recordings import Recordings
from fkd_helpers.live.sources import Source, open_source

AHEAD = 4  # frames that are read ahead where each one counts


def _silent(_):
    pass


@dataclass(eq=False)
class _Run:
    """What belongs to one start: late threads of an earlier one cannot disturb the next."""

    source: Source
    mailbox: Mailbox
    meter: Meter
    stopped: threading.Event
    words: str = ""
    threads: tuple = ()


class LiveEngine:
    """Look for faces in what a source gives, in threads of its own.

    model, device, detector, filter, emotion, smooth, hold, calm: of `Pipeline`
    max_fps: frames of a source that come faster are left out; seconds: end the source after so many
    every: give each frame of a file, folder or puppet as fast as it can be worked on, none dropped; otherwise they
        are played at their own speed and the latest wins
    on_result(Result), on_drop(key), on_end(words), on_note(words): called from the engine's threads (on_drop also from
        `submit`'s): a frame's result; a submitted frame that nothing was looked for in; the source ended by itself;
        something that a person should read once. They must not wait for a lock that is held around `stop`.
    clock: the seconds now

    After a source has ended by an error, `fault` is that error.
    """

    def __init__(
        self, *, max_fps: float | None = None, seconds: float | None = None, every: bool = False,
        on_result: Callable = _silent, on_drop: Callable = _silent, on_end: Callable = _silent,
        on_note: Callable = _silent, clock: Callable[[], float] = time.monotonic, **settings,
    ):  # fmt: skip
        check_wishes(max_fps=max_fps, seconds=seconds)
        self.max_fps, self.seconds, self.every, self.clock = max_fps, seconds, every, clock
        self._on_result, self._on_drop, self._on_end, self._on_note = on_result, on_drop, on_end, on_note
        self._pipeline = Pipeline(**settings)
        self._run, self._last, self._noted, self.fault = None, None, set(), None
        self._recordings = Recordings(clock, lambda: self.settings, self._on_note, patient=every)

    # -- what a person does

    def start(self, source: str, address: str | int | Path = "") -> None:
        """Begin with a source, see `sources.open_source`; one that is running is stopped before.

        Raises:
            InputError: it cannot be opened.
        """
        if self.running:
            self.stop()
        self._halt()
        opened = open_source(source, address)
        patient = self.every and not opened.live
        mailbox = Mailbox(AHEAD if patient else 1, patient=patient)
        self._pipeline.reset()
        self._last, self._noted, self.fault = None, set(), None
        run = self._run = _Run(opened, mailbox, Meter(self.clock), threading.Event())
        work = threading.Thread(target=self._work, args=(run,), daemon=True, name="live engine")
        read = threading.Thread(target=self._read, args=(run,), daemon=True, name="live source")
        run.threads = (work,) if source == "browser" else (work, read)
        for thread in run.threads:
            thread.start()

    def submit(self, jpeg: bytes, key: object) -> None:
        """Give a frame of source "browser"; only the latest is kept, and every key is answered exactly once."""
        run, item = self._run, (jpeg, None, self.clock(), key)
        self._drop(run, [item] if run is None or run.source.kind != "browser" else run.mailbox.put(item))

    def change(self, **settings) -> None:
        """Change max_fps or settings of the `Pipeline` while it runs.

        Raises:
            InputError: unknown or out of range; then nothing is changed.
        """
        max_fps = settings.pop("max_fps", self.max_fps)
        check_wishes(max_fps=max_fps)
        if settings:
            self._pipeline.change(**settings)
        self.max_fps = max_fps

    def stop(self) -> None:
        """Stop, wait for the engine's threads, finish a recording. Harmless when nothing runs."""
        self._halt()
        self._recordings.end()

    def _halt(self) -> None:
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
        """Whether a source is being looked at: False as soon as it has ended or was stopped."""
        return self._run is not None and not self._run.stopped.is_set()

    @property
    def settings(self) -> dict:
        """All that can be changed, by name."""
        return self._pipeline.settings | {"max_fps": self.max_fps}

    def statistics(self) -> dict:
        """Return what `Meter.read` says about this run, or the last one; recording: its path, recorded: its seconds."""
        meter = Meter(self.clock) if self._run is None else self._run.meter
        path = self.recording
        return meter.read() | {"recording": path and str(path), "recorded": self.recorded}

    def snapshot(self, path: str | Path) -> Path:
        """Write the frame that is shown, with filter and keypoints; return the path, which is never an older file's.

        Raises:
            InputError: no frame yet, a suffix of no image format, or the disk does not allow it.
        """
        if self._last is None:
            raise InputError("snapshot: no frame has come yet")
        write_photo(path := free_path(Path(path)), drawn(self._last))
        return path

    def record(self, path: str | Path) -> Path:
        """Begin a recording with the next frame; return its path, which is never an older file's.

        Raises:
            InputError: one is under way, a name that does not end in .mp4, or the disk does not allow it.
        """
        return self._recordings.begin(path)

    def finish(self) -> Saved | None:
        """End the recording that is under way, or hand out the one that ended by itself or by `stop`; None: no news."""
        return self._recordings.fetch()

    @property
    def recording(self) -> Path | None:
        """The file that is being written; None when there is none, or the disk has ended it."""
        return self._recordings.path

    @property
    def recorded(self) -> float:
        """How many seconds the recording has so far."""
        return self._recordings.seconds

    # -- what the threads do

    def _read(self, run: _Run) -> None:
        frames = timed(run.source, run.stopped, self.clock, self)
        try:
            for frame, when in frames:
                arrived = None if self.every and not run.source.live else self.clock()
                self._drop(run, run.mailbox.put((frame, when, arrived, None)))
                if run.stopped.is_set():
                    break
            run.words = run.source.ended
        except Exception as error:
            run.words, self.fault = f"The source failed: {error}", error
        finally:
            frames.close()
            run.source.frames.close()  # a camera's light goes off
            run.mailbox.finish()

    def _work(self, run: _Run) -> None:
        try:
            while (item := run.mailbox.take()) is not None:
                self._look(run, *item)
        except Exception as error:
            run.words, self.fault = f"Stopped by a fault: {type(error).__name__}: {error}", error
        by_itself = not run.stopped.is_set()
        run.stopped.set()
        run.meter.end()
        self._drop(run, run.mailbox.close())
        self._tell_trouble(run)
        self._recordings.end()
        if by_itself:
            self._on_end(run.words)

    def _look(self, run: _Run, frame, when, arrived, key) -> None:
        arrived = self.clock() if arrived is None else arrived
        try:
            frame = read_jpeg(frame) if isinstance(frame, bytes) else frame
        except InputError:
            return self._drop(run, [(key,)], "unreadable")
        frame, words = small_enough(frame)
        self._note(words)
        when, patient = arrived if when is None else when, self.every and not run.source.live
        try:
            faces, moods, shown = self._pipeline(frame, when, alone=not run.source.film, patient=patient)
        except Exception:
            self._drop(run, [(key,)])
            raise
        seconds = max(0.0, self.clock() - arrived)
        self._last = result = Result(key, frame, shown, faces, moods, seconds, when)
        run.meter.add(faces, result.labels, when=when, seconds=seconds)
        self._on_result(result)
        self._recordings.add(result)
        self._tell_trouble(run)

    def _tell_trouble(self, run: _Run) -> None:
        while run.source.trouble:
            self._note(run.source.trouble.pop(0))

    def _note(self, words: str) -> None:
        if words and words not in self._noted:
            self._noted.add(words)
            self._on_note(words)

    def _drop(self, run: _Run | None, items: list, why: str = "dropped") -> None:
        for *_, key in items:
            for counts in (run and run.meter, self._recordings):
                if counts:
                    counts.count(why)
            if key is not None:
                self._on_drop(key)
