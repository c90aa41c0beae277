"""A private JupyterLab, and what a person does in it: open a notebook, run its cells, press the demo's buttons."""

import contextlib
import functools
import http.server
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import requests

from fkd_helpers.data import puppets

ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-sync", "--disable-component-update", "--host-resolver-rules=MAP labhost 127.0.0.1",
)  # fmt: skip
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
TOKEN = "of-this-test-alone"
FRAMES, BITS, BLOCK = 40, 6, 16  # of the number that every frame before the camera bears, pixels of a bit
WAIT = 60_000  # ms: a loaded machine is slow, and nothing here measures time


class Lab:
    """A server of its own: folders, token and port are private; notebooks lie in `root`."""

    def __init__(self, folder: Path):
        self.root = folder / "notebooks"
        self.root.mkdir(parents=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        names = (
            "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "JUPYTERLAB_SETTINGS_DIR",
            "JUPYTERLAB_WORKSPACES_DIR", "XDG_CACHE_HOME",
        )  # fmt: skip
        private = {name: str(folder / name.lower()) for name in names}
        news = folder / "jupyterlab_settings_dir" / "@jupyterlab" / "apputils-extension"
        news.mkdir(parents=True)
        (news / "notification.jupyterlab-settings").write_text(json.dumps({"fetchNews": "false"}))
        command = [
            sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", f"--port={self.port}",
            "--ServerApp.port_retries=0", f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={self.root}",
            "--LabApp.expose_app_in_browser=True", "--ServerApp.allow_remote_access=True", "--allow-root",
            "--ServerApp.kernel_websocket_connection_class=fkd_helpers.live.server.PromptConnection",
        ]  # fmt: skip
        path = os.pathsep.join(filter(None, [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH")]))
        settings = {"OMP_NUM_THREADS": "1", "PYTHONPATH": path}
        self.log = folder / "server.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                command, env=os.environ | private | settings, stdout=log, stderr=log, cwd=self.root
            )
        for _ in range(300):
            try:
                self.ask("GET", "/api/status")
                return
            except OSError:
                time.sleep(0.2)
        self.close()
        raise RuntimeError(f"JupyterLab did not start: {self.log.read_text()[-2000:]}")

    def close(self):
        self.process.terminate()
        self.process.wait(20)

    def ask(self, method, path):
        """Ask the server's own interface; return what its JSON says."""
        headers = {"Authorization": f"token {TOKEN}"}
        answer = requests.request(method, f"http://127.0.0.1:{self.port}{path}", headers=headers, timeout=60)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def end_kernels(self):
        for session in self.ask("GET", "/api/sessions"):
            self.ask("DELETE", f"/api/sessions/{session['id']}")

    def write(self, name, *cells):
        """Write a notebook of code cells."""
        import nbformat

        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(notebook, self.root / name)

    def address(self, host="127.0.0.1"):
        return f"http://{host}:{self.port}/lab?token={TOKEN}"


class Notebook:
    """A notebook that is open in a page of JupyterLab."""

    def __init__(self, page, name):
        self.page, self.name = page, name
        page.evaluate(
            """async (name) => {
                const panel = await window.jupyterapp.commands.execute('docmanager:open', {path: name});
                await panel.revealed;
                await panel.sessionContext.ready;
                window.panel = panel;
            }""",
            name,
        )
        self.until("() => window.panel.sessionContext.session?.kernel?.status === 'idle'")

    def until(self, condition, *, arg=None, timeout=WAIT):
        return self.page.wait_for_function(condition, arg=arg, timeout=timeout, polling=100)

    def run(self, cell, *, wait=True):
        """Run a cell by its number; wait until it is done."""
        self.page.evaluate(
            """(cell) => {
                window.panel.content.activeCellIndex = cell;
                window.jupyterapp.commands.execute('notebook:run-cell');
            }""",
            cell,
        )
        if wait:
            self.until(
                """(cell) => {
                    const model = window.panel.content.widgets[cell].model;
                    return model.executionCount && model.executionState !== 'running';
                }""",
                arg=cell,
                timeout=5 * WAIT,  # as long as nbval waits: some cells import PyTorch
            )
            errors = self.page.evaluate(
                """(cell) => window.panel.content.widgets[cell].model.outputs.toJSON()
                    .filter((output) => output.output_type === 'error')
                    .map((output) => output.traceback.join('\\n').replace(/\\x1b\\[[0-9;]*m/g, ''))""",
                cell,
            )
            assert not errors, errors[0]

    def python(self, code):
        """Run code in the kernel, past the notebook; return what it prints."""
        return self.page.evaluate(
            """async (code) => {
                const kernel = window.panel.sessionContext.session.kernel;
                const future = kernel.requestExecute({code, store_history: false});
                let text = '';
                future.onIOPub = (message) => {
                    if (message.header.msg_type === 'stream') text += message.content.text;
                    if (message.header.msg_type === 'error') text += message.content.traceback.join('\\n');
                };
                await future.done;
                return text;
            }""",
            code,
        ).strip()

    # -- the demo

    def shown(self, cell=0):
        """Wait for the demo below a cell; return it."""
        found = self.page.locator(".jp-NotebookPanel:visible .jp-Cell").nth(cell).locator(".fkd-demo")
        found.wait_for(timeout=WAIT)
        found.locator(".fkd-live").wait_for(timeout=WAIT)
        return found

    def button(self, name, cell=0):
        return self.shown(cell).get_by_role("button", name=name, exact=True)

    def press(self, name, cell=0):
        self.button(name, cell).click(timeout=WAIT)

    def live(self, expression, cell=0):
        """Evaluate an expression of `live`, the inside of the demo's picture."""
        root = self.shown(cell).locator(".fkd-live")
        return root.evaluate(f"(root) => {{ const live = root.live; return {expression}; }}")

    def wait_live(self, expression, cell=0, timeout=WAIT):
        handle = self.shown(cell).locator(".fkd-live").element_handle()
        self.page.wait_for_function(
            f"(root) => {{ const live = root.live; return {expression}; }}", arg=handle, timeout=timeout, polling=50
        )


def enter(page, lab, host="127.0.0.1"):
    """Open JupyterLab in a page, and wait until it is there."""
    page.goto(lab.address(host), timeout=WAIT)
    there = "() => window.jupyterapp?.commands?.hasCommand('docmanager:open')"
    page.wait_for_function(there, timeout=WAIT, polling=100)
    page.evaluate("async () => { await window.jupyterapp.restored; }")
    return page


def find_browser() -> str | None:
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def launch(driver, path, film=None):
    """Open a browser; film: what its camera plays, None for a browser without a camera."""
    arguments = list(ARGUMENTS)
    if film is not None:
        arguments += ["--use-fake-device-for-media-stream", f"--use-file-for-fake-video-capture={film}"]
    return driver.chromium.launch(executable_path=path, headless=True, args=arguments)


@contextlib.contextmanager
def served(folder):
    """Serve the files of a folder, silently; give the port."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


def make_film(path):
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
    path.write_bytes(b"".join(frames + frames[-2:0:-1]))
    return path, np.stack(keypoints)
