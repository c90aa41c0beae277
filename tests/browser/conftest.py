"""One JupyterLab and one browser with a puppet before its camera, for all tests here."""

import os
import shutil
from pathlib import Path

import pytest

from .lab_page import Lab, Notebook, enter, find_browser, launch, make_film

# what stands in the way, and a part of the sentence that says so, in the demo and on the page of `make web` alike
NO_CAMERA = pytest.mark.parametrize(
    "host, camera, words",
    [
        ("127.0.0.1", True, "does not allow this page to use the camera"),
        ("labhost", True, "only to pages on https or localhost"),
        ("127.0.0.1", False, "No camera was found"),
    ],
    ids=["denied", "insecure", "no camera"],
)


@pytest.fixture(scope="session")
def browsers():
    """Give a function that opens a browser; the test is skipped by name where there is none."""
    path, lacks = find_browser(), "chromium is not installed"
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        path, lacks = None, "playwright is not installed"
    if path is None:
        if os.environ.get("FKD_REQUIRE_BROWSER") == "1":
            pytest.fail(f"{lacks}, and FKD_REQUIRE_BROWSER=1 asks for a browser")
        pytest.skip(f"{lacks}: the demo is not tried in a browser")
    with sync_playwright() as driver:
        opened = []

        def open_browser(film=None):
            opened.append(launch(driver, path, film))
            return opened[-1]

        yield open_browser
        for browser in opened:
            browser.close()


@pytest.fixture(scope="session")
def film(tmp_path_factory):
    """Give the film's path, and the keypoints (FRAMES, 68, 2) of its frames."""
    return make_film(tmp_path_factory.mktemp("film") / "puppet.mjpeg")


@pytest.fixture(scope="session")
def lab(browsers, tmp_path_factory):
    server = Lab(tmp_path_factory.mktemp("lab"))
    yield server
    server.close()


@pytest.fixture(scope="session")
def with_camera(browsers, film):
    return browsers(film[0])


@pytest.fixture(scope="session")
def without_camera(browsers):
    return browsers()


@pytest.fixture(scope="session")
def page(lab, with_camera):
    """A page that may use the camera."""
    context = with_camera.new_context(permissions=["camera"], viewport={"width": 1280, "height": 1000})
    yield enter(context.new_page(), lab)
    context.close()


@pytest.fixture
def opened(request, lab, page):
    """Give a function from cells, or a notebook's path, to the open notebook; afterwards every kernel is ended."""
    name = request.node.name

    def open_notebook(*cells, where=None, copy_of=None):
        if copy_of is None:
            lab.write(f"{name}.ipynb", *cells)
        else:
            shutil.copy(copy_of, lab.root / f"{name}.ipynb")
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
