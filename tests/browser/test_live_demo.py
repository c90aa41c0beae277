"""The live demo as a person meets it: in JupyterLab, in a browser with a camera. Notebook 05."""

import json
import re
import time
from pathlib import Path

import av
import nbformat
import numpy as np

from fkd_helpers.data import puppets
from fkd_helpers.faces.boxes import box_of
from fkd_helpers.faces.images import read_photo

from .conftest import NO_CAMERA
from .lab_page import BITS, BLOCK, WAIT, Notebook, enter

COURSE = Path(__file__).parents[2] / "notebooks" / "05_live_demo.ipynb"
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


@NO_CAMERA
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
    assert notebook.live("typeof live.face.reason") == "string" and notebook.shown().get_by_text("a guess").count() == 0
    notebook.shown().get_by_label("Emotion", exact=True).select_option("expressions: eight, by a network")
    notebook.wait_live("typeof live.face?.valence === 'number'")
    notebook.shown().get_by_text("a guess of what labellers would call it").wait_for(timeout=WAIT)
    notebook.shown().get_by_text(re.compile(r"^[a-z]+, valence [+-]\d\.\d arousal [+-]\d\.\d$")).wait_for(timeout=WAIT)
    notebook.shown().get_by_role("img", name="Valence in the last 30 seconds, now").wait_for(timeout=WAIT)
    notebook.press("Stop")
    notebook.wait_live("!live.running")
    drawn = notebook.live("live.meter.total.drawn")
    notebook.page.wait_for_timeout(700)
    assert notebook.live("live.meter.total.drawn") == drawn


def test_a_recording_plays_in_the_page_and_its_length_matches(opened, lab):
    notebook = opened(DEMO)
    notebook.run(0)
    start_and_hold(notebook)
    before = notebook.page.evaluate("performance.now()")
    notebook.press("Record")
    notebook.wait_live("live.readout.recording > 3")
    assert notebook.shown().locator("[data-recording=on]").count() == 1
    least = notebook.live("live.readout.recording")
    notebook.press("Stop recording")
    notebook.press("Play here")
    video = notebook.shown().locator("video")
    video.wait_for(timeout=WAIT)
    most = (notebook.page.evaluate("performance.now()") - before) / 1000
    handle = video.element_handle()
    notebook.until("(video) => video.readyState >= 2", arg=handle)
    assert least - 0.5 <= video.evaluate("(video) => video.duration") <= most
    video.evaluate("(video) => { video.muted = true; video.playbackRate = 4; return video.play(); }")
    notebook.until("(video) => video.ended && !video.error", arg=handle)
    (path,) = (lab.root / "recordings").glob("*.mp4")
    link = notebook.shown().get_by_role("link", name=f"Download {path.name}")
    assert link.get_attribute("download") == path.name
    given = link.evaluate("async (link) => Array.from(new Uint8Array(await (await fetch(link.href)).arrayBuffer()))")
    assert bytes(given) == path.read_bytes()
    summary = json.loads(path.with_suffix(".json").read_text())
    assert summary["frames"] > 10 and abs(summary["seconds"] - video.evaluate("(video) => video.duration")) < 0.5
    # a second one is a file of its own, and Stop finishes it
    notebook.press("Record")
    notebook.wait_live("live.readout.recording > 0.5")
    notebook.press("Stop")
    until_camera_off(notebook)
    notebook.shown().get_by_role("button", name="Play here").wait_for(timeout=WAIT)
    assert len(list((lab.root / "recordings").glob("*.mp4"))) == 2 and "Saved" in notebook.status()


def test_a_snapshot_is_a_picture_with_keypoints(opened, lab):
    notebook = opened(DEMO)
    notebook.run(0)
    start_and_hold(notebook)
    notebook.press("Snapshot")
    notebook.press("Show here")
    picture = notebook.shown().get_by_role("img", name="The snapshot")
    picture.wait_for(timeout=WAIT)
    notebook.until("(image) => image.complete && image.naturalWidth === 640", arg=picture.element_handle())
    (path,) = (lab.root / "recordings").glob("*.png")
    pixels = read_photo(path).reshape(-1, 3).astype(int)
    for colour in ((86, 180, 233), (230, 159, 0), (0, 158, 115), (240, 228, 66), (204, 121, 167)):
        assert (np.abs(pixels - colour).max(1) < 12).sum() > 30, "dots of this region"


def test_a_film_is_played_to_its_end_and_what_is_wrong_is_said(opened, lab, film):
    with av.open(str(lab.root / "film.mp4"), "w") as out:
        track = out.add_stream("libx264", rate=8, options={"preset": "ultrafast"})
        track.width, track.height, track.pix_fmt = 640, 480, "yuv420p"
        for frame, _, _ in puppets.stream(n=16):
            out.mux(track.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        out.mux(track.encode())
    notebook = opened(OURS + "demo = live_demo('file', address='no such film.mp4')\ndemo")
    notebook.run(0)
    notebook.press("Start")
    notebook.shown().get_by_role("status").filter(has_text="no such film.mp4").wait_for(timeout=WAIT)
    assert not notebook.live("live.running")
    address = notebook.shown().get_by_label("Address")
    address.fill("film.mp4")
    address.press("Enter")
    notebook.press("Start")
    notebook.shown().get_by_role("status").filter(has_text="came to its end").wait_for(timeout=WAIT)
    assert notebook.live("live.meter.total.drawn > 0 && !live.running")
    notebook.until("() => !document.querySelector('.fkd-demo button').disabled")


def test_a_camera_that_is_unplugged_is_said(opened):
    notebook = opened(DEMO)
    notebook.run(0)
    start_and_hold(notebook)
    notebook.page.evaluate("window.track.dispatchEvent(new Event('ended'))")
    until_camera_off(notebook)
    notebook.shown().get_by_role("status").filter(has_text="unplugged").wait_for(timeout=WAIT)
    until_engine_stops(notebook)


def test_everything_has_a_name_and_the_keyboard_reaches_it(opened):
    notebook = opened(OURS + "demo = live_demo('puppet', max_fps=8)\ndemo")
    notebook.run(0)
    demo = notebook.shown()
    for name in ("Start", "Stop", "Record", "Snapshot"):
        assert demo.get_by_role("button", name=name, exact=True).count() == 1
    for name in ("Source", "Model", "Filter", "Emotion", "Smoothing", "Hold", "Mirror"):
        assert demo.get_by_label(name).count() >= 1, name
    assert demo.get_by_role("img", name="Live picture, stopped").count() == 1
    notebook.button("Start").focus()
    notebook.page.keyboard.press("Space")
    notebook.wait_live("live.running && live.meter.total.drawn > 3")
    demo.get_by_role("img", name="Live picture: 1 face").wait_for(timeout=WAIT)
    reached = set()
    for _ in range(12):
        notebook.page.keyboard.press("Tab")
        reached.add(notebook.page.evaluate("document.activeElement.textContent || document.activeElement.type"))
    assert {"Stop", "Record", "Snapshot", "Stop camera"} <= reached
    notebook.button("Stop camera").focus()
    notebook.page.keyboard.press("Space")
    notebook.wait_live("!live.running")
    until_engine_stops(notebook)


def test_notebook_05_itself(opened, lab):
    notebook = opened(copy_of=COURSE)
    sources = [cell.source for cell in nbformat.read(COURSE, as_version=4).cells]
    (imports,) = [i for i, source in enumerate(sources) if "fkd.setup(" in source]
    (demo,) = [i for i, source in enumerate(sources) if source.startswith("demo = live_demo()")]
    notebook.python("import os; os.environ['FKD_LIVE_SOURCE'] = 'puppet'")
    notebook.run(imports)
    notebook.run(demo)
    notebook.press("Start", demo)
    notebook.wait_live("live.running && live.meter.total.drawn > 10 && live.shown.faces.length === 1", demo)
    notebook.press("Stop", demo)
    notebook.wait_live("!live.running", demo)
    notebook.page.evaluate("window.panel.context.save()")
    notebook.until("() => !window.panel.context.model.dirty")
    saved = nbformat.read(lab.root / f"{notebook.name}", as_version=4)
    assert "data:image/jpeg" not in str(saved.cells[demo]), "no frame is left in the file"
