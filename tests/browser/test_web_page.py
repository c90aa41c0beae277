"""The static page with both networks in WebAssembly, in a browser with a puppet before its camera, or with pictures."""

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
from skimage.data import astronaut

from fkd_helpers.data import puppets
from fkd_helpers.faces.images import read_photo, shrunk, write_photo
from fkd_helpers.faces.metrics import unit
from fkd_helpers.predict import KeypointPredictor

from .conftest import NO_CAMERA
from .lab_page import BITS, BLOCK, WAIT

BUILD = Path(__file__).parents[2] / "web" / "build.py"
READ = """() => {
    const picture = document.getElementById("picture"), pen = picture.getContext("2d");
    const bit = (n) => pen.getImageData(BLOCK * n + BLOCK / 2, BLOCK / 2, 1, 1).data[1] > 127;
    let number = 0;
    for (let n = 0; n < BITS; n++) number += bit(n) << n;
    return {number, size: [picture.width, picture.height], points: picture.live.faces[0].points,
            colours: picture.live.faces[0].points.map(
                ([x, y]) => Array.from(pen.getImageData(Math.round(x), Math.round(y), 1, 1).data.slice(0, 3)))};
}""".replace("BITS", str(BITS)).replace("BLOCK", str(BLOCK))


@pytest.fixture(scope="module")
def site(browsers, tmp_path_factory):
    """Build and serve the page; give its port. Skipped, by name, where npm cannot bring the library."""
    command = [sys.executable, BUILD, tmp_path_factory.mktemp("web"), "--serve", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        address = server.stdout.readline().strip()
        if not address:
            lacks = server.stderr.read().strip()
            if os.environ.get("FKD_REQUIRE_BROWSER") == "1":
                pytest.fail(f"{lacks}, and FKD_REQUIRE_BROWSER=1 asks for the page")
            pytest.skip(lacks)
        yield int(address.rpartition(":")[2])
        server.terminate()


@pytest.fixture(scope="module")
def visit(site):
    """Give a function from a browser to the open page, which keeps what went wrong (faults) and what it asked for."""
    contexts = []

    def open_page(browser, host="127.0.0.1", cores=2, **options):
        contexts.append(browser.new_context(**options))
        contexts[-1].add_init_script(f"Object.defineProperty(navigator, 'hardwareConcurrency', {{value: {cores}}})")
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


@pytest.fixture(scope="module")
def still(visit, without_camera):
    """The page that all tests with pictures share."""
    return visit(without_camera)


LIVE = "document.getElementById('picture').live"


def until(page, condition):
    """Wait for a condition; the page's own policy forbids what playwright would do for that."""
    deadline = time.monotonic() + WAIT / 1000
    while not page.evaluate(condition):
        assert time.monotonic() < deadline, condition
        page.wait_for_timeout(50)


def start(page):
    page.get_by_role("button", name="Start").click()
    until(page, f"{LIVE}.faces.length > 0")


def test_keypoints_sit_on_the_face_and_nothing_leaves_the_page(visit, with_camera, film, site):
    page = visit(with_camera, permissions=["camera"])
    assert page.evaluate(f"{LIVE}.stream") is None, "no camera before Start"
    start(page)
    errors = []
    for _ in range(5):
        drawn = page.evaluate(f"{LIVE}.drawn")
        until(page, f"{LIVE}.drawn > {drawn + 2} && {LIVE}.faces.length > 0")
        seen = page.evaluate(READ)
        assert seen["size"] == [640, 480]
        known = film[1][seen["number"]]
        errors.append(np.linalg.norm(np.array(seen["points"]) - known, axis=1).mean() / unit(known[None])[0])
        wanted = np.repeat(
            [[86, 180, 233], [230, 159, 0], [0, 158, 115], [240, 228, 66], [204, 121, 167]], [17, 10, 9, 12, 20], axis=0
        )
        assert (np.abs(np.array(seen["colours"]) - wanted).max(1) < 40).mean() > 0.8, "the dots themselves"
    assert max(errors) < 0.1, errors
    assert page.get_by_role("img", name="Picture with 1 face, 68 keypoints on each").count() == 1
    assert page.evaluate("document.getElementById('picture').classList.contains('mirrored')")
    page.get_by_label("Mirror").uncheck()
    until(page, "!document.getElementById('picture').classList.contains('mirrored')")
    page.evaluate(f"window.track = {LIVE}.stream.getVideoTracks()[0]")
    page.get_by_role("button", name="Stop").click()
    until(page, "window.track.readyState === 'ended'")
    page.get_by_role("status").filter(has_text="off").wait_for(timeout=WAIT)
    start(page)  # and once more
    assert {url.split("/")[2] for url in page.asked} == {f"127.0.0.1:{site}"}
    assert page.faults == []


def show(page, frame, tmp_path):
    """Open a frame as a picture in the page; return the faces that it finds."""
    write_photo(tmp_path / "picture.png", frame)
    drawn = page.evaluate(f"{LIVE}.drawn")
    page.get_by_label("Open a picture").set_input_files(tmp_path / "picture.png")
    until(page, f"{LIVE}.drawn > {drawn}")
    return page.evaluate(f"{LIVE}.faces")


def two_faces():
    """Return a frame of two puppets, the second upside down."""
    frames = [frame for frame, _, _ in puppets.stream(size=(320, 240), n=2, seed=1)]
    return np.hstack([frames[0], frames[1][::-1, ::-1]])


PICTURES = {
    "portrait": astronaut,
    "turned": lambda: np.rot90(astronaut()),
    "two, one upside down": two_faces,
    "larger than the page keeps": lambda: cv2.resize(astronaut(), None, fx=3, fy=3),
}


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_gives_the_faces_that_python_finds(still, tmp_path, name):
    frame = PICTURES[name]()
    faces = show(still, frame, tmp_path)
    expected = KeypointPredictor()(shrunk(frame, 1280))
    assert len(faces) == len(expected) == (2 if "two" in name else 1)
    for face in expected:
        ours = min((np.array(face_here["points"]) for face_here in faces), key=lambda p: distance(p, face.keypoints))
        assert distance(ours, face.keypoints) < max(1, 0.005 * max(face.box[2:]))
    assert still.faults == []


def distance(points, others):
    return np.linalg.norm(points - others, axis=1).mean()


def test_what_is_covered_is_faint(still, tmp_path):
    frame = astronaut()
    (face,) = show(still, frame, tmp_path)
    seen, mouth = np.array(face["confidence"]), np.array(face["points"])[48:].mean(0).astype(int)
    frame[mouth[1] - 18 : mouth[1] + 18, mouth[0] - 30 : mouth[0] + 30] = 128
    covered = np.array(show(still, frame, tmp_path)[0]["confidence"])
    assert seen.mean() > 0.9 and covered[48:].mean() < 0.7 * seen[48:].mean() and covered[36:48].mean() > 0.8


def canvas(page):
    """Return the pixels that the page shows, (h, w, 3)."""
    address = page.evaluate("document.getElementById('picture').toDataURL()")
    return read_photo(base64.b64decode(address.partition(",")[2])).astype(int)


def test_glasses_sit_on_the_eyes(still, tmp_path):
    eyes = np.array(show(still, astronaut(), tmp_path)[0]["points"])[36:48].reshape(2, 6, 2).mean(1)
    still.get_by_role("checkbox", name="Keypoints").uncheck()
    before = canvas(still)
    still.get_by_label("Glasses").check()
    changed = (canvas(still) != before).any(-1)
    rows, columns = np.nonzero(changed)
    middle = eyes.mean(0)
    assert changed[tuple(eyes.round().astype(int).T[::-1])].all()
    assert np.abs([columns.mean() - middle[0], rows.mean() - middle[1]]).max() < 0.2 * (eyes[1] - eyes[0])[0]


def test_a_file_that_is_no_picture_is_said(still, tmp_path):
    (tmp_path / "notes.png").write_text("no picture")
    still.get_by_label("Open a picture").set_input_files(tmp_path / "notes.png")
    still.get_by_role("status").filter(has_text="notes.png cannot be read as a picture").wait_for(timeout=WAIT)


def test_a_phone_scrolls_only_downwards(visit, with_camera):
    page = visit(with_camera, permissions=["camera"], viewport={"width": 390, "height": 844}, has_touch=True)
    start(page)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert page.faults == []


def test_two_threads_run_where_the_page_is_isolated(visit, without_camera, tmp_path):
    page = visit(without_camera, cores=4)
    assert page.locator("#ran").inner_text() == "WebAssembly, 2 threads"
    assert len(show(page, astronaut(), tmp_path)) == 1 and page.faults == []
    page.get_by_label("Engine").select_option("webgpu")  # which the tests' browser lacks
    page.locator("#start:enabled").wait_for(timeout=WAIT)
    page.locator("#ran").filter(has_text="WebAssembly").wait_for(timeout=WAIT)


@NO_CAMERA
def test_a_camera_that_cannot_be_had_is_one_plain_sentence(visit, request, host, camera, words):
    browser = request.getfixturevalue("with_camera" if camera else "without_camera")
    page = visit(browser, host, permissions=[] if camera else ["camera"])
    page.get_by_role("button", name="Start").click()
    page.get_by_role("status").filter(has_text=words).wait_for(timeout=WAIT)
    until(page, f"!{LIVE}.running")
    page.locator("#start:enabled").wait_for(timeout=WAIT)


def test_a_network_that_cannot_be_loaded_is_said(site, without_camera):
    page = without_camera.new_page()
    page.route("**/detector.onnx", lambda route: route.abort())
    page.goto(f"http://127.0.0.1:{site}/")
    page.get_by_role("status").filter(has_text="The networks could not be loaded").wait_for(timeout=WAIT)
    page.locator("#start:disabled").wait_for(timeout=WAIT)
    page.close()


def test_the_page_has_no_fault_of_access(visit, without_camera):
    page = visit(without_camera, reduced_motion="reduce", bypass_csp=True)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
