"""The live demo as a person meets it: in JupyterLab, in a browser with a camera. Notebook 05."""

import time

import numpy as np
import pytest

from fkd_helpers.boxes import box_of

from .lab_page import BITS, BLOCK, WAIT, Notebook, enter

OURS = "from fkd_helpers.live import live_demo\n"
DEMO = OURS + "demo = live_demo('browser', max_fps=8, mirror=False)\ndemo"
HOLD_TRACK = "window.track = live.camera.stream.getVideoTracks()[0]"
READ_PICTURE = """(() => {
    const view = [...live.views][0];
    const pen = view.canvas.getContext('2d');
    const bit = (n) => pen.getImageData(BLOCK * n + BLOCK / 2, BLOCK / 2, 1, 1).data[1] > 127;
    const face = live.shown.faces[0];
    const points = face ? Array.from(face.keypoints) : [];
    const colours = [];
    for (let i = 0; i < points.length; i += 2) {
        colours.push(Array.from(pen.getImageData(points[i] + 0.5, points[i + 1] + 0.5, 1, 1).data.slice(0, 3)));
    }
    let number = 0;
    for (let n = 0; n < BITS; n++) number += bit(n) << n;
    return {number, points, colours, size: [view.canvas.width, view.canvas.height]};
})()""".replace("BITS", str(BITS)).replace("BLOCK", str(BLOCK))


def test_start_draws_keypoints_on_the_face_and_stop_turns_the_camera_off(opened, film):
    notebook = opened(DEMO)
    notebook.run(0)
    assert notebook.live("live.camera.stream") is None, "no camera before Start"
    notebook.press("Start")
    notebook.wait_live("live.meter.total.drawn > 10")
    errors = []
    for count in range(5):
        notebook.wait_live(f"live.meter.total.drawn > {11 + 2 * count} && live.shown.faces.length")
        picture = notebook.live(READ_PICTURE)
        assert picture["size"] == [640, 480]
        points, known = np.reshape(picture["points"], (68, 2)), film[1][picture["number"]]
        side = box_of(known[None])[0, 2:].max()
        errors.append(np.linalg.norm(points - known, axis=1).mean() / side)
        # the dots themselves: the colours of jaw, brows, nose, eyes and mouth, where they are not covered by another
        wanted = np.repeat(
            [[86, 180, 233], [230, 159, 0], [0, 158, 115], [240, 228, 66], [204, 121, 167]], [17, 10, 9, 12, 20], axis=0
        )
        hit = np.abs(np.array(picture["colours"]) - wanted).max(1) < 40
        assert hit.mean() > 0.8
    assert max(errors) < 0.05, errors
    notebook.live(HOLD_TRACK)
    notebook.press("Stop")
    notebook.until("() => window.track.readyState === 'ended'", timeout=5000)
    assert not notebook.live("live.running")
    assert "off" in notebook.status()


def start_and_hold(notebook, cell=0, drawn=6):
    """Press Start, wait for frames, and keep hold of the camera's track as window.track."""
    notebook.press("Start", cell)
    notebook.wait_live(f"live.running && live.camera.stream && live.meter.total.drawn > {drawn}", cell)
    notebook.live(HOLD_TRACK, cell)


def until_camera_off(notebook, seconds=20):
    notebook.until("() => window.track.readyState === 'ended'", timeout=1000 * seconds)


def until_engine_stops(notebook, seconds=30):
    """Wait until the kernel has noticed: the page may be gone without a word."""
    deadline = time.monotonic() + seconds
    while (running := notebook.python("print(demo.engine.running)")) == "True" and time.monotonic() < deadline:
        time.sleep(0.3)
    assert running == "False"


def test_stop_works_while_the_kernel_is_busy(opened):
    busy = "import time\nfor second in range(120):\n    time.sleep(1)"
    notebook = opened(DEMO, busy)
    notebook.run(0)
    for button in ("Stop", "Stop camera"):
        start_and_hold(notebook)
        notebook.run(1, wait=False)
        notebook.until("() => window.panel.content.widgets[1].model.executionState === 'running'")
        drawn = notebook.live("live.meter.total.drawn")
        notebook.wait_live(f"live.meter.total.drawn > {drawn + 4}")  # frames go on, too
        notebook.press(button)
        until_camera_off(notebook, 5)
        notebook.button("Start").wait_for(timeout=WAIT)
        notebook.until("() => !document.querySelector('.fkd-demo button').disabled", timeout=10_000)
        assert "off" in notebook.status()
        assert notebook.page.evaluate("window.panel.content.widgets[1].model.executionState") == "running"
        notebook.page.evaluate("window.panel.sessionContext.session.kernel.interrupt()")
        notebook.until("() => window.panel.content.widgets[1].model.executionState === 'idle'")
        until_engine_stops(notebook)


def test_a_cell_that_is_run_again_turns_the_first_camera_off(opened):
    notebook = opened(DEMO)
    notebook.run(0)
    start_and_hold(notebook)
    notebook.run(0)
    until_camera_off(notebook)
    assert not notebook.live("live.running"), "the new demo waits for Start"
    start_and_hold(notebook)
    assert notebook.page.evaluate("window.track.readyState") == "live"


def test_two_views_show_one_camera(opened):
    notebook = opened(DEMO, "demo")
    notebook.run(0)
    notebook.run(1)
    start_and_hold(notebook)
    notebook.wait_live("live.views.size === 2")
    one, two = (notebook.shown(cell).locator(".fkd-picture canvas") for cell in (0, 1))
    assert one.evaluate("(canvas) => canvas.toDataURL().length") > 10_000
    assert two.evaluate("(canvas) => canvas.toDataURL().length") > 10_000
    assert notebook.live("live.camera.id", 0) <= notebook.live("live.camera.id", 1), "the same camera"
    notebook.page.evaluate("window.panel.content.widgets[0].model.clearExecution()")
    notebook.until("() => document.querySelectorAll('.fkd-live').length === 1")
    drawn = notebook.live("live.meter.total.drawn", 1)
    notebook.wait_live(f"live.meter.total.drawn > {drawn + 30}", 1)  # goes on: somebody still watches
    notebook.page.evaluate("window.panel.content.widgets[1].model.clearExecution()")
    until_camera_off(notebook)


def test_a_closed_notebook_turns_the_camera_off(opened):
    notebook = opened(DEMO)
    notebook.run(0)
    start_and_hold(notebook)
    notebook.page.evaluate("window.panel.context.save()")
    notebook.page.evaluate("window.panel.dispose()")
    until_camera_off(notebook)
    until_engine_stops(Notebook(notebook.page, notebook.name))


def test_a_restarted_kernel_turns_the_camera_off(opened):
    notebook = opened(DEMO)
    notebook.run(0)
    start_and_hold(notebook)
    notebook.page.evaluate("window.panel.sessionContext.session.kernel.restart()")
    until_camera_off(notebook, 30)
    notebook.until("() => window.panel.sessionContext.session.kernel.status === 'idle'")
    notebook.run(0)
    start_and_hold(notebook)
    assert notebook.page.evaluate("window.track.readyState") == "live"


def test_a_page_that_is_loaded_again_has_its_camera_off_and_can_start_it(opened, lab, page):
    context = page.context
    other = enter(context.new_page(), lab)
    notebook = opened(DEMO, where=other)
    notebook.run(0)
    start_and_hold(notebook)
    other.evaluate("window.panel.context.save()")
    enter(other, lab)
    notebook = Notebook(other, notebook.name)
    assert not notebook.live("live.running") and notebook.live("live.camera.stream") is None
    until_engine_stops(notebook)
    start_and_hold(notebook)
    other.close()  # nobody can see the camera now: what remains is that the kernel notices
    until_engine_stops(Notebook(page, notebook.name))


@pytest.mark.parametrize(
    "host, camera, words",
    [
        ("127.0.0.1", True, "does not allow this page to use the camera"),
        ("labhost", True, "only to pages on https or localhost"),
        ("127.0.0.1", False, "No camera was found"),
    ],
    ids=["denied", "insecure", "no camera"],
)
def test_a_camera_that_cannot_be_had_is_one_plain_sentence(opened, lab, request, browsers, host, camera, words):
    if camera:
        context = request.getfixturevalue("with_camera").new_context()
    else:
        context = request.getfixturevalue("without_camera").new_context(permissions=["camera"])
    other = enter(context.new_page(), lab, host)
    notebook = opened(DEMO, where=other)
    notebook.run(0)
    notebook.press("Start")
    status = notebook.shown().get_by_role("status").filter(has_text=words)
    status.wait_for(timeout=WAIT)
    assert "puppet" in status.inner_text(), "the next step"
    notebook.until("() => !document.querySelector('.fkd-live').live.running")
    until_engine_stops(notebook)
    context.close()


def test_the_kernels_own_source_and_settings_in_mid_stream(opened):
    notebook = opened(OURS + "demo = live_demo('puppet', max_fps=8)\ndemo")
    notebook.run(0)
    notebook.press("Start")
    notebook.wait_live("live.meter.total.drawn > 10 && live.shown.faces.length")
    assert notebook.live("live.camera.stream") is None
    plain = notebook.live("live.shown.faces[0].keypoints[0]")
    left = notebook.live("(() => { const v = [...live.views][0]; return v.mirror(); })()")
    notebook.shown().get_by_label("Mirror").check()
    notebook.until("() => [...document.querySelector('.fkd-live').live.views][0].mirror()")
    assert not left and plain > 0
    notebook.shown().get_by_label("Filter").select_option("sunglasses")
    notebook.page.wait_for_timeout(500)
    drawn = notebook.live("live.meter.total.drawn")
    notebook.wait_live(f"live.meter.total.drawn > {drawn + 4}")
    assert notebook.python("print(demo.engine.running)") == "True"
    notebook.press("Stop")
    notebook.wait_live("!live.running")
    drawn = notebook.live("live.meter.total.drawn")
    notebook.page.wait_for_timeout(700)
    assert notebook.live("live.meter.total.drawn") == drawn
