"""The live demo without a notebook: `python -m fkd_helpers live`."""

import os
import sys
from collections import deque
from dataclasses import asdict
from pathlib import Path

import cv2

from fkd_helpers.core.errors import InputError
from fkd_helpers.live.engine import LiveEngine
from fkd_helpers.live.moods import CAUTION
from fkd_helpers.live.recorder import summary, write_json
from fkd_helpers.live.settings import LiveSettings

TITLE = "facial keypoints (q ends)"


def run(
    settings: LiveSettings | None = None, *, source: str = "puppet", show: bool = False, record: str | None = None,
    max_seconds: float | None = None, log: str | None = None,
) -> int:  # fmt: skip
    """Follow faces and emotions in a camera, a film, a folder or the puppet; return the exit code.

    Args:
        source: puppet, a camera's number or URL, a film's path or URL, or a folder of pictures
        show: show it in a window, at its own speed; q ends it
        record: write what is seen to a new MP4 file, without sound, and its summary beside it
        max_seconds: end after so many seconds of the source
        log: write a summary of the run to this JSON file
    """
    if show and sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise InputError("--show: there is no screen here; leave it out, or give --record a name and look at that")
    kind, address = source_of(source)
    results = deque(maxlen=1)
    engine = LiveEngine(
        seconds=max_seconds, every=not show, on_result=results.append, **asdict(settings or LiveSettings())
    )
    try:
        if record:
            engine.record(record)
        engine.start(kind, address)
        if show:
            _show(engine, results)
        while not engine.wait(0.5):
            pass
    finally:
        engine.stop()
        saved, statistics = engine.finish(), engine.run.meter.read()
        if statistics["frames"]:
            _report(engine, statistics, saved)
            if log:
                write_json(Path(log), {"source": kind} | summary(engine.run.meter, engine.settings))
    if engine.run.error is not None:
        raise engine.run.error
    if saved and saved.message:
        raise InputError(saved.message)
    return 0


def source_of(name: str) -> tuple[str, str]:
    """Return kind and address of a source that the user named, for `open_source`."""
    if name == "puppet":
        return name, ""
    if name == "browser":
        raise InputError("--source browser: a browser's camera needs the notebook (08_live_demo)")
    if name == "camera" or name.isdecimal() or "://" in name or name.startswith("/dev/"):
        return "camera", "0" if name == "camera" else name
    return ("images" if Path(name).is_dir() else "file"), name


def _show(engine, results):
    """Show the latest of the results until q is pressed, the window is closed or the source ends."""
    cv2.namedWindow(TITLE, cv2.WINDOW_NORMAL)
    while engine.running:
        if results:
            cv2.imshow(TITLE, results.pop().drawn()[..., ::-1])
        if cv2.waitKey(5) & 0xFF == ord("q") or cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) < 1:
            engine.stop()
    cv2.destroyAllWindows()


def _report(engine, statistics, saved):
    speed = f"{statistics['frames']} frames in {statistics['seconds']:.1f} s: {statistics['fps_mean']:.1f} per second"
    print(f"{speed}, latency {statistics['p50']:.1f} ms (p95 {statistics['p95']:.1f}), {statistics['dropped']} dropped")
    emotions = sorted(statistics["emotions"].items(), key=lambda pair: -pair[1])
    nothing = "none was read" if statistics["frames_with_faces"] else "no face was seen"
    print(f"emotions: {', '.join(f'{label} {count}' for label, count in emotions) or nothing}")
    if engine.settings.emotion == "expressions":
        print(CAUTION)
    print(engine.message)
    if saved and saved.frames:
        print(f"recording: {saved.path}, {saved.seconds:.1f} s, and its summary beside it")
