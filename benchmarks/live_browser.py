"""Measure the live demo in a real browser: frames a second, dropped frames, round trip, recording off and on.

Needs Debian's chromium and an idle machine; takes about a minute and a half:

    python benchmarks/live_browser.py [--seconds 20] [--write] [--note "what else ran meanwhile"]

The notebook is open in JupyterLab, the browser's camera plays a film of a puppet at 30 frames a second, 640x480, and
the shipped network runs in the kernel; server, kernel and browser share the machine. A round trip is the time from the
frame in the page to the same frame drawn with its keypoints. Stop is measured from the click to the end of the camera's
track. --write keeps the record data/records/benchmark-live.json.
"""

import argparse
import contextlib
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from fkd_helpers.core import records

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


@contextlib.contextmanager
def running_demo():
    """Give the notebook with the demo, open in JupyterLab and running."""
    from playwright.sync_api import sync_playwright

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
            yield notebook
        browser.close()


def benchmark(seconds: float) -> dict:
    """Measure with the recording off and on, then Stop; return what the record holds."""
    with running_demo() as notebook:
        rows = [{"recording": "off"} | measure(notebook, seconds)]
        notebook.press("Record")
        notebook.wait_live("live.readout.recording > 1")
        rows.append({"recording": "on"} | measure(notebook, seconds))
        notebook.press("Stop recording")
        notebook.button("Record").wait_for()
        time.sleep(1)
        found = {"rows": rows, "recording_costs_fps": rows[0]["fps"] - rows[1]["fps"]}
        return found | {"stop_seconds": stop_time(notebook), "browser": notebook.page.context.browser.version}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20, help="how long each measurement takes (20)")
    parser.add_argument("--write", action="store_true", help="keep the record")
    parser.add_argument("--note", default="", help="kept in the record, for example what else ran meanwhile")
    options = parser.parse_args()
    found = benchmark(options.seconds)
    for row in found["rows"]:
        print(", ".join(f"{name} {value if isinstance(value, str) else f'{value:.3g}'}" for name, value in row.items()))
    print(f"recording costs {found['recording_costs_fps']:.2f} fps, Stop takes {found['stop_seconds']:.3f} s")
    if options.write:
        print(records.write("benchmark", "live", note=options.note, **found))


if __name__ == "__main__":
    main()
