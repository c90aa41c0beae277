"""The static page with the network in WebAssembly, in a browser with a puppet before its camera."""

import base64
import os
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe

from fkd_helpers.data import puppets
from fkd_helpers.faces.boxes import box_of, crop, square_of
from fkd_helpers.faces.images import to_gray
from fkd_helpers.faces.metrics import eye_distance

from .conftest import NO_CAMERA
from .lab_page import BITS, BLOCK, WAIT, served

BUILD = Path(__file__).parents[2] / "web" / "build.py"
READ = """() => {
    const picture = document.getElementById("picture"), pen = picture.getContext("2d");
    const bit = (n) => pen.getImageData(BLOCK * n + BLOCK / 2, BLOCK / 2, 1, 1).data[1] > 127;
    let number = 0;
    for (let n = 0; n < BITS; n++) number += bit(n) << n;
    return {number, size: [picture.width, picture.height], points: picture.live.face.points,
            colours: picture.live.face.points.map(
                ([x, y]) => Array.from(pen.getImageData(Math.round(x), Math.round(y), 1, 1).data.slice(0, 3)))};
}""".replace("BITS", str(BITS)).replace("BLOCK", str(BLOCK))


@pytest.fixture(scope="module")
def site(browsers, tmp_path_factory):
    """Build the page and serve it; give its port. Skipped, by name, where npm cannot bring the library."""
    folder = tmp_path_factory.mktemp("web")
    answer = subprocess.run([sys.executable, BUILD, folder], capture_output=True, text=True)
    if answer.returncode:
        lacks = answer.stderr.strip()
        if os.environ.get("FKD_REQUIRE_BROWSER") == "1":
            pytest.fail(f"{lacks}, and FKD_REQUIRE_BROWSER=1 asks for the page")
        pytest.skip(lacks)

    with served(folder) as port:
        yield port


@pytest.fixture
def visit(site):
    """Give a function from a browser to the open page, which keeps what went wrong (faults) and what it asked for."""
    contexts = []

    def open_page(browser, host="127.0.0.1", **options):
        contexts.append(browser.new_context(**options))
        page = contexts[-1].new_page()
        page.faults, page.asked = [], []
        page.on("console", lambda message: page.faults.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: page.faults.append(str(error)))
        page.on("request", lambda request: page.asked.append(request.url))
        page.goto(f"http://{host}:{site}/")
        page.locator("#start:enabled").wait_for(timeout=WAIT)
        return page

    yield open_page
    for context in contexts:
        context.close()


LIVE = "document.getElementById('picture').live"


def until(page, condition):
    """Wait for a condition; the page's own policy forbids what playwright would do for that."""
    deadline = time.monotonic() + WAIT / 1000
    while not page.evaluate(condition):
        assert time.monotonic() < deadline, condition
        page.wait_for_timeout(50)


def start(page):
    page.get_by_role("button", name="Start").click()
    until(page, f"!!{LIVE}.face")


def test_keypoints_sit_on_the_face_and_nothing_leaves_the_page(visit, with_camera, film, site):
    page = visit(with_camera, permissions=["camera"])
    assert page.evaluate(f"{LIVE}.stream") is None, "no camera before Start"
    start(page)
    errors = []
    for _ in range(5):
        drawn = page.evaluate(f"{LIVE}.drawn")
        until(page, f"{LIVE}.drawn > {drawn + 2} && !!{LIVE}.face")
        seen = page.evaluate(READ)
        assert seen["size"] == [640, 480]
        known = film[1][seen["number"]]
        errors.append(np.linalg.norm(np.array(seen["points"]) - known, axis=1).mean() / eye_distance(known[None])[0])
        wanted = np.repeat(
            [[86, 180, 233], [230, 159, 0], [0, 158, 115], [240, 228, 66], [204, 121, 167]], [17, 10, 9, 12, 20], axis=0
        )
        assert (np.abs(np.array(seen["colours"]) - wanted).max(1) < 40).mean() > 0.8, "the dots themselves"
    assert max(errors) < 0.1, errors
    assert page.get_by_role("img", name="a face with 68 keypoints").count() == 1
    page.evaluate(f"window.track = {LIVE}.stream.getVideoTracks()[0]")
    page.get_by_role("button", name="Stop").click()
    assert page.evaluate("window.track.readyState") == "ended"
    assert "off" in page.get_by_role("status").inner_text()
    start(page)  # and once more
    assert {url.split("/")[2] for url in page.asked} == {f"127.0.0.1:{site}"}
    assert page.faults == []


def test_the_page_crops_as_the_package_does(visit, without_camera):
    page = visit(without_camera)
    frame, points, _ = next(iter(puppets.stream(size=(320, 240), n=1)))
    for box in (box_of(points[0]), np.array([-20.0, 150.0, 90.0, 80.0])):  # one reaches over the edge
        rgba = cv2.cvtColor(frame, cv2.COLOR_RGB2RGBA)
        ours = page.evaluate(
            """async ([data, box]) => {
                const {crop, squareOf} = await import("./keypoints.js");
                data = Uint8ClampedArray.from(atob(data), (letter) => letter.charCodeAt(0));
                return Array.from(crop({data, width: 320, height: 240}, squareOf(box)));
            }""",
            [base64.b64encode(rgba).decode(), box.tolist()],
        )
        wanted = crop(to_gray(frame), square_of(box)).ravel() / 255
        assert np.abs(np.array(ours) - wanted).mean() < 0.01


@NO_CAMERA
def test_a_camera_that_cannot_be_had_is_one_plain_sentence(visit, request, host, camera, words):
    browser = request.getfixturevalue("with_camera" if camera else "without_camera")
    page = visit(browser, host, permissions=[] if camera else ["camera"])
    page.get_by_role("button", name="Start").click()
    page.get_by_role("status").filter(has_text=words).wait_for(timeout=WAIT)
    assert page.evaluate(f"!{LIVE}.running")
    assert page.get_by_role("button", name="Start").is_enabled()


def test_a_network_that_is_not_there_is_said(site, without_camera):
    page = without_camera.new_page()
    page.route("**/small.onnx", lambda route: route.abort())
    page.goto(f"http://127.0.0.1:{site}/")
    page.get_by_role("status").filter(has_text="The network could not be loaded").wait_for(timeout=WAIT)
    assert page.get_by_role("button", name="Start").is_disabled()
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_has_no_fault_of_access(visit, without_camera, scheme):
    page = visit(without_camera, color_scheme=scheme, reduced_motion="reduce", bypass_csp=True)
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    page.get_by_label("Mirror").uncheck()
    assert not page.evaluate("document.getElementById('picture').classList.contains('mirrored')")
