"""Stream through the live engine for ten minutes: does memory grow, is a frame lost silently?

    python benchmarks/soak.py [--minutes 10] [--fps 30] [--record] [--out data/records]

Frames of the puppet are submitted as a browser does it, as JPEG with keys, with garbage among them; each key must be
answered once. The record `benchmark-soak.json` holds the memory after half a minute (or a tenth of the time) and at
the end, and what became of the frames.
"""

import collections
import gc
import tempfile
import time
from pathlib import Path

import psutil

from fkd_helpers.core import records
from fkd_helpers.core.options import run_script
from fkd_helpers.data.puppets import stream
from fkd_helpers.live.engine import LiveEngine
from fkd_helpers.live.picture import to_jpeg

GARBAGE = 500  # every so many frames one is none
KEPT = ("fps_mean", "p50", "p95", "frames", "dropped", "unreadable", "frames_with_faces", "emotions")


def soak(minutes: float, fps: float, film: Path | None) -> dict:
    """Stream for so many minutes, recording to a film where one is given; return the content of the record."""
    answers, process = collections.deque(), psutil.Process()  # a deque: two threads append
    jpegs = [to_jpeg(frame) for frame, _, _ in stream(n=300)]
    engine = LiveEngine(on_result=lambda result: answers.append(result.key), on_drop=answers.append)
    engine.start("browser")
    if film is not None:
        engine.record(film)
    begun, sent, memory = time.monotonic(), 0, []  # MB
    warm = min(30.0, 6 * minutes)
    while (now := time.monotonic() - begun) < 60 * minutes:
        engine.submit(jpegs[sent % len(jpegs)] if sent % GARBAGE != GARBAGE - 1 else b"garbage", sent)
        sent += 1
        if now >= warm + len(memory) * warm:
            gc.collect()
            memory.append(process.memory_info().rss / 1e6)
            print(f"{now / 60:.1f} min: {memory[-1]:.0f} MB, {sent} frames", flush=True)
        time.sleep(max(0.0, begun + sent / fps - time.monotonic()))
    engine.stop()
    saved, statistics = engine.finish(), engine.run.meter.read()
    memory.append(process.memory_info().rss / 1e6)
    once = sum(count == 1 for count in collections.Counter(answers).values())
    return {
        "minutes": minutes, "sent": sent, "answered_once": once, "lost_silently": sent - once,
        "memory_start_mb": memory[0], "memory_end_mb": memory[-1], "growth_mb": memory[-1] - memory[0],
        "memory_mb": memory, "engine": {name: statistics[name] for name in KEPT},
        "recording": saved and {"seconds": saved.seconds, "frames": saved.frames},
    }  # fmt: skip


def main(
    *, minutes: float = 10, fps: float = 30, record: bool = False, note: str = "", out: Path | None = None
) -> int:
    """Stream, say what became of memory and frames; the exit code is 1 where memory grew or a frame was lost."""
    with tempfile.TemporaryDirectory() as folder:
        found = soak(minutes, fps, Path(folder) / "soak.mp4" if record else None)
    print(found)
    if out:
        print(records.write("benchmark", "soak", folder=out, note=note, **found))
    return int(found["lost_silently"] > 0 or found["growth_mb"] >= 50)


if __name__ == "__main__":
    run_script(main)
