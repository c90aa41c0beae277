"""Measure the live demo in a real browser: frames a second, dropped frames, round trip, recording off and on.

Needs Debian's chromium and an idle machine; takes about a minute and a half:

    python benchmarks/live_browser.py [--seconds 20] [--out data/records] [--note "what else ran meanwhile"]

The notebook is open in JupyterLab as `make lab` starts it, the browser's camera plays a film of a puppet at 30 frames a
second, 640x480, and the shipped network runs in the kernel; server, kernel and browser share the machine. A round trip
is the time from the frame in the page to the same frame drawn with its keypoints. Stop is measured from the click to
the end of the camera's track.
"""

import contextlib
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from playwright.sync_api import sync_playwright

from fkd_helpers.core import records
from fkd_helpers.core.options import run_script

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "browser"))
from lab_page import Lab, Notebook, enter, find_browser, launch, make_film

CELL = "from fkd_helpers.live import live_demo\ndemo = live_demo('browser')\ndemo"
SHOWN = "live.camera.video.getVideoPlaybackQuality().totalVideoFrames"
STOP = """async (demo) => {
    const track = demo.querySelector('.fkd-live').live.camera.stream.getVideoTracks()[0];
    const button = [...demo.querySelectorAll('button')].find((each) => each.textContent === 'Stop');
    const began = performance.now();
    button.click();
    while (track.readyState !== 'ended') await new Promise((done) => setTimeout(done, 2));
    return (performance.now() - began) / 1000;
}"""


def measure(notebook: Notebook, seconds: float) -> dict:
    """Return what the page saw in so many seconds of streaming."""
    before, began = notebook.live("(live.meter.log = [], {...live.meter.total})"), notebook.live(SHOWN)
    time.sleep(seconds)
    log = np.array(notebook.live("live.meter.log.splice(0)"))
    after, shown = notebook.live("(live.meter.log = null, {...live.meter.total})"), notebook.live(SHOWN)
    lost = sum(after[name] - before[name] for name in ("dropped", "lost"))
    return {
        "seconds": seconds,
        "fps": (len(log) - 1) / (log[-1, 0] - log[0, 0]) * 1000,
        "camera_fps": (shown - began) / seconds,
        "dropped_percent": 100 * lost / max(1, lost + len(log)),
        "round_trip_ms_p50": np.percentile(log[:, 1], 50),
        "round_trip_ms_p95": np.percentile(log[:, 1], 95),
    }


def main(*, seconds: float = 20, note: str = "", out: Path | None = None) -> None:
    """Measure the live demo with the recording off and on, then Stop; `out` keeps the record."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        film = Path(folder) / "puppet.mjpeg"
        make_film(film)
        browser = launch(driver, find_browser(), film)
        page = browser.new_context(permissions=["camera"]).new_page()
        with contextlib.closing(Lab(Path(folder))) as lab:
            lab.write("live.ipynb", CELL)
            notebook = Notebook(enter(page, lab), "live.ipynb")
            notebook.run(0)
            notebook.press("Start")
            notebook.wait_live("live.meter.total.drawn > 100")
            rows = [{"recording": "off"} | measure(notebook, seconds)]
            notebook.press("Record")
            notebook.wait_live("live.readout.recording > 1")
            rows.append({"recording": "on"} | measure(notebook, seconds))
            notebook.press("Stop recording")
            notebook.button("Record").wait_for()
            time.sleep(1)
            found = {"rows": rows, "recording_costs_fps": rows[0]["fps"] - rows[1]["fps"]}
            found |= {"stop_seconds": notebook.shown().evaluate(STOP), "browser": browser.version}
        browser.close()
    print(records.plain(found))
    if out:
        print(records.write("benchmark", "live", folder=out, note=note, **found))


if __name__ == "__main__":
    run_script(main)
