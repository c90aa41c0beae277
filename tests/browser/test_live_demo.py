"""The live demo as a person meets it: in JupyterLab, in a browser with a camera."""

import re
import time
from pathlib import Path

import av
import nbformat
import numpy as np
from PIL import ImageColor

from fkd_helpers.faces.boxes import box_of
from fkd_helpers.faces.images import read_photo
from fkd_helpers.faces.landmarks import BY_KEYPOINT, COLOURS

from .conftest import NO_CAMERA
from .lab_page import BITS, BLOCK, WAIT, enter

COURSE = Path(__file__).parents[2] / "notebooks" / "08_live_demo.ipynb"
IMPORT = "from fkd_helpers.live import live_demo\n"
DEMO = IMPORT + "demo = live_demo('browser', max_fps=8, mirror=False, smooth=0)\ndemo"
PUPPET = IMPORT + "demo = live_demo('puppet', max_fps=8)\ndemo"
READ_PICTURE = """(() => {
    const view = [...live.views][0];
    const pen = view.canvas.getContext('2d');
    const colour = (x, y) => Array.from(pen.getImageData(x, y, 1, 1).data.slice(0, 3));
    const points = Array.from(live.faces[0]?.keypoints || []);
    const colours = [];
    for (let i = 0; i < points.length; i += 2) colours.push(colour(points[i] + 0.5, points[i + 1] + 0.5));
    let number = 0;
    for (let n = 0; n < BITS; n++) number += (colour(BLOCK * n + BLOCK / 2, BLOCK / 2)[1] > 127) << n;
    return {number, points, colours, size: [view.canvas.width, view.canvas.height]};
})()""".replace("BITS", str(BITS)).replace("BLOCK", str(BLOCK))


def start(notebook, cell=0):
    """Press Start, wait for frames, and keep hold of the camera's track."""
    notebook.press("Start", cell)
    notebook.wait_live("live.running && live.camera.stream && live.meter.total.drawn > 6", cell)
    notebook.live("window.track = live.camera.stream.getVideoTracks()[0]", cell)


def until_camera_off(notebook, seconds=30):
    notebook.until("() => window.track.readyState === 'ended'", timeout=1000 * seconds)


def until_python(notebook, expression, expected, seconds=30):
    """Wait until the kernel says so."""
    deadline = time.monotonic() + seconds
    while (said := notebook.python(f"print({expression})")) != expected and time.monotonic() < deadline:
        time.sleep(0.3)
    assert said == expected


def until_status(notebook, text):
    notebook.shown().get_by_role("status").filter(has_text=text).wait_for(timeout=WAIT)


def test_start_draws_keypoints_on_the_face_and_stop_turns_the_camera_off(opened, film):
    notebook = opened(DEMO)
    notebook.run(0)
    assert notebook.live("live.camera.stream") is None, "no camera before Start"
    start(notebook)
    errors = []
    for count in range(5):
        notebook.wait_live(f"live.meter.total.drawn > {11 + 2 * count} && live.faces.length")
        picture = notebook.live(READ_PICTURE)
        assert picture["size"] == [640, 480]
        points, known = np.reshape(picture["points"], (68, 2)), film[1][picture["number"]]
        errors.append(np.linalg.norm(points - known, axis=1).mean() / box_of(known[None])[0, 2:].max())
        # the dots have the colours of jaw, brows, nose, eyes and mouth, where no other dot covers them
        assert (np.abs(np.array(picture["colours"]) - BY_KEYPOINT).max(1) < 40).mean() > 0.8
    assert max(errors) < 0.05, errors
    notebook.press("Stop")
    until_camera_off(notebook, 5)
    notebook.wait_live("!live.running")
    until_status(notebook, "off")


def test_stop_works_while_the_kernel_is_busy(opened):
    notebook = opened(DEMO, "import time\nfor second in range(120):\n    time.sleep(1)")
    notebook.run(0)
    busy = "window.panel.content.widgets[1].model.executionState"
    for button in ("Stop", "Stop camera"):
        start(notebook)
        notebook.run(1, wait=False)
        notebook.until(f"() => {busy} === 'running'")
        drawn = notebook.live("live.meter.total.drawn")
        notebook.wait_live(f"live.meter.total.drawn > {drawn + 4}")  # frames go on, too
        notebook.press(button)
        until_camera_off(notebook, 5)
        notebook.until("() => !document.querySelector('.fkd-demo button').disabled", timeout=10_000)
        until_status(notebook, "off")
        assert notebook.page.evaluate(busy) == "running"
        notebook.page.evaluate("window.panel.sessionContext.session.kernel.interrupt()")
        notebook.until(f"() => {busy} === 'idle'")
        until_python(notebook, "demo.engine.running", "False")


def test_the_camera_goes_off_by_itself_when_the_cell_runs_again_and_when_the_kernel_restarts(opened):
    notebook = opened(DEMO)
    notebook.run(0)
    start(notebook)
    notebook.run(0)
    until_camera_off(notebook)
    start(notebook)  # and can be started again
    notebook.page.evaluate("window.panel.sessionContext.session.kernel.restart()")
    until_camera_off(notebook)


@NO_CAMERA
def test_a_camera_that_cannot_be_had_is_one_plain_sentence(opened, lab, request, browsers, host, camera, words):
    browser = request.getfixturevalue("with_camera" if camera else "without_camera")
    context = browser.new_context(**({} if camera else {"permissions": ["camera"]}))
    notebook = opened(DEMO, where=enter(context.new_page(), lab, host))
    notebook.run(0)
    notebook.press("Start")
    until_status(notebook, words)
    until_status(notebook, "puppet")  # the next step
    notebook.wait_live("!live.running")
    until_python(notebook, "demo.engine.running", "False")
    context.close()


def test_settings_change_the_puppet_in_mid_stream_by_keyboard_and_by_name(opened):
    notebook = opened(PUPPET)
    notebook.run(0)
    demo = notebook.shown()
    for name in ("Source", "Filter", "Smooth", "Emotion", "Calm", "Mirror"):
        assert demo.get_by_label(name).count() >= 1, name
    assert demo.get_by_role("img", name="Live picture, stopped").count() == 1
    notebook.button("Start").focus()
    notebook.page.keyboard.press("Space")
    notebook.wait_live("live.running && live.meter.total.drawn > 10 && live.faces.length")
    demo.get_by_role("img", name="Live picture: 1 face").wait_for(timeout=WAIT)
    error = demo.get_by_title("as a share of the distance between its outer eye corners")
    error.get_by_text(re.compile(r"^\d\.\d %$")).wait_for(timeout=WAIT)  # of a puppet, less than a tenth
    demo.get_by_label("Mirror").check()
    notebook.wait_live("[...live.views][0].mirror()")
    demo.get_by_label("Filter").select_option("sunglasses")
    demo.get_by_label("Emotion", exact=True).select_option("expressions: eight, by a network")
    notebook.wait_live("typeof live.face.valence === 'number'")
    demo.get_by_text("a guess of what labellers would call it").wait_for(timeout=WAIT)
    demo.get_by_text(re.compile(r"^[a-z]+, valence [+-]\d\.\d arousal [+-]\d\.\d$")).wait_for(timeout=WAIT)
    demo.get_by_role("img", name="Valence in the last 30 seconds, now").wait_for(timeout=WAIT)
    until_python(notebook, "demo.engine.settings.filter", "sunglasses")
    notebook.button("Stop").focus()
    reached = set()
    for _ in range(12):
        notebook.page.keyboard.press("Tab")
        reached.add(notebook.page.evaluate("document.activeElement.textContent || document.activeElement.type"))
    assert {"Record", "Snapshot", "Stop camera"} <= reached
    notebook.button("Stop camera").focus()
    notebook.page.keyboard.press("Space")
    notebook.wait_live("!live.running")
    until_python(notebook, "demo.engine.running", "False")


def test_recordings_and_snapshots_are_shown_in_the_page(opened, lab):
    notebook = opened(DEMO)
    notebook.run(0)
    start(notebook)
    before = notebook.page.evaluate("performance.now()")
    notebook.press("Record")
    notebook.wait_live("live.readout.recording > 3")
    notebook.shown().locator("[data-recording=on]").wait_for(timeout=WAIT)
    least = notebook.live("live.readout.recording")
    notebook.press("Stop recording")
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
    given = link.evaluate("async (link) => Array.from(new Uint8Array(await (await fetch(link.href)).arrayBuffer()))")
    assert link.get_attribute("download") == path.name and bytes(given) == path.read_bytes()
    notebook.press("Snapshot")
    picture = notebook.shown().get_by_role("img", name="The snapshot")
    picture.wait_for(timeout=WAIT)
    notebook.until("(image) => image.complete && image.naturalWidth === 640", arg=picture.element_handle())
    (path,) = (lab.root / "recordings").glob("*.png")
    pixels = read_photo(path).reshape(-1, 3).astype(int)
    for colour in COLOURS.values():
        assert (np.abs(pixels - ImageColor.getrgb(colour)).max(1) < 12).sum() > 30, "dots of this region"
    notebook.press("Record")  # a second one is a file of its own, and Stop finishes it
    notebook.wait_live("live.readout.recording > 0.5")
    notebook.press("Stop")
    until_camera_off(notebook)
    until_status(notebook, "Saved")
    assert len(list((lab.root / "recordings").glob("*.mp4"))) == 2


def test_both_demos_of_the_course_notebook_run_and_leave_no_frame_in_its_file(opened, lab):
    notebook = opened(copy_of=COURSE)
    cells = [cell.source if cell.cell_type == "code" else "" for cell in nbformat.read(COURSE, as_version=4).cells]
    (demo,) = [i for i, source in enumerate(cells) if source.startswith("demo = live_demo()")]
    (buttons,) = [i for i, source in enumerate(cells) if source.startswith("start = widgets.Button")]
    (last,) = [i for i, source in enumerate(cells) if "toggle_button(record, begin, end)" in source]
    for number in (i for i in range(last + 1) if cells[i]):
        notebook.run(number)
    notebook.python("demo.controls['source'].value = 'puppet'")
    notebook.press("Start", demo)
    notebook.wait_live("live.running && live.meter.total.drawn > 10 && live.faces.length === 1", demo)
    notebook.press("Stop", demo)
    notebook.wait_live("!live.running", demo)

    small = notebook.page.locator(".jp-NotebookPanel:visible .jp-Cell").nth(buttons)
    before = int(notebook.python("print(session['shown'])"))
    for name in ("Start", "Record", "Stop"):  # by keyboard alone
        small.get_by_role("button", name=name, exact=True).focus()
        notebook.page.keyboard.press("Space")
        time.sleep(2)
    until_python(notebook, "[thread.is_alive() for thread in session['threads']]", "[False, False]")
    assert before >= 5 and not notebook.python("print(session['film'] or '')")
    with av.open(str(lab.root / "recordings" / "small-demo.mp4")) as film:
        times = [frame.time for frame in film.decode(video=0)]
    assert len(times) > 3 and 0.5 < times[-1] < 30
    notebook.page.evaluate("window.panel.context.save()")
    notebook.until("() => !window.panel.context.model.dirty")
    saved = nbformat.read(lab.root / f"{notebook.name}", as_version=4)
    assert "data:image/jpeg" not in str(saved.cells[demo]) + str(saved.cells[buttons])
