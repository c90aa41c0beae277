"""The live demo as a person meets it: in JupyterLab, in a browser with a camera. Notebook 05."""

import numpy as np
import pytest
from lab_page import BITS, BLOCK

from fkd_helpers.boxes import box_of

pytest.importorskip("fkd_helpers.live.engine")  # until the engine is there
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
