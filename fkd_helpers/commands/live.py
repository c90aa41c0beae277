"""`live`: faces and emotions of a camera, a film, a folder or the puppet."""

import json
import os
import sys
from collections import deque
from pathlib import Path

from fkd_helpers.core.errors import InputError

WINDOW = "facial keypoints (q ends)"


def add(commands) -> None:
    """Declare what the subcommand takes."""
    parser = commands.add_parser("live", help="follow faces and emotions in a camera, a film, a folder or the puppet")
    parser.add_argument("--source", default="puppet", metavar="SOURCE",
                        help="puppet (default), a camera's number or URL, a film, or a folder of pictures")  # fmt: skip
    parser.add_argument("--show", action="store_true", help="show it in a window, at its own speed; q ends it")
    parser.add_argument("--record", metavar="MP4", help="write what is seen to a new file, and its summary beside it")
    parser.add_argument("--max-seconds", type=float, metavar="S", help="end after so many seconds of the source")
    parser.add_argument("--max-fps", type=float, metavar="N", help="leave out frames that come faster")
    parser.add_argument("--emotion", default="rules", metavar="WHICH",
                        help="rules (default): negative, neutral, positive; expressions: eight of them, valence and "
                        "arousal, by a network; or none")  # fmt: skip
    parser.add_argument("--smooth", type=float, default=0.4, help="rules: share of an emotion's past that stays (0.4)")
    parser.add_argument("--emotion-hold", type=int, default=15, metavar="N",
                        help="rules: show the most frequent of the last N frames' emotions (15)")  # fmt: skip
    parser.add_argument("--calm", type=float, default=0.5, metavar="S",
                        help="expressions: average over S seconds, and let another one lead as long (0.5)")  # fmt: skip
    parser.add_argument("--filter", metavar="NAME", help="put a filter on every face, several with commas between")
    parser.add_argument("--log", metavar="JSON", help="write a summary of the run")
    parser.add_argument("--device", default="cpu", help="cpu (default), cuda or mps")
    parser.add_argument("--model", default="small", help="a model we ship, or a path to .onnx or .safetensors")
    parser.add_argument("--detector", default="haar", help="haar (default), or none: each picture is a face")
    parser.set_defaults(run=run)


def run(options) -> int:
    from fkd_helpers.live.engine import LiveEngine
    from fkd_helpers.live.moods import CAUTION

    if (
        options.show
        and sys.platform == "linux"
        and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    ):
        raise InputError("--show: there is no screen here; leave it out, or give --record a name and look at that")
    kind, address = source_of(options.source)
    ended, shown = [], deque(maxlen=1)
    engine = LiveEngine(
        model=options.model, device=options.device, detector=options.detector, filter=options.filter,
        emotion=options.emotion, smooth=options.smooth, hold=options.emotion_hold, calm=options.calm,
        max_fps=options.max_fps, seconds=options.max_seconds,
        every=not options.show, on_result=shown.append, on_end=ended.append,
        on_note=lambda words: print(f"live: {words}", file=sys.stderr),
    )  # fmt: skip
    try:
        if options.record:
            engine.record(options.record)
        engine.start(kind, address)
        if options.show:
            _show(engine, shown)
        while not engine.wait(0.5):
            pass
    finally:
        engine.stop()
        saved = engine.finish()
        statistics = engine.statistics()
        if statistics["frames"]:
            _report(statistics, saved, ended, CAUTION if options.emotion == "expressions" else None)
        if statistics["seconds"] and options.log:
            _log(Path(options.log), kind, statistics, engine.settings)
    if engine.fault is not None:
        raise engine.fault
    return 2 if saved and saved.words else 0


def source_of(name: str) -> tuple[str, str]:
    """Return kind and address of a source that somebody named; see `live.sources.open_source`.

    >>> source_of("0"), source_of("rtsp://door/1"), source_of("film.mp4")
    (('camera', '0'), ('camera', 'rtsp://door/1'), ('file', 'film.mp4'))
    """
    if name == "puppet":
        return name, ""
    if name == "browser":
        raise InputError("--source browser: a browser's camera needs the notebook (05_live_demo)")
    if name == "camera" or name.isdecimal() or "://" in name or name.startswith("/dev/"):
        return "camera", "0" if name == "camera" else name
    return ("images" if Path(name).is_dir() else "file"), name


def _show(engine, shown) -> None:
    """Show the latest result until q is pressed, the window is closed or the source ends."""
    import cv2

    from fkd_helpers.live.pipeline import drawn

    try:
        cv2.namedWindow(WINDOW, cv2.WINDOW_NORMAL)
        while engine.running:
            if shown:
                cv2.imshow(WINDOW, drawn(shown.pop())[..., ::-1])
            if cv2.waitKey(5) & 0xFF == ord("q") or cv2.getWindowProperty(WINDOW, cv2.WND_PROP_VISIBLE) < 1:
                break
        cv2.destroyAllWindows()
    except cv2.error as error:
        raise InputError(f"--show: no window can be opened here ({error.err}); leave it out") from None
    finally:
        engine.stop()


def _report(statistics, saved, ended, caution) -> None:
    kept = f"{statistics['frames']} frames in {statistics['seconds']:.1f} s: {statistics['fps_mean']:.1f} a second"
    print(f"{kept}, latency {statistics['p50']:.1f} ms (p95 {statistics['p95']:.1f}), {statistics['dropped']} dropped")
    emotions = sorted(statistics["emotions"].items(), key=lambda pair: -pair[1])
    nothing = "none was read" if statistics["frames_with_faces"] else "no face was seen"
    print(f"emotions: {', '.join(f'{label} {count}' for label, count in emotions) or nothing}")
    for words in filter(None, [caution, *ended]):
        print(words)
    if saved and saved.path:
        print(f"recording: {saved.path}, {saved.seconds:.1f} s; its summary: {saved.summary}")


def _log(path, kind, statistics, settings) -> None:
    from fkd_helpers.core.files import whole_file
    from fkd_helpers.core.records import plain
    from fkd_helpers.live.recordings import facts

    run = {"source": kind, "seconds": statistics["seconds"], "frames": statistics["frames"]}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as partial:
            partial.write_text(json.dumps(plain(run | facts(statistics, settings)), indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"--log {path}: cannot be written ({error.strerror})") from None
