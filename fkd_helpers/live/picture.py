"""The live picture in the notebook: frames come from the browser's camera or go out to it, with what was found in them.

Frames travel as custom messages, never as traits, so nothing of them lands in the notebook file. The messages are
listed in `widget.js`. Built in notebook 05.
"""

import threading
import time
from collections.abc import Callable, Sequence
from contextvars import copy_context
from pathlib import Path

import anywidget
import cv2
import numpy as np
import traitlets

from fkd_helpers.live.moods import Mood
from fkd_helpers.predict.predictor import Face

WINDOW = 2  # frames that are on their way to the browser at a time
LOST = 5.0  # seconds after which one without an answer no longer counts
CHUNK = 2**21  # bytes of a file in a message
LARGEST = 20 * 2**20  # bytes of a frame: more is no camera's
ANY_TIME, OF_A_SESSION = ("hello", "fetch", "cameras"), ("opened", "frame", "ack", "seen", "stop", "trouble")
KINDS = {".mp4": ("video", "video/mp4"), ".png": ("image", "image/png"), ".jpg": ("image", "image/jpeg")}


class Picture(anywidget.AnyWidget):
    """A picture that shows frames with keypoints drawn on them, and can open the browser's camera.

    on: by the kind of event, what is called when the browser says so: frame(jpeg, key), stop(words), trouble(words),
        cameras([(name, id)]), hello(). The key of a frame goes back with `answer` or `drop`, exactly once.
    """

    _esm = Path(__file__).parent / "widget.js"
    _css = Path(__file__).parent / "widget.css"
    status = traitlets.Unicode("").tag(sync=True)
    caution = traitlets.Unicode("").tag(sync=True)  # shown below the picture
    mirror = traitlets.Bool(True).tag(sync=True)
    saved = traitlets.List(traitlets.Dict()).tag(sync=True)

    def __init__(self, on: dict[str, Callable], **traits):
        self._on, self._lock = on, threading.Lock()
        self._session, self._owner, self._source, self._files = 0, None, None, {}
        self._out: dict[int, float] = {}  # frames that are on their way: when they left
        self._context = copy_context()
        self._count, self.garbage, self.skipped, self.measured, self.heard = 0, 0, 0, {}, 0.0
        super().__init__(**traits)
        self.on_msg(self._heard_message)

    @property
    def session(self) -> int:
        """Which showing this is: `begin` and `end` each begin another."""
        return self._session

    @property
    def showing(self) -> bool:
        """Whether frames are shown now, between `begin` and `end`."""
        return self._source is not None

    # -- to the browser

    def as_heard(self, act: Callable, *values) -> object:
        """Call a function as if in answer to what the page said last, from any thread.

        What a thread sends otherwise counts as part of the cell that runs now, and then the page's next messages wait
        for the end of that cell (ipykernel 7.4 routes them so).
        """
        return self._context.copy().run(act, *values)

    def send(self, content, buffers=None):
        """Send a custom message to the page, as in `ipywidgets.Widget`."""
        self.as_heard(super().send, content, buffers)

    def begin(self, source: str, *, camera: str | None = None, max_fps: float | None = None, side: int = 640) -> None:
        """Begin to show frames; source "browser" makes the page open its camera (an id, None for any).

        side: longer frames of the browser's camera are made this small, pixels; max_fps: more are left out
        """
        with self._lock:
            self._session, self._owner, self._source, self._out = self._session + 1, None, source, {}
        self.measured, self.heard, self.skipped = {}, time.monotonic(), 0
        self._say("start", source=source, camera=camera, max_fps=max_fps, side=side)

    def end(self, words: str = "") -> None:
        """Stop: the page turns its camera off, and frames that still come are no one's."""
        self._say("stop", words=words)
        with self._lock:
            self._session, self._source = self._session + 1, None

    def answer(self, key: tuple, faces: Sequence[Face], moods: Sequence[Mood | None], shown: np.ndarray | None = None):
        """Send what was found in a frame of the browser; shown: the frame (h, w, 3) as it is to be seen instead."""
        self._say("result", key, faces, moods, [] if shown is None else [to_jpeg(shown)])

    def drop(self, key: tuple) -> None:
        """Tell that nothing was looked for in a frame of the browser."""
        self._say("drop", key)

    def push(self, frame: np.ndarray, faces: Sequence[Face], moods: Sequence[Mood | None], *, spent: float) -> bool:
        """Show a frame (h, w, 3) of the kernel's own source, spent seconds old; False when the browser is behind."""
        now = time.monotonic()
        with self._lock:
            self._out = {number: left for number, left in self._out.items() if now - left < LOST}
            if len(self._out) >= WINDOW:
                self.skipped += 1
                return False
            self._count += 1
            self._out[self._count] = now
            key = (self._session, self._count)
        self._say("frame", key, faces, moods, [to_jpeg(frame)], spent=1000 * spent)
        return True

    def tell(self, **readout) -> None:
        """Send what the page shows beside its own measurements; it is also the kernel's sign of life."""
        self._say("readout", **readout)

    def offer(self, path: Path, *, seconds: float | None = None) -> None:
        """Offer a file that was written, a recording (with its length) or a snapshot, to look at and to download."""
        kind, mime = KINDS[path.suffix]
        self._files[path.name] = path, mime
        entry = {"name": path.name, "path": str(path), "kind": kind, "size": path.stat().st_size, "seconds": seconds}
        saved = [entry, *(old for old in self.saved if old["name"] != path.name)][:3]
        self.as_heard(setattr, self, "saved", saved)

    def _say(self, kind, key=None, faces=None, moods=(), buffers=(), **content):
        session, number = key or (self._session, None)
        content |= {"type": kind, "session": session, "id": number}
        if faces is not None:
            content["faces"] = [
                {"box": np.round(face.box, 1).tolist(), "points": len(face.keypoints), **_told(mood)}
                for face, mood in zip(faces, moods, strict=True)
            ]
            points = [np.asarray(face.keypoints, "<f4").ravel() for face in faces]
            buffers = [np.concatenate(points).tobytes() if points else b"", *buffers]
        self.send(content, buffers=list(buffers))

    # -- from the browser: the page may be another's, so nothing that comes is trusted

    def _heard_message(self, _, content, buffers):
        self._context = copy_context()
        kind = content.get("type") if isinstance(content, dict) else None
        try:
            if kind not in ANY_TIME and (kind not in OF_A_SESSION or content["session"] != self._session):
                raise ValueError
            getattr(self, f"_on_{kind}")(content, buffers)
        except (KeyError, TypeError, ValueError, OverflowError):
            self.garbage += kind != "frame" or content.get("session") == self._session

    def _on_hello(self, content, buffers):
        self._on["hello"]()

    def _on_opened(self, content, buffers):
        with self._lock:
            first = self._owner is None
            self._owner = content["client"] if first else self._owner
        self.heard = time.monotonic()
        if not first and content["client"] != self._owner:
            self._say("stop", client=content["client"], words="The camera is open in another page.")

    def _on_frame(self, content, buffers):
        key = self._session, int(content["id"])
        if len(buffers) != 1 or not 0 < len(buffers[0]) <= LARGEST:
            self.drop(key)
            raise ValueError
        if self._source == "browser" and self._owner in (None, content["client"]):
            self.heard = time.monotonic()
            self._on["frame"](bytes(buffers[0]), key)

    def _on_ack(self, content, buffers):
        self.heard = time.monotonic()
        with self._lock:
            self._out.pop(int(content["id"]), None)

    def _on_seen(self, content, buffers):
        names = ("fps", "p50", "p95", "drawn", "dropped", "lost")
        self.measured = {name: None if content[name] is None else float(content[name]) for name in names}

    def _on_stop(self, content, buffers):
        self._on["stop"](str(content["words"])[:300])

    def _on_trouble(self, content, buffers):
        self._on["trouble"](str(content["words"])[:300])

    def _on_cameras(self, content, buffers):
        self._on["cameras"]([(str(name)[:80], str(identity)) for name, identity in content["cameras"]][:20])

    def _on_fetch(self, content, buffers):
        path, mime = self._files[content["name"]]  # nothing but what was offered
        offset = max(0, int(content["offset"]))
        try:
            with path.open("rb") as file:
                size = path.stat().st_size
                file.seek(offset)
                part = file.read(CHUNK)
        except OSError as error:
            self.status = f"{path}: cannot be read ({error.strerror})"
            self.saved = [file for file in self.saved if file["name"] != path.name]
            return
        message = {"type": "chunk", "client": content["client"], "name": path.name, "mime": mime, "offset": offset}
        self.send(message | {"size": size}, buffers=[part])


def _told(mood: Mood | None) -> dict:
    if mood is None:
        return {"label": None}
    return {"label": mood.label, "reason": mood.reason, "valence": mood.valence, "scales": mood.scales}


def to_jpeg(frame: np.ndarray, quality: int = 80) -> bytes:
    """Return an RGB frame (h, w, 3) as the bytes of a JPEG."""
    return cv2.imencode(".jpg", frame[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
