"""Measure the live demo in a real browser: frames a second, dropped frames, round trip, recording off and on.

Needs Debian's chromium and an idle machine; takes about a minute and a half:

    python benchmarks/live_browser.py [--seconds 20] [--write] [--note "what else ran meanwhile"]
    python benchmarks/live_browser.py --picture demo     writes images/05_live_demo.png instead
    python benchmarks/live_browser.py --picture web      writes images/08_deploy_and_scale.png, the page of `make web`

The notebook is open in JupyterLab, the browser's camera plays a film of a puppet at 30 frames a second, 640x480, and
the shipped network runs in the kernel; server, kernel and browser share the machine. A round trip is the time from the
frame in the page to the same frame drawn with its keypoints. Stop is measured from the click to the end of the camera's
track. --write keeps the record data/records/benchmark-live.json.
"""

import argparse
import contextlib
import io
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageColor

from fkd_helpers import plots
from fkd_helpers.core import records
from fkd_helpers.data import puppets

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "browser"))
from lab_page import Lab, Notebook, enter, find_browser, launch, make_film, served

ROOT = Path(__file__).parents[1]
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
def browser_with(film_of, **viewport):
    """Give a folder and a page that may use the camera; film_of(path) makes what the camera plays."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        film = Path(folder) / "puppet.mjpeg"
        film_of(film)
        browser = launch(driver, find_browser(), film)
        yield Path(folder), browser.new_context(permissions=["camera"], **viewport).new_page()
        browser.close()


@contextlib.contextmanager
def demo_with(film_of, **viewport):
    """Give the notebook with the demo, open in JupyterLab and running."""
    with browser_with(film_of, **viewport) as (folder, page), contextlib.closing(Lab(folder)) as lab:
        lab.write("live.ipynb", CELL)
        notebook = Notebook(enter(page, lab), "live.ipynb")
        notebook.run(0)
        notebook.press("Start")
        notebook.wait_live("live.meter.total.drawn > 100")
        yield notebook


def benchmark(seconds: float) -> dict:
    """Measure with the recording off and on, then Stop; return what the record holds."""
    with demo_with(make_film) as notebook:
        rows = [{"recording": "off"} | measure(notebook, seconds)]
        notebook.press("Record")
        notebook.wait_live("live.readout.recording > 1")
        rows.append({"recording": "on"} | measure(notebook, seconds))
        notebook.press("Stop recording")
        notebook.button("Record").wait_for()
        time.sleep(1)
        found = {"rows": rows, "recording_costs_fps": rows[0]["fps"] - rows[1]["fps"]}
        return found | {"stop_seconds": stop_time(notebook), "browser": notebook.page.context.browser.version}


def quick_film(path: Path) -> None:
    """Make a film in which the puppet's mood changes every few seconds."""
    frames = [frame for frame, _, _ in puppets.stream(seed=5, fps=12, n=110)]
    jpegs = [cv2.imencode(".jpg", frame[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes() for frame in frames]
    path.write_bytes(b"".join(jpegs + jpegs[-2:0:-1]))


def picture(path: Path) -> None:
    """Write how the demo looks while it runs."""
    with demo_with(quick_film, viewport={"width": 1000, "height": 1100}) as notebook:
        notebook.page.evaluate("window.jupyterapp.commands.execute('application:toggle-left-area')")
        notebook.page.wait_for_timeout(30_000)  # the chart of the emotions is full
        notebook.wait_live("live.face.label === 'positive'")
        notebook.page.wait_for_timeout(700)  # the numbers below follow twice a second
        save(notebook.shown().screenshot(), path)


def web_picture(path: Path) -> None:
    """Write how the page of `make web` looks while its network runs."""
    with browser_with(quick_film, viewport={"width": 900, "height": 800}) as (folder, page):
        build = [sys.executable, ROOT / "web" / "build.py", folder / "web"]
        subprocess.run(build, check=True, stdout=subprocess.DEVNULL)
        with served(folder / "web") as port:
            page.goto(f"http://127.0.0.1:{port}/")
            page.locator("#start:enabled").click()
            page.wait_for_timeout(12_000)  # the page's own rules forbid to wait for a value
            save(page.screenshot(), path)


def save(shot: bytes, path: Path) -> None:
    """Write a screenshot with 256 colours: a small file."""
    with Image.open(io.BytesIO(shot)) as drawn:
        drawn = drawn.convert("RGB")
    dots = [level for colour in plots.COLOURS.values() for level in ImageColor.getrgb(colour)]  # they stay bright
    palette = Image.new("P", (1, 1))
    palette.putpalette([*drawn.quantize(251, Image.Quantize.MEDIANCUT).getpalette()[: 3 * 251], *dots])
    drawn.quantize(palette=palette, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"images/{path.name}: {path.stat().st_size // 1000} kB")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20, help="how long each measurement takes (20)")
    parser.add_argument("--write", action="store_true", help="keep the record")
    parser.add_argument("--note", default="", help="kept in the record, for example what else ran meanwhile")
    pictures = {"demo": (picture, "05_live_demo.png"), "web": (web_picture, "08_deploy_and_scale.png")}
    parser.add_argument("--picture", choices=pictures, help="draw a picture of the README instead")
    options = parser.parse_args()
    if options.picture:
        draw, name = pictures[options.picture]
        draw(ROOT / "images" / name)
        return
    found = benchmark(options.seconds)
    for row in found["rows"]:
        print(", ".join(f"{name} {value if isinstance(value, str) else f'{value:.3g}'}" for name, value in row.items()))
    print(f"recording costs {found['recording_costs_fps']:.2f} fps, Stop takes {found['stop_seconds']:.3f} s")
    if options.write:
        print(records.write("benchmark", "live", note=options.note, **found))


if __name__ == "__main__":
    main()
