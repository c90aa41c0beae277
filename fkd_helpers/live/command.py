"""The live demo without a notebook: `python -m fkd_helpers live`."""

import sys
from collections import deque
from dataclasses import asdict
from pathlib import Path

from fkd_helpers.core.errors import InputError
from fkd_helpers.live import window
from fkd_helpers.live.engine import LiveEngine
from fkd_helpers.live.moods import CAUTION
from fkd_helpers.live.recorder import facts, write_json
from fkd_helpers.live.settings import LiveSettings


def run(
    settings: LiveSettings | None = None, *, source: str = "puppet", show: bool = False, record: str | None = None,
    max_seconds: float | None = None, log: str | None = None,
) -> int:  # fmt: skip
    """Follow faces and emotions in a camera, a film, a folder or the puppet; return the exit code.

    Args:
        source: puppet, a camera's number or URL, a film's path or URL, or a folder of pictures
        show: show it in a window, at its own speed; q ends it
        record: write what is seen to a new MP4 file, and its summary beside it
        max_seconds: end after so many seconds of the source
        log: write a summary of the run to this JSON file
    """
    if show:
        window.check_screen()
    kind, address = source_of(source)
    ended, results = [], deque(maxlen=1)
    engine = LiveEngine(
        seconds=max_seconds, every=not show, on_result=results.append, on_end=ended.append,
        on_note=lambda note: print(f"live: {note}", file=sys.stderr), **asdict(settings or LiveSettings()),
    )  # fmt: skip
    try:
        if record:
            engine.record(record)
        engine.start(kind, address)
        if show:
            window.show(engine, results)
        while not engine.wait(0.5):
            pass
    finally:
        engine.stop()
        saved, statistics = engine.finish(), engine.statistics()
        if statistics["frames"]:
            _report(statistics, saved, [CAUTION, *ended] if engine.settings.emotion == "expressions" else ended)
        if statistics["seconds"] and log:
            head = {"source": kind, "seconds": statistics["seconds"], "frames": statistics["frames"]}
            write_json(Path(log), head | facts(statistics, engine.settings))
    if engine.error is not None:
        raise engine.error
    return 2 if saved and saved.message else 0


def source_of(name: str) -> tuple[str, str]:
    """Return kind and address of a source that the user named, for `open_source`.

    >>> source_of("0"), source_of("rtsp://door/1"), source_of("film.mp4")
    (('camera', '0'), ('camera', 'rtsp://door/1'), ('file', 'film.mp4'))
    """
    if name == "puppet":
        return name, ""
    if name == "browser":
        raise InputError("--source browser: a browser's camera needs the notebook (08_live_demo)")
    if name == "camera" or name.isdecimal() or "://" in name or name.startswith("/dev/"):
        return "camera", "0" if name == "camera" else name
    return ("images" if Path(name).is_dir() else "file"), name


def _report(statistics, saved, remarks):
    speed = f"{statistics['frames']} frames in {statistics['seconds']:.1f} s: {statistics['fps_mean']:.1f} per second"
    print(f"{speed}, latency {statistics['p50']:.1f} ms (p95 {statistics['p95']:.1f}), {statistics['dropped']} dropped")
    emotions = sorted(statistics["emotions"].items(), key=lambda pair: -pair[1])
    nothing = "none was read" if statistics["frames_with_faces"] else "no face was seen"
    print(f"emotions: {', '.join(f'{label} {count}' for label, count in emotions) or nothing}")
    for remark in remarks:
        print(remark)
    if saved and saved.path:
        print(f"recording: {saved.path}, {saved.seconds:.1f} s; its summary: {saved.summary}")
