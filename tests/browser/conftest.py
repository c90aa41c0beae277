"""One JupyterLab and one browser with a puppet before its camera, for all tests here."""

import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from lab_page import BITS, BLOCK, Lab, Notebook, enter

from fkd_helpers import puppets

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FRAMES = 40
ALWAYS = (
    "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-sync",
    "--disable-component-update", "--host-resolver-rules=MAP labhost 127.0.0.1",
)  # fmt: skip


@pytest.fixture(scope="session")
def browsers():
    """Give a function that opens a browser; the test is skipped by name where there is none."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        sync_playwright = None
    if path is None or sync_playwright is None:
        lacks = "chromium is not installed" if path is None else "playwright is not installed"
        if os.environ.get("FKD_REQUIRE_BROWSER") == "1":
            pytest.fail(f"{lacks}, and FKD_REQUIRE_BROWSER=1 asks for a browser")
        pytest.skip(f"{lacks}: the demo is not tried in a browser")
    root = ["--no-sandbox"] if getattr(os, "geteuid", lambda: 1)() == 0 else []
    with sync_playwright() as driver:
        opened = []

        def launch(*arguments):
            arguments = [*ALWAYS, *root, *arguments]
            opened.append(driver.chromium.launch(executable_path=path, headless=True, args=arguments))
            return opened[-1]

        yield launch
        for browser in opened:
            browser.close()


@pytest.fixture(scope="session")
def film(tmp_path_factory):
    """Make the film that the camera plays, forth and back; return its path and the keypoints (FRAMES, 68, 2).

    Blocks along the upper edge, black and white, say which frame it is.
    """
    frames, keypoints = [], []
    for number, (frame, points, _) in enumerate(puppets.stream(size=(640, 480), n=FRAMES)):
        frame = frame.copy()
        for bit in range(BITS):
            frame[:BLOCK, bit * BLOCK : (bit + 1) * BLOCK] = 255 * (number >> bit & 1)
        frames.append(cv2.imencode(".jpg", frame[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes())
        keypoints.append(points[0])
    path = tmp_path_factory.mktemp("film") / "puppet.mjpeg"
    path.write_bytes(b"".join(frames + frames[-2:0:-1]))
    return path, np.stack(keypoints)


@pytest.fixture(scope="session")
def lab(browsers, tmp_path_factory):
    server = Lab(tmp_path_factory.mktemp("lab"))
    yield server
    server.close()


@pytest.fixture(scope="session")
def with_camera(browsers, film):
    return browsers("--use-fake-device-for-media-stream", f"--use-file-for-fake-video-capture={film[0]}")


@pytest.fixture(scope="session")
def without_camera(browsers):
    return browsers("--use-fake-ui-for-media-stream")


@pytest.fixture(scope="session")
def page(lab, with_camera):
    """A page that may use the camera."""
    context = with_camera.new_context(permissions=["camera"], viewport={"width": 1280, "height": 1000})
    yield enter(context.new_page(), lab)
    context.close()


@pytest.fixture
def opened(request, lab, page):
    """Give a function from cells to the open notebook; afterwards it is closed and every kernel ended."""
    name = request.node.name

    def open_notebook(*cells, where=None):
        lab.write(f"{name}.ipynb", *cells)
        return Notebook(where or page, f"{name}.ipynb")

    yield open_notebook
    for each in page.context.pages[1:]:
        each.close()
    page.evaluate(
        "async () => { for (const tab of [...window.jupyterapp.shell.widgets('main')]) { tab.context?.dispose?.();"
        " tab.dispose(); } }"
    )
    lab.end_kernels()
    shutil.rmtree(lab.root / "recordings", ignore_errors=True)
    Path(lab.root / f"{name}.ipynb").unlink(missing_ok=True)
