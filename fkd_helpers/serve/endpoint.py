"""An HTTP endpoint for the network: a photo in, the faces and their keypoints out as JSON."""

import asyncio
import io
import os
import re
import socket
from dataclasses import dataclass, field

from PIL import Image

from fkd_helpers.core.errors import InputError
from fkd_helpers.faces.images import read_photo
from fkd_helpers.predict import KeypointPredictor
from fkd_helpers.predict.folder import plain_face

try:
    from fastapi import FastAPI, HTTPException, Request
    from starlette.requests import ClientDisconnect
    from uvicorn import Config, Server
    from uvicorn.protocols.http.h11_impl import H11Protocol
except ImportError:
    raise InputError("serve: needs FastAPI and uvicorn: pip install 'fkd-helpers[serve]'") from None

TYPES = "image/jpeg, image/png or another image type, or multipart/form-data with a file"
USAGE = "POST a photo to /predict: curl --data-binary @photo.jpg -H 'Content-Type: image/jpeg' ADDRESS/predict"
WAITING = 64  # connections; further ones are answered with 503


@dataclass(frozen=True)
class Limits:
    """What a client may send: bytes and pixels of a photo, and the seconds that it may take to send it."""

    max_bytes: int = field(default=10_000_000, metadata={"help": "larger bodies are refused"})
    max_pixels: int = field(default=25_000_000, metadata={"help": "larger photos are refused before they are decoded"})
    timeout: float = field(default=10.0, metadata={"help": "seconds in which a body must arrive"})


def make_app(predictor: KeypointPredictor, limits: Limits) -> FastAPI:
    """Return the endpoint: POST /predict, and GET / for how to use it."""
    app = FastAPI(title="Facial keypoints", docs_url=None, redoc_url=None)  # both pages load scripts from elsewhere
    workers = asyncio.Semaphore(os.cpu_count() or 1)  # predictions at once

    @app.get("/")
    def usage() -> dict:
        return {"usage": USAGE, "keypoints": predictor.runner.keypoints, "limits": vars(limits)}

    @app.post("/predict")
    async def predict(request: Request) -> dict:
        kind = request.headers.get("content-type", "")
        if not kind.lower().startswith(("image/", "multipart/form-data")):
            raise HTTPException(415, f"Content-Type: expected {TYPES}, got {kind or 'none'}")
        body = await _read(request, limits)
        photo = body if kind.lower().startswith("image/") else _first_file(kind, body)
        async with workers:
            return await asyncio.to_thread(_faces, photo, predictor, limits)

    return app


async def _read(request: Request, limits: Limits) -> bytes:
    """Return the body of a request, unless it is too large, too slow or cut off."""
    too_large = HTTPException(413, f"body: expected at most {limits.max_bytes:,} bytes")
    length = request.headers.get("content-length", "0")
    if length.isdigit() and int(length) > limits.max_bytes:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(limits.timeout):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limits.max_bytes:
                    raise too_large
    except TimeoutError:
        raise HTTPException(408, f"body: expected all of it within {limits.timeout:g} s, got {len(body):,}") from None
    except ClientDisconnect:
        raise HTTPException(400, f"body: ended after {len(body):,} of {length} bytes") from None
    return bytes(body)


def _first_file(kind: str, body: bytes) -> bytes:
    """Return the first file of a multipart form."""
    boundary = re.search(r'boundary="?([^";]+)', kind)
    for part in body.split(b"--" + boundary[1].encode())[1:] if boundary else ():
        head, _, content = part.partition(b"\r\n\r\n")
        if b"filename=" in head.lower():
            return content.removesuffix(b"\r\n")
    raise HTTPException(400, "form: expected a part with a file, as curl -F photo=@photo.jpg sends it, got none")


def _faces(photo: bytes, predictor: KeypointPredictor, limits: Limits) -> dict:
    """Return the size of a photo and its faces, in pixels of the photo as it is displayed."""
    try:
        with Image.open(io.BytesIO(photo)) as header:  # reads no pixel yet
            width, height = header.size
    except (OSError, SyntaxError, ValueError):
        width = height = 0  # read_photo knows the reason, or another decoder
    if width * height > limits.max_pixels:
        expected = f"at most {limits.max_pixels / 1e6:g} megapixels"
        raise HTTPException(413, f"photo: expected {expected}, got {width}x{height} pixels")
    try:
        frame = read_photo(photo)
    except InputError as error:
        raise HTTPException(400, str(error)) from None
    return {"width": frame.shape[1], "height": frame.shape[0], "faces": list(map(plain_face, predictor(frame)))}


class _Impatient(H11Protocol):
    """HTTP that closes a connection on which no whole request head has come in time."""

    def connection_made(self, transport):
        super().connection_made(transport)
        # asyncio does this only where it made the listener itself; else the body waits 40 ms for the head's receipt
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.loop.call_later(self.config.timeout_keep_alive, lambda: self.cycle is None and transport.close())


def make_server(app: FastAPI, limits: Limits, *, host: str = "127.0.0.1", port: int = 8000) -> tuple:
    """Return a uvicorn server and its open socket, of which port 0 takes any that is free: `server.run([socket])`."""
    try:
        listener = socket.create_server((host, port))
    except (OSError, OverflowError) as error:  # the second: no such port
        raise InputError(f"--host {host} --port {port}: {getattr(error, 'strerror', None) or error}") from None
    keep_alive = max(1, round(limits.timeout))
    config = Config(app, http=_Impatient, timeout_keep_alive=keep_alive, limit_concurrency=WAITING, log_level="warning")
    return Server(config), listener


def serve(
    *, host: str = "127.0.0.1", port: int = 8000, model: str = "small", detector: str = "ours", **limits: Limits
) -> None:
    """Answer photos with faces and keypoints over HTTP, until Ctrl+C.

    Args:
        host: address to listen at; 0.0.0.0 lets other machines ask
        port: port to listen at
        model: a model that ships, or a path to .onnx or .safetensors
        detector: ours, or haar
    """
    predictor = KeypointPredictor(model, detector=detector)
    server, listener = make_server(make_app(predictor, limits), limits, host=host, port=port)
    print(f"listening at http://{host}:{listener.getsockname()[1]}; {USAGE}", flush=True)
    server.run([listener])
