"""The live picture in the notebook: a widget that shows frames with faces drawn on them, and can open a camera.

Frames travel as custom messages, never as traits, so nothing of them lands in the notebook file. The messages are
listed in `widget.js`.
"""

import threading
import time
from collections.abc import Callable, Sequence
from contextvars import copy_context
from dataclasses import asdict
from pathlib import Path

import anywidget
import cv2
import numpy as np
import traitlets

from fkd_helpers.live.pipeline import Result
from fkd_helpers.predict import Face

WINDOW = 2  # frames that are on their way to the browser at a time


class Picture(anywidget.AnyWidget):
    """A picture that shows frames with keypoints drawn on them, and can open the browser's camera.

    `on` is what to call when the page says so: frame(jpeg, key), stop(message), hello(). The key of a frame goes back
    with its result or with a "drop", exactly once.
    """

    _esm = Path(__file__).parent / "widget.js"
    _css = Path(__file__).parent / "widget.css"
    status = traitlets.Unicode("").tag(sync=True)
    caution = traitlets.Unicode("").tag(sync=True)  # shown below the picture
    mirror = traitlets.Bool(True).tag(sync=True)

    def __init__(self, on: dict[str, Callable], **traits):
        self._on, self._lock, self._context = on, threading.Lock(), copy_context()
        self._sent, self._seen = 0, 0  # frames of the kernel's own source
        self.session, self.showing, self.skipped, self.heard = 0, False, 0, 0.0
        super().__init__(**traits)
        self.on_msg(self._on_message)

    # -- to the page

    def in_page_context(self, function: Callable, *values) -> object:
        """Call a function, from any thread, as if in answer to the last message of the page.

        ipykernel 7.4 otherwise takes what a thread sends for output of the running cell, and the page's next messages
        wait for the end of that cell.
        """
        return self._context.copy().run(function, *values)

    def begin(self, source: str, **options) -> None:
        """Begin to show frames; for "browser" the page opens a camera."""
        with self._lock:
            self.session, self.showing, self._sent, self._seen = self.session + 1, True, 0, 0
        self.heard, self.skipped = time.monotonic(), 0
        self.post("start", source=source, **options)

    def end(self, message: str = "") -> None:
        """Stop: the page turns its camera off, and frames that still come are ignored."""
        self.post("stop", message=message)
        self.session, self.showing = self.session + 1, False

    def show(self, result: Result) -> None:
        """Show a frame's faces, and a frame of the kernel's own source, which is skipped while the page is behind."""
        kind, key, picture = "result", result.key, result.shown
        if key is None:
            with self._lock:
                if self._sent - self._seen >= WINDOW:
                    self.skipped += 1
                    return
                self._sent += 1
                kind, key = "frame", (self.session, self._sent)
            picture = result.frame if picture is None else picture
        faces = [
            {"box": np.round(face.box, 1).tolist(), "points": len(face.keypoints), "error": _mean_error(face)}
            | (asdict(mood) | {"scales": mood.scales} if mood else {"label": None})
            for face, mood in zip(result.faces, result.moods, strict=True)
        ]
        buffers = [b"".join(np.asarray(face.keypoints, "<f4").tobytes() for face in result.faces)]
        buffers += [] if picture is None else [to_jpeg(picture)]
        self.post(kind, key, buffers, faces=faces, age=1000 * result.seconds)

    def post(self, kind: str, key: tuple | None = None, buffers: Sequence[bytes] = (), **content) -> None:
        """Send a message from any thread; `key` names the frame that it is about."""
        session, number = key or (self.session, None)
        self.in_page_context(self.send, content | {"type": kind, "session": session, "id": number}, list(buffers))

    # -- from the page: messages of an earlier session are ignored

    def _on_message(self, _, content, buffers):
        self._context = copy_context()
        if content.get("session") == self.session:
            self.heard = time.monotonic()
        match content:
            case {"type": "hello"}:
                self._on["hello"]()
            case {"type": "ack", "session": self.session, "id": number}:
                with self._lock:
                    self._seen = max(self._seen, number)
            case {"type": "stop", "session": self.session, "message": message}:
                self._on["stop"](message)
            case {"type": "frame", "session": self.session, "id": number}:
                self._on["frame"](bytes(buffers[0]), (self.session, number))


def _mean_error(face: Face) -> float | None:
    error = np.nan if face.errors is None else float(np.mean(face.errors))
    return None if np.isnan(error) else round(error, 4)


def to_jpeg(frame: np.ndarray) -> bytes:
    """Encode an RGB frame (h, w, 3) as a JPEG."""
    return cv2.imencode(".jpg", frame[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 80])[1].tobytes()
