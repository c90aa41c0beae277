"""Measure the live demo in a real browser: frames a second, dropped frames, round trip, recording off and on.

Needs Debian's chromium and an idle machine; takes about a minute and a half:

    python benchmarks/live_browser.py [--seconds 20] [--write]

The notebook is open in JupyterLab, the browser's camera plays a film of a puppet at 30 frames a second, 640x480, and
the shipped network runs in the kernel; server, kernel and browser share the machine. A round trip is the time from the
frame in the page to the same frame drawn with its keypoints. --write keeps the record data/records/benchmark-live.json.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from fkd_helpers import records

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "browser"))
from lab_page import Lab, Notebook, enter, find_browser, launch, make_film

CELL = "from fkd_helpers.live import live_demo\ndemo = live_demo('browser')\ndemo"


def measure(notebook: Notebook, seconds: float) -> dict:
    """Return what the page saw in so many seconds of streaming."""
    before = notebook.live("(live.meter.log = [], {...live.meter.total})")
    began = notebook.live("live.camera.video.getVideoPlaybackQuality().totalVideoFrames")
    time.sleep(seconds)
    log = np.array(notebook.live("live.meter.log.splice(0)"))
    after = notebook.live("(live.meter.log = null, {...live.meter.total})")
    given = notebook.live("live.camera.video.getVideoPlaybackQuality().totalVideoFrames") - began
    lost = sum(after[name] - before[name] for name in ("dropped", "lost"))
    return {
        "seconds": seconds,
        "fps": (len(log) - 1) / (log[-1, 0] - log[0, 0]) * 1000,
        "camera_fps": given / seconds,
        "dropped_percent": 100 * lost / max(1, lost + len(log)),
        "round_trip_ms_p50": np.percentile(log[:, 1], 50),
        "round_trip_ms_p95": np.percentile(log[:, 1], 95),
    }


def stop_time(notebook: Notebook) -> float:
    """Press Stop; return the seconds until the camera's track has ended."""
    return notebook.shown().evaluate(
        """async (demo) => {
            const track = demo.querySelector('.fkd-live').live.camera.stream.getVideoTracks()[0];
            const button = [...demo.querySelectorAll('button')].find((each) => each.textContent === 'Stop');
            const began = performance.now();
            button.click();
            while (track.readyState !== 'ended') await new Promise((done) => setTimeout(done, 2));
            return (performance.now() - began) / 1000;
        }"""
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20, help="how long each measurement takes (20)")
    parser.add_argument("--write", action="store_true", help="keep the record")
    options = parser.parse_args()
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        film = make_film(Path(folder) / "puppet.mjpeg")[0]
        lab = Lab(Path(folder))
        try:
            browser = launch(driver, find_browser(), film)
            page = enter(browser.new_context(permissions=["camera"]).new_page(), lab)
            lab.write("live.ipynb", CELL)
            notebook = Notebook(page, "live.ipynb")
            notebook.run(0)
            notebook.press("Start")
            notebook.wait_live("live.meter.total.drawn > 100")
            rows = [{"recording": "off"} | measure(notebook, options.seconds)]
            notebook.press("Record")
            time.sleep(1)
            rows.append({"recording": "on"} | measure(notebook, options.seconds))
            notebook.press("Stop recording")
            time.sleep(2)
            rows[0]["stop_seconds"] = stop_time(notebook)
            version = browser.version
            browser.close()
        finally:
            lab.close()
    for row in rows:
        print(
            ", ".join(f"{name} {value if isinstance(value, str) else round(value, 3)}" for name, value in row.items())
        )
    if options.write:
        print(records.write("benchmark", "live", rows=rows, browser=version))


if __name__ == "__main__":
    main()
