"""The recordings of an engine: one at a time, each with the statistics of its own frames. Built in notebook 05."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import av

from fkd_helpers.core.errors import InputError
from fkd_helpers.core.records import versions
from fkd_helpers.live.meter import Meter
from fkd_helpers.live.moods import CAUTION
from fkd_helpers.live.pipeline import Result, drawn
from fkd_helpers.live.recorder import Recorder, Saved


class Recordings:
    """Begin and end recordings.

    clock: the seconds now; patient: rather wait for the encoder than lose a frame
    settings: called for what the summary tells about the engine
    note(words): called from the recorder's thread when a recording ends by itself
    """

    def __init__(
        self, clock: Callable[[], float], settings: Callable[[], dict], note: Callable[[str], None], *, patient: bool
    ):
        self._clock, self._settings, self._note, self._patient = clock, settings, note, patient
        self._lock, self._now, self._saved = threading.Lock(), None, None

    @property
    def path(self) -> Path | None:
        """The file that is being written; None when there is none, or the disk has ended it."""
        now = self._now
        return now[0].path if now and not now[0].words else None

    @property
    def seconds(self) -> float:
        """How long the recording is so far."""
        now = self._now
        return now[0].seconds if now else 0.0

    def begin(self, path: str | Path) -> Path:
        """Begin a new file with the next frame; return its path, a number added where there is such a file.

        Raises:
            InputError: one is being written, or the disk does not allow it.
        """
        with self._lock:
            if self.path is not None:
                raise InputError(f"{path}: {self.path} is still being recorded")
            self._end()
            self._saved = None
            recorder = Recorder(path, patient=self._patient, on_trouble=self._note)
            self._now = recorder, Meter(self._clock)
            return recorder.path

    def add(self, result: Result) -> None:
        """Add a frame as it is seen, if there is a recording."""
        now = self._now
        if now and not now[0].words:
            now[0].add(drawn(result), result.when)
            now[1].add(result.faces, result.labels, when=result.when, seconds=result.seconds)

    def count(self, what: str) -> None:
        """Count a frame that was not looked at, see `Meter.count`."""
        now = self._now
        if now:
            now[1].count(what)

    def end(self) -> None:
        """End the recording, if there is one; `fetch` hands out what there is."""
        with self._lock:
            self._end()

    def fetch(self) -> Saved | None:
        """End the recording, or take the one that ended before; None when there is nothing new."""
        with self._lock:
            self._end()
            saved, self._saved = self._saved, None
            return saved

    def _end(self):
        now, self._now = self._now, None
        if now:
            now[1].end()
            self._saved = now[0].finish(**facts(now[1].read(), self._settings()))


def facts(statistics: dict, settings: dict) -> dict:
    """Return what a summary tells about a run: statistics of a `Meter`, settings, versions, date; plain values.

    latency_ms: from a frame's arrival to its result; emotions: frames by label; timeline: (second, face, its new label)
    caution: what the network's labels are not
    """
    names = ("dropped", "unreadable", "frames_with_faces", "emotions", "timeline")
    return {
        "fps": statistics["fps_mean"],
        "latency_ms": {"p50": statistics["p50"], "p95": statistics["p95"]},
        **{name: statistics[name] for name in names},
        **({"caution": CAUTION} if settings["emotion"] == "expressions" else {}),
        "settings": settings,
        "versions": versions() | {"av": av.__version__},
        "date": time.strftime("%Y-%m-%d %H:%M"),
    }
