"""The live demo without a notebook: `python -m fkd_helpers live`."""

import os
import sys
from collections import deque

import cv2

from fkd_helpers.core.errors import InputError
from fkd_helpers.live.engine import LiveEngine
from fkd_helpers.live.moods import CAUTION
from fkd_helpers.live.settings import LiveSettings

TITLE = "facial keypoints (q ends)"


def run(
    *, source: str = "puppet", show: bool = False, record: str | None = None, max_seconds: float | None = None,
    **settings: LiveSettings,
) -> int:  # fmt: skip
    """Follow faces and emotions in a camera, a film or the puppet; return the exit code.

    Args:
        source: puppet, a camera's number or URL, or a film's path
        show: show it in a window, at its own speed; q ends it
        record: write what is seen to a new MP4 file, without sound
        max_seconds: end after so many seconds of the source
    """
    if show and sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise InputError("--show: there is no screen here; leave it out, or give --record a name and look at that")
    latest = deque(maxlen=1)
    engine = LiveEngine(seconds=max_seconds, every=not show, on_result=latest.append, **settings)
    try:
        if record:
            engine.record(record)
        engine.start(*source_of(source))
        while not engine.wait(0 if show else 0.5):
            if show:
                _show(engine, latest)
    finally:
        engine.stop()
        saved = engine.finish()
        if engine.run.meter.read()["frames"]:
            _report(engine, saved)
    if engine.run.error is not None:
        raise engine.run.error
    return 0


def source_of(name: str) -> tuple[str, str]:
    """Return kind and address of a source that the user named, for `open_source`."""
    if name.isdecimal() or "://" in name or name.startswith("/dev/"):
        return "camera", name
    return "puppet" if name == "puppet" else "file", name


def _show(engine, latest):
    """Show the latest result in a window; stop the engine if q was pressed or the window was closed."""
    cv2.namedWindow(TITLE, cv2.WINDOW_NORMAL)
    if latest:
        cv2.imshow(TITLE, latest.pop().drawn()[..., ::-1])
    if cv2.waitKey(5) & 0xFF == ord("q") or cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) < 1:
        engine.stop()


def _report(engine, saved):
    found = engine.run.meter.read()
    print(f"{found['frames']} frames in {found['seconds']:.1f} s: {found['fps_mean']:.1f} per second, latency "
          f"{found['p50']:.1f} ms (p95 {found['p95']:.1f}), {found['dropped']} dropped")  # fmt: skip
    emotions = sorted(found["emotions"].items(), key=lambda pair: -pair[1])
    print(f"emotions: {', '.join(f'{label} {count}' for label, count in emotions) or 'none was read'}")
    if engine.settings.emotion == "expressions":
        print(CAUTION)
    print(engine.message)
    if saved:
        print(f"recording: {saved.path}, {saved.seconds:.1f} s")
